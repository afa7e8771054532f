"""The images that are measured: generated, and the same each time."""

import array
import os
import random
import struct
import subprocess
import sys

MIB = 1 << 20


def make_mixed(path, size):
    """A disk as disks are: in each 16 MiB, data that does not compress, data that does, zeros that
    were written, and a hole."""
    rng = random.Random(20240611)
    words = [bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 10)))
             for _ in range(4000)]
    text = b" ".join(rng.choices(words, k=1_200_000))[: 8 * MIB]
    with open(path, "wb") as file:
        for start in range(0, size, 16 * MIB):
            at = rng.randrange(0, 3 * MIB)
            file.seek(start)
            for piece in (rng.randbytes(5 * MIB), text[at: at + 5 * MIB], bytes(2 * MIB)):
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


def make_all(directory, qemu_img, size, names):
    """Makes those of the inputs whose names are in `names`."""
    def quiet(*arguments):
        subprocess.run([qemu_img, *arguments], cwd=directory, check=True,
                       stdout=subprocess.DEVNULL)

    def converted(name, *options):
        if name in names:
            quiet("convert", "-m", "16", *options, "-f", "raw", "mixed.raw", name)

    make_mixed(directory / "mixed.raw", size)
    if "same.raw" in names:
        make_mixed(directory / "same.raw", size)
    if "small.qcow2" in names:
        make_mixed(directory / "small.raw", 32 * MIB)
        quiet("convert", "-O", "qcow2", "-f", "raw", "small.raw", "small.qcow2")
        os.unlink(directory / "small.raw")
    converted("plain.qcow2", "-O", "qcow2")
    converted("zlib.qcow2", "-c", "-O", "qcow2")
    converted("zstd.qcow2", "-c", "-O", "qcow2", "-o", "compression_type=zstd")
    converted("sparse.vmdk", "-O", "vmdk")
    converted("dynamic.vhd", "-O", "vpc", "-o", "force_size=on")
    converted("dynamic.vhdx", "-O", "vhdx")
    if "top.qcow2" in names:
        make_chain(directory, quiet, size)
    if "fragmented.qcow2" in names:
        make_fragmented(directory / "fragmented.qcow2", 1 << 40)


def make_chain(directory, quiet, size):
    """top.qcow2 over middle.qcow2 over base.qcow2: the whole in the base, some of it again above."""
    quiet("convert", "-m", "16", "-O", "qcow2", "-f", "raw", "mixed.raw", "base.qcow2")
    for name, below, step in (("middle.qcow2", "base.qcow2", 3), ("top.qcow2", "middle.qcow2", 5)):
        quiet("create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", name)
        piece = directory / "piece"
        with open(directory / "mixed.raw", "rb") as disk:
            for at in range(0, size, step * 16 * MIB):
                disk.seek(at)
                count = piece.write_bytes(disk.read(MIB))
                subprocess.run(["qemu-io", "-t", "unsafe", "-f", "qcow2",
                                "-c", f"write -q -s {piece.name} {at} {count}", name],
                               cwd=directory, check=True, stdout=subprocess.DEVNULL)
        piece.unlink()
