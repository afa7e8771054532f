"""resize keeps what else stands in the first cluster of a qcow2 image, wherever it has to move.

An image with bitmaps gets another place for their directory, so its header extensions are laid out
anew. Names of every length, unknown extensions and small clusters go along. Afterwards qemu-img sees
what it sees after its own resize, and writes its own header over ours.
"""

import json
import shutil
import struct

from harness import Failure, Group

UNKNOWN = 0x12345678
KIB, MIB = 1 << 10, 1 << 20
SIZES = (3 * MIB, 1 * MIB, 5 * MIB)

# name: cluster size, version, length of the backing file's name, bitmaps, bytes of the unknown
# extension (0: none)
IMAGES = {
    f"{cluster} bytes, v{version}, name of {name}{', bitmaps' if bitmaps else ''}"
    f"{', unknown' if unknown else ''}": (cluster, version, name, bitmaps, unknown)
    for cluster, version, name, bitmaps, unknown in (
        (512, 2, 60, False, 0), (512, 3, 0, True, 0), (512, 3, 60, False, 24),
        (KIB, 3, 60, True, 0), (KIB, 3, 60, True, 40),
        (2 * KIB, 3, 60, True, 600), (2 * KIB, 3, 230, True, 40),
        (4 * KIB, 3, 60, True, 1200), (64 * KIB, 2, 230, False, 40),
        (64 * KIB, 3, 1, True, 0), (64 * KIB, 3, 230, True, 40), (64 * KIB, 3, 0, True, 3000))
}


def extensions(data):
    """[(type, data)] up to the end marker, and where that stands."""
    version, = struct.unpack_from(">I", data, 4)
    at = 72 if version == 2 else struct.unpack_from(">I", data, 100)[0]
    found = []
    while True:
        kind, length = struct.unpack_from(">II", data, at)
        if kind == 0:
            return found, at
        found.append((kind, bytes(data[at + 8:at + 8 + length])))
        at += 8 + (length + 7) // 8 * 8


def add_unknown(path, length):
    """Puts an extension that nobody knows behind the others, before the backing file's name."""
    data = bytearray(path.read_bytes())
    _, end = extensions(data)
    name_at, name_bytes = struct.unpack_from(">QI", data, 8)
    name = bytes(data[name_at:name_at + name_bytes])
    content = bytes(at % 251 + 1 for at in range(length))
    extension = struct.pack(">II", UNKNOWN, length) + content + bytes(-length % 8) + bytes(8)
    if end + len(extension) + name_bytes > 1 << struct.unpack_from(">I", data, 20)[0]:
        raise Failure("the first cluster has no room for what the case needs")
    data[end:end + len(extension)] = extension
    if name_at:
        struct.pack_into(">Q", data, 8, end + len(extension))
        data[end + len(extension):end + len(extension) + name_bytes] = name
    path.write_bytes(data)


def make(t, cluster, version, name_bytes, bitmaps, unknown):
    options = f"compat={'0.10' if version == 2 else '1.1'},cluster_size={cluster}"
    base = []
    if name_bytes:
        name = "b" * name_bytes
        with open(t.dir / name, "wb") as file:  # no longer than the smallest disk: version 2 has no
            file.write(b"\7" * min(SIZES))  # zero clusters, so qemu-img could not grow above it
        base = ["-b", name, "-F", "raw"]
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-o", options, *base, "made", "2M")
    t.qemu_io("made", "write -P 1 100k 200k", "write -P 2 1500k 100k", format="qcow2")
    if bitmaps:
        t.made_by_qemu_img("bitmap", "--add", "made", "first")
        t.made_by_qemu_img("bitmap", "--add", "--disable", "-g", "512k", "made", "second")
        t.qemu_io("made", "write -P 3 900k 10k", format="qcow2")
    if unknown:
        add_unknown(t.dir / "made", unknown)


def told(t, image):
    """What qemu-img says of an image, but for how it is stored."""
    report = json.loads(t.made_by_qemu_img("info", "--output=json", image).out)
    for key in ("filename", "actual-size", "children"):
        report.pop(key, None)
    return report


def unknown_extensions(t, image):
    return [entry for entry in extensions((t.dir / image).read_bytes())[0] if entry[0] == UNKNOWN]


def judge(t, image, want):
    t.equal(told(t, image), want, "what qemu-img says of it")
    t.made_by_qemu_img("check", "-q", image)
    t.succeeded(t.instar("check", "-q", image))


def kept(t, *parts):
    make(t, *parts)
    unknown = unknown_extensions(t, "made")
    shutil.copy(t.dir / "made", t.dir / "theirs")
    for size in SIZES:
        t.succeeded(t.instar("resize", "-q", "--shrink", "made", str(size)))
        t.made_by_qemu_img("resize", "-q", "--shrink", "theirs", str(size))
        judge(t, "made", told(t, "theirs"))
        t.equal(unknown_extensions(t, "made"), unknown, "unknown extensions")
        t.made_by_qemu_img("compare", "-q", "made", "theirs")
    # Another program lays the header out in its own way.
    if parts[1] == 3:
        t.made_by_qemu_img("amend", "-o", "lazy_refcounts=on", "made")
        t.made_by_qemu_img("amend", "-o", "lazy_refcounts=on", "theirs")
        judge(t, "made", told(t, "theirs"))
    if parts[2]:
        for image in ("made", "theirs"):
            t.made_by_qemu_img("rebase", "-u", "-b", "b", "-F", "raw", image)
        t.equal(told(t, "made"), told(t, "theirs"), "after rebase -u")
    t.equal(unknown_extensions(t, "made"), unknown, "unknown extensions, after qemu-img")


def bounded(t):
    """Many changes leave a file that is no longer than after a few."""
    make(t, 64 * KIB, 3, 230, True, 40)
    lengths = []
    for _ in range(30):
        t.succeeded(t.instar("resize", "-q", "made", "3M"))
        t.succeeded(t.instar("resize", "-q", "--shrink", "made", "2M"))
        lengths.append((t.dir / "made").stat().st_size)
    t.check(max(lengths[4:]) <= max(lengths[:4]), f"the file grows: {lengths}")
    judge(t, "made", told(t, "made"))


def groups():
    for name, parts in IMAGES.items():
        group = Group(f"header kept, {name}")
        group.add("resize", kept, *parts)
        yield group
    group = Group("header kept, many changes")
    group.case("the length is bounded")(bounded)
    yield group
