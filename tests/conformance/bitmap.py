"""bitmap beside qemu-img: the same words, exit codes and effects (beside.py says how)."""

import json
import struct

from conformance.beside import (
    BITMAPS_EXTENSION, DIRTY, IN_USE, KIB, MIB, beside_qemu_img, bitmap_directory)
from harness import Group

ENABLED = 2
OFFSET_MASK = 0x00FFFFFFFFFFFE00


def stored(s, name):
    """The bitmaps of an image with their bits, read from its bytes."""
    image = s.path(name).read_bytes()
    header, = struct.unpack_from(">I", image, 100)
    trusted = image[95] & 1
    if not trusted or BITMAPS_EXTENSION not in image[header:4096]:
        return []
    disk, = struct.unpack_from(">Q", image, 24)
    cluster = 1 << struct.unpack_from(">I", image, 20)[0]
    at, count = bitmap_directory(image)
    found = []
    for _ in range(count):
        table, entries, flags, _, bits, length, extra = struct.unpack_from(">QIIBBHI", image, at)
        title = image[at + 24 + extra:at + 24 + extra + length].decode()
        content = b""
        for entry in struct.unpack_from(f">{entries}Q", image, table):
            place = entry & OFFSET_MASK
            plain = b"\xff" if entry & 1 else b"\0"
            content += image[place:place + cluster].ljust(cluster, b"\0") if place else plain * cluster
        used = (disk + (1 << bits) - 1) >> bits
        value = int.from_bytes(content, "little") & ((1 << used) - 1)
        found.append((title, flags, bits, None if flags & IN_USE else hex(value)))
        at += (24 + extra + length + 7) // 8 * 8
    return found


def bitmap(s, *arguments):
    s.verb("bitmap", *arguments)


def look(s, name):
    s.value(f"bitmaps of {name}", stored(s, name))
    s.sound(name)


def mark_in_use(s, name):
    directory, _ = bitmap_directory(s.path(name).read_bytes())
    s.patch(name, directory + 12, IN_USE | ENABLED, ">I")


# ---- the list of actions

def order_of_actions(s):
    s.create("a.qcow2", "1M")
    bitmap(s, "--disable", "--add", "a.qcow2", "b2")
    bitmap(s, "--add", "--disable", "a.qcow2", "b1")
    bitmap(s, "--enable", "--disable", "--enable", "a.qcow2", "b1")
    bitmap(s, "--remove", "--add", "-g", "4k", "a.qcow2", "b1")
    look(s, "a.qcow2")


def a_list_that_fails(s):
    s.create("a.qcow2", "1M")
    bitmap(s, "--add", "--merge", "nope", "a.qcow2", "n")
    look(s, "a.qcow2")


def granularities(s):
    s.create("a.qcow2", "1M")
    for size in ("0", "256", "512", "1000", "2G", "4G", "0x1000", "1.5k", "8E"):
        bitmap(s, "--add", "-g", size, "a.qcow2", f"g{size}")
    look(s, "a.qcow2")
    for cluster in ("512", "4k", "16k", "64k", "2M"):
        s.create("-o", f"cluster_size={cluster}", "c.qcow2", "16M")
        bitmap(s, "--add", "c.qcow2", "x")
        look(s, "c.qcow2")


def merging(s):
    s.create("a.qcow2", "1M")
    s.img("bitmap", "--add", "-g", "64k", "a.qcow2", "s")
    s.io("a.qcow2", "write -P 1 128k 4k")
    bitmap(s, "--add", "-g", "4k", "--disable", "a.qcow2", "d4")
    bitmap(s, "--add", "-g", "512k", "--disable", "a.qcow2", "d512")
    for source, target in (("s", "d4"), ("s", "d512"), ("d512", "s"), ("s", "s")):
        bitmap(s, "--merge", source, "a.qcow2", target)
        look(s, "a.qcow2")
    bitmap(s, "--merge", "nope", "a.qcow2", "s")
    bitmap(s, "--merge", "s", "a.qcow2", "nope")
    bitmap(s, "--merge", "", "a.qcow2", "s")


def many_clusters_of_bits(s):
    s.create("-o", "cluster_size=512", "a.qcow2", "20M")
    for name, size in (("fine", "512"), ("coarse", "64k")):
        s.img("bitmap", "--add", "-g", size, "a.qcow2", name)
        s.io("a.qcow2", "write -z 100k 9M", "write -P 3 15M 70k", "write -P 3 20479k 512")
    bitmap(s, "--add", "-g", "4k", "--merge", "fine", "--merge", "coarse", "a.qcow2", "middle")
    bitmap(s, "--merge", "coarse", "--merge", "middle", "a.qcow2", "fine")
    look(s, "a.qcow2")
    bitmap(s, "--clear", "a.qcow2", "fine")
    bitmap(s, "--remove", "a.qcow2", "coarse")
    look(s, "a.qcow2")


def inconsistent(s):
    s.create("a.qcow2", "1M")
    s.img("bitmap", "--add", "a.qcow2", "b0")
    s.img("bitmap", "--add", "a.qcow2", "b1")
    mark_in_use(s, "a.qcow2")
    for action in ("--add", "--clear", "--enable", "--disable"):
        bitmap(s, action, "a.qcow2", "b0")
    bitmap(s, "--merge", "b0", "a.qcow2", "b1")
    bitmap(s, "--merge", "b1", "a.qcow2", "b0")
    bitmap(s, "--merge", "nope", "a.qcow2", "b0")
    bitmap(s, "--disable", "a.qcow2", "b1")
    look(s, "a.qcow2")
    bitmap(s, "--remove", "a.qcow2", "b0")
    look(s, "a.qcow2")


def untrusted(s):
    s.create("a.qcow2", "1M")
    s.img("bitmap", "--add", "a.qcow2", "b0")
    s.patch("a.qcow2", 88, 0, ">Q")
    bitmap(s, "--enable", "a.qcow2", "b0")
    bitmap(s, "--add", "a.qcow2", "b0")
    look(s, "a.qcow2")


def formats_without(s):
    s.create("-o", "compat=0.10", "a.qcow2", "1M")
    s.raw("r.raw", MIB)
    s.img("create", "-q", "-f", "vmdk", "v.vmdk", "1M")
    for name in ("a.qcow2", "v.vmdk"):
        bitmap(s, "--remove", name, "b")
        bitmap(s, "--merge", "c", name, "b")
    bitmap(s, "-f", "raw", "--remove", "r.raw", "b")
    bitmap(s, "--remove", "r.raw", "b")
    bitmap(s, "--add", "-g", "3", "a.qcow2", "b")
    bitmap(s, "--add", "a.qcow2", "")


def formats_that_cannot_add(s):
    s.create("-o", "compat=0.10", "a.qcow2", "1M")
    s.raw("r.raw", MIB)
    s.img("create", "-q", "-f", "vmdk", "v.vmdk", "1M")
    bitmap(s, "--add", "a.qcow2", "b")
    bitmap(s, "-f", "raw", "--add", "r.raw", "b")
    bitmap(s, "--add", "v.vmdk", "b")


def a_disk_without_bytes(s):
    s.create("z.qcow2", "0")
    bitmap(s, "--add", "z.qcow2", "b")
    look(s, "z.qcow2")


# ---- names and files

def names(s):
    s.create("a.qcow2", "1M")
    bitmap(s, "--add", "a.qcow2", "")
    bitmap(s, "--remove", "a.qcow2", "")
    bitmap(s, "--add", "a.qcow2", "x" * 1023)
    bitmap(s, "--add", "a.qcow2", "x" * 1023)
    bitmap(s, "--remove", "a.qcow2", "y" * 1024)
    bitmap(s, "--add", "--disable", "a.qcow2", "with space, é and =")
    look(s, "a.qcow2")


def a_name_that_is_too_long(s):
    s.create("a.qcow2", "1M")
    bitmap(s, "--add", "a.qcow2", "x" * 1024)
    look(s, "a.qcow2")


def a_bitmap_that_is_too_large(s):
    s.create("a.qcow2", "4T")
    bitmap(s, "--add", "-g", "512", "a.qcow2", "x")
    look(s, "a.qcow2")


def a_source_image(s):
    s.create("b.qcow2", "1M")
    s.img("bitmap", "--add", "-g", "4k", "b.qcow2", "inb")
    s.io("b.qcow2", "write -P 1 12k 4k", "write -P 1 700k 100k")
    s.create("-b", "b.qcow2", "-F", "qcow2", "a.qcow2", "1M")
    bitmap(s, "--add", "--merge", "inb", "-b", "b.qcow2", "-F", "qcow2", "a.qcow2", "y")
    bitmap(s, "--add", "-g", "512", "--merge", "inb", "-b", "b.qcow2", "a.qcow2", "z")
    bitmap(s, "--merge", "y", "-b", "b.qcow2", "a.qcow2", "z")
    bitmap(s, "--merge", "inb", "a.qcow2", "z")
    look(s, "a.qcow2")
    look(s, "b.qcow2")


def sources_that_do_not_fit(s):
    s.create("a.qcow2", "1M")
    s.img("bitmap", "--add", "a.qcow2", "b")
    s.create("c.qcow2", "2M")
    s.img("bitmap", "--add", "c.qcow2", "s")
    s.raw("r.raw", MIB)
    bitmap(s, "--merge", "s", "-b", "c.qcow2", "-F", "qcow2", "a.qcow2", "b")
    bitmap(s, "--merge", "s", "-b", "r.raw", "-F", "raw", "a.qcow2", "b")
    bitmap(s, "--merge", "s", "-b", "r.raw", "a.qcow2", "b")
    bitmap(s, "--merge", "s", "-b", "nosuch.img", "-F", "qcow2", "a.qcow2", "b")
    bitmap(s, "--merge", "s", "-b", "c.qcow2", "-F", "nosuch", "a.qcow2", "b")
    bitmap(s, "--merge", "b", "-b", "a.qcow2", "-F", "qcow2", "a.qcow2", "b")
    look(s, "a.qcow2")


def a_missing_backing_file(s):
    s.create("-u", "-b", "gone.qcow2", "-F", "qcow2", "g.qcow2", "1M")
    bitmap(s, "--add", "g.qcow2", "b")
    look(s, "g.qcow2")
    s.create("a.qcow2", "1M")
    bitmap(s, "--add", "--merge", "b", "-b", "g.qcow2", "-F", "qcow2", "a.qcow2", "b")
    look(s, "a.qcow2")


def kinds_of_images(s):
    for options in ("extended_l2=on", "data_file=d.raw", "refcount_bits=1", "lazy_refcounts=on",
                    "cluster_size=2M", "compression_type=zstd"):
        s.create("-o", options, "a.qcow2", "1M")
        s.io("a.qcow2", "write -P 1 0 300k")
        bitmap(s, "--add", "-g", "512", "a.qcow2", "b")
        s.io("a.qcow2", "write -P 2 200k 5k")
        bitmap(s, "--add", "--merge", "b", "--disable", "a.qcow2", "c")
        look(s, "a.qcow2")
        s.content("a.qcow2")


def damaged(s):
    s.create("-o", "lazy_refcounts=on", "d.qcow2", "1M")
    s.io("d.qcow2", "write -P 1 0 256k")
    s.patch("d.qcow2", 72, DIRTY, ">Q")
    bitmap(s, "--add", "d.qcow2", "b")
    look(s, "d.qcow2")
    s.create("l.qcow2", "1M")
    block = struct.unpack_from(">Q", s.path("l.qcow2").read_bytes(), 64 * KIB)[0]
    s.patch("l.qcow2", block + 2 * 30, 1, ">H")
    bitmap(s, "--add", "l.qcow2", "b")
    s.value("bitmaps", stored(s, "l.qcow2"))


def corrupt_bit(s):
    s.create("c.qcow2", "1M")
    s.patch("c.qcow2", 72, 2, ">Q")
    bitmap(s, "--add", "c.qcow2", "b")
    s.value("length", s.path("c.qcow2").stat().st_size)


def command_lines(s):
    s.create("a.qcow2", "1M")
    for arguments in (["a.qcow2", "b"], ["--add", "a.qcow2"], ["--add", "a.qcow2", "b", "c"], [],
                      ["--remove", "-g", "64k", "a.qcow2", "b"], ["--remove", "-g", "0", "a.qcow2", "b"],
                      ["-b", "c.qcow2", "--add", "a.qcow2", "b"],
                      ["-F", "qcow2", "--add", "a.qcow2", "b"],
                      ["--merge", "x", "-F", "qcow2", "a.qcow2", "b"],
                      ["--add", "nosuch.img", "b"], ["--add", "-f", "nosuch", "a.qcow2", "b"],
                      ["--add", "-f", "qcow2", "--image-opts", "driver=qcow2", "b"]):
        bitmap(s, *arguments)
    bitmap(s, "--add", "--image-opts", "driver=qcow2,file.filename=a.qcow2", "i")
    bitmap(s, "a.qcow2", "--add", "j", "--disable")
    look(s, "a.qcow2")


CASES = {
    "actions in their order": order_of_actions,
    "a list of which an action fails": a_list_that_fails,
    "granularities": granularities,
    "merging": merging,
    "many clusters of bits": many_clusters_of_bits,
    "an inconsistent bitmap": inconsistent,
    "bitmaps that are not trusted": untrusted,
    "formats without bitmaps": formats_without,
    "formats to which none can be added": formats_that_cannot_add,
    "a disk without bytes": a_disk_without_bytes,
    "names": names,
    "a name that is too long": a_name_that_is_too_long,
    "a bitmap that is too large": a_bitmap_that_is_too_large,
    "a source image": a_source_image,
    "sources that do not fit": sources_that_do_not_fit,
    "a missing backing file": a_missing_backing_file,
    "kinds of images": kinds_of_images,
    "images that were not closed": damaged,
    "an image marked as corrupt": corrupt_bit,
    "command lines": command_lines,
}


# ---- what only ours does

def names_in(t, name):
    told = t.qemu_img("info", "--output=json", name)
    bitmaps = json.loads(told.text)["format-specific"]["data"].get("bitmaps", [])
    return [told["name"] for told in bitmaps]


def all_of_them(t):
    """--remove-all needs no name, and also removes what was not stored completely."""
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "a.qcow2", "1M")
    for name in ("a", "b", "c"):
        t.made_by_qemu_img("bitmap", "--add", "a.qcow2", name)
    outcome = t.instar("bitmap", "--remove-all", "a.qcow2", "a")
    t.equal((outcome.code, "Expecting filename" in outcome.err_text), (1, True), "refused", outcome)
    outcome = t.instar("bitmap", "--add", "--remove-all", "a.qcow2", "d")
    t.equal((outcome.code, outcome.text, t.complaint(outcome)), (0, "", []), "removed", outcome)
    t.equal(names_in(t, "a.qcow2"), [], "bitmaps", outcome)
    outcome = t.instar("bitmap", "--remove-all", "--add", "a.qcow2", "e")
    t.equal((outcome.code, names_in(t, "a.qcow2")), (0, ["e"]), "one", outcome)
    t.made_by_qemu_img("check", "-q", "a.qcow2")


def groups():
    group = Group("bitmap")
    for name, steps in CASES.items():
        group.add(name, beside_qemu_img, steps)
    group.case("all of them")(all_of_them)
    return [group]
