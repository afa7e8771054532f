"""compare: equal and unequal disks, with the exit codes and words of qemu-img."""

import os
import struct
import zlib

from harness import Group
from conformance.comparing import as_qemu, same_output
from conformance.images import GIB, KIB, MIB, Maker, noise, prose

IMAGES_PER_SAMPLE = 2
IMAGES_PER_ISOLATION_SAMPLE = 8


def formats(image, other="raw"):
    return [*image.format_options, "-F", other]


def with_its_content(t, image):
    """An image and the raw disk it holds are identical; one changed byte is found."""
    t.made_by_qemu_img("convert", *image.format_options, "-O", "raw", image.file, "content.raw")
    try:
        same_output(t, "compare", *formats(image), image.file, "content.raw")
        size = os.path.getsize(t.dir / "content.raw")
        if size == 0:
            return
        at = size // 3
        with open(t.dir / "content.raw", "r+b") as file:
            file.seek(at)
            old = file.read(1)
            file.seek(at)
            file.write(bytes([old[0] ^ 0x40]))
        got = same_output(t, "compare", *formats(image), image.file, "content.raw")
        t.equal(got.code, 1, "exit code", got)
        same_output(t, "compare", "-q", *formats(image), image.file, "content.raw")
        for workers in ("1", "7"):
            again = t.instar("compare", as_qemu(t), f"--workers={workers}", *formats(image),
                             image.file, "content.raw")
            t.equal((again.code, again.out), (1, got.out), f"{workers} workers find another", again)
    finally:
        (t.dir / "content.raw").unlink(missing_ok=True)


def isolation(t, image, name):
    how = f"--isolation={t.tools.isolation(name)}"
    arguments = ["compare", as_qemu(t), *formats(image, image.format or "qcow2"), image.file,
                 image.file]
    if image.file.endswith(".raw"):
        arguments = ["compare", "-f", "raw", "-F", "raw", image.file, image.file]
    plain, other = t.instar(*arguments), t.instar(*arguments, how)
    t.equal((other.code, other.out), (plain.code, plain.out), "compare differs by isolation")


def add_cases(group, image, number):
    if number % IMAGES_PER_SAMPLE == 0:
        group.add("compare with its content", with_its_content, image)
    if number % IMAGES_PER_ISOLATION_SAMPLE == 0:
        for name in ("kvm", "process", "none"):
            group.add(f"compare isolation {name}", isolation, image, name)


def make_pairs(t):
    m = Maker(t)
    disk = prose(1, 1 * MIB) + bytes(512 * KIB) + noise(2, 512 * KIB)
    m.file("a.raw", disk)
    changed = bytearray(disk)
    changed[1_900_001] ^= 1
    m.file("changed.raw", changed)
    twice = bytearray(changed)
    twice[77] ^= 1
    m.file("changed-twice.raw", twice)
    m.file("longer-zeros.raw", disk + bytes(64 * KIB))
    m.file("longer-data.raw", disk + bytes(10_000) + b"x" + bytes(512 * 7 - 1))
    m.file("odd.raw", disk + b"y" * 100)
    m.sparse("hole.raw", 2 * MIB)
    m.file("zeros.raw", bytes(2 * MIB))
    m.sparse("huge-a.raw", 100 * GIB, (70 * GIB, noise(1, 4096)))
    m.sparse("huge-b.raw", 100 * GIB, (70 * GIB, noise(1, 4096)), (90 * GIB + 5120, b"x"))
    m.file("empty.raw", b"")
    m.qemu_img("convert", "-f", "raw", "-O", "qcow2", "a.raw", "a.qcow2")
    m.qemu_img("convert", "-f", "raw", "-O", "qcow2", "changed.raw", "changed.qcow2")
    m.qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", "a.raw", "packed.qcow2")
    m.qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", "-o",
               "cluster_size=4k,compression_type=zstd", "changed.raw", "packed-changed.qcow2")
    for name, compat in (("none.qcow2", "1.1"), ("zero.qcow2", "1.1"), ("written.qcow2", "0.10")):
        m.create(name, size=2 * MIB, compat=compat)
    m.io("write -z 0 2M", file="zero.qcow2")
    m.io("write -P 0 0 2M", file="written.qcow2")
    m.create("over.qcow2", size=2 * MIB, backing="a.raw", backing_format="raw")
    m.create("over-longer.qcow2", size=3 * MIB, backing="a.raw", backing_format="raw")
    m.create("over-changed.qcow2", size=2 * MIB, backing="a.raw", backing_format="raw")
    m.io("write -P 9 1M 512", file="over-changed.qcow2")
    m.create("fragments.qcow2", size=2 * MIB, cluster_size=512)
    m.io("write -P 1 0 1M", file="fragments.qcow2")
    m.create("whole.qcow2", size=2 * MIB)
    m.io("write -P 1 0 1M", file="whole.qcow2")
    for name, options in (("a.vmdk", ()), ("flat.vmdk", ("-o", "subformat=monolithicFlat")),
                          ("stream.vmdk", ("-o", "subformat=streamOptimized")),
                          ("a.vpc", ("-o", "force_size=on")), ("rounded.vpc", ()),
                          ("fixed.vpc", ("-o", "subformat=fixed")), ("a.vhdx", ()),
                          ("blocks.vhdx", ("-o", "block_size=1M"))):
        m.qemu_img("convert", "-f", "raw", "-O", name.split(".")[1], *options, "a.raw", name)
    for name, change in (("bad-map.qcow2", unalign), ("bad-data.qcow2", spoil)):
        source = "a.qcow2" if change is unalign else "packed.qcow2"
        m.file(name, m.path(source).read_bytes())
        m.patch(change, file=name)


def unalign(image):
    """The third cluster's place is no multiple of the cluster size."""
    l1, = struct.unpack_from(">Q", image, 40)
    l2 = struct.unpack_from(">Q", image, l1)[0] & 0x00FFFFFFFFFFFE00
    entry, = struct.unpack_from(">Q", image, l2 + 16)
    struct.pack_into(">Q", image, l2 + 16, entry + 512)


def spoil(image):
    """What the sixth cluster holds is no deflate stream."""
    l1, = struct.unpack_from(">Q", image, 40)
    l2 = struct.unpack_from(">Q", image, l1)[0] & 0x00FFFFFFFFFFFE00
    at = struct.unpack_from(">Q", image, l2 + 40)[0] & (1 << 54) - 1
    image[at:at + 512] = b"\xff" * 512


RAW, QCOW2 = ("-f", "raw"), ("-f", "qcow2")
PAIRS = [
    ("raw raw", "a.raw", "a.raw"), ("raw raw", "a.raw", "changed.raw"),
    ("raw raw", "changed.raw", "a.raw"), ("raw raw", "a.raw", "changed-twice.raw"),
    ("raw raw", "a.raw", "longer-zeros.raw"), ("raw raw", "longer-zeros.raw", "a.raw"),
    ("raw raw", "a.raw", "longer-data.raw"), ("raw raw", "longer-data.raw", "a.raw"),
    ("raw raw", "a.raw", "odd.raw"), ("raw raw", "changed.raw", "longer-data.raw"),
    ("raw raw", "hole.raw", "zeros.raw"), ("raw raw", "hole.raw", "a.raw"),
    ("raw raw", "a.raw", "zeros.raw"), ("raw raw", "huge-a.raw", "huge-b.raw"),
    ("raw raw", "huge-a.raw", "huge-a.raw"), ("raw raw", "empty.raw", "empty.raw"),
    ("raw raw", "empty.raw", "hole.raw"), ("raw raw", "empty.raw", "a.raw"),
    ("raw qcow2", "a.raw", "a.qcow2"), ("qcow2 raw", "a.qcow2", "changed.raw"),
    ("qcow2 qcow2", "a.qcow2", "changed.qcow2"), ("qcow2 qcow2", "a.qcow2", "packed.qcow2"),
    ("qcow2 qcow2", "packed.qcow2", "packed-changed.qcow2"),
    ("qcow2 raw", "packed-changed.qcow2", "changed.raw"),
    ("qcow2 raw", "packed.qcow2", "changed-twice.raw"),
    ("qcow2 qcow2", "none.qcow2", "zero.qcow2"), ("qcow2 qcow2", "none.qcow2", "written.qcow2"),
    ("qcow2 qcow2", "zero.qcow2", "written.qcow2"), ("qcow2 raw", "none.qcow2", "hole.raw"),
    ("qcow2 raw", "zero.qcow2", "zeros.raw"), ("qcow2 raw", "written.qcow2", "a.raw"),
    ("qcow2 raw", "over.qcow2", "a.raw"), ("qcow2 qcow2", "over.qcow2", "a.qcow2"),
    ("qcow2 raw", "over-longer.qcow2", "a.raw"), ("qcow2 raw", "over-changed.qcow2", "a.raw"),
    ("qcow2 qcow2", "over.qcow2", "over-changed.qcow2"),
    ("qcow2 qcow2", "fragments.qcow2", "whole.qcow2"),
    ("qcow2 qcow2", "a.qcow2", "bad-map.qcow2"), ("qcow2 qcow2", "bad-map.qcow2", "a.qcow2"),
    ("qcow2 raw", "bad-map.qcow2", "changed-twice.raw"),
    ("qcow2 qcow2", "a.qcow2", "bad-data.qcow2"), ("qcow2 raw", "bad-data.qcow2", "a.raw"),
    ("qcow2 raw", "bad-data.qcow2", "changed-twice.raw"),
    *((f"{name.split('.')[1]} {other.split('.')[1]}", name, other)
      for name in ("a.vmdk", "flat.vmdk", "stream.vmdk", "a.vpc", "rounded.vpc", "fixed.vpc",
                   "a.vhdx", "blocks.vhdx")
      for other in ("a.raw", "changed.raw", "longer-data.raw", "changed.qcow2")),
    ("vmdk vpc", "a.vmdk", "a.vpc"), ("vpc vhdx", "rounded.vpc", "a.vhdx"),
    ("vhdx vmdk", "blocks.vhdx", "stream.vmdk"), ("vmdk vmdk", "flat.vmdk", "stream.vmdk"),
    ("raw vmdk", "changed.raw", "a.vmdk"), ("qcow2 vhdx", "over.qcow2", "a.vhdx"),
]


def pair(t, kinds, first, second, options):
    first_kind, second_kind = kinds.split()
    same_output(t, "compare", *options, "-f", first_kind, "-F", second_kind, first, second)


def progress(t, first, second):
    want = t.qemu_img("compare", "-p", "-f", "raw", "-F", "raw", first, second)
    got = t.instar("compare", "-p", "-f", "raw", "-F", "raw", first, second)
    t.equal(got.code, want.code, "exit code", got, want)
    t.check(b"    (0.00/100%)\r" in got.out, "no progress is shown", got)
    t.equal(got.out.rpartition(b"\r")[2], want.out.rpartition(b"\r")[2], "what follows it", got, want)


# How to make an image, and where its file is cut.
CUTS = {
    "qcow2": ((), {"header": 60, "tables": 200_000, "data": MIB}),
    "qcow2 packed": (("-c",), {"tables": 200_000, "data": 340_000}),
    "vmdk": ((), {"header": 300, "tables": 3000, "data": MIB, "last sector": -511}),
    "vmdk streamOptimized": (("-o", "subformat=streamOptimized"),
                             {"header": 300, "tables": 3000, "data": MIB + 700, "footer": -100,
                              "first grain, at its start": 64 * KIB}),
    "vpc": (("-o", "force_size=on"), {"header": 300, "tables": 1536, "data": MIB, "footer": -100}),
    "vpc fixed": (("-o", "force_size=on,subformat=fixed"), {"data": MIB, "footer": -512}),
    "vhdx": (("-o", "block_size=1M"), {"header": 70_000, "tables": 2 * MIB, "data": -MIB}),
}


def cut_short(t, kind, at, turned):
    form = kind.split()[0]
    t.made_by_qemu_img("convert", "-f", "raw", "-O", form, *CUTS[kind][0], "disk.raw", "cut")
    os.truncate(t.dir / "cut", at if at > 0 else os.path.getsize(t.dir / "cut") + at)
    images = ("disk.raw", "cut") if turned else ("cut", "disk.raw")
    formats_of_both = ("-f", "raw", "-F", form) if turned else ("-f", form, "-F", "raw")
    same_exit_code(t, *formats_of_both, *images)


def same_exit_code(t, *arguments):
    want = t.qemu_img("compare", *arguments)
    got = t.instar("compare", *arguments)
    t.clean(got)
    t.equal(got.code, want.code, "exit code", got, want)


def first_entry(image):
    """The first entry of the first L2 table; the file is left at it."""
    at = 40
    for _ in ("L1", "L2"):
        image.seek(at)
        at = struct.unpack(">Q", image.read(8))[0] & 0x00FFFFFFFFFFFE00
    image.seek(at)
    entry = image.read(8)
    image.seek(at)
    return entry


def make_overlong(t):
    """A compressed cluster whose stream goes on where the cluster ends."""
    m = Maker(t)
    m.file("disk.raw", b"a" * 64 * KIB)
    m.qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", "disk.raw", "overlong.qcow2")
    packer = zlib.compressobj(wbits=-12)
    stream = packer.compress(b"a" * 128 * KIB) + packer.flush()
    with open(t.dir / "overlong.qcow2", "r+b") as image:
        image.seek(struct.unpack(">Q", first_entry(image))[0] & ((1 << 54) - 1))
        image.write(stream)


def make_endless(t):
    """Half a TiB that one compressed cluster of 2 MiB holds: it takes minutes to inflate."""
    m = Maker(t)
    m.create("endless.qcow2", size=512 * GIB, cluster_size=2 * MIB)
    m.io("write -c -P 1 0 2M", file="endless.qcow2")
    with open(t.dir / "endless.qcow2", "r+b") as image:
        image.write(first_entry(image) * (2 * MIB // 8))


def ended(t, isolation):
    """Who ends a comparison does not learn that the images could not be opened, or that they differ."""
    t.refused(t.instar("compare", "--timeout=1", f"--isolation={t.tools.isolation(isolation)}",
                       "endless.qcow2", "endless.qcow2"), code=4, says=["watchdog"])


BAD_COMMAND_LINES = {
    "one file": ["a.raw"],
    "three files": ["a.raw", "a.raw", "a.raw"],
    "missing first": ["-f", "raw", "gone", "a.raw"],
    "missing second": ["-f", "raw", "a.raw", "gone"],
    "unknown first format": ["-f", "none", "a.raw", "a.raw"],
    "unknown second format": ["-F", "none", "a.raw", "a.raw"],
    "wrong format": ["-f", "qcow2", "a.raw", "a.raw"],
    "unknown cache mode": ["-T", "fast", "a.raw", "a.raw"],
    "unknown option": ["-x", "a.raw", "a.raw"],
}


def bad_command_line(t, arguments):
    want = t.qemu_img("compare", *arguments)
    got = t.instar("compare", *arguments)
    t.equal(got.code, want.code, "exit code", got, want)
    t.check(1 <= len(t.complaint(got)) <= 2, "a complaint of a line", got)
    t.clean(got)


def groups():
    group = Group("compare", make_pairs)
    for kinds, first, second in PAIRS:
        group.add(f"{first} {second}", pair, kinds, first, second, ())
        group.add(f"-s {first} {second}", pair, kinds, first, second, ("-s",))
    group.add("-q of different ones", pair, "raw raw", "a.raw", "changed.raw", ("-q",))
    group.add("-q of equal ones", pair, "raw raw", "a.raw", "a.raw", ("-q",))
    group.add("-U", pair, "raw raw", "a.raw", "changed.raw", ("-U",))
    for mode in ("none", "writethrough", "directsync", "unsafe"):
        group.add(f"-T {mode}", pair, "raw raw", "a.raw", "changed.raw", ("-T", mode))
    group.add("-p of equal ones", progress, "a.raw", "a.raw")
    group.add("-p of different ones", progress, "a.raw", "changed.raw")
    for name, arguments in BAD_COMMAND_LINES.items():
        group.add(name, bad_command_line, arguments)
    cut = Group("compare/cut", lambda t: Maker(t).file(
        "disk.raw", prose(1, MIB) + noise(2, MIB)))
    for kind, (_, places) in CUTS.items():
        for place, at in places.items():
            cut.add(f"{kind} in its {place}", cut_short, kind, at, False)
        cut.add(f"{kind} in its data, second", cut_short, kind, places["data"], True)
    stopped = Group("compare/ended", make_endless)
    for isolation in ("kvm", "process"):
        stopped.add(f"by --timeout, {isolation}", ended, isolation)
    overlong = Group("compare/overlong", make_overlong)
    overlong.add("compressed cluster", same_exit_code, "-f", "raw", "-F", "qcow2", "disk.raw",
                 "overlong.qcow2")
    return [group, cut, stopped, overlong]
