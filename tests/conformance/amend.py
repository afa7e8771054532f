"""amend beside qemu-img: the same words, exit codes and effects. What only ours does stands below."""

import json
import re

from conformance.beside import Side, beside_qemu_img
from harness import Group, run


def amend(s, *arguments):
    s.verb("amend", *arguments)


def info(s, name="a.qcow2"):
    told = json.loads(run([s.qemu, "info", "--output=json", name], cwd=s.dir).text)
    s.value(f"info of {name}", [told["virtual-size"], told["format-specific"]["data"],
                                [snapshot["name"] for snapshot in told.get("snapshots", ())]])


def seen(s, name="a.qcow2"):
    info(s, name)
    s.map(name, holes=False)
    s.content(name)
    s.sound(name)


def content_of_snapshot(s, snapshot, name="a.qcow2"):
    s.img("convert", "-l", snapshot, "-O", "raw", name, "snapshot.raw")
    s.content("snapshot.raw", "raw")


def based(s):
    s.raw("b.raw", 1 << 20)
    s.io("b.raw", "write -P 5 0 1M", form="raw")


# ---- version

def down_with_a_bitmap(s):
    s.create("a.qcow2", "1M")
    s.io("a.qcow2", "write -P 1 0 64k")
    s.img("bitmap", "--add", "a.qcow2", "b0")
    amend(s, "-o", "compat=0.10", "a.qcow2")
    s.sound("a.qcow2")


def zero_clusters(s):
    s.create("a.qcow2", "1M")
    s.io("a.qcow2", "write -z 64k 64k", "write -P 2 128k 64k", "write -z 128k 64k")
    amend(s, "-o", "compat=0.10", "a.qcow2")
    seen(s)


def zero_clusters_above_a_base(s):
    based(s)
    s.create("-b", "b.raw", "-F", "raw", "a.qcow2", "1M")
    s.io("a.qcow2", "write -z 64k 64k", "write -P 2 128k 64k", "write -z 128k 64k")
    amend(s, "-o", "compat=0.10", "a.qcow2")
    seen(s)


def zero_clusters_of_a_snapshot(s):
    based(s)
    s.create("-b", "b.raw", "-F", "raw", "a.qcow2", "1M")
    s.io("a.qcow2", "write -z 64k 64k", "write -P 3 0 64k")
    s.img("snapshot", "-c", "s", "a.qcow2")
    s.io("a.qcow2", "write -P 4 64k 64k")
    amend(s, "-o", "compat=0.10", "a.qcow2")
    seen(s)
    content_of_snapshot(s, "s")


def zstd(s):
    s.create("-o", "compression_type=zstd", "a.qcow2", "1M")
    amend(s, "-o", "compat=0.10", "a.qcow2")
    seen(s)
    s.create("-o", "compression_type=zstd", "c.qcow2", "1M")
    s.io("c.qcow2", "write -c -P 7 0 64k")
    amend(s, "-o", "compat=0.10", "c.qcow2")
    seen(s, "c.qcow2")


def up_and_down(s):
    s.create("-o", "compat=0.10", "a.qcow2", "1M")
    s.io("a.qcow2", "write -P 2 128k 64k")
    for options in ("compat=1.1", "compat=v2", "compat=v3,lazy_refcounts=on", "compat=0.10",
                    "compat=v3,refcount_bits=8", "compat=0.10", "compat=0.10,refcount_bits=16",
                    "lazy_refcounts=on", "refcount_bits=8", "compat=", "compat=1.1,compat=0.10"):
        amend(s, "-o", options, "a.qcow2")
        seen(s)


def what_version_2_has_not(s):
    for options in ("extended_l2=on", "data_file=d.raw", "refcount_bits=8", "lazy_refcounts=on"):
        s.create("-o", options, "a.qcow2", "1M")
        amend(s, "-o", "compat=0.10", "a.qcow2")
        info(s)
        s.path("a.qcow2").unlink()


def snapshots_of_another_size(s):
    s.create("a.qcow2", "1M")
    s.img("snapshot", "-c", "s", "a.qcow2")
    s.img("resize", "-q", "a.qcow2", "2M")
    amend(s, "-o", "compat=0.10", "a.qcow2")
    info(s)
    amend(s, "-o", "compat=0.10,size=3M", "a.qcow2")


# ---- size

def growing(s):
    s.create("a.qcow2", "1M")
    s.io("a.qcow2", "write -P 1 0 1M")
    for size in ("0", "1M", "3M", "3146240"):
        amend(s, "-o", f"size={size}", "a.qcow2")
        seen(s)
    for size in ("1000", "-1", "x", "9E", "1T", ""):
        amend(s, "-o", f"size={size}", "a.qcow2")


def shrinking_without_being_asked(s):
    s.create("a.qcow2", "1M")
    amend(s, "-o", "size=512k", "a.qcow2")
    s.size("a.qcow2")


def version_2_with_snapshots(s):
    s.create("-o", "compat=0.10", "a.qcow2", "1M")
    s.img("snapshot", "-c", "s", "a.qcow2")
    amend(s, "-o", "size=2M", "a.qcow2")
    info(s)
    amend(s, "-o", "compat=1.1,size=2M", "a.qcow2")
    seen(s)
    s.img("snapshot", "-a", "s", "a.qcow2")
    s.size("a.qcow2")


# ---- refcounts

def widths(s):
    s.create("a.qcow2", "1M")
    s.io("a.qcow2", "write -P 1 0 64k")
    for name in ("s1", "s2", "s3"):
        s.img("snapshot", "-c", name, "a.qcow2")
    for bits in (1, 2, 4, 64, 32, 16, 8):
        amend(s, "-o", f"refcount_bits={bits}", "a.qcow2")
        seen(s)
    for bits in ("0", "3", "128", "x", ""):
        amend(s, "-o", f"refcount_bits={bits}", "a.qcow2")


def lazy_refcounts(s):
    s.create("a.qcow2", "1M")
    for value in ("on", "on", "off", "yes", "maybe"):
        amend(s, "-o", f"lazy_refcounts={value}", "a.qcow2")
        info(s)
    amend(s, "-o", "lazy_refcounts", "a.qcow2")
    amend(s, "-o", "nolazy_refcounts", "a.qcow2")
    info(s)


# ---- lists

def lists_that_fail(s):
    """qemu-img keeps the steps before the one that fails: only the words are equal."""
    s.create("a.qcow2", "1M")
    for options in ("lazy_refcounts=on,size=1000", "refcount_bits=8,size=1000",
                    "lazy_refcounts=on,cluster_size=64k", "lazy_refcounts=on,backing_file=b"):
        amend(s, "-o", options, "a.qcow2")


def a_list_that_fails_is_not_carried_out(s):
    s.create("a.qcow2", "1M")
    amend(s, "-o", "lazy_refcounts=on,size=1000", "a.qcow2")
    info(s)


def words(s):
    s.create("a.qcow2", "1M")
    s.raw("r.raw", 1 << 20)
    for arguments in (
            ["-o", "help"], ["-o", "", "a.qcow2"], ["-f", "raw", "-o", "size=2M", "r.raw"],
            ["-o", "size=2M", "r.raw"], ["a.qcow2"], [], ["-o", "compat=1.1"],
            ["-o", "backing_file=b.qcow2,backing_fmt=qcow2", "a.qcow2"],
            ["-o", "cluster_size=64k", "a.qcow2"], ["-o", "compat=1.0", "a.qcow2"],
            ["-o", "bogus=1", "a.qcow2"], ["-o", "preallocation=full", "a.qcow2"],
            ["-o", "encrypt.iter-time=3", "a.qcow2"], ["-o", "data_file=x", "a.qcow2"],
            ["-o", "data_file_raw=on", "a.qcow2"], ["-o", "data_file_raw=off", "a.qcow2"],
            ["-t", "bad", "-o", "compat=1.1", "a.qcow2"], ["-o", "compat=1.1", "a.qcow2", "b.qcow2"],
            ["-o", "compat=1.1", "none.qcow2"], ["-o", "bogus=1", "r.raw"], ["-f", "raw", "-o", "help"],
            ["--force", "-q", "-f", "qcow2", "-o", "compat=1.1", "-o", "lazy_refcounts=on", "a.qcow2"],
            ["--image-opts", "-o", "compat=1.1", "driver=qcow2,file.filename=a.qcow2"],
            ["-f", "nosuch", "-o", "help"], ["-f", "vmdk", "-o", "help"],
            ["-p", "-q", "-o", "compat=1.1", "a.qcow2"]):
        amend(s, *arguments)
    info(s)


# ---- files beside the image

def data_files(s):
    s.create("-o", "data_file=d.raw,data_file_raw=on", "a.qcow2", "1M")
    s.io("a.qcow2", "write -P 3 64k 128k")
    amend(s, "-o", "data_file_raw=on", "a.qcow2")
    amend(s, "-o", "size=2M,refcount_bits=64,lazy_refcounts=on", "a.qcow2")
    seen(s)
    s.length("d.raw")
    amend(s, "-o", "data_file_raw=off", "a.qcow2")
    seen(s)
    amend(s, "-o", "data_file_raw=on", "a.qcow2")
    s.path("e.raw").write_bytes(s.path("d.raw").read_bytes())
    amend(s, "-o", "data_file=e.raw", "a.qcow2")
    seen(s)
    amend(s, "-o", "data_file=", "a.qcow2")
    s.value("info", run([s.qemu, "info", "a.qcow2"], cwd=s.dir).err_text)


def the_backing_file_as_it_is(s):
    based(s)
    s.create("-b", "b.raw", "-F", "raw", "a.qcow2", "1M")
    for options in ("backing_file=b.raw,backing_fmt=raw", "backing_file=b.raw", "backing_fmt=raw",
                    "backing_file=b.raw,backing_fmt=qcow2", "backing_file=", "lazy_refcounts=on"):
        amend(s, "-o", options, "a.qcow2")
        info(s)
    s.path("b.raw").unlink()
    amend(s, "-o", "lazy_refcounts=off", "a.qcow2")


CASES = {
    "down with a bitmap": down_with_a_bitmap,
    "zero clusters": zero_clusters,
    "zero clusters above a base": zero_clusters_above_a_base,
    "zero clusters of a snapshot": zero_clusters_of_a_snapshot,
    "zstd": zstd,
    "up and down": up_and_down,
    "what version 2 has not": what_version_2_has_not,
    "snapshots of another size": snapshots_of_another_size,
    "growing": growing,
    "shrinking without being asked": shrinking_without_being_asked,
    "a version 2 image with snapshots": version_2_with_snapshots,
    "widths": widths,
    "lazy refcounts": lazy_refcounts,
    "lists that fail": lists_that_fail,
    "a list that fails is not carried out": a_list_that_fails_is_not_carried_out,
    "words": words,
    "data files": data_files,
    "the backing file as it is": the_backing_file_as_it_is,
}


# ---- what only ours does

def data_of_snapshots_stays(t):
    """A zero cluster of the disk whose place a snapshot still has data in: qemu-img fills it with
    zeros."""
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "a.qcow2", "1M")
    t.qemu_io("a.qcow2", "write -P 5 0 128k")
    t.made_by_qemu_img("snapshot", "-c", "s", "a.qcow2")
    t.qemu_io("a.qcow2", "write -z 0 64k")
    t.succeeded(t.instar("amend", "-o", "compat=0.10", "a.qcow2"))
    t.made_by_qemu_img("check", "-q", "a.qcow2")
    t.qemu_io("a.qcow2", "read -P 0 0 64k", "read -P 5 64k 64k")
    t.made_by_qemu_img("snapshot", "-a", "s", "a.qcow2")
    t.qemu_io("a.qcow2", "read -P 5 0 128k")


def compressed_clusters_of_snapshots_count(t):
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-o", "compression_type=zstd", "a.qcow2", "1M")
    t.qemu_io("a.qcow2", "write -c -P 5 0 64k")
    t.made_by_qemu_img("snapshot", "-c", "s", "a.qcow2")
    t.qemu_io("a.qcow2", "write -P 6 0 64k")
    outcome = t.instar("amend", "-o", "compat=0.10", "a.qcow2")
    t.equal(outcome.code, 1, "exit code", outcome)
    t.check("existing compressed clusters" in outcome.err_text, "another reason", outcome)
    t.made_by_qemu_img("snapshot", "-a", "s", "a.qcow2")
    t.qemu_io("a.qcow2", "read -P 5 0 64k")


def shrinking(t):
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "a.qcow2", "1M")
    t.qemu_io("a.qcow2", "write -P 5 0 1M")
    before = (t.dir / "a.qcow2").read_bytes()
    outcome = t.instar("amend", "-o", "size=512k,lazy_refcounts=on", "a.qcow2")
    t.equal(outcome.code, 1, "exit code", outcome)
    t.check("--shrink" in outcome.err_text, "the option is not named", outcome)
    t.check((t.dir / "a.qcow2").read_bytes() == before, "the image has changed", outcome)
    t.succeeded(t.instar("amend", "--shrink", "-o", "size=512k,refcount_bits=1", "a.qcow2"))
    told = json.loads(t.made_by_qemu_img("info", "--output=json", "a.qcow2").text)
    t.equal(told["virtual-size"], 512 << 10, "size")
    t.made_by_qemu_img("check", "-q", "a.qcow2")
    t.qemu_io("a.qcow2", "read -P 5 0 512k")


def bitmaps_are_named(t):
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "a.qcow2", "1M")
    t.made_by_qemu_img("bitmap", "--add", "a.qcow2", "daily")
    outcome = t.instar("amend", "-o", "compat=0.10", "a.qcow2")
    t.equal(outcome.code, 1, "exit code", outcome)
    t.check("'daily'" in outcome.err_text, "the bitmap is not named", outcome)
    t.made_by_qemu_img("bitmap", "--remove", "a.qcow2", "daily")
    t.succeeded(t.instar("amend", "-o", "compat=0.10", "a.qcow2"))


def help_lists_the_same_options(t):
    """In words of our own."""
    side = Side(t, "ours")
    side.create("a.qcow2", "1M")
    names = lambda outcome: re.findall(r"^  ([\w.-]+)=", outcome.text, re.MULTILINE)
    for arguments in (["-f", "qcow2", "-o", "help"], ["-o", "help", "a.qcow2"]):
        theirs = run([side.qemu, "amend", *arguments], cwd=side.dir)
        ours = run([t.tools.instar, "amend", *arguments], cwd=side.dir)
        t.equal((ours.code, names(ours)), (theirs.code, names(theirs)), "options", ours)
        t.equal(ours.text.splitlines()[0], theirs.text.splitlines()[0], "first line", ours)


def progress(t):
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "a.qcow2", "1M")
    outcome = t.instar("amend", "-p", "-o", "refcount_bits=8", "a.qcow2")
    t.equal(outcome.code, 0, "exit code", outcome)
    t.check(outcome.text.startswith("    (0.00/100%)\r"), "it does not begin at 0", outcome)
    t.check(outcome.text.endswith("    (100.00/100%)\r\n"), "it does not end at 100", outcome)


def groups():
    group = Group("amend")
    for name, steps in CASES.items():
        group.add(name, beside_qemu_img, steps)
    group.case("data of snapshots stays")(data_of_snapshots_stays)
    group.case("compressed clusters of snapshots count")(compressed_clusters_of_snapshots_count)
    group.case("shrinking")(shrinking)
    group.case("bitmaps are named")(bitmaps_are_named)
    group.case("help lists the same options")(help_lists_the_same_options)
    group.case("progress")(progress)
    return [group]
