"""resize beside qemu-img: the same words, exit codes and effects.

beside.py says how the cases are run.
"""

import os
import shutil
import struct
import subprocess

from conformance.beside import DIRTY, IN_USE, MIB, beside_qemu_img, bitmap_directory
from harness import Group, Skip


# ---- raw

def raw_of_odd_length(s):
    s.raw("r.raw", 1000)
    s.verb("resize", "-f", "raw", "r.raw", "1010")
    s.length("r.raw")


def raw_relative_sizes(s):
    for arguments in (["--shrink", "r.raw", "-10"], ["r.raw", "+0"]):
        s.raw("r.raw", 1000)
        s.verb("resize", "-f", "raw", *arguments)
        s.length("r.raw")


def raw_sizes(s):
    for size in ("1M", "+1", "+512k", "1048577", "2049k"):
        s.raw("r.raw", MIB)
        s.verb("resize", "-f", "raw", "r.raw", size)
        s.length("r.raw")
        s.content("r.raw", "raw")
    for size in ("1", "-1", "1000", "-1023k"):
        s.raw("r.raw", MIB)
        s.verb("resize", "-f", "raw", "--shrink", "r.raw", size)
        s.length("r.raw")


def raw_keeps_content(s):
    s.path("r.raw").write_bytes(bytes(range(256)) * 4097 + b"end")
    s.verb("resize", "-f", "raw", "r.raw", "+1M")
    s.content("r.raw", "raw")
    s.verb("resize", "-f", "raw", "--shrink", "r.raw", "70001")
    s.content("r.raw", "raw")
    s.verb("resize", "-f", "raw", "r.raw", "1M")
    s.content("r.raw", "raw")


def raw_preallocation(s):
    for mode in ("off", "falloc", "full", "metadata", "bad"):
        s.path("r.raw").write_bytes(b"x" * 5000)
        s.verb("resize", "-f", "raw", f"--preallocation={mode}", "r.raw", "1M")
        s.length("r.raw")
        s.content("r.raw", "raw")
        s.value("storage", s.path("r.raw").stat().st_blocks > 2000)
        s.verb("resize", "-f", "raw", f"--preallocation={mode}", "--shrink", "r.raw", "1k")


def raw_guessed(s):
    s.raw("r.raw", MIB)
    s.verb("resize", "r.raw", "2M")
    s.verb("resize", "--preallocation=metadata", "r.raw", "3M")
    s.length("r.raw")


def raw_described(s):
    s.raw("r.raw", MIB)
    s.verb("resize", "--image-opts", "driver=raw,file.filename=r.raw", "2M")
    s.length("r.raw")
    s.verb("resize", "--image-opts", "driver=raw,offset=512k,file.filename=r.raw", "2M")
    s.length("r.raw")
    s.verb("resize", "--image-opts", "--shrink", "driver=raw,size=1M,file.filename=r.raw", "512k")
    s.length("r.raw")


def loop_device(s):
    if os.geteuid() != 0 or not shutil.which("losetup"):
        raise Skip("a loop device needs root and losetup")
    s.raw("l.img", MIB)
    made = subprocess.run(["losetup", "-f", "--show", s.path("l.img")], capture_output=True, text=True)
    if made.returncode != 0:
        raise Skip("no loop device can be had: " + made.stderr.strip())
    name = made.stdout.strip()
    try:
        for arguments in (["1M"], ["2M"], ["--shrink", "512k"]):
            s.verb("resize", "-f", "raw", *arguments[:-1], name, arguments[-1])
            argument, *rest = s.records[-1]
            s.records[-1] = (argument.replace(name, "DEVICE"), *rest)
    finally:
        subprocess.run(["losetup", "-d", name], check=True)


# ---- the command line

def spellings_of_the_size(s):
    for size in ("++1M", "+-1M", "x", "+", "-", "1.5M", "+0x10000", "99E", "+9E", "8E", "-9M", "0",
                 "1b", "2Q", "1e6", ""):
        s.raw("r.raw", MIB)
        s.verb("resize", "-f", "raw", "r.raw", size)
        s.length("r.raw")


def options_after_the_size(s):
    s.raw("r.raw", MIB)
    s.verb("resize", "-f", "raw", "r.raw", "2M", "--shrink")


def quiet(s):
    s.raw("r.raw", MIB)
    s.verb("resize", "-q", "-f", "raw", "r.raw", "512k")
    s.verb("resize", "-q", "-f", "raw", "r.raw", "2M")
    s.verb("resize", "-f", "raw", "--preallocation=full", "r.raw", "1M")
    s.verb("resize", "-f", "raw", "--preallocation=full", "r.raw", "2M")


def files_that_are_none(s):
    s.verb("resize", "nosuch.img", "8M")
    s.raw("r.raw", MIB)
    s.verb("resize", "-f", "nosuch", "r.raw", "8M")


def formats_that_cannot(s):
    s.img("create", "-q", "-f", "vmdk", "v.vmdk", "64M")
    s.img("create", "-q", "-f", "vpc", "v.vhd", "64M")
    s.img("create", "-q", "-f", "vhdx", "v.vhdx", "64M")
    for name, size in (("v.vmdk", "64M"), ("v.vhd", "64M"), ("v.vhd", "128M"), ("v.vhdx", "128M")):
        s.verb("resize", name, size)


RAW = {
    "a raw file whose length is no multiple of 512": raw_of_odd_length,
    "relative sizes of such a file": raw_relative_sizes,
    "sizes of raw files": raw_sizes,
    "a raw file keeps its content": raw_keeps_content,
    "preallocation of raw files": raw_preallocation,
    "a raw file that nobody says is one": raw_guessed,
    "a described raw file": raw_described,
    "a loop device": loop_device,
    "spellings of the size": spellings_of_the_size,
    "options after the size": options_after_the_size,
    "-q and refusals": quiet,
    "files that are no images": files_that_are_none,
    "formats that cannot be resized": formats_that_cannot,
}


# ---- qcow2

def based(s, base_bytes=4 * MIB):
    s.img("create", "-q", "-f", "raw", "base.raw", str(base_bytes))
    s.io("base.raw", f"write -P 7 0 {base_bytes}", form="raw")


def over_a_longer_base(s):
    based(s)
    s.create("-b", "base.raw", "-F", "raw", "o.qcow2", "1M")
    s.verb("resize", "o.qcow2", "3M")
    for look in (s.content, s.map, s.sound):
        look("o.qcow2")


def version_2_over_a_base(s):
    based(s)
    s.create("-o", "compat=0.10", "-b", "base.raw", "-F", "raw", "o.qcow2", "1M")
    s.verb("resize", "o.qcow2", "3M")
    s.size("o.qcow2")


def version_2_over_a_base_as_long(s):
    based(s, MIB)
    s.create("-o", "compat=0.10", "-b", "base.raw", "-F", "raw", "p.qcow2", "1M")
    s.verb("resize", "p.qcow2", "2M")
    s.size("p.qcow2")
    s.content("p.qcow2")


def old_end_inside_a_cluster(s):
    based(s)
    s.create("-b", "base.raw", "-F", "raw", "o.qcow2", str(MIB + 512))
    s.verb("resize", "o.qcow2", "3M")
    for look in (s.content, s.map, s.sound):
        look("o.qcow2")


def shrinking(s):
    s.create("o.qcow2", "4M")
    s.io("o.qcow2", "write -P 2 3M 1M", "write -P 1 0 1M")
    s.create("f.qcow2", "4M")
    s.io("f.qcow2", "write -P 1 0 4M")
    for name in ("o.qcow2", "f.qcow2"):
        s.verb("resize", "--shrink", name, "1M")
        for look in (s.content, s.map, s.sound):
            look(name)


def shrinking_moves_nothing_up(s):
    """The file that was written in order becomes as short as qemu-img makes it, or shorter."""
    s.create("f.qcow2", "4M")
    s.io("f.qcow2", "write -P 1 0 4M")
    s.verb("resize", "--shrink", "f.qcow2", "1M")
    s.value("at most 1376256 bytes", s.path("f.qcow2").stat().st_size <= 1376256)


def an_empty_image_shrinks(s):
    s.create("g.qcow2", "20G")
    before = s.path("g.qcow2").stat().st_size
    s.verb("resize", "--shrink", "g.qcow2", "1M")
    s.size("g.qcow2")
    s.sound("g.qcow2")
    s.value("entries of the L1 table",
            struct.unpack_from(">I", s.path("g.qcow2").read_bytes(), 36)[0])
    s.value("longer than before", s.path("g.qcow2").stat().st_size > max(before, 262144))


def preallocation(s):
    for mode in ("off", "metadata", "falloc", "full"):
        s.create("p.qcow2", "1M")
        s.verb("resize", f"--preallocation={mode}", "p.qcow2", "5M")
        for look in (s.content, s.map, s.sound):
            look("p.qcow2")
        s.value("storage for all of it", s.path("p.qcow2").stat().st_blocks >= 8192)


def preallocation_of_subclusters(s):
    s.create("-o", "extended_l2=on", "p.qcow2", "1M")
    s.verb("resize", "--preallocation=metadata", "p.qcow2", "2M")
    for look in (s.content, s.map, s.sound):
        look("p.qcow2")


def preallocation_from_inside_a_cluster(s):
    """What is added begins in a cluster that has a place, none, reads as zeros, or is compressed."""
    for options in ("extended_l2=off", "extended_l2=on", "data_file=d.raw",
                    "data_file=d.raw,extended_l2=on", "data_file=d.raw,data_file_raw=on"):
        for commands in (("read 0 1",), ("write -P 3 64k 36k",), ("write -z 64k 36k",),
                         ("write -P 3 64k 36k", "write -z 64k 36k"), ("write -c -P 3 64k 36k",)):
            if "-c" in commands[0] and options != "extended_l2=off":
                continue  # no compression with a data file; for the other see below
            for mode in ("metadata", "falloc", "full"):
                s.create("-o", options, "p.qcow2", "100k")
                s.io("p.qcow2", *commands)
                s.verb("resize", f"--preallocation={mode}", "p.qcow2", "200k")
                s.content("p.qcow2")
                s.map("p.qcow2", holes=False)
                s.sound("p.qcow2")


def preallocation_from_a_compressed_cluster(s):
    s.create("-o", "extended_l2=on", "p.qcow2", "100k")
    s.io("p.qcow2", "write -c -P 3 64k 36k")
    s.verb("resize", "--preallocation=metadata", "p.qcow2", "200k")
    s.sound("p.qcow2")
    s.content("p.qcow2")


def a_data_file(s):
    s.create("-o", "data_file=d.raw,data_file_raw=on", "d.qcow2", "1M")
    s.raw("d.raw", 10 * MIB)
    s.verb("resize", "d.qcow2", "2M")
    s.length("d.raw")
    s.sound("d.qcow2")
    s.verb("resize", "--shrink", "d.qcow2", "1M")
    s.length("d.raw")
    s.sound("d.qcow2")


def largest_sizes(s):
    for options, sizes in (((), ("2P", "2050T")), (("-o", "cluster_size=512"), ("128G", "129G")),
                           (("-o", "cluster_size=2M"), ("2E", "4E", "9223372036854774784", "8E"))):
        s.create(*options, "a.qcow2", "1M")
        for size in sizes:
            s.verb("resize", "a.qcow2", size)
            s.size("a.qcow2")


def a_bitmap_in_use(s):
    s.create("b.qcow2", "2M")
    s.img("bitmap", "--add", "b.qcow2", "b0")
    directory, _ = bitmap_directory(s.path("b.qcow2").read_bytes())
    s.patch("b.qcow2", directory + 12, IN_USE | 2, ">I")
    s.verb("resize", "b.qcow2", "4M")
    s.size("b.qcow2")


def sizes_that_are_refused(s):
    s.create("a.qcow2", "1M")
    s.verb("resize", "-q", "a.qcow2", "512k")
    s.verb("resize", "--shrink", "a.qcow2", "1000")
    s.verb("resize", "--shrink", "a.qcow2", "0")
    s.verb("resize", "--preallocation=metadata", "a.qcow2", "1M")
    s.verb("resize", "a.qcow2", "+1000")
    s.size("a.qcow2")


def a_dirty_image(s):
    s.create("-o", "lazy_refcounts=on", "d.qcow2", "1M")
    s.io("d.qcow2", "write -P 1 0 256k")
    s.patch("d.qcow2", 72, DIRTY, ">Q")
    block = struct.unpack_from(">Q", s.path("d.qcow2").read_bytes(), 0x10000)[0]
    s.patch("d.qcow2", block + 2 * 8, 0, ">H")
    s.verb("resize", "d.qcow2", "2M")
    for look in (s.content, s.sound, s.size):
        look("d.qcow2")
    s.value("dirty", struct.unpack_from(">Q", s.path("d.qcow2").read_bytes(), 72)[0])


def snapshots(s):
    s.create("s.qcow2", "2M")
    s.io("s.qcow2", "write -P 3 0 2M")
    s.img("snapshot", "-c", "one", "s.qcow2")
    s.verb("resize", "s.qcow2", "4M")
    s.verb("resize", "--shrink", "s.qcow2", "1M")
    for look in (s.content, s.map, s.sound):
        look("s.qcow2")
    s.img("snapshot", "-a", "one", "s.qcow2")
    s.content("s.qcow2")


def version_2_with_snapshots(s):
    s.create("-o", "compat=0.10", "s.qcow2", "2M")
    s.img("snapshot", "-c", "one", "s.qcow2")
    s.verb("resize", "s.qcow2", "4M")
    s.size("s.qcow2")


def no_base_to_be_found(s):
    based(s)
    s.create("-b", "base.raw", "-F", "raw", "o.qcow2", "1M")
    s.path("base.raw").unlink()
    s.verb("resize", "o.qcow2", "3M")


QCOW2 = {
    "an overlay above a longer base": over_a_longer_base,
    "a version 2 overlay above a longer base": version_2_over_a_base,
    "a version 2 overlay above a base as long": version_2_over_a_base_as_long,
    "an old end inside a cluster": old_end_inside_a_cluster,
    "shrinking": shrinking,
    "shrinking an image that was written in order": shrinking_moves_nothing_up,
    "shrinking an empty image": an_empty_image_shrinks,
    "preallocation": preallocation,
    "preallocation of subclusters": preallocation_of_subclusters,
    "preallocation from inside a cluster": preallocation_from_inside_a_cluster,
    "preallocation from a compressed cluster": preallocation_from_a_compressed_cluster,
    "a data file that is too long": a_data_file,
    "the largest sizes": largest_sizes,
    "a bitmap in use": a_bitmap_in_use,
    "sizes that are refused": sizes_that_are_refused,
    "a dirty image": a_dirty_image,
    "snapshots": snapshots,
    "a version 2 image with snapshots": version_2_with_snapshots,
    "a base that is missing": no_base_to_be_found,
}


# ---- what only ours does

def old_bytes_do_not_come_back(t):
    """What a shrink leaves in the last cluster reads as zeros, whoever shrank it."""
    for program in (t.qemu_img, t.instar):
        t.made_by_qemu_img("create", "-q", "-f", "qcow2", "a.qcow2", "1M")
        t.qemu_io("a.qcow2", "write -P 9 0 1M")
        outcome = program("resize", "--shrink", "a.qcow2", "512512")
        t.check(outcome.code == 0, "should shrink", outcome)
        outcome = t.instar("resize", "a.qcow2", "1M")
        t.check(outcome.code == 0, "should grow", outcome)
        t.qemu_io("a.qcow2", "read -P 9 0 512512", "read -P 0 512512 536064")
        t.made_by_qemu_img("check", "-q", "a.qcow2")


def size_anywhere(t):
    for arguments in (["r.raw", "2M", "--shrink"], ["r.raw", "--shrink", "-512k"], ["+1M", "r.raw"],
                      ["-512k", "r.raw", "--shrink"], ["--shrink", "--", "r.raw", "-512k"]):
        (t.dir / "r.raw").write_bytes(bytes(MIB))
        outcome = t.instar("resize", "-f", "raw", *arguments)
        t.equal((outcome.code, outcome.text), (0, "Image resized.\n"), " ".join(arguments), outcome)
        grown = any(word in arguments for word in ("2M", "+1M"))
        t.equal((t.dir / "r.raw").stat().st_size, 2 * MIB if grown else MIB // 2, "length", outcome)


def groups():
    group = Group("resize")
    for name, steps in {**RAW, **QCOW2}.items():
        group.add(name, beside_qemu_img, steps)
    group.case("the size anywhere")(size_anywhere)
    group.case("old bytes do not come back")(old_bytes_do_not_come_back)
    return [group]
