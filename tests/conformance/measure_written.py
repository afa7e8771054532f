"""The figures of `measure` are the lengths of the files that `convert` and `create` then write.

qemu-img measures raw and qcow2 only (measure.py holds those against it). For the others the judge is
the file itself: all files of the image together. Two things are known only when the image is written.
How far the grains of a streamOptimized image compress: the figure is the most they can take. And the
name of a divided image, which its descriptor repeats for each of its files: the figure is for a name
like disk.vmdk.
"""

from conformance.checks import parse, remove
from conformance.images import GIB, KIB, MIB, TIB, Maker, noise, prose
from conformance.matrix import KINDS, remove_image
from harness import Group

TARGETS = {kind: KINDS[kind] for kind in KINDS
           if KINDS[kind][0] in ("vmdk", "vpc", "vhdx") or kind in ("raw", "qcow2")}
SOURCES = [kind for kind in KINDS if kind not in ("vmdk-twoGbMaxExtentFlat", "vpc-forced")]

# Data in whole pieces of every format's unit (2 MiB in a VHD), so that each counts the same.
CONTENTS = {
    "empty": (4 * MIB, ()),
    "dense": (2 * MIB, ((0, noise(1, 2 * MIB)),)),
    "half": (6 * MIB, ((2 * MIB, noise(2, 2 * MIB)),)),
}
SIZES = {"0": 0, "1": 1, "512": 512, "1000001": 1_000_001, "3M": 3 * MIB, "3G": 3 * GIB,
         "1.5T": 3 * TIB // 2}


def bounded(kind):
    """Whether the figure is the most that the image can take: qcow2's, as qemu-img has it, counts
    metadata for all of the disk."""
    return kind in ("vmdk-streamOptimized", "qcow2")


def exact(source, content):
    """Whether what the source holds is data or no data as its content is. In a fixed VHDX every block
    is there; a fixed VHD's last bytes share a block of the file system with the footer."""
    return source not in ("vhdx-fixed", "vpc-fixed") and (source, content) != ("vhdx-dynamic", "half")


def told(t, kind, *arguments):
    form, options = KINDS[kind]
    return parse(t, t.succeeded(t.instar("measure", "--output=json", "-O", form, *options,
                                         *arguments)))


def written_bytes(t):
    return sum(path.stat().st_size for path in t.dir.iterdir()
               if path.name.startswith(("disk.", "disk-")))


def clear(t):
    remove_image(t, "disk.")
    remove_image(t, "disk-")


def holds(t, kind, figure, written, equal):
    if bounded(kind) or not equal:
        t.check(written <= figure, f"{written} bytes are written, {figure} were told")
    else:
        t.equal(figure, written, "figure (got) and bytes written (want)")


def of_image(t, kind, source, equal, options=()):
    form, target_options = KINDS[kind]
    figures = told(t, kind, *options, source)
    try:
        t.succeeded(t.instar("convert", *options, "-O", form, *target_options, source,
                             f"disk.{form}"))
        holds(t, kind, figures["required"], written_bytes(t), equal)
        t.check(figures["required"] <= figures["fully-allocated"], f"figures: {figures}")
    finally:
        clear(t)


def fully_allocated(t, kind, size):
    """The second figure is what a disk of nothing but data takes, in the size the format gives it."""
    form, options = KINDS[kind]
    figure = told(t, kind, "--size", str(size))["fully-allocated"]
    try:
        t.succeeded(t.instar("create", "-q", "-f", form, *options, f"disk.{form}", str(size)))
        rounded = parse(t, t.succeeded(t.instar("info", "--output=json", "-f", form,
                                                f"disk.{form}")))["virtual-size"]
        clear(t)
        Maker(t).file("full.raw", noise(size, rounded))
        t.succeeded(t.instar("convert", "-f", "raw", "-O", form, *options, "full.raw",
                             f"disk.{form}"))
        holds(t, kind, figure, written_bytes(t), True)
    finally:
        clear(t)
        remove(t, "full.raw")


def of_size(t, kind, size):
    """What create makes is as long as measure says of an empty disk."""
    form, options = KINDS[kind]
    figures = told(t, kind, "--size", str(size))
    try:
        t.succeeded(t.instar("create", "-q", "-f", form, *options, f"disk.{form}", str(size)))
        holds(t, kind, figures["required"], written_bytes(t), True)
    finally:
        clear(t)


def of_another_name(t, kind, source):
    """A letter more of the name is a byte more for each extent."""
    form, options = KINDS[kind]
    figure = told(t, kind, source)["required"]
    try:
        t.succeeded(t.instar("convert", "-O", form, *options, source, "disk-of-a-long-name.vmdk"))
        extents = len([path for path in t.dir.iterdir() if path.name.startswith("disk-of-")]) - 1
        t.equal(written_bytes(t) - figure, extents * len("-of-a-long-name"), "bytes more")
    finally:
        clear(t)


def refused_alike(t, kind, size):
    """What create and convert refuse to make has no figures, for the reason that they give."""
    form, options = KINDS[kind]
    measured = t.instar("measure", "-O", form, *options, "--size", size)
    reason = t.complaint(measured)[0].partition(": ")[2]
    t.check("the most is 960" in reason, "the limit is not named", measured)
    Maker(t).sparse("large.raw", 2 * TIB)
    for arguments in (["create", "-f", form, *options, "disk.vmdk", size],
                      ["convert", "-f", "raw", "-O", form, *options, "large.raw", "disk.vmdk"]):
        other = t.instar(*arguments)
        t.equal(other.code, measured.code, "exit code", other, measured)
        t.check(t.complaint(other)[0].endswith(": " + reason), "another reason", other, measured)
        t.equal([path.name for path in t.dir.iterdir()], ["large.raw"], "files", other)
    remove(t, "large.raw")


def refused_by_qemu_img(t, form):
    arguments = ["measure", "-O", form, "--size", "1M"]
    want, got = t.qemu_img(*arguments), t.instar(*arguments)
    t.equal(got.code, want.code, "exit code", got, want)


# -- images ---------------------------------------------------------------------------------------


def source_of(kind, content):
    form, options = KINDS[kind]

    def make(t):
        size, pieces = CONTENTS[content]
        Maker(t).sparse("source.raw", size, *pieces)
        if kind != "raw":
            t.succeeded(t.instar("convert", "-f", "raw", "-O", form, *options, "source.raw",
                                 f"source.{form}"))

    return make


def make_composed(t):
    """A chain over a foreign image, snapshots, metadata that was preallocated."""
    m = Maker(t)
    m.sparse("base.raw", 4 * MIB, (0, noise(1, 2 * MIB)))
    m.qemu_img("convert", "-f", "raw", "-O", "vmdk", "base.raw", "base.vmdk")
    m.create("chain.qcow2", size=8 * MIB, backing="base.vmdk", backing_format="vmdk")
    m.file("piece", prose(2, 2 * MIB))
    m.io("write -s piece 4M 2M", file="chain.qcow2")
    m.create("snap.qcow2", size=4 * MIB)
    m.io("write -s piece 2M 2M", file="snap.qcow2")
    m.qemu_img("snapshot", "-c", "one", "snap.qcow2")
    m.io("write -s piece 0 2M", file="snap.qcow2")
    m.create("metadata.qcow2", size=8 * MIB, preallocation="metadata")
    m.io("write -s piece 2M 2M", file="metadata.qcow2")
    m.sparse("large.raw", 5 * GIB, *((at, noise(at, 64 * KIB)) for at in (0, 3 * GIB)))


COMPOSED = {"a chain": ("chain.qcow2", ()), "a snapshot": ("snap.qcow2", ("-l", "one")),
            "preallocated metadata": ("metadata.qcow2", ()), "5 GiB": ("large.raw", ("-f", "raw"))}


def groups():
    found = []
    for content in CONTENTS:
        for number, source in enumerate(SOURCES):
            group = Group(f"measure/{content} {source}", source_of(source, content))
            for target_number, kind in enumerate(TARGETS):
                # Not each with each: half of the products of formats that are no file of bytes.
                if source == "raw" or (number + target_number) % 2 == 0:
                    group.add(f"to {kind}", of_image, kind, f"source.{KINDS[source][0]}",
                              exact(source, content))
            found.append(group)
    plain = Group("measure/written")
    for kind in TARGETS:
        for name, size in SIZES.items():
            if not (kind.startswith("vmdk-twoGb") and size > TIB):  # hundreds of files
                plain.add(f"{kind} of {name}", of_size, kind, size)
        for size in (512, 1_000_001, 3 * MIB):
            plain.add(f"{kind} of {size}, all allocated", fully_allocated, kind, size)
    for kind in ("vmdk-twoGbMaxExtentSparse", "vmdk-twoGbMaxExtentFlat"):
        plain.add(f"{kind} of 2T", refused_alike, kind, "2T")
    for form in ("vmdk", "vpc", "vhdx"):
        plain.add(f"by qemu-img: {form}", refused_by_qemu_img, form)
    composed = Group("measure/composed", make_composed)
    for name, (source, options) in COMPOSED.items():
        for kind in TARGETS:
            composed.add(f"{name} to {kind}", of_image, kind, source, True, options)
    for kind in ("vmdk-monolithicFlat", "vmdk-twoGbMaxExtentSparse", "vmdk-twoGbMaxExtentFlat"):
        composed.add(f"{kind} of a longer name", of_another_name, kind, "large.raw")
    return [*found, plain, composed]
