"""snapshot beside qemu-img: the same words, exit codes and effects, as in resize.py."""

import json
import re
import struct
from pathlib import Path

from conformance.beside import MIB, Side, beside_qemu_img
from harness import Group, run

DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
COPIED = 1 << 63


class SnapshotSide(Side):
    def snapshot(self, *arguments):
        self.verb("snapshot", *arguments)
        *words, text, error = self.records[-1]
        self.records[-1] = (*words, DATE.sub("DATE", text), error)

    def list(self, name):
        """What a reader sees of the snapshots, as qemu-img tells it."""
        told = json.loads(run([self.qemu, "info", "--output=json", name], cwd=self.dir).text)
        seen = [{key: value for key, value in one.items() if not key.startswith("date")}
                for one in told.get("snapshots", ())]
        self.records.append((f"snapshots of {name}", seen))

    def all_of(self, name):
        for look in (self.list, self.size, self.content, self.map, self.sound):
            look(name)

    def first_entry(self, name):
        """Where the entry of the first snapshot stands."""
        return struct.unpack_from(">Q", self.path(name).read_bytes(), 64)[0]


def each(s, name, *words):
    for option in ("-c", "-a", "-d"):
        s.snapshot(*words, option, "s", name)


def ids_and_names(s):
    s.create("a.qcow2", "1M")
    s.snapshot("-c", "s", "a.qcow2")
    s.snapshot("-d", "1", "a.qcow2")
    s.snapshot("-a", "1", "a.qcow2")
    s.list("a.qcow2")


def an_id_that_is_a_name(s):
    s.create("a.qcow2", "1M")
    for name, value in (("2", 1), ("x", 5), (None, 6)):
        s.io("a.qcow2", f"write -P {value} 0 64k")
        if name:
            s.snapshot("-c", name, "a.qcow2")
    s.snapshot("-l", "a.qcow2")
    s.snapshot("-a", "2", "a.qcow2")
    s.all_of("a.qcow2")
    s.snapshot("-d", "2", "a.qcow2")
    s.all_of("a.qcow2")


def ids_that_follow(s):
    s.create("a.qcow2", "1M")
    for words in ("-c a", "-c b", "-c c", "-c d", "-d b", "-c e", "-d e", "-d d", "-c f"):
        s.snapshot(*words.split(), "a.qcow2")
    s.list("a.qcow2")
    for letter in "z9 -":
        s.create("a.qcow2", "1M")
        s.snapshot("-c", "s", "a.qcow2")
        s.patch("a.qcow2", s.first_entry("a.qcow2") + 64, ord(letter), ">B")
        s.snapshot("-c", "t", "a.qcow2")
        s.list("a.qcow2")


def names_of_300_letters(s):
    s.create("a.qcow2", "1M")
    s.snapshot("-c", "n" * 300, "a.qcow2")
    s.snapshot("-a", "n" * 300, "a.qcow2")
    s.snapshot("-a", "n" * 255, "a.qcow2")


def names_of_255_bytes(s):
    s.create("a.qcow2", "1M")
    for name in ("n" * 255, "n" + "é" * 127, "名" * 85):
        s.snapshot("-c", name, "a.qcow2")
        s.snapshot("-a", name, "a.qcow2")
    s.list("a.qcow2")
    s.snapshot("-d", "n" * 255, "a.qcow2")
    s.list("a.qcow2")


def empty_and_long_names(s):
    s.create("a.qcow2", "1M")
    s.snapshot("-c", "", "a.qcow2")
    s.snapshot("-c", "abcdefghij" * 3, "a.qcow2")
    for words in (["-l"], ["-d", ""], ["-l"], ["-d", ""]):
        s.snapshot(*words, "a.qcow2")


def one_bit_refcounts(s):
    s.create("-o", "refcount_bits=1", "a.qcow2", "1M")
    s.io("a.qcow2", "write -P 1 0 64k")
    s.snapshot("-c", "s", "a.qcow2")
    s.sound("a.qcow2")


def one_bit_refcounts_without_data(s):
    s.create("-o", "refcount_bits=1", "b.qcow2", "1M")
    s.snapshot("-c", "s", "b.qcow2")
    s.snapshot("-c", "t", "b.qcow2")
    s.all_of("b.qcow2")


def bitmaps(s):
    for options in ((), ("--disable",)):
        s.create("a.qcow2", "1M")
        s.img("bitmap", "--add", *options, "a.qcow2", "b0")
        each(s, "a.qcow2")
        s.all_of("a.qcow2")


def another_size(s):
    s.create("a.qcow2", "1M")
    s.io("a.qcow2", "write -P 1 0 1M")
    s.snapshot("-c", "s", "a.qcow2")
    s.img("resize", "-q", "a.qcow2", "2G")
    s.snapshot("-a", "s", "a.qcow2")
    s.all_of("a.qcow2")
    s.img("resize", "-q", "a.qcow2", "3G")
    s.snapshot("-c", "big", "a.qcow2")
    s.img("resize", "-q", "--shrink", "a.qcow2", "1M")
    s.snapshot("-a", "big", "a.qcow2")
    for look in (s.list, s.size, s.map, s.sound):
        look("a.qcow2")


def length_of_the_l1_table(s):
    s.create("a.qcow2", "1M")
    s.snapshot("-c", "s", "a.qcow2")
    s.img("resize", "-q", "a.qcow2", "2G")
    s.snapshot("-a", "s", "a.qcow2")
    s.value("entries of the L1 table",
            struct.unpack_from(">I", s.path("a.qcow2").read_bytes(), 36)[0])


def raw_files(s):
    s.raw("r.raw", MIB)
    s.snapshot("-l", "r.raw")
    each(s, "r.raw")


def formats_without(s):
    s.img("create", "-q", "-f", "vmdk", "v.vmdk", "64M")
    s.img("create", "-q", "-f", "vpc", "v.vhd", "64M")
    for name in ("v.vmdk", "v.vhd"):
        s.snapshot("-l", name)
        each(s, name)


def a_data_file(s):
    s.create("-o", "data_file=d.raw", "a.qcow2", "1M")
    s.snapshot("-l", "a.qcow2")
    each(s, "a.qcow2")


def the_last_one_goes(s):
    s.create("a.qcow2", "1M")
    s.io("a.qcow2", "write -P 1 0 64k")
    for words in ("-c s", "-c t", "-d s", "-d t"):
        s.snapshot(*words.split(), "a.qcow2")
        s.all_of("a.qcow2")
    s.value("in the header", s.path("a.qcow2").read_bytes()[60:72])


def length_of_the_file(s):
    s.create("a.qcow2", "1M")
    s.io("a.qcow2", "write -P 1 0 64k")
    for words in ("-c s", "-c t", "-d s", "-d t"):
        s.snapshot(*words.split(), "a.qcow2")
    s.length("a.qcow2")


def two_with_one_name(s):
    s.create("a.qcow2", "1M")
    for value in (1, 2, 3):
        s.io("a.qcow2", f"write -P {value} 0 64k")
        s.snapshot("-c", "n", "a.qcow2")
    s.snapshot("-a", "n", "a.qcow2")
    s.all_of("a.qcow2")
    s.snapshot("-d", "n", "a.qcow2")
    s.snapshot("-a", "n", "a.qcow2")
    s.all_of("a.qcow2")


def kinds_of_images(s):
    """Written to between snapshots, which then come and go."""
    for options in ("compat=0.10", "cluster_size=512", "cluster_size=2M", "extended_l2=on",
                    "refcount_bits=4", "refcount_bits=8", "refcount_bits=64", "lazy_refcounts=on",
                    "compression_type=zstd", "preallocation=metadata"):
        name = options.split("=")[1] + ".qcow2"
        s.create("-o", options, name, "4M")
        compresses = "M" not in options and "preallocation" not in options
        s.io(name, "write -P 1 0 1M", "write -c -P 7 2M 64k" if compresses else "flush")
        s.snapshot("-c", "one", name)
        s.io(name, "write -P 2 512k 192k", "discard 0 128k")
        s.snapshot("-c", "two", name)
        s.io(name, "write -P 3 3M 512k")
        for words in ("-a one", "-a two", "-d one", "-a two", "-d two"):
            s.snapshot(*words.split(), name)
            for look in (s.list, s.content, s.sound):
                look(name)


def an_overlay(s):
    s.img("create", "-q", "-f", "raw", "base.raw", "4M")
    s.io("base.raw", "write -P 7 0 4M", form="raw")
    s.create("-b", "base.raw", "-F", "raw", "o.qcow2", "4M")
    s.io("o.qcow2", "write -P 1 64k 64k")
    s.snapshot("-c", "s", "o.qcow2")
    s.io("o.qcow2", "write -P 2 0 1M")
    s.snapshot("-a", "s", "o.qcow2")
    s.all_of("o.qcow2")


def copied_flags_of_others(s):
    """A table that only a snapshot has, with flags that mean nothing there, becomes the disk's."""
    s.create("a.qcow2", "1M")
    s.io("a.qcow2", "write -P 1 0 1M")
    s.snapshot("-c", "s", "a.qcow2")
    s.io("a.qcow2", "write -P 2 0 1M")
    image = s.path("a.qcow2").read_bytes()
    l1 = struct.unpack_from(">Q", image, s.first_entry("a.qcow2"))[0]
    table = struct.unpack_from(">Q", image, l1)[0] & ~COPIED
    for i in range(16):
        entry = struct.unpack_from(">Q", image, table + 8 * i)[0]
        s.patch("a.qcow2", table + 8 * i, entry | COPIED, ">Q")
    s.snapshot("-a", "s", "a.qcow2")
    s.all_of("a.qcow2")
    s.io("a.qcow2", "write -P 3 0 512k")
    s.snapshot("-a", "s", "a.qcow2")
    s.all_of("a.qcow2")


def a_corrupt_image(s):
    s.create("a.qcow2", "1M")
    s.snapshot("-c", "s", "a.qcow2")
    s.patch("a.qcow2", 72, 2, ">Q")
    s.snapshot("-l", "a.qcow2")


def mistakes(s):
    s.create("a.qcow2", "1M")
    for words in (["-c", "x", "-d", "x", "a.qcow2"], ["-l", "-l", "a.qcow2"], ["-c", "x"],
                  ["-l", "a.qcow2", "a.qcow2"], ["-U", "-c", "x", "a.qcow2"], ["-c", "x", "no.img"],
                  ["-a", "x", "a.qcow2"], ["-d", "x", "a.qcow2"], ["-q", "-l", "a.qcow2"],
                  ["--image-opts", "-c", "x", "driver=qcow2,file.filename=a.qcow2"],
                  ["-U", "-l", "a.qcow2"], ["-q", "-c", "q", "a.qcow2"]):
        s.snapshot(*words)
    s.list("a.qcow2")


CASES = {
    "IDs and names": ids_and_names,
    "an ID that is another's name": an_id_that_is_a_name,
    "IDs that follow": ids_that_follow,
    "a name of 300 letters": names_of_300_letters,
    "names of 255 bytes": names_of_255_bytes,
    "empty and long names": empty_and_long_names,
    "refcounts of one bit": one_bit_refcounts,
    "refcounts of one bit without data": one_bit_refcounts_without_data,
    "bitmaps": bitmaps,
    "another size": another_size,
    "the length of the L1 table": length_of_the_l1_table,
    "raw files": raw_files,
    "formats without snapshots": formats_without,
    "a data file": a_data_file,
    "the last one goes": the_last_one_goes,
    "the length of the file": length_of_the_file,
    "two with one name": two_with_one_name,
    "kinds of images": kinds_of_images,
    "an overlay": an_overlay,
    "COPIED as others leave it": copied_flags_of_others,
    "a corrupt image": a_corrupt_image,
    "mistakes": mistakes,
}


# ---- what only ours does

def other_forms(t):
    """The long names, the list as JSON, and the list where nothing is asked for."""
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "a.qcow2", "1M")
    for words in (["--create", "one"], ["--create", "two"], ["--apply", "one"], ["--delete", "two"]):
        outcome = t.instar("snapshot", *words, "a.qcow2")
        t.equal((outcome.code, outcome.text, t.complaint(outcome)), (0, "", []), words[0], outcome)
    listed = t.instar("snapshot", "--list", "a.qcow2")
    t.equal(t.instar("snapshot", "a.qcow2").text, listed.text, "without an action", listed)
    t.check("one" in listed.text and "two" not in listed.text, "the list", listed)
    told = t.instar("snapshot", "-l", "--output=json", "a.qcow2")
    info = json.loads(t.instar("info", "--output=json", "a.qcow2").text)
    t.equal(json.loads(told.text), info["snapshots"], "the list as JSON", told)
    t.instar("snapshot", "-d", "one", "a.qcow2")
    told = t.instar("snapshot", "-l", "--output=json", "a.qcow2")
    t.equal(json.loads(told.text), [], "an empty list as JSON", told)


def the_longest_name(t):
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "a.qcow2", "1M")
    for name, code in (("n" * 65535, 0), ("n" * 65536, 1)):
        outcome = t.instar("snapshot", "-c", name, "a.qcow2")
        t.equal(outcome.code, code, f"{len(name)} letters", outcome)
    t.made_by_qemu_img("check", "-q", "a.qcow2")
    outcome = t.instar("snapshot", "-d", "n" * 65535, "a.qcow2")
    t.equal(outcome.code, 0, "deleting it", outcome)


def the_width_is_named(t):
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-o", "refcount_bits=1", "a.qcow2", "1M")
    t.qemu_io("a.qcow2", "write -P 9 0 64k")
    before = Path(t.dir / "a.qcow2").read_bytes()
    outcome = t.instar("snapshot", "-c", "s", "a.qcow2")
    t.equal(outcome.code, 1, "exit code", outcome)
    t.check("refcounts of 1 bits" in outcome.err_text, "the message", outcome)
    t.check(before == Path(t.dir / "a.qcow2").read_bytes(), "the image has changed", outcome)


def groups():
    group = Group("snapshot")
    for name, steps in CASES.items():
        group.add(name, beside_qemu_img, steps, SnapshotSide)
    group.case("other forms")(other_forms)
    group.case("the longest name")(the_longest_name)
    group.case("the width of refcounts is named")(the_width_is_named)
    return [group]
