"""check: sound images, and images made wrong at one known place, counted as qemu-img counts."""

import os
import struct

from harness import Group, first_difference, run
from conformance.comparing import as_qemu, same_output
from conformance.images import KIB, MIB, Maker, noise, prose

IMAGES_PER_ISOLATION_SAMPLE = 8
OFFSET = 0x00FFFFFFFFFFFE00
COPIED, COMPRESSED = 1 << 63, 1 << 62


def check_json(t, file, *options):
    same_output(t, "check", "--output=json", *options, file)


def check_human(t, file, *options):
    same_output(t, "check", *options, file)


def check_isolation(t, file, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    for options in ((), ("--output=json",)):
        plain = t.instar("check", as_qemu(t), *options, file)
        other = t.instar("check", as_qemu(t), *options, how, file)
        t.equal((other.code, other.out, t.complaint(other)),
                (plain.code, plain.out, t.complaint(plain)), "check differs by isolation")


def add_cases(group, image, number):
    if image.format == "raw":
        return
    group.add("check json", check_json, image.file)
    group.add("check human", check_human, image.file)
    if number % IMAGES_PER_ISOLATION_SAMPLE == 0:
        for isolation in ("kvm", "process", "none"):
            group.add(f"check isolation {isolation}", check_isolation, image.file, isolation)


class Tables:
    """Where the tables of an image stand, and their entries."""

    def __init__(self, image):
        self.image = image
        self.cluster_bits, = struct.unpack_from(">I", image, 20)
        self.cluster = 1 << self.cluster_bits
        self.l1_size, = struct.unpack_from(">I", image, 36)
        self.l1 = self.word(40)
        self.refcount_table = self.word(48)
        self.refcount_block = self.word(self.refcount_table)
        self.snapshots_count, = struct.unpack_from(">I", image, 60)
        self.snapshots = self.word(64)
        version, = struct.unpack_from(">I", image, 4)
        self.order = struct.unpack_from(">I", image, 96)[0] if version == 3 else 4
        extended = version == 3 and bool(self.word(72) & 16)
        self.entry_bytes = 16 if extended else 8
        self.first_l1 = next(i for i in range(self.l1_size) if self.word(self.l1 + 8 * i))
        self.l2 = self.word(self.l1 + 8 * self.first_l1) & OFFSET

    def word(self, at):
        return struct.unpack_from(">Q", self.image, at)[0]

    def put(self, at, value):
        struct.pack_into(">Q", self.image, at, value & (1 << 64) - 1)

    def l2_entries(self, compressed=False):
        """Places of the L2 entries of the first table that name a cluster."""
        found = []
        for at in range(self.l2, min(self.l2 + self.cluster, len(self.image) - 15),
                        self.entry_bytes):
            entry = self.word(at)
            if entry & OFFSET and bool(entry & COMPRESSED) == compressed:
                found.append(at)
        return found

    def set_refcount(self, cluster, count):
        bits = 1 << self.order
        if bits >= 8:
            size = bits // 8
            at = self.refcount_block + cluster * size
            self.image[at:at + size] = count.to_bytes(size, "big")
        else:
            bit = cluster * bits
            at = self.refcount_block + bit // 8
            mask = (1 << bits) - 1 << bit % 8
            self.image[at] = self.image[at] & ~mask | count << bit % 8

    def host(self, at):
        """Cluster that the L2 entry at this place names."""
        return (self.word(at) & OFFSET) >> self.cluster_bits


# name -> function(Tables) that makes one thing wrong
MUTATIONS = {
    "refcount-0": lambda x: x.set_refcount(x.host(x.l2_entries()[0]), 0),
    "refcount-high": lambda x: x.set_refcount(x.host(x.l2_entries()[0]), min(3, (1 << (1 << x.order)) - 1)),
    "refcount-of-the-header": lambda x: x.set_refcount(0, 0),
    "refcount-of-the-l2-table": lambda x: x.set_refcount(x.l2 >> x.cluster_bits, 0),
    "leak": lambda x: x.put(x.l2_entries()[0], 0),
    "leak-of-all": lambda x: x.put(x.l1 + 8 * x.first_l1, 0),
    "copied-cleared": lambda x: x.put(x.l2_entries()[0], x.word(x.l2_entries()[0]) ^ COPIED),
    "copied-of-l1": lambda x: x.put(x.l1 + 8 * x.first_l1, x.word(x.l1 + 8 * x.first_l1) ^ COPIED),
    "copied-set-for-refcount-0": lambda x: x.put(x.l2_entries()[0], COPIED | len(x.image) // x.cluster * x.cluster),
    "shared": lambda x: x.put(x.l2_entries()[0], x.word(x.l2_entries()[1])),
    "over-the-l1-table": lambda x: x.put(x.l2_entries()[0], COPIED | x.l1),
    "over-the-header": lambda x: x.put(x.l2_entries()[0], COPIED | x.cluster),
    "over-the-refcount-block": lambda x: x.put(x.l2_entries()[0], COPIED | x.refcount_block),
    "far-beyond-the-end": lambda x: x.put(x.l2_entries()[0], COPIED | 1 << 40),
    "far-beyond-every-refcount": lambda x: x.put(x.l2_entries()[0], COPIED | 1 << 55),
    "just-beyond-the-end": lambda x: x.put(x.l2_entries()[0], COPIED | -(-len(x.image) // x.cluster) * x.cluster),
    "unaligned": lambda x: x.put(x.l2_entries()[0], x.word(x.l2_entries()[0]) + 512),
    "unaligned-zero": lambda x: x.put(x.l2_entries()[0], x.word(x.l2_entries()[0]) + 512 | 1),
    "reserved-in-l2": lambda x: x.put(x.l2_entries()[0], x.word(x.l2_entries()[0]) | 1 << 58 | 4),
    "reserved-in-l1": lambda x: x.put(x.l1 + 8 * x.first_l1, x.word(x.l1 + 8 * x.first_l1) | 1 << 57),
    "l2-table-beyond-the-end": lambda x: x.put(x.l1 + 8 * x.first_l1, COPIED | 1 << 41),
    "l2-table-twice": lambda x: x.put(x.l1 + 8 * ((x.first_l1 + 1) % x.l1_size), x.word(x.l1 + 8 * x.first_l1)),
    "l2-table-unaligned": lambda x: x.put(x.l1 + 8 * x.first_l1, x.word(x.l1 + 8 * x.first_l1) + 512),
    "no-refcount-block": lambda x: x.put(x.refcount_table, 0),
    "refcount-block-beyond-the-end": lambda x: x.put(x.refcount_table, 1 << 42),
    "refcount-block-unaligned": lambda x: x.put(x.refcount_table, x.refcount_block + 512),
    "refcount-block-twice": lambda x: x.put(x.refcount_table + 16, x.refcount_block),
    "reserved-in-the-refcount-table": lambda x: x.put(x.refcount_table, x.refcount_block | 2),
    "refcount-table-beyond-the-end": lambda x: x.put(48, 1 << 43),
    "l1-table-beyond-the-end": lambda x: x.put(40, 1 << 44),
    "l1-table-over-the-refcounts": lambda x: x.put(40, x.refcount_block),
    "garbage-l2": lambda x: x.image.__setitem__(slice(x.l2, x.l2 + x.cluster), noise(3, x.cluster)[:max(0, min(x.cluster, len(x.image) - x.l2))]),
    "cut-short": lambda x: x.image.__delitem__(slice(len(x.image) - x.cluster - 100, None)),
    "cut-within-a-cluster": lambda x: x.image.__delitem__(slice(len(x.image) - 100, None)),
    "grown": lambda x: x.image.extend(bytes(3 * x.cluster + 7)),
    "marked-dirty": lambda x: x.put(72, x.word(72) | 1),
    "snapshot-count-without-table": lambda x: struct.pack_into(">I", x.image, 60, 2),
}

PACKED_MUTATIONS = {
    "packed-copied": lambda x: x.put(x.l2_entries(True)[0], x.word(x.l2_entries(True)[0]) | COPIED),
    "packed-beyond-the-end": lambda x: x.put(x.l2_entries(True)[0], COMPRESSED | 1 << 38),
    "packed-elsewhere": lambda x: x.put(x.l2_entries(True)[0], x.word(x.l2_entries(True)[1])),
    "packed-leak": lambda x: x.put(x.l2_entries(True)[0], 0),
    "packed-refcount": lambda x: x.set_refcount((x.word(x.l2_entries(True)[0]) & (1 << 40) - 1) >> x.cluster_bits, 1),
}

SUBCLUSTER_MUTATIONS = {
    "subclusters-contradict": lambda x: x.put(x.l2_entries()[0] + 8, 0x00000003_00000001),
    "subclusters-without-cluster": lambda x: x.put(x.l2_entries()[0], 0),
    "zero-flag-with-subclusters": lambda x: x.put(x.l2_entries()[0], x.word(x.l2_entries()[0]) | 1),
    "unaligned-empty-subclusters": lambda x: (x.put(x.l2_entries()[0] + 8, 1 << 32), x.put(x.l2_entries()[0], x.word(x.l2_entries()[0]) + 512)),
}

SNAPSHOT_MUTATIONS = {
    "snapshot-l1-beyond": lambda x: x.put(x.snapshots, 1 << 45),
    "snapshot-l1-unaligned": lambda x: x.put(x.snapshots, x.word(x.snapshots) + 512),
    "snapshot-l1-huge": lambda x: struct.pack_into(">I", x.image, x.snapshots + 8, 1 << 30),
    "snapshot-l1-is-the-active-one": lambda x: x.put(x.snapshots, x.l1),
    "snapshot-without-extra-data": lambda x: struct.pack_into(">I", x.image, x.snapshots + 36, 0),
    "snapshot-with-too-much-extra-data": lambda x: struct.pack_into(">I", x.image, x.snapshots + 36, 1100),
    "snapshot-table-lost": lambda x: struct.pack_into(">IQ", x.image, 60, 0, 0),
    "snapshot-count-too-high": lambda x: struct.pack_into(">I", x.image, 60, 5),
    "snapshot-table-unaligned": lambda x: x.put(64, x.snapshots + 512),
    "too-many-snapshots": lambda x: struct.pack_into(">I", x.image, 60, 65537),
}


def base(cluster=64 * KIB, size=2 * MIB, packed=False, snapshots=0, bitmap=False, **options):
    def make(m):
        m.create(size=size, cluster_size=cluster, **options)
        step = max(cluster, 512)
        m.io(f"write -P 1 0 {6 * step}", f"write -P 2 {9 * step} {2 * step}",
             f"write -P 3 {8 * step} {step}")
        if packed:
            m.file("prose.bin", prose(5, step))
            m.io(*(f"write -c -s prose.bin {at * step} {step}" for at in range(12, 16)))
        for number in range(snapshots):
            m.qemu_img("snapshot", "-c", f"s{number}", "x.qcow2")
            m.io(f"write -P {number + 5} {step} {step}")
        if bitmap:
            m.qemu_img("bitmap", "--add", "x.qcow2", "b")
            m.io(f"write -P 7 0 {step}")
    return make


BASES = {
    "64k": (base(), {}),
    "512": (base(512, 256 * KIB), {}),
    "4k-v2": (base(4 * KIB, compat="0.10"), {}),
    "2m": (base(2 * MIB, 64 * MIB), {}),
    "refcount-1": (base(4 * KIB, refcount_bits=1), {}),
    "refcount-2": (base(4 * KIB, refcount_bits=2), {}),
    "refcount-64": (base(64 * KIB, refcount_bits=64), {}),
    "packed": (base(packed=True), PACKED_MUTATIONS),
    "packed-4k": (base(4 * KIB, packed=True), PACKED_MUTATIONS),
    "subclusters": (base(extended_l2="on"), SUBCLUSTER_MUTATIONS),
    "snapshots": (base(snapshots=2), SNAPSHOT_MUTATIONS),
    "snapshots-4k": (base(4 * KIB, snapshots=3), SNAPSHOT_MUTATIONS),
    "bitmap": (base(bitmap=True), {}),
}
# Bases on which every general mutation is tried; the others get every third one.
THOROUGH = ("64k", "512", "4k-v2", "refcount-1", "snapshots")


def wrong(t, mutate):
    image = bytearray((t.dir / "x.qcow2").read_bytes())
    mutate(Tables(image))
    (t.dir / "wrong.qcow2").write_bytes(image)
    for options in ((), ("--output=json",)):
        same_output(t, "check", *options, "wrong.qcow2")


def wrong_groups():
    for name, (make, special) in BASES.items():
        group = Group(f"check/{name}", lambda t, make=make: make(Maker(t)))
        group.add("sound", check_human, "x.qcow2")
        for number, (what, mutate) in enumerate(MUTATIONS.items()):
            if what == "marked-dirty" and name.endswith("v2"):
                continue
            if name in THOROUGH or number % 3 == len(name) % 3:
                group.add(what, wrong, mutate)
        for what, mutate in special.items():
            group.add(what, wrong, mutate)
        yield group


def make_files(t):
    m = Maker(t)
    m.create(size=1 * MIB)
    m.io("write -P 1 0 100k")
    m.file("x.raw", noise(1, 1000))
    m.create("external.qcow2", size=1 * MIB, data_file="external.data")
    m.io("write -P 1 0 200k", file="external.qcow2")


BAD_COMMAND_LINES = {
    "raw": ["-f", "raw", "x.raw"],
    "raw as json": ["-f", "raw", "--output=json", "x.raw"],
    "quiet raw": ["-q", "-f", "raw", "x.raw"],
    "missing": ["gone"],
    "unknown format": ["-f", "none", "x.qcow2"],
    "wrong format": ["-f", "qcow2", "x.raw"],
    "unknown form": ["--output=xml", "x.qcow2"],
    "two files": ["x.qcow2", "x.qcow2"],
    "no file": [],
    "unknown repair": ["-r", "some", "x.qcow2"],
    "unknown cache mode": ["-T", "fast", "x.qcow2"],
}


def bad_command_line(t, arguments):
    want = t.qemu_img("check", *arguments)
    got = t.instar("check", *arguments)
    t.equal(got.code, want.code, "exit code", got, want)
    t.equal(got.out, want.out, "standard output", got, want)
    t.check(1 <= len(t.complaint(got)) <= 2, "a complaint of a line", got)
    t.clean(got)


def repair_of_a_sound_image(t, what):
    before = (t.dir / "x.qcow2").read_bytes()
    t.succeeded(t.instar("check", "-r", what, "x.qcow2"))
    t.equal((t.dir / "x.qcow2").read_bytes(), before, "the image changed")


def repair_by_format(t, form):
    """Of formats that cannot be repaired this is said, as by qemu-img; of the others, that nothing is wrong."""
    t.made_by_qemu_img("create", "-q", "-f", form, f"y.{form}", "1M")
    same_output(t, "check", "-r", "leaks", f"y.{form}")


def repair_of_a_damaged_vhdx(t):
    """What is wrong with a VHDX is left, and said."""
    t.made_by_qemu_img("create", "-q", "-f", "vhdx", "z.vhdx", "1M")
    image = bytearray((t.dir / "z.vhdx").read_bytes())
    image[192 << 10] ^= 1  # the first copy of the region table
    (t.dir / "z.vhdx").write_bytes(image)
    t.refused(t.instar("check", "-r", "all", "z.vhdx"), code=1, says="not available")
    t.equal((t.dir / "z.vhdx").read_bytes(), bytes(image), "the image changed")


def external(t, change):
    image = bytearray((t.dir / "external.qcow2").read_bytes())
    change(Tables(image))
    (t.dir / "wrong.qcow2").write_bytes(image)
    for options in ((), ("--output=json",)):
        same_output(t, "check", *options, "wrong.qcow2")


EXTERNAL = {
    "sound": lambda x: None,
    "without COPIED": lambda x: x.put(x.l2 + 8, x.word(x.l2 + 8) & ~COPIED),
    "unaligned": lambda x: x.put(x.l2 + 8, x.word(x.l2 + 8) + 512),
    "elsewhere": lambda x: x.put(x.l2 + 8, x.word(x.l2 + 8) + (1 << 30)),
    "compressed": lambda x: x.put(x.l2 + 8, COMPRESSED | 5 << 16),
    "with snapshots": lambda x: struct.pack_into(">IQ", x.image, 60, 1, 0),
}


def metadata_of_a_file_system(t):
    """e2image -Q writes images that leak a cluster from the beginning: the disk in them is whole."""
    mkfs, e2image = t.tools.need("mkfs.ext4"), t.tools.need("e2image")
    (t.dir / "fs.raw").touch()
    os.truncate(t.dir / "fs.raw", 64 * MIB)
    t.succeeded(run([mkfs, "-q", "-F", "-b", "4096", "fs.raw"], cwd=t.dir))
    t.equal(run([e2image, "-Q", "fs.raw", "fs.qcow2"], cwd=t.dir).code, 0, "e2image")
    check_human(t, "fs.qcow2")
    check_json(t, "fs.qcow2")
    t.equal(t.instar("check", "fs.qcow2").code, 3, "exit code for leaks")
    t.succeeded(t.instar("convert", "-O", "raw", "fs.qcow2", "back.raw"))
    t.made_by_qemu_img("convert", "-O", "raw", "fs.qcow2", "qemu.raw")
    t.equal(first_difference(t.dir / "back.raw", t.dir / "qemu.raw"), None, "the disk")


def groups():
    files = Group("check", make_files)
    files.add("file system written by e2image", metadata_of_a_file_system)
    for name, arguments in BAD_COMMAND_LINES.items():
        files.add(name, bad_command_line, arguments)
    for what in ("leaks", "all"):
        files.add(f"-r {what}", repair_of_a_sound_image, what)
    for form in ("raw", "qcow2", "vmdk", "vpc", "vhdx"):
        files.add(f"-r of {form}", repair_by_format, form)
    files.add("-r of a damaged vhdx", repair_of_a_damaged_vhdx)
    files.add("-q", check_human, "x.qcow2", "-q")
    files.add("-q json", check_json, "x.qcow2", "-q")
    files.add("-U", check_human, "x.qcow2", "-U")
    files.add("-T none", check_human, "x.qcow2", "-T", "none")
    for name, change in EXTERNAL.items():
        files.add(f"data file {name}", external, change)
    return [files, *wrong_groups()]
