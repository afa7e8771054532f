"""Files of some KiB of data that claim to hold tables of many GiB: in their holes, or one table for
every place of the disk. Whatever a verb makes of them, it is done soon and takes little memory."""

import json
import struct

from harness import Group
from hostile import vhd_images as v
from hostile.vhd_images import Vhdx, vhd_footer, vhd_header

MOST_SECONDS = 10  # each takes less than 2 s on an idle machine
MOST_KIB = 64 << 10
KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40


def write(path, length, pieces):
    """A sparse file of `length` bytes with the pieces (offset, bytes)."""
    with open(path, "wb") as file:
        for offset, content in pieces:
            file.seek(offset)
            file.write(content)
        file.truncate(length)


def qcow2_header(cluster_bits, disk_bytes, l1, l1_entries, refcount_table, snapshots=(0, 0), order=4):
    header = struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, cluster_bits, disk_bytes, 0,
                         l1_entries, l1, refcount_table, 1, snapshots[0], snapshots[1], 0, 0, 0, order,
                         104)
    return header + bytes(8)


def qcow2_tables_in_holes(path):
    """8192 L2 tables of 2 MiB that are holes: 16 GiB of zeros."""
    cluster, entries = 2 * MIB, 8192
    l1 = b"".join(struct.pack(">Q", 1 << 63 | (4 + i) * cluster) for i in range(entries))
    write(path, (4 + entries) * cluster, [
        (0, qcow2_header(21, entries * (cluster // 8) * cluster, cluster, entries, 2 * cluster)),
        (cluster, l1), (2 * cluster, struct.pack(">Q", 3 * cluster)),
        (3 * cluster, b"\0\1" * (4 + entries))])


def qcow2_one_table(path):
    """8192 L1 entries that name one L2 table of 64 KiB, no two entries of which follow one another."""
    cluster, entries = 64 * KIB, 8192
    l2 = b"".join(struct.pack(">Q", (8 + 2 * i) * cluster) for i in range(entries))
    write(path, 8 * TIB, [
        (0, qcow2_header(16, entries * entries * cluster, cluster, entries, 3 * cluster)),
        (cluster, struct.pack(">Q", 2 * cluster) * entries), (2 * cluster, l2),
        (3 * cluster, struct.pack(">Q", 4 * cluster)), (4 * cluster, b"\0\1" * 8)])


def qcow2_tables_far_apart(path):
    """L2 tables so far apart that a check counts the clusters about each by themselves."""
    cluster, entries, length = 512, 1500, 15 * TIB
    step = length // (entries + 1) // cluster * cluster
    l1 = b"".join(struct.pack(">Q", (i + 1) * step) for i in range(entries))
    write(path, length, [
        (0, qcow2_header(9, entries * 64 * cluster, 4096, entries, 2 * cluster)), (4096, l1),
        (2 * cluster, struct.pack(">Q", 3 * cluster))])


def qcow2_snapshots_of_one_hole(path):
    """1000 snapshots with L1 tables of 32 MiB, all the same hole."""
    cluster, snapshots = 64 * KIB, 1000
    hole = 4 * MIB
    entry = struct.pack(">QIHHIIQII", hole, 4 * MIB, 1, 1, 0, 0, 0, 0, 16) + bytes(16) + b"11" + bytes(6)
    write(path, 64 * MIB, [
        (0, qcow2_header(16, 1 * GIB, cluster, 2, 2 * cluster, (snapshots, 8 * cluster))),
        (2 * cluster, struct.pack(">Q", 3 * cluster)), (3 * cluster, b"\0\1" * 16),
        (8 * cluster, entry * snapshots)])


def qcow2_snapshots_of_one_table(path):
    """600 snapshots whose L1 tables are one, all entries of which name one L2 table."""
    cluster, snapshots, entries = 16 * KIB, 600, 3072
    entry = struct.pack(">QIHHIIQII", 2 * cluster, entries, 1, 1, 0, 0, 0, 0, 16) + bytes(16) + b"11"
    l2 = b"".join(struct.pack(">Q", (16 + 2 * i) * cluster) for i in range(cluster // 8))
    write(path, 1 * TIB, [
        (0, qcow2_header(14, entries * (cluster // 8) * cluster, 2 * cluster, entries, 6 * cluster,
                         (snapshots, 8 * cluster))),
        (2 * cluster, struct.pack(">Q", 5 * cluster) * entries), (5 * cluster, l2),
        (6 * cluster, struct.pack(">Q", 7 * cluster)), (7 * cluster, b"\0\1" * 16),
        (8 * cluster, (entry + bytes(6)) * snapshots)])


def qcow2_bitmap_tables_in_holes(path):
    """Dirty bitmaps whose tables are 16 GiB of hole each."""
    cluster, bitmaps = 512, 400
    entry = struct.pack(">QIIBBHI", 1 * GIB, 1 << 31, 0, 1, 16, 1, 0) + b"b" + bytes(7)
    extension = struct.pack(">IIIIQQ", 0x23852875, 24, bitmaps, 0, bitmaps * len(entry), 16 * cluster)
    header = bytearray(qcow2_header(9, 1 * MIB, 2 * cluster, 32, 3 * cluster)[:104])
    struct.pack_into(">Q", header, 88, 1)  # the bitmaps are true
    write(path, 1 * TIB, [(0, bytes(header) + extension + bytes(8)),
                          (3 * cluster, struct.pack(">Q", 4 * cluster)), (4 * cluster, b"\0\1" * 64),
                          (16 * cluster, entry * bitmaps)])


def qcow2_refcounts_in_holes(path):
    """Blocks of refcounts that are holes: 8192 of 64 KiB, for a file of 4 TiB."""
    cluster, blocks = 64 * KIB, 8192
    table = b"".join(struct.pack(">Q", 1 * GIB + i * cluster) for i in range(blocks))
    write(path, 4 * TIB, [(0, qcow2_header(16, 1 * GIB, cluster, 2, 2 * cluster, order=6)),
                          (2 * cluster, table)])


def vhd_table_in_a_hole(path):
    """Blocks of 4 KiB, 534 million of them, in a table of 2 GiB that is a hole."""
    size, block = 2040 * GIB, 4096
    footer = vhd_footer(size)
    table = 4 * (size // block)
    write(path, 2048 + table + 512, [
        (0, footer), (512, vhd_header(table_offset=2048, entries=size // block, block=block)),
        (2048 + table, footer)])


def vmdk(path, length, directory, tables, entries):
    """One sparse extent with `entries` directory entries; grains of 64 KiB."""
    text = b'# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType="monolithicSparse"\n'
    header = struct.pack("<4sIIQQQQIQQQB4sH", b"KDMV", 1, 1, entries * 512 * 128, 128, 1, 1, 512, 0,
                         128, 4096, 0, b"\n \r\n", 0)
    write(path, length, [(0, header), (512, text), (128 * 512, directory), *tables])


def vmdk_one_table(path):
    """16384 directory entries that name one table, whose grains never follow one another."""
    grains = b"".join(struct.pack("<I", 1 << 16 | (i * 2 * 128)) for i in range(512))
    vmdk(path, 1 * TIB, struct.pack("<I", 1024) * 16384, [(1024 * 512, grains)], 16384)


def vmdk_tables_in_holes(path):
    """A directory of 64 KiB whose tables are holes, and 33 million entries behind that are one."""
    named = b"".join(struct.pack("<I", 1 << 20 | 4 * i) for i in range(16384))
    vmdk(path, 1 * TIB, named, [], 1 << 25)


def vhdx_log_of_broken_entries(path):
    """A log of 256 MiB that is a hole; forty entries say to fill it, and their sums are wrong."""
    image = Vhdx().dirty()
    image.header |= {"log_offset": 1 * GIB, "log_length": 256 * MIB}
    claim = v.log_entry(7, [(v.BAT, None, 4096)], length=256 * MIB)[:64]
    pieces = image.build() | {1 * GIB + n * 4096: claim for n in range(40)}
    v.write(path, pieces, 1 * TIB)


def vhdx_log_of_zeros(path):
    """Forty entries of a log, each of which has the table zeroed again in 126 places."""
    image = Vhdx().dirty()
    image.log = {n * 4096: v.log_entry(n + 1, [(v.BAT + 4096 * (i % 128), None, (i + 1) * 4096)
                                               for i in range(126)]) for n in range(40)}
    v.write(path, image.build(), 1 * TIB)


def vhdx_table_in_a_hole(path):
    """67 million blocks of 1 MiB, in a table of 513 MiB that is a hole."""
    image = Vhdx(size=64 * TIB)
    image.regions = [(v.REGION_BAT, 1 * GIB, 513 * MIB, 1), (v.REGION_METADATA, v.METADATA, MIB, 1)]
    v.write(path, image.build(), 2 * GIB)


def vhdx_one_block(path):
    """20,000 blocks of 256 MiB, all in the same place of the file, which is a hole."""
    image, blocks = Vhdx(size=20000 * 256 * MIB, block=256 * MIB), 20000
    table = b"".join(struct.pack("<Q", 1 * GIB | 6) + bytes(8 * (i % image.ratio == image.ratio - 1))
                     for i in range(blocks))
    v.write(path, image.build() | {v.BAT: table}, 2 * GIB)


def vhdx_one_bitmap(path):
    """20,000 blocks that are there in part, as bitmaps say that are one hole; the parent is not there."""
    image, blocks = Vhdx(size=20000 * 256 * MIB, block=256 * MIB), 20000
    image.over(("parent_linkage", v.guid_text(b"d" * 16)), ("relative_path", "parent.vhdx"))
    bitmap = struct.pack("<Q", 2 * GIB | 6)
    table = b"".join(struct.pack("<Q", (4 + i % 4096) * GIB | 7) +
                     (bitmap if i % image.ratio == image.ratio - 1 else b"") for i in range(blocks))
    v.write(path, image.build() | {v.BAT: table}, 8 * TIB)


VHDX = (vhdx_log_of_broken_entries, vhdx_log_of_zeros, vhdx_table_in_a_hole, vhdx_one_block,
        vhdx_one_bitmap)
QCOW2 = (qcow2_tables_in_holes, qcow2_one_table, qcow2_tables_far_apart, qcow2_snapshots_of_one_hole,
         qcow2_snapshots_of_one_table, qcow2_bitmap_tables_in_holes, qcow2_refcounts_in_holes)
IMAGES = (*(("qcow2", make) for make in QCOW2), ("vpc", vhd_table_in_a_hole),
          ("vmdk", vmdk_one_table), ("vmdk", vmdk_tables_in_holes),
          *(("vhdx", make) for make in VHDX))
VERBS = {
    "info": (["info", "--output=json"], (0, 1)),
    "check": (["check", "--output=json"], (0, 1, 2, 3)),
    "map": (["map", "--output=json"], (0, 1)),
    "measure": (["measure", "-O", "qcow2"], (0, 1)),
}


def is_soon_done(t, form, make, verb, isolation):
    t.tools.isolation(isolation)
    image = t.dir / "x.img"
    make(image)
    try:
        stored = image.stat().st_blocks * 512
        t.check(stored <= 400 * KIB, f"the file stores {stored} bytes")
        words, codes = VERBS[verb]
        outcome = t.instar(*words, f"--isolation={isolation}", "-f", form, image.name,
                           deadline=MOST_SECONDS)
        t.check(not outcome.timed_out, f"ran for more than {MOST_SECONDS} s", outcome)
        t.check(outcome.code in codes, "exit code", outcome)
        t.check(outcome.code == 0 or outcome.err_lines, "failed without a word", outcome)
        t.check(outcome.max_rss_kib < MOST_KIB, f"used {outcome.max_rss_kib} KiB", outcome)
    finally:
        image.unlink()


def a_hole_counts_as_all_its_entries(t):
    """What lies in a hole of the table of a VHD is told as one and counted entry by entry."""
    vhd_table_in_a_hole(t.dir / "x.vhd")
    outcome = t.instar("check", "--output=json", "-f", "vpc", "x.vhd", deadline=MOST_SECONDS)
    t.equal(outcome.code, 2, "exit code", outcome)
    told = json.loads(outcome.text)
    t.equal(told["corruptions"], 2040 * GIB // 4096, "corruptions", outcome)
    # Those that share a block of the file with the header or the footer are told one by one.
    t.check(len(outcome.err_lines) <= 1 + 2 * 4096 // 4, "too many lines", outcome)
    holes = [line for line in outcome.err_lines if "the table has a hole" in line]
    t.equal(len(holes), 1, "lines about holes", outcome)


def groups():
    group = Group("sparse")
    for form, make in IMAGES:
        for verb in VERBS:
            for isolation in ("kvm", "process"):
                group.add(f"{verb} of {make.__name__.replace('_', ' ')}: {isolation}", is_soon_done, form,
                          make, verb, isolation)
    group.case("a hole of a table counts as all of its entries")(a_hole_counts_as_all_its_entries)
    return [group]
