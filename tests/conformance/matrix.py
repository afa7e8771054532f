"""Every format from every other: what Instar writes is the disk it read, as qemu-img reads both.

A source is made by qemu-img and by Instar in turn, and converted to every target; qemu-img compares
the target with the raw disk that the source was made from. Sizes at the ends of the range, which the
matrix would be slow with, stand in groups of their own.
"""

import json
import os

from conformance.checks import remove
from conformance.images import GIB, KIB, MIB, TIB, Maker, noise, prose
from harness import Group, data_runs, first_difference

# name -> (size, pieces of a raw file)
CONTENTS = {
    "empty": (2 * MIB, ()),
    "dense": (MIB, ((0, noise(1, MIB)),)),
    "sparse": (4 * MIB, ((0, b"a" * 512), (100_000, prose(2, 200_000)), (2 * MIB - 512, noise(3, KIB)),
                         (4 * MIB - 4 * KIB, noise(4, 4 * KIB)))),
    "odd": (1_000_001, ((1000, noise(5, 300_000)), (999_000, prose(6, 1001)))),
}

# name -> (format, options of convert)
KINDS = {
    "raw": ("raw", ()),
    "qcow2": ("qcow2", ()),
    "qcow2-compressed": ("qcow2", ("-c",)),
    "qcow2-subclusters": ("qcow2", ("-o", "extended_l2=on,cluster_size=16k")),
    **{f"vmdk-{subformat}": ("vmdk", ("-o", f"subformat={subformat}"))
       for subformat in ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse",
                         "twoGbMaxExtentFlat", "streamOptimized")},
    "vpc-dynamic": ("vpc", ()),
    "vpc-fixed": ("vpc", ("-o", "subformat=fixed")),
    "vpc-forced": ("vpc", ("-o", "force_size=on")),
    "vhdx-dynamic": ("vhdx", ()),
    "vhdx-fixed": ("vhdx", ("-o", "subformat=fixed")),
    "vhdx-1m": ("vhdx", ("-o", "block_size=1M")),
}


# Written, but as a source like others.
TARGETS = {**KINDS, "qcow2-compressed-subclusters": ("qcow2", ("-c", "-o", "extended_l2=on"))}


def source_of(content, kind, by_instar):
    form, options = KINDS[kind]

    def make(t):
        size, pieces = CONTENTS[content]
        Maker(t).sparse("disk.raw", size, *pieces)
        arguments = ["convert", "-f", "raw", "-O", form, *options, "disk.raw", f"source.{form}"]
        if by_instar:
            t.succeeded(t.instar(*arguments))
        else:
            t.made_by_qemu_img(*arguments)

    return make


def remove_image(t, stem):
    """The image and the extents beside it."""
    remove(t, *(path.name for path in t.dir.iterdir() if path.name.startswith(stem)))


def converted(t, source_form, kind):
    form, options = TARGETS[kind]
    # Of a raw disk the content could look like anything; all else is recognised.
    stated = ["-f", "raw"] if source_form == "raw" else []
    try:
        outcome = t.succeeded(t.instar("convert", *stated, "-O", form, *options,
                                       f"source.{source_form}", f"target.{form}"))
        compared = t.qemu_img("compare", "-f", "raw", "-F", form, "disk.raw", f"target.{form}")
        t.check(compared.code == 0, "qemu-img compare sees a difference", outcome, compared)
        if form == "raw":
            t.equal(os.stat(t.dir / "target.raw").st_size, virtual_size(t, source_form),
                    "length of the raw file", outcome)
    finally:
        remove_image(t, "target.")
        remove_image(t, "target-")


def virtual_size(t, form):
    return json.loads(t.made_by_qemu_img("info", "--output=json", "-f", form,
                                         f"source.{form}").text)["virtual-size"]


# -- the ends of the range ------------------------------------------------------------------------

SMALL_SIZES = (0, 1, 512, 513)


def of_size(t, kind, size):
    """As large as qemu-img makes it, and with the same content.

    Disks of no size qemu-img does not open in every format, not even to convert to them.
    """
    form, options = KINDS[kind]
    Maker(t).file("disk.raw", noise(size, size))
    try:
        arguments = ["convert", "-f", "raw", "-O", form, *options, "disk.raw"]
        want = t.qemu_img(*arguments, f"want.{form}")
        t.check(want.code == 0 or size == 0, "the generator failed", want)
        t.succeeded(t.instar(*arguments, f"target.{form}"))
        sizes = [json.loads(t.succeeded(t.instar("info", "--output=json", "-f", form,
                                                 f"{who}.{form}")).text)["virtual-size"]
                 for who in ("target", *(["want"] if want.code == 0 else []))]
        t.equal(sizes[0], sizes[1] if want.code == 0 else 0, "virtual size")
        t.succeeded(t.instar("convert", "-f", form, "-O", "raw", f"target.{form}", "got.raw"))
        t.equal((t.dir / "got.raw").read_bytes().rstrip(b"\0"),
                noise(size, size).rstrip(b"\0"), "content")
        if want.code != 0:
            return
        compared = t.qemu_img("compare", "-f", "raw", "-F", form, "disk.raw", f"target.{form}")
        t.check(compared.code == 0, "qemu-img compare sees a difference", compared)
    finally:
        for stem in ("target", "want", "got", "disk"):
            remove_image(t, stem)


# Beyond 2 TiB, but VHD, which ends before; monolithicSparse of more takes tables of half a GiB.
LARGE = {"raw": 3 * TIB, "qcow2": 3 * TIB + 512, "qcow2-compressed": 2 * TIB + 512,
         "qcow2-subclusters": 2 * TIB, "vmdk-monolithicSparse": 100 * GIB,
         "vmdk-monolithicFlat": 3 * TIB, "vmdk-twoGbMaxExtentFlat": 21 * GIB,
         "vmdk-twoGbMaxExtentSparse": 21 * GIB, "vmdk-streamOptimized": 2 * TIB + 512,
         "vpc-dynamic": 2039 * GIB, "vpc-fixed": 2039 * GIB, "vhdx-dynamic": 15 * TIB,
         "vhdx-1m": 3 * TIB}


def large(t, kind):
    """Data at both ends and in the middle; qemu-io reads them there, and Instar all of it."""
    form, options = KINDS[kind]
    size = LARGE[kind]
    places = (0, size // 3 // 4096 * 4096, size - 4096)
    Maker(t).sparse("disk.raw", size, *((at, b"\x5a" * 4096) for at in places))
    try:
        t.succeeded(t.instar("convert", "-f", "raw", "-O", form, *options, "disk.raw",
                             f"target.{form}"))
        info = json.loads(t.made_by_qemu_img("info", "--output=json", "-f", form,
                                             f"target.{form}").text)
        t.check(size <= info["virtual-size"] < size + GIB, f"virtual size {info['virtual-size']}")
        t.qemu_io(f"target.{form}", *(f"read -P 0x5a {at} 4096" for at in places),
                  *(f"read -P 0 {at} 4096" for at in (4096, size // 2 // 512 * 512, size - 8192)),
                  format=form, options=["-r"])
        t.succeeded(t.instar("convert", "-f", form, "-O", "raw", f"target.{form}", "got.raw"))
        with open(t.dir / "got.raw", "rb+") as file:
            stored = sum(end - start for start, end in data_runs(file.fileno(), size))
            file.truncate(size)  # what a geometry added
        t.check(stored < 16 * MIB, f"{stored} bytes are stored for {3 * 4096} of data")
        difference = first_difference(t.dir / "got.raw", t.dir / "disk.raw")
        t.check(difference is None, f"raw bytes: {difference}")
    finally:
        for stem in ("target", "got", "disk"):
            remove_image(t, stem)


def groups():
    found = []
    for content_number, content in enumerate(CONTENTS):
        for number, (kind, (form, _)) in enumerate(KINDS.items()):
            by_instar = (number + content_number) % 2 == 1
            group = Group(f"matrix/{content}/from {kind}", source_of(content, kind, by_instar))
            for target in TARGETS:
                group.add(f"to {target}", converted, form, target)
            found.append(group)
    small = Group("matrix/sizes")
    for kind in KINDS:
        for size in SMALL_SIZES:
            small.add(f"{kind} of {size}", of_size, kind, size)
    huge = Group("matrix/large")
    for kind in LARGE:
        huge.add(kind, large, kind)
    return [*found, small, huge]
