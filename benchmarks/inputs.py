"""The images that are measured: generated, and the same each time."""

import array
import os
import random
import struct
import subprocess
import sys

MIB = 1 << 20

# Of each PERIOD bytes of a mixed disk: so many that are no zeros, and so many that are written.
PERIOD, DATA, WRITTEN = 16 * MIB, 10 * MIB, 12 * MIB

# Where the data of a qcow2 image begins: behind the header, three tables of reference counts and
# places, and the first table of clusters.
QCOW2_FIRST = 5 << 16


def make_mixed(path, size):
    """A disk as disks are: in each 16 MiB, data that does not compress, data that does, zeros that
    were written, and a hole."""
    rng = random.Random(20240611)
    words = [bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 10)))
             for _ in range(4000)]
    text = b" ".join(rng.choices(words, k=1_200_000))[: 8 * MIB]
    with open(path, "wb") as file:
        for start in range(0, size, PERIOD):
            at = rng.randrange(0, 3 * MIB)
            file.seek(start)
            for piece in (rng.randbytes(DATA // 2), text[at: at + DATA // 2],
                          bytes(WRITTEN - DATA)):
                file.write(piece[: max(0, size - file.tell())])
        file.truncate(size)


def make_fragmented(path, size):
    """A qcow2 image of `size` bytes (a multiple of 512 MiB) with every cluster allocated: the L2
    tables stand among the data, and the disk changes its place every 16 clusters. Nothing but
    tables is written."""
    cluster = 1 << 16
    per_table = cluster // 8
    run = 16
    tables = size // (per_table * cluster)
    # Cluster numbers: header, L1 table, refcount table; then each L2 table before what it maps;
    # then the refcount blocks.
    l1_clusters = -(-tables * 8 // cluster)
    first = 1 + l1_clusters + 1
    blocks = 0
    while blocks * (cluster // 2) < first + tables * (per_table + 1) + blocks:
        blocks += 1
    total = first + tables * (per_table + 1) + blocks
    if blocks * 8 > cluster:
        raise ValueError("the refcount table takes more than a cluster")
    # Runs in reverse order, each run in order.
    order = [start + i for start in range(per_table - run, -1, -run) for i in range(run)]
    copied = 1 << 63

    def numbers(values):
        packed = array.array("Q", values)
        if sys.byteorder == "little":
            packed.byteswap()
        return packed.tobytes()

    with open(path, "wb") as file:
        file.write(struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, 16, size, 0, tables,
                               cluster, (1 + l1_clusters) * cluster, 1, 0, 0, 0, 0, 0, 4, 104))
        place = [first + table * (per_table + 1) for table in range(tables)]
        file.seek(cluster)
        file.write(numbers(number * cluster | copied for number in place))
        first_block = total - blocks
        file.seek((1 + l1_clusters) * cluster)
        file.write(numbers((first_block + i) * cluster for i in range(blocks)))
        for number in place:
            file.seek(number * cluster)
            file.write(numbers((number + 1 + i) * cluster | copied for i in order))
        file.seek(first_block * cluster)
        file.write(b"\0\1" * total)
        file.truncate(total * cluster)


def make_chain(directory, quiet, size):
    """top.qcow2 over middle.qcow2 over base.qcow2: the whole in the base, some of it again above."""
    quiet("convert", "-m", "16", "-O", "qcow2", "-f", "raw", "mixed.raw", "base.qcow2")
    for name, below, step in (("middle.qcow2", "base.qcow2", 3), ("top.qcow2", "middle.qcow2", 5)):
        quiet("create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", name)
        piece = directory / "piece"
        with open(directory / "mixed.raw", "rb") as disk:
            for at in range(0, size, step * PERIOD):
                disk.seek(at)
                count = piece.write_bytes(disk.read(MIB))
                subprocess.run(["qemu-io", "-t", "unsafe", "-f", "qcow2",
                                "-c", f"write -q -s {piece.name} {at} {count}", name],
                               cwd=directory, check=True, stdout=subprocess.DEVNULL)
        piece.unlink()


def make_gib(quiet, directory, name):
    """A qcow2 image of 1 GiB, a quarter of it data in eight places."""
    quiet("create", "-q", "-f", "qcow2", name, "1G")
    commands = [word for at in range(0, 1024, 128) for word in ("-c", f"write -q -P 7 {at}M 32M")]
    subprocess.run(["qemu-io", "-t", "unsafe", "-f", "qcow2", *commands, name], cwd=directory,
                   check=True, stdout=subprocess.DEVNULL)


def make_bitmaps(quiet, directory, name):
    """An image with all tables for 1 TiB, and a bitmap that has recorded writes in 64 places."""
    quiet("create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", name, "1T")
    quiet("bitmap", "--add", name, "from")
    commands = [word for at in range(0, 1024, 16) for word in ("-c", f"write -q {at}G 1M")]
    subprocess.run(["qemu-io", "-t", "unsafe", "-f", "qcow2", *commands, name], cwd=directory,
                   check=True, stdout=subprocess.DEVNULL)
    quiet("bitmap", "--add", name, "into")


WRONG = 10_000


def make_wrong(quiet, directory, name, leaks):
    """An image with all tables for 1 TiB, of which 10,000 clusters are leaked, or in use and not counted."""
    quiet("create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", name, "1T")
    with open(directory / name, "r+b") as file:
        def word(at):
            file.seek(at)
            return struct.unpack(">Q", file.read(8))[0] & ~(1 << 63)

        header = file.read(56)
        l1, refcounts = struct.unpack_from(">QQ", header, 40)
        clusters = (1 << 40) >> 16
        for number in range(0, clusters, clusters // WRONG + 1):
            entry = word(l1 + 8 * (number >> 13)) + 8 * (number & 8191)
            if leaks:
                file.seek(entry)
                file.write(bytes(8))
            else:
                host = word(entry) >> 16
                file.seek(word(refcounts + 8 * (host >> 15)) + 2 * (host & 32767))
                file.write(bytes(2))


class Inputs:
    """Makes images when they are first wanted, and removes them when they are wanted no more."""

    def __init__(self, directory, qemu_img, size):
        self.directory = directory
        self.qemu_img = qemu_img
        self.size = size

    def quiet(self, *arguments):
        subprocess.run([self.qemu_img, *arguments], cwd=self.directory, check=True,
                       stdout=subprocess.DEVNULL)

    def make(self, name):
        if (self.directory / name).exists() or name not in MAKERS:
            return
        if name not in ALONE:
            self.make("mixed.raw")
        MAKERS[name](self, name)

    def remove(self, name):
        for file in PARTS.get(name, [name]) if name in MAKERS else []:
            (self.directory / file).unlink(missing_ok=True)


def _small(inputs, name):
    make_mixed(inputs.directory / "small.raw", 32 * MIB)
    inputs.quiet("convert", "-O", "qcow2", "-f", "raw", "small.raw", name)
    os.unlink(inputs.directory / "small.raw")


def _mixed(inputs, name):
    make_mixed(inputs.directory / name, inputs.size)


def _converted(*options):
    return lambda inputs, name: inputs.quiet("convert", "-m", "16", *options, "-f", "raw",
                                             "mixed.raw", name)


def _with_snapshot(inputs, name):
    inputs.quiet("create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", name, "1T")
    inputs.quiet("snapshot", "-c", "s", name)


MAKERS = {
    "mixed.raw": _mixed,
    "same.raw": _mixed,
    "small.qcow2": _small,
    "plain.qcow2": _converted("-O", "qcow2"),
    "zlib.qcow2": _converted("-c", "-O", "qcow2"),
    "zstd.qcow2": _converted("-c", "-O", "qcow2", "-o", "compression_type=zstd"),
    "sparse.vmdk": _converted("-O", "vmdk"),
    "dynamic.vhd": _converted("-O", "vpc", "-o", "force_size=on"),
    "dynamic.vhdx": _converted("-O", "vhdx"),
    "top.qcow2": lambda inputs, _: make_chain(inputs.directory, inputs.quiet, inputs.size),
    "gib.qcow2": lambda inputs, name: make_gib(inputs.quiet, inputs.directory, name),
    # Every cluster has its place, and none has data: 160 MiB of tables.
    "tables.qcow2": lambda inputs, name: inputs.quiet(
        "create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", name, "1T"),
    "bitmaps.qcow2": lambda inputs, name: make_bitmaps(inputs.quiet, inputs.directory, name),
    "leaks.qcow2": lambda inputs, name: make_wrong(inputs.quiet, inputs.directory, name, True),
    "counts.qcow2": lambda inputs, name: make_wrong(inputs.quiet, inputs.directory, name, False),
    "snapshot.qcow2": _with_snapshot,  # the same, with a snapshot that shares all of it
    "fragmented.qcow2": lambda inputs, name: make_fragmented(inputs.directory / name, 1 << 40),
}
# Made of nothing else.
ALONE = ("mixed.raw", "same.raw", "small.qcow2", "gib.qcow2", "tables.qcow2", "bitmaps.qcow2", "leaks.qcow2",
         "counts.qcow2", "snapshot.qcow2",
         "fragmented.qcow2")
PARTS = {"top.qcow2": ["top.qcow2", "middle.qcow2", "base.qcow2"]}
