"""check -r beside qemu-img: the same counts, words and exit codes, as in snapshot.py. What a repair writes
stands elsewhere than qemu-img's, so places and fragments are left out.

What only ours does, or does otherwise on purpose, stands below.
"""

import json
import re
import struct

from conformance.beside import MIB, Side, beside_qemu_img, bitmap_directory
from conformance.check import COPIED, Tables
from harness import Group, run

CLUSTER = 1 << 16
PLACES = re.compile(r"^(Image end offset: |[0-9]+/[0-9]+ = ).*\n", re.M)
MISTAKES = ("Unknown option", "force-share", "does not support", "WARNING")
DIRTY, CORRUPT = 1, 2


class RepairSide(Side):
    def repair(self, *arguments):
        self.verb("check", *arguments)
        words, code, text, error = self.records[-1]
        # The lines about what was found are ours; those of a mistake are qemu-img's.
        mistake = error if any(word in error for word in MISTAKES) else ""
        self.records[-1] = (words, code, PLACES.sub("", text), mistake)

    def some(self, name="a.qcow2", *options):
        self.create(*options, name, "1M")
        self.io(name, "write -P 1 0 256k")

    def tables(self, name="a.qcow2"):
        return Tables(bytearray(self.path(name).read_bytes()))

    def change(self, edit, name="a.qcow2"):
        """edit(Tables) changes the image."""
        tables = self.tables(name)
        edit(tables)
        self.path(name).write_bytes(tables.image)

    def entry(self, index, value, name="a.qcow2"):
        self.change(lambda x: x.put(x.l2 + index * x.entry_bytes, value), name)

    def count(self, cluster, value, name="a.qcow2"):
        self.change(lambda x: x.set_refcount(cluster, value), name)

    def counts(self, name="a.qcow2"):
        """What qemu-img's check counts."""
        told = run([self.qemu, "check", "--output=json", name], cwd=self.dir)
        found = json.loads(told.text)
        self.records.append((f"check of {name}", told.code,
                             {k: found.get(k, 0) for k in ("corruptions", "leaks", "check-errors")}))

    def bits(self, name="a.qcow2"):
        bits, = struct.unpack_from(">Q", self.path(name).read_bytes(), 72)
        self.value("dirty and corrupt", bits & (DIRTY | CORRUPT))

    def all_of(self, name="a.qcow2"):
        self.counts(name)
        self.content(name)
        self.bits(name)


def a_count_of_0(s):
    s.some()
    s.count(6, 0)
    s.repair("-r", "leaks", "a.qcow2")
    s.all_of()
    s.repair("-r", "all", "a.qcow2")
    s.all_of()


def counts_of_compressed(s):
    s.create("a.qcow2", "1M")
    s.io("a.qcow2", *(f"write -c -P 7 {i * 64}k 64k" for i in range(16)))
    s.count(5, 3)
    s.repair("-r", "all", "a.qcow2")
    s.all_of()
    s.count(5, 100)
    s.repair("-r", "leaks", "a.qcow2")
    s.all_of()


def flags(s):
    for mode in ("leaks", "all"):
        s.some()
        s.entry(1, 0x60000)
        s.repair("-r", mode, "a.qcow2")
        s.all_of()


def flags_of_snapshots(s):
    s.some()
    s.img("snapshot", "-c", "s", "a.qcow2")
    s.repair("-r", "all", "a.qcow2")
    s.all_of()


def an_unaligned_zero_cluster(s):
    s.some()
    s.entry(1, COPIED | 0x60201)
    s.repair("-r", "all", "a.qcow2")
    s.all_of()


def beyond_the_end(s):
    s.some()
    s.entry(1, COPIED | 0x10000000)
    s.repair("-r", "all", "a.qcow2")
    s.counts()


def cut_files(s):
    for less in (1000, 66000):
        s.some()
        s.raw("a.qcow2", s.path("a.qcow2").stat().st_size - less)
        s.repair("-r", "all", "a.qcow2")


def the_corrupt_bit(s):
    for mode in ("leaks", "all"):
        s.some()
        s.patch("a.qcow2", 72, CORRUPT, ">Q")
        s.repair("-r", mode, "a.qcow2")
        s.all_of()


def the_dirty_bit(s):
    s.some("a.qcow2", "-o", "lazy_refcounts=on")
    s.patch("a.qcow2", 72, DIRTY, ">Q")
    s.repair("a.qcow2")
    s.bits()
    s.count(8, 0)
    s.repair("-r", "all", "a.qcow2")
    s.all_of()


def snapshots_that_leaks_leaves(s):
    s.some()
    s.img("snapshot", "-c", "s", "a.qcow2")
    s.patch("a.qcow2", 60, 2, ">I")
    s.repair("-r", "leaks", "a.qcow2")
    s.repair("-r", "all", "a.qcow2")
    s.all_of()


def extended_entries(s):
    for bitmap, entry in ((0xFFFFFFFFFFFFFFFF, COPIED | 0x60000), (0xFFFFFFFF, 0)):
        s.some("a.qcow2", "-o", "extended_l2=on")
        s.change(lambda x: (x.put(x.l2 + 16, entry), x.put(x.l2 + 24, bitmap)))
        s.repair("-r", "all", "a.qcow2")


def bitmaps_that_cannot_be_opened(s):
    for at, value, form in ((16, 0x90200, ">Q"), (0, 0, ">I")):
        s.create("a.qcow2", "1M")
        s.img("bitmap", "--add", "a.qcow2", "b0")
        image = s.path("a.qcow2").read_bytes()
        extension = image.index(struct.pack(">I", 0x23852875)) + 8
        s.patch("a.qcow2", extension + at, value, form)
        outcome = run([s.program, "check", "-r", "all", "a.qcow2"], cwd=s.dir, env=s.environment)
        s.value("exit code", outcome.code)


def a_data_file(s):
    s.create("-o", "data_file=d.raw", "a.qcow2", "1M")
    s.io("a.qcow2", "write -P 1 0 256k")
    s.entry(1, 0x10000)
    s.repair("-r", "all", "a.qcow2")
    s.all_of()
    s.entry(1, 0x4000000000010000)
    s.repair("-r", "all", "a.qcow2")


def modes(s):
    s.some()
    s.count(9, 1)
    s.raw("a.qcow2", 10 * CLUSTER)
    s.repair("-r", "foo", "a.qcow2")
    s.repair("-r", "a.qcow2")
    s.repair("-U", "-r", "leaks", "a.qcow2")
    s.repair("-q", "-r", "all", "a.qcow2")
    s.all_of()
    s.some("b.qcow2")
    s.count(9, 1, "b.qcow2")
    s.raw("b.qcow2", 10 * CLUSTER)
    s.repair("-r", "all", "-r", "leaks", "b.qcow2")
    s.repair("-r", "all", "b.qcow2")


def other_formats(s):
    s.raw("r.raw", MIB)
    for form, name in (("vpc", "p.vhd"), ("vmdk", "v.vmdk"), ("vhdx", "x.vhdx")):
        s.img("create", "-q", "-f", form, name, "64M")
    s.repair("-f", "raw", "-r", "all", "r.raw")
    s.repair("-r", "leaks", "r.raw")
    for name in ("p.vhd", "v.vmdk", "x.vhdx"):
        s.repair("-r", "leaks", name)
    s.repair("-r", "all", "x.vhdx")


def in_json(s):
    s.some()
    s.io("a.qcow2", "discard 192k 64k")
    s.count(8, 1)
    s.raw("a.qcow2", 9 * CLUSTER)
    s.entry(1, 0x60000)
    s.verb("check", "--output=json", "-r", "all", "a.qcow2")
    words, code, text, _ = s.records[-1]
    members = {k: v for k, v in json.loads(text).items() if k != "image-end-offset"}
    s.records[-1] = (words, code, list(members.items()))


# ---- otherwise on purpose: divergences.toml says why

def an_unaligned_data_cluster(s):
    s.some()
    s.entry(1, COPIED | 0x60200)
    s.repair("-r", "all", "a.qcow2")


def a_refcount_table_entry_far_away(s):
    s.some()
    s.change(lambda x: x.put(x.refcount_table + 8, 0x10000000))
    s.repair("-r", "all", "a.qcow2")
    s.value("longer than 1 MiB", s.path("a.qcow2").stat().st_size > MIB)


def a_refcount_table_entry_with_reserved_bits(s):
    s.some()
    s.change(lambda x: x.put(x.refcount_table, 0x20001))
    s.repair("-r", "all", "a.qcow2")
    s.bits()


def a_snapshot_that_is_not_there(s):
    s.some()
    s.img("snapshot", "-c", "s", "a.qcow2")
    s.patch("a.qcow2", 60, 2, ">I")
    s.repair("-r", "all", "a.qcow2")
    told = json.loads(run([s.qemu, "info", "--output=json", "a.qcow2"], cwd=s.dir).text)
    s.value("snapshots", [one["name"] for one in told["snapshots"]])


def a_dirty_image_with_a_count_of_0(s):
    s.some("a.qcow2", "-o", "lazy_refcounts=on")
    s.patch("a.qcow2", 72, DIRTY, ">Q")
    s.count(8, 0)
    s.repair("-r", "leaks", "a.qcow2")
    s.bits()


def compressed_with_the_copied_flag(s):
    s.create("a.qcow2", "1M")
    s.io("a.qcow2", "write -c -P 1 0 64k")
    s.entry(0, 0xC000000000050000)
    s.repair("-r", "all", "a.qcow2")


def compressed_with_a_subcluster_bitmap(s):
    s.create("-o", "extended_l2=on", "a.qcow2", "1M")
    s.io("a.qcow2", "write -c -P 1 0 64k")
    s.change(lambda x: x.put(x.l2 + 8, 1))
    s.repair("-r", "all", "a.qcow2")


def reserved_bits(s):
    s.some()
    s.entry(1, COPIED | 0x60000 | 1 << 58)
    s.repair("-r", "all", "a.qcow2")


def a_bitmap_beyond_the_end(s):
    s.create("a.qcow2", "1M")
    s.img("bitmap", "--add", "a.qcow2", "b0")
    s.io("a.qcow2", "write -P 2 512k 64k")
    image = s.path("a.qcow2").read_bytes()
    table, = struct.unpack_from(">Q", image, bitmap_directory(image)[0])
    s.patch("a.qcow2", table, 0x10000000, ">Q")
    s.repair("-r", "all", "a.qcow2")
    told = json.loads(run([s.qemu, "info", "--output=json", "a.qcow2"], cwd=s.dir).text)
    s.value("bitmaps", [b["name"] for b in told["format-specific"]["data"].get("bitmaps", ())])


def a_bitmap_with_an_unknown_flag(s):
    s.create("a.qcow2", "1M")
    s.img("bitmap", "--add", "a.qcow2", "b0")
    s.patch("a.qcow2", bitmap_directory(s.path("a.qcow2").read_bytes())[0] + 12, 0x12, ">I")
    s.repair("-r", "all", "a.qcow2")


def data_that_is_referred_to_twice(s):
    s.some()
    s.entry(1, COPIED | 0x50000)
    s.repair("-r", "all", "a.qcow2")


SAME = (a_count_of_0, counts_of_compressed, flags, flags_of_snapshots, an_unaligned_zero_cluster,
        beyond_the_end, cut_files, the_corrupt_bit, the_dirty_bit, snapshots_that_leaks_leaves,
        extended_entries, bitmaps_that_cannot_be_opened, a_data_file, modes, other_formats, in_json)
OTHERWISE = (an_unaligned_data_cluster, a_refcount_table_entry_far_away,
             a_refcount_table_entry_with_reserved_bits, a_snapshot_that_is_not_there,
             a_dirty_image_with_a_count_of_0, compressed_with_the_copied_flag,
             compressed_with_a_subcluster_bitmap, reserved_bits, a_bitmap_beyond_the_end,
             a_bitmap_with_an_unknown_flag, data_that_is_referred_to_twice)


# ---- what only ours does

def dry_run(t):
    side = RepairSide(t, "ours")
    side.some()
    side.count(6, 0)
    before = side.path("a.qcow2").read_bytes()
    outcome = run([side.program, "check", "-r", "all", "--dry-run", "a.qcow2"], cwd=side.dir,
                  env=side.environment)
    t.check(outcome.code == 0 and "would be repaired" in outcome.text and
            outcome.err_text.startswith("Would repair: "), "what is said", outcome)
    t.check(side.path("a.qcow2").read_bytes() == before, "the image has changed", outcome)


def groups():
    group = Group("repair")
    for steps in SAME + OTHERWISE:
        group.add(steps.__name__.replace("_", " "), beside_qemu_img, steps, RepairSide)
    group.add("a dry run changes nothing", dry_run)
    return [group]
