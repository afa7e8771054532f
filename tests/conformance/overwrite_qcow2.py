"""convert -n into existing qcow2 images of all kinds: the content, snapshots and bitmaps that qemu-img
leaves, and a clean image."""

import dataclasses
import random
import struct

from conformance import overwrite
from conformance.overwrite import DISK, MIB, SOURCES
from crash.stored_bitmaps import stored_bitmaps
from harness import Group



@dataclasses.dataclass
class Target:
    options: str = ""  # of create; {} stands for the name of the image
    before: tuple = ("write -P 9 300k 700k", "write -P 8 7M 3M", "write -z 5M 512k", "write -P 7 19M 1M")
    also: tuple = ()  # commands of qemu-img, with {} for the image
    then: tuple = ()  # writes after those
    backing: bool = False
    spoil: object = None  # what is done to the file
    compress: bool = True  # -c works


def header(file, at, form):
    file.seek(at)
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]


def set_dirty(file):
    """As a machine with lazy refcounts leaves its image when it is killed."""
    features = header(file, 72, ">Q")
    file.seek(72)
    file.write(struct.pack(">Q", features | 1))
    block = first_block(file)
    file.seek(0, 2)
    cluster = file.tell() // (1 << header(file, 20, ">I")) - 1
    file.seek(block + 2 * cluster)
    file.write(b"\0\0")


def first_block(file):
    return header(file, header(file, 48, ">Q"), ">Q")


def leak(file):
    """Two clusters behind the end that nothing refers to."""
    cluster_bytes = 1 << header(file, 20, ">I")
    block = first_block(file)
    file.seek(0, 2)
    end = -(-file.tell() // cluster_bytes)
    file.truncate((end + 2) * cluster_bytes)
    file.seek(block + 2 * end)
    file.write(b"\0\1\0\1")


def unknown_autoclear_bit(file):
    bits = header(file, 88, ">Q")
    file.seek(88)
    file.write(struct.pack(">Q", bits | 1 << 40))


SNAPSHOT = ("snapshot", "-c", "one", "{}")
BITMAPS = (("bitmap", "--add", "-g", "64k", "{}", "a"), ("bitmap", "--add", "-g", "512", "{}", "fine"),
           ("bitmap", "--add", "-g", "2M", "{}", "off"), ("bitmap", "--disable", "{}", "off"))
TARGETS = {
    "plain": Target(),
    "empty": Target(before=()),
    "version 2": Target("compat=0.10", before=("write -P 9 300k 700k", "write -P 7 19M 1M")),
    "small clusters": Target("cluster_size=512"),
    "large clusters": Target("cluster_size=2M"),
    "refcounts of 1 bit": Target("refcount_bits=1,cluster_size=4k"),
    "refcounts of 64 bits": Target("refcount_bits=64,cluster_size=4k"),
    "metadata": Target("preallocation=metadata"),
    "compressed clusters": Target(before=("write -c -P 9 0 64k", "write -c -P 8 64k 64k",
                                          "write -c -P 7 19M 64k")),
    "zstd": Target("compression_type=zstd", before=("write -c -P 9 0 64k", "write -c -P 7 9M 64k")),
    "a snapshot": Target(also=(SNAPSHOT,), then=("write -P 5 8M 2M",)),
    "subclusters": Target("extended_l2=on", before=("write -P 9 3k 700k", "write -z 2M 6k",
                                                    "write -P 7 9M 2500")),
    "subclusters and a snapshot": Target("extended_l2=on", also=(SNAPSHOT,), then=("write -P 5 8M 3k",)),
    "subclusters over a backing file": Target("extended_l2=on", before=("write -P 9 3k 9k",),
                                              backing=True),
    "an overlay": Target(before=("write -P 9 300k 700k",), backing=True),
    "an overlay of version 2": Target("compat=0.10", before=("write -P 9 300k 700k",), backing=True),
    "bitmaps": Target(also=BITMAPS, then=("write -P 5 1M 64k",)),
    "bitmaps and subclusters": Target("extended_l2=on", also=BITMAPS, then=("write -P 5 1M 3k",)),
    "bitmaps and a snapshot": Target("cluster_size=4k", also=(*BITMAPS, SNAPSHOT)),
    "a data file": Target("data_file={}.data", compress=False),
    "a raw data file": Target("data_file={}.data,data_file_raw=on", compress=False),
    "a data file and subclusters": Target("data_file={}.data,extended_l2=on", compress=False),
    "a data file and bitmaps": Target("data_file={}.data", also=BITMAPS, compress=False),
    "a dirty image": Target("lazy_refcounts=on", spoil=set_dirty),
    "leaks": Target(spoil=leak),
    "an unknown autoclear bit": Target(spoil=unknown_autoclear_bit),
}


def make(t):
    overwrite.make(t)
    with open(t.dir / "base.raw", "wb") as file:
        file.write(b"\x5a" * (DISK - 3 * MIB))


def prepared(t, target, name):
    backing = ("-b", "base.raw", "-F", "raw") if target.backing else ()
    options = ("-o", target.options.format(name)) if target.options else ()
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", *backing, *options, name, str(DISK))
    if target.before:
        t.qemu_io(name, *target.before, format="qcow2")
    for words in target.also:
        t.made_by_qemu_img(*(word.format(name) for word in words))
    if target.then:
        t.qemu_io(name, *target.then, format="qcow2")
    if target.spoil:
        with open(t.dir / name, "r+b") as file:
            target.spoil(file)


def same(t, target, ours="ours", theirs="theirs"):
    """Content, snapshots and bitmaps are equal, and ours is clean where it was before."""
    t.made_by_qemu_img("compare", "-q", "-f", "qcow2", "-F", "qcow2", ours, theirs)
    if SNAPSHOT in target.also:
        for name in (ours, theirs):
            t.made_by_qemu_img("convert", "-l", "one", "-f", "qcow2", "-O", "raw", name, name + ".one")
        t.check((t.dir / (ours + ".one")).read_bytes() == (t.dir / (theirs + ".one")).read_bytes(),
                "the snapshots differ")
    t.equal(stored_bitmaps(t.dir / ours), stored_bitmaps(t.dir / theirs), "bitmaps")
    if "raw=on" in target.options:
        t.check((t.dir / (ours + ".data")).read_bytes() == (t.dir / (theirs + ".data")).read_bytes(),
                "the raw data files differ")
    with open(t.dir / ours, "rb") as file:
        if header(file, 4, ">I") >= 3:
            t.equal(header(file, 88, ">Q") & ~3, 0, "unknown autoclear bits")
            t.equal(header(file, 72, ">Q") & 1, 0, "the dirty bit")
    leaks = target.spoil is leak
    for outcome in (t.instar("check", "-f", "qcow2", ours), t.qemu_img("check", "-f", "qcow2", ours)):
        t.check(outcome.code in ((0, 3) if leaks else (0,)), "not clean", outcome)


def both_write(t, flags, source):
    """Both programs. Compressed clusters of qemu-img cannot take the place of any that are in use."""
    arguments = ["-n", "-f", "raw", "-O", "qcow2", source]
    theirs = [flag for flag in flags if flag != "-c"]
    t.succeeded(t.instar("convert", *flags, *arguments, "ours"))
    t.made_by_qemu_img("convert", *theirs, *arguments, "theirs")


def written(t, kind, source, flags):
    target = TARGETS[kind]
    for name in ("ours", "theirs"):
        prepared(t, target, name)
    both_write(t, flags, source)
    same(t, target)
    both_write(t, flags, source)
    same(t, target)


def zeros_left_out(t, kind):
    """With --target-is-zero all of the disk is marked in bitmaps, because that comes first."""
    target = dataclasses.replace(TARGETS[kind], before=(), then=())
    for name in ("ours", "theirs"):
        prepared(t, target, name)
    arguments = ["convert", "-n", "--target-is-zero", "-f", "raw", "-O", "qcow2", "whole.raw"]
    t.succeeded(t.instar(*arguments, "ours"))
    t.made_by_qemu_img(*arguments, "theirs")
    t.made_by_qemu_img("compare", "-q", "-f", "qcow2", "-F", "qcow2", "ours", "theirs")
    for name, (flags, granularity, bits) in stored_bitmaps(t.dir / "theirs").items():
        ours = stored_bitmaps(t.dir / "ours")[name]
        t.equal(ours[:2], (flags, granularity), name)
        t.check(set(bits) <= set(ours[2]), f"the bitmap {name} does not know of all that was written")


def refused(t):
    """What cannot be written into is left alone."""
    prepared(t, TARGETS["a snapshot"], "low")
    with open(t.dir / "low", "r+b") as file:
        block = first_block(file)
        file.seek(block + 2 * 5)
        file.write(b"\0\0")
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "small", "4M")
    prepared(t, TARGETS["plain"], "corrupt")
    with open(t.dir / "corrupt", "r+b") as file:
        file.seek(72)
        file.write(struct.pack(">Q", 2))
    prepared(t, TARGETS["a data file"], "lost")
    (t.dir / "lost.data").unlink()
    for name, words in (("low", "check -r"), ("small", "fewer than the source's"),
                        ("corrupt", "orrupt"), ("lost", "lost.data")):
        before = (t.dir / name).read_bytes()
        t.refused(t.instar("convert", "-n", "-f", "raw", "-O", "qcow2", "whole.raw", name), says=words)
        t.check((t.dir / name).read_bytes() == before, f"{name} was changed")


def draw(random_, name):
    """A target and a source as nobody would think of them: commands for both programs."""
    bits = random_.choice((9, 12, 14, 16))
    options = {"cluster_size": 1 << bits}
    if random_.random() < 0.2:
        options["compat"] = "0.10"
    else:
        if bits >= 14 and random_.random() < 0.4:
            options["extended_l2"] = "on"
        if random_.random() < 0.3:
            options["refcount_bits"] = random_.choice((1, 2, 8, 32, 64))
        if random_.random() < 0.2:
            options["lazy_refcounts"] = "on"
    data_file = options.get("compat") is None and random_.random() < 0.2
    backing = not data_file and random_.random() < 0.3
    if data_file:
        options["data_file"] = "{}.data"
        if random_.random() < 0.5:
            options["data_file_raw"] = "on"
    disk = random_.randrange(1, 8 * 64) * 8192 + random_.choice((0, 512, 4096, 7 * 512))
    return options, data_file, backing, disk


def random_writes(random_, disk, count):
    for _ in range(count):
        at = random_.randrange(0, disk // 512) * 512
        length = min(random_.randrange(1, 257) * 512, disk - at)
        kind = "-z" if random_.random() < 0.3 else f"-P {random_.randrange(1, 255)}"
        yield f"write {kind} {at} {length}"


def compressed_writes(random_, disk, cluster_bytes):
    """To clusters that nothing was written to."""
    clusters = disk // cluster_bytes
    for cluster in random_.sample(range(clusters), min(clusters, random_.randrange(0, 8))):
        yield f"write -c -P {random_.randrange(1, 255)} {cluster * cluster_bytes} {cluster_bytes}"


def drawn(t, seed):
    random_ = random.Random(seed)
    options, data_file, backing, disk = draw(random_, "ours")
    if backing:
        with open(t.dir / "base.raw", "wb") as file:
            file.write(bytes([0x5A]) * random_.randrange(512, disk + 100000))
    snapshots = not data_file and options.get("refcount_bits") != 1 and random_.random() < 0.4
    bitmaps = "compat" not in options and random_.random() < 0.4
    first = [] if data_file else list(compressed_writes(random_, disk, options["cluster_size"]))
    first += random_writes(random_, disk, random_.randrange(0, 12))
    second = list(random_writes(random_, disk, random_.randrange(0, 6)))
    target = Target(options=",".join(f"{key}={value}" for key, value in options.items()),
                    before=tuple(first), then=tuple(second), backing=backing,
                    also=(*(BITMAPS[:2] if bitmaps else ()), *((SNAPSHOT,) if snapshots else ())))
    size = disk if random_.random() < 0.4 else random_.randrange(1, disk // 512 + 1) * 512
    with open(t.dir / "source.raw", "wb") as file:
        file.truncate(size)
        for _ in range(random_.randrange(0, 10)):
            at = random_.randrange(0, size)
            file.seek(at)
            length = min(random_.choice((100, 512, 5000, 70000, 300000)), size - at)
            file.write(random_.randbytes(length) if random_.random() < 0.5 else
                       bytes([random_.randrange(256)]) * length)
    flags = []
    if not data_file and random_.random() < 0.25:
        flags.append("-c")
    if random_.random() < 0.3:
        flags += ["-S", random_.choice(("0", "4k", "64k"))]
    for name in ("ours", "theirs"):
        t.made_by_qemu_img("create", "-q", "-f", "qcow2",
                           *(("-b", "base.raw", "-F", "raw") if backing else ()),
                           "-o", target.options.format(name), name, str(disk))
        if first:
            t.qemu_io(name, *first, format="qcow2")
        for words in target.also:
            t.made_by_qemu_img(*(word.format(name) for word in words))
        if second:
            t.qemu_io(name, *second, format="qcow2")
    both_write(t, flags, "source.raw")
    same(t, target)


DRAWN = 48


def groups():
    for kind, target in TARGETS.items():
        group = Group(f"into existing qcow2: {kind}", make)
        for source in SOURCES:
            group.add(f"from {source}", written, kind, source, ())
        group.add("-S 0", written, kind, "whole.raw", ("-S", "0"))
        group.add("-m 1", written, kind, "whole.raw", ("-m", "1"))
        if target.compress:
            group.add("-c", written, kind, "short.raw", ("-c",))
        yield group
    group = Group("into existing qcow2", make)
    for kind in ("bitmaps", "bitmaps and subclusters"):
        group.add(f"--target-is-zero with {kind}", zeros_left_out, kind)
    group.case("refused")(refused)
    yield group
    group = Group("into existing qcow2: drawn")
    for seed in range(DRAWN):
        group.add(f"seed {seed}", drawn, seed)
    yield group
