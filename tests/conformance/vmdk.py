"""VMDK: images that qemu-img made read as it reads them, in every subformat, size and chain."""


import os
import shutil

from conformance.checks import (ISOLATIONS, as_qemu, convert_raw, differing_fields, info_human,
                                info_json, parse, remove)
from conformance.images import GIB, KIB, MIB, Image, Maker, noise, prose
from harness import Group, first_difference

SUBFORMATS = ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
              "streamOptimized")

# name -> (size, pieces of a raw file). Sizes are whole sectors, as all but qcow2 and raw have them.
CONTENTS = {
    "one-sector": (512, ((0, b"x" * 512),)),
    "empty": (MIB, ()),
    "dense": (700 * KIB, ((0, noise(1, 700 * KIB)),)),
    "odd": (3 * MIB + 1536, ((0, prose(2, 90_000)), (MIB + 777, noise(3, 70_000)),
                             (3 * MIB, noise(4, 1536)))),
    "tables": (70 * MIB, ((0, b"a" * 5000), (32 * MIB - 512, noise(5, 1024)),
                          (64 * MIB, prose(6, 200_000)), (70 * MIB - 1, b"z"))),
    "beyond-2g": (4 * GIB + 70 * KIB, ((2 * GIB - 4 * KIB, noise(7, 8 * KIB)),
                                       (4 * GIB, prose(8, 70 * KIB)))),
}


def of_content(subformat, content):
    size, pieces = CONTENTS[content]

    def make(m):
        m.sparse("source.raw", size, *pieces)
        m.qemu_img("convert", "-O", "vmdk", "-o", f"subformat={subformat}", "source.raw", "x.vmdk")

    return Image(f"vmdk-{subformat}-{content}", make, file="x.vmdk", size=size)


def written_by_io():
    def zeroed(m):
        m.qemu_img("create", "-q", "-f", "vmdk", "-o", "zeroed_grain=on", "x.vmdk", "2M")
        m.io("write -P 1 0 100k", "write -z 64k 64k", "write -z 1M 128k", "write -P 2 1M 512",
             file="x.vmdk")

    yield Image("vmdk-zeroed-grain", zeroed, file="x.vmdk", size=2 * MIB)

    def out_of_order(m):
        m.qemu_img("create", "-q", "-f", "vmdk", "x.vmdk", "40M")
        m.io("write -P 3 33M 128k", "write -P 2 5M 64k", "write -P 1 64k 64k",
             "write -P 4 5056k 64k", file="x.vmdk")

    yield Image("vmdk-grains-out-of-order", out_of_order, file="x.vmdk", size=40 * MIB)

    def split(m):
        m.qemu_img("create", "-q", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", "x.vmdk",
                   "6G")
        m.io("write -P 3 4194300k 8k", "write -P 1 0 4k", "write -P 2 6291452k 4k", file="x.vmdk")

    yield Image("vmdk-split-written", split, file="x.vmdk", size=6 * GIB)

    def adapter(m):
        m.qemu_img("create", "-q", "-f", "vmdk", "-o", "adapter_type=lsilogic,hwversion=11,"
                   "toolsversion=10246", "x.vmdk", "1M")

    yield Image("vmdk-adapter", adapter, file="x.vmdk", size=MIB)

    def compat6(m):
        m.qemu_img("create", "-q", "-f", "vmdk", "-o", "compat6=on", "x.vmdk", "1M")

    yield Image("vmdk-compat6", compat6, file="x.vmdk", size=MIB)


def chains():
    for base, options in (("monolithicSparse", ""), ("monolithicFlat", ""),
                          ("twoGbMaxExtentSparse", ",zeroed_grain=on")):
        def make(m, base=base, options=options):
            m.sparse("base.raw", 2 * MIB, (0, prose(4, MIB)))
            m.qemu_img("convert", "-O", "vmdk", "-o", f"subformat={base}", "base.raw", "base.vmdk")
            m.qemu_img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk", "mid.vmdk")
            m.io("write -P 1 100k 100k", file="mid.vmdk")
            m.qemu_img("create", "-q", "-f", "vmdk", "-b", "mid.vmdk", "-F", "vmdk",
                       *(["-o", options.strip(",")] if options else []), "x.vmdk")
            m.io("write -P 2 1M 70k", "write -z 128k 64k", file="x.vmdk")

        yield Image(f"vmdk-chain-{base}", make, file="x.vmdk", size=2 * MIB, chain=True)

    def below_qcow2(m):
        m.sparse("base.raw", 2 * MIB, (0, prose(4, MIB)))
        m.qemu_img("convert", "-O", "vmdk", "-o", "subformat=streamOptimized", "base.raw",
                   "base.vmdk")
        m.create(size=3 * MIB, backing="base.vmdk", backing_format="vmdk")
        m.io("write -P 1 100k 100k")

    yield Image("vmdk-below-qcow2", below_qcow2, size=3 * MIB, chain=True)


def images():
    for subformat in SUBFORMATS:
        for content in CONTENTS:
            yield of_content(subformat, content)
    yield from written_by_io()
    yield from chains()


def info_agrees(t, image, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    arguments = ["info", as_qemu(t), "--output=json", image.file]
    plain = t.succeeded(t.instar(*arguments))
    t.equal(t.succeeded(t.instar(*arguments, how)).out, plain.out, "info differs by isolation")


def raw_agrees(t, image, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    try:
        t.made_by_qemu_img("convert", "-O", "raw", image.file, "want.raw")
        t.succeeded(t.instar("convert", how, "-O", "raw", image.file, "got.raw"))
        difference = first_difference(t.dir / "got.raw", t.dir / "want.raw")
        t.check(difference is None, f"raw bytes: {difference}")
    finally:
        remove(t, "got.raw", "want.raw")


# Options of `convert -O vmdk`; `{base}` is a vmdk image below.
TARGETS = [
    *((f"subformat={subformat}",) for subformat in SUBFORMATS),
    ("subformat=monolithicSparse", "zeroed_grain=on"),
    ("subformat=streamOptimized", "adapter_type=lsilogic", "hwversion=14"),
    ("subformat=twoGbMaxExtentFlat", "preallocation=falloc"),
    ("compat6=on", "toolsversion=10246"),
]


def files_of(t, stem):
    return sorted(path for path in t.dir.iterdir() if path.name.startswith(stem))


def without_identity(report):
    """What must be equal whoever wrote the image."""
    report.pop("actual-size")
    data = report["format-specific"]["data"]
    data.pop("cid")
    return report


def written(t, content, options):
    """qemu-img reads the same disk from what Instar wrote, in files no larger than its own."""
    size, pieces = CONTENTS[content]
    Maker(t).sparse("source.raw", size, *pieces)
    try:
        arguments = ["convert", "-O", "vmdk", "-o", ",".join(options), "source.raw"]
        os.mkdir(t.dir / "want")
        t.made_by_qemu_img(*arguments, "want/disk.vmdk")
        t.succeeded(t.instar(*arguments, "disk.vmdk"))
        checked = t.qemu_img("check", "disk.vmdk")
        t.check(checked.code == 0, "qemu-img check finds fault", checked)
        compared = t.qemu_img("compare", "-f", "raw", "-F", "vmdk", "source.raw", "disk.vmdk")
        t.check(compared.code == 0, "qemu-img compare sees a difference", compared)
        got = parse(t, t.qemu_img("info", "--output=json", "disk.vmdk"))
        want = parse(t, t.qemu_img("info", "--output=json", "disk.vmdk", cwd=t.dir / "want"))
        differing = differing_fields(without_identity(got), without_identity(want))
        t.check(not differing, f"fields differ (got, want): {differing}")
        names = [path.name for path in files_of(t, "disk")]
        t.equal(names, sorted(os.listdir(t.dir / "want")), "files differ")
        for name in names:
            ours, theirs = os.stat(t.dir / name), os.stat(t.dir / "want" / name)
            room = max(theirs.st_size * 1.01, theirs.st_size + 4096)
            t.check(ours.st_size <= room, f"{name}: {ours.st_size}, qemu-img's is {theirs.st_size}")
        read_back = t.instar("convert", "-O", "raw", "disk.vmdk", "got.raw")
        t.succeeded(read_back)
        difference = first_difference(t.dir / "got.raw", t.dir / "source.raw")
        t.check(difference is None, f"read back: {difference}", read_back)
    finally:
        clear(t)


def clear(t):
    shutil.rmtree(t.dir / "want", ignore_errors=True)
    remove(t, "source.raw", "got.raw", "out", *(path.name for path in files_of(t, "disk")))


def isolation_writes(t, options, isolation):
    """The same bytes from every executor."""
    size, pieces = CONTENTS["odd"]
    Maker(t).sparse("source.raw", size, *pieces)
    try:
        os.mkdir(t.dir / "want")
        arguments = ["convert", "--reproducible", "-O", "vmdk", "-o", ",".join(options), "source.raw"]
        t.succeeded(t.instar(*arguments, "want/disk.vmdk"))
        how = f"--isolation={t.tools.isolation(isolation)}"
        t.succeeded(t.instar(*arguments, how, "disk.vmdk"))
        for path in files_of(t, "disk"):
            difference = first_difference(path, t.dir / "want" / path.name)
            t.check(difference is None, f"{path.name} differs by isolation: {difference}")
    finally:
        clear(t)


def overlay_written(t, options):
    """A child of a vmdk image, that qemu-img reads with it."""
    try:
        m = Maker(t)
        m.sparse("base.raw", 2 * MIB, (0, prose(4, MIB)))
        m.qemu_img("convert", "-O", "vmdk", "base.raw", "disk-base.vmdk")
        m.create(size=2 * MIB, backing="disk-base.vmdk", backing_format="vmdk")
        m.io("write -P 1 100k 200k", "write -z 512k 128k", "write -P 3 2047k 1k")
        t.succeeded(t.instar("convert", "-O", "vmdk", "-o", options, "-B", "disk-base.vmdk", "-F",
                             "vmdk", "x.qcow2", "disk.vmdk"))
        compared = t.qemu_img("compare", "-F", "vmdk", "x.qcow2", "disk.vmdk")
        t.check(compared.code == 0, "qemu-img compare sees a difference", compared)
        info = parse(t, t.qemu_img("info", "--output=json", "disk.vmdk"))
        t.equal(info["backing-filename"], "disk-base.vmdk", "the parent")
    finally:
        clear(t)
        remove(t, "base.raw", "x.qcow2")


def damaged_footer(t):
    """What an interrupted stream leaves is refused, not read as zeros."""
    size, pieces = CONTENTS["odd"]
    Maker(t).sparse("source.raw", size, *pieces)
    try:
        t.succeeded(t.instar("convert", "-O", "vmdk", "-o", "subformat=streamOptimized",
                             "source.raw", "disk.vmdk"))
        os.truncate(t.dir / "disk.vmdk", os.stat(t.dir / "disk.vmdk").st_size - 512)
        for arguments in (["info", "disk.vmdk"], ["convert", "-O", "raw", "disk.vmdk", "got.raw"]):
            t.refused(t.instar(*arguments))
    finally:
        clear(t)


def named_otherwise(t, subformat):
    """The file is its only extent, whatever path the writer put into the descriptor."""
    size, pieces = CONTENTS["odd"]
    Maker(t).sparse("source.raw", size, *pieces)
    try:
        t.made_by_qemu_img("convert", "-O", "vmdk", "-o", f"subformat={subformat}", "source.raw",
                           "disk.vmdk")
        image = (t.dir / "disk.vmdk").read_bytes()
        t.equal(image.count(b'SPARSE "disk.vmdk"'), 1, "names of the extent")
        (t.dir / "disk.vmdk").write_bytes(image.replace(b'"disk.vmdk"', b'"etc/hosts"'))
        t.succeeded(t.instar("convert", "-O", "raw", "disk.vmdk", "got.raw"))
        t.equal(first_difference(t.dir / "got.raw", t.dir / "source.raw"), None, "the disk")
        t.succeeded(t.instar("info", "--no-references", "disk.vmdk"))
    finally:
        clear(t)


REFUSED = {
    "an unknown subformat": ["-o", "subformat=thick"],
    "an unknown adapter": ["-o", "adapter_type=nvme"],
    "compat6 with hwversion": ["-o", "compat6=on,hwversion=7"],
    "zeroed grains of a flat image": ["-o", "subformat=monolithicFlat,zeroed_grain=on"],
    "a parent of a flat image": ["-o", "subformat=monolithicFlat", "-B", "base.vmdk", "-F", "vmdk"],
    "a parent of another format": ["-B", "base.qcow2", "-F", "qcow2"],
}


def furnish_refused(t):
    m = Maker(t)
    m.sparse("source.raw", MIB, (0, b"x"))
    m.qemu_img("create", "-q", "-f", "vmdk", "base.vmdk", "1M")
    m.qemu_img("create", "-q", "-f", "qcow2", "base.qcow2", "1M")


def refused(t, options):
    for program in (t.qemu_img, t.instar):
        outcome = program("convert", "-O", "vmdk", *options, "source.raw", "disk.vmdk")
        t.check(outcome.code == 1, "should be refused", outcome)
        if program is t.qemu_img:
            clear_only_disk(t)
    t.check(not files_of(t, "disk"), "a target is left", outcome)


def clear_only_disk(t):
    remove(t, *(path.name for path in files_of(t, "disk")))


def writing():
    group = Group("conformance/vmdk-written", lambda t: None)
    for options in TARGETS:
        big = len(options) == 1 and "subformat" in options[0]
        for content in CONTENTS:
            if big or content in ("odd", "one-sector"):
                group.add(f"{','.join(options)} {content}", written, content, options)
    for options in TARGETS[:len(SUBFORMATS)]:
        for isolation in ISOLATIONS:
            group.add(f"{options[0]} isolation {isolation}", isolation_writes, options, isolation)
    for options in ("zeroed_grain=off", "zeroed_grain=on", "subformat=twoGbMaxExtentSparse",
                    "subformat=streamOptimized", "subformat=streamOptimized,zeroed_grain=on"):
        group.add(f"child {options}", overlay_written, options)
    group.add("a stream without its end is refused", damaged_footer)
    for subformat in ("monolithicSparse", "streamOptimized"):
        group.add(f"{subformat} names its extent otherwise", named_otherwise, subformat)
    yield group
    group = Group("conformance/vmdk-refused", furnish_refused)
    for name, options in REFUSED.items():
        group.add(name, refused, options)
    yield group


def group_of(image):
    group = Group(f"conformance/{image.name}", lambda t: image.make(Maker(t)))
    group.add("info json", info_json, image)
    group.add("info human", info_human, image)
    if image.chain:
        group.add("info chain json", info_json, image, "--backing-chain")
        group.add("info chain human", info_human, image, "--backing-chain")
    group.add("raw", convert_raw, image)
    if image.name.endswith("-odd") or image.chain:
        for isolation in ISOLATIONS:
            group.add(f"info isolation {isolation}", info_agrees, image, isolation)
            group.add(f"raw isolation {isolation}", raw_agrees, image, isolation)
    return group


def groups():
    return [*(group_of(image) for image in images()), *writing()]
