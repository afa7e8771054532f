"""VHD and VHDX beside qemu-img: sizes, options, content, in both directions.

qemu-img makes neither differencing disks nor a log to be replayed, so what it cannot make is built by
hostile/vhd_images.py and compared with what it was built from.
"""

import os

from harness import Group, first_difference
from conformance.checks import as_qemu, differing_fields, parse
from conformance.images import GIB, KIB, MIB, TIB, noise, prose
from hostile import vhd_images
from hostile.vhd_images import DIFFERENCING, Vhd, Vhdx, write

ISOLATIONS = ("kvm", "process", "none")
SIZE = 11 * MIB + 512

# Around where the geometry changes its form: heads, sectors a track, the largest there is.
VPC_SIZES = {
    "1 sector": 512, "odd": 1_000_000 // 512 * 512 + 512, "whole geometry": 34816,
    "5 MiB": 5 * MIB, "heads 4 to 5": 17 * 4 * 1024 * 512, "below 17 a track": 17 * 16 * 1024 * 512 - 512,
    "31 a track": 17 * 16 * 1024 * 512, "63 a track": 31 * 16 * 1024 * 512 + 512,
    "8 GiB": 8 * GIB, "255 a track": 65535 * 16 * 63 * 512, "60 GiB": 60 * GIB,
    "127 GiB": 127 * GIB, "below the largest geometry": 65535 * 16 * 255 * 512 - 512,
    "the largest geometry": 65535 * 16 * 255 * 512,
    "above the largest geometry": 65535 * 16 * 255 * 512 + 512, "2 TiB less 8 GiB": 2040 * GIB,
}
VPC_OPTIONS = ("subformat=dynamic", "subformat=fixed", "force_size=on",
               "subformat=fixed,force_size=on")
VHDX_SIZES = {"0": 0, "1 sector": 512, "odd": 1_000_448, "1 GiB": GIB, "above 1 GiB": GIB + 512,
              "100 GiB": 100 * GIB, "above 100 GiB": 100 * GIB + 512, "2.5 TiB": 5 * TIB // 2}
VHDX_OPTIONS = ("subformat=dynamic", "subformat=fixed", "block_size=1M", "block_size=1",
                "block_size=32M,log_size=3M", "block_size=512M", "block_state_zero=off",
                "log_size=1.5M", "subformat=fixed,block_size=2M")


def sparse(t, name, size):
    with open(t.dir / name, "wb") as file:
        file.truncate(size)
    return name


def told(t, program, form, name):
    """info's fields but for those that name the file and its storage."""
    outcome = program("info", "--output=json", "-f", form, name)
    report = parse(t, t.succeeded(outcome))
    for key in ("filename", "actual-size", "children"):
        report.pop(key, None)
    return report


def same_size(t, form, size, options):
    """Sizes are rounded as qemu-img rounds them, and each reads the other's image alike."""
    theirs, ours = f"theirs.{form}", f"ours.{form}"
    try:
        t.made_by_qemu_img("create", "-q", "-f", form, "-o", options, theirs, str(size))
        t.succeeded(t.instar("convert", "-f", "raw", "-O", form, "-o", options,
                             sparse(t, "empty.raw", size), ours))
        want = told(t, t.qemu_img, form, theirs)
        for name in (theirs, ours):
            instar = lambda *a: t.instar(a[0], as_qemu(t), *a[1:])  # noqa: E731
            for who, program in (("qemu-img", t.qemu_img), ("instar", instar)):
                differing = differing_fields(told(t, program, form, name), want)
                t.check(not differing, f"{who} on {name}: fields differ (got, want): {differing}")
        human = [t.succeeded(program("info", *options_, "-f", form, theirs)).text
                 for program, options_ in ((t.instar, [as_qemu(t)]), (t.qemu_img, []))]
        t.equal(human[0].split("\n"), human[1].split("\n"), "lines differ")
    finally:
        for name in (theirs, ours, "empty.raw"):
            (t.dir / name).unlink(missing_ok=True)


def make_content(t):
    content = bytearray(SIZE)
    for offset, piece in ((0, prose(1, 300 * KIB)), (2 * MIB - 512, noise(1, 1024)),
                          (5 * MIB, noise(2, 700 * KIB)), (SIZE - 512, noise(3, 512))):
        content[offset:offset + len(piece)] = piece
    (t.dir / "disk.raw").write_bytes(content)
    t.made_by_qemu_img("convert", "-f", "raw", "-O", "qcow2", "-c", "disk.raw", "disk.qcow2")


def same_bytes(t, got, want="disk.raw"):
    """Equal as far as `want` goes; what a geometry added is zeros."""
    extra = os.stat(t.dir / got).st_size - os.stat(t.dir / want).st_size
    t.check(extra >= 0, f"{got} is {-extra} bytes short")
    if extra:
        with open(t.dir / got, "rb+") as file:
            file.seek(-extra, 2)
            t.check(not any(file.read()), "what the size was rounded up by is not zero")
            file.truncate(os.stat(t.dir / want).st_size)
    difference = first_difference(t.dir / got, t.dir / want)
    t.check(difference is None, f"raw bytes: {difference}")


def reads_qemu_img(t, form, options):
    t.made_by_qemu_img("convert", "-f", "raw", "-O", form, "-o", options, "disk.raw", "theirs")
    t.succeeded(t.instar("convert", "-f", form, "-O", "raw", "theirs", "got.raw"))
    same_bytes(t, "got.raw")


def qemu_img_reads(t, form, options, source="disk.raw"):
    t.succeeded(t.instar("convert", "-f", source.split(".")[1], "-O", form, "-o", options, source, "ours"))
    t.made_by_qemu_img("compare", "-q", "-f", "raw", "-F", form, "disk.raw", "ours")
    if form == "vhdx":
        t.made_by_qemu_img("check", "-q", "-f", form, "ours")
    t.succeeded(t.instar("convert", "-f", form, "-O", "raw", "ours", "got.raw"))
    same_bytes(t, "got.raw")


def isolation_agrees(t, form, options, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    for name, extra in (("one", []), ("two", [how])):
        t.succeeded(t.instar("convert", "--reproducible", *extra, "-f", "qcow2", "-O", form, "-o",
                             options, "disk.qcow2", name))
        t.succeeded(t.instar("convert", *extra, "-f", form, "-O", "qcow2", name, f"{name}.qcow2"))
    for name in ("", ".qcow2"):
        difference = first_difference(t.dir / f"one{name}", t.dir / f"two{name}")
        t.check(difference is None, f"differs by isolation: {difference}")


def azure(t):
    t.succeeded(t.instar("convert", "-f", "raw", "-O", "vpc", "-o", "azure=on", "disk.raw", "ours"))
    t.equal(os.stat(t.dir / "ours").st_size, 12 * MIB + 512, "length of the file")
    t.equal(told(t, t.qemu_img, "vpc", "ours")["virtual-size"], 12 * MIB, "qemu-img's size")
    t.succeeded(t.instar("convert", "-O", "raw", "ours", "got.raw"))
    same_bytes(t, "got.raw")


def into_existing(t):
    """-n writes the disk of a fixed VHD and leaves its footer alone."""
    for name in ("ours", "theirs"):
        t.made_by_qemu_img("create", "-q", "-f", "vpc", "-o", "subformat=fixed,force_size=on", name,
                           str(SIZE + MIB))
        t.qemu_io(name, f"write -P 9 0 {SIZE + MIB}", format="vpc")
    footer = (t.dir / "ours").read_bytes()[-512:]
    t.succeeded(t.instar("convert", "-n", "-f", "raw", "-O", "vpc", "disk.raw", "ours"))
    t.made_by_qemu_img("convert", "-n", "-f", "raw", "-O", "vpc", "disk.raw", "theirs")
    t.made_by_qemu_img("compare", "-q", "-f", "vpc", "-F", "vpc", "ours", "theirs")
    t.check((t.dir / "ours").read_bytes()[-512:] == footer, "the footer changed")


def probed(t):
    """A fixed VHD has no signature at its start; qemu-img takes it for raw."""
    t.made_by_qemu_img("create", "-q", "-f", "vpc", "-o", "subformat=fixed", "fixed.vhd", "1M")
    want = parse(t, t.qemu_img("info", "--output=json", "fixed.vhd"))
    got = parse(t, t.succeeded(t.instar("info", as_qemu(t), "--output=json", "fixed.vhd")))
    t.equal(got["format"], want["format"], "format differs")


# -- what qemu-img cannot make --------------------------------------------------------------------


def overlay_of(form, parent, sectors, here):
    """A differencing disk of 1 MiB blocks whose block 1 has the sectors `here`, all 0x55."""
    content = bytearray(MIB)
    for sector in here:
        content[512 * sector:512 * sector + 512] = b"\x55" * 512
    bitmap = bytearray(256)
    for sector in here:
        bitmap[sector // 8] |= (0x80 >> sector % 8) if form == "vpc" else (1 << sector % 8)
    if form == "vpc":
        child = Vhd(sectors, MIB, DIFFERENCING).parent(b"W2ru", ".\\parent.img")
        child.header["parent_id"] = parent[-512:][68:84]
        return child.data(1, content, bytes(bitmap)).build()
    linkage = vhd_images.guid_text(parent[64 * KIB + 32:64 * KIB + 48])
    child = Vhdx(sectors * 512).over(("parent_linkage", linkage),
                                     ("relative_path", ".\\parent.img"))
    return child.data(1, content, 7).bitmap(0, bytes(32 * 8) + bytes(bitmap)).build()


def differencing(t, form, parent_options):
    """The disk is the parent's but for the sectors that the bitmap says are here."""
    here = [0, 1, 7, 8, 100, 2047]
    size = 4 * MIB
    base = noise(5, size)
    (t.dir / "base.raw").write_bytes(base)
    t.succeeded(t.instar("convert", "-f", "raw", "-O", form, "-o", parent_options, "base.raw",
                         "parent.img"))
    parent = (t.dir / "parent.img").read_bytes()
    write(t.dir / "child.img", overlay_of(form, parent, size // 512, here))
    want = bytearray(base)
    for sector in here:
        want[MIB + 512 * sector:MIB + 512 * sector + 512] = b"\x55" * 512
    (t.dir / "want.raw").write_bytes(want)
    t.succeeded(t.instar("convert", "-O", "raw", "child.img", "got.raw"))
    same_bytes(t, "got.raw", "want.raw")
    chain = parse(t, t.succeeded(t.instar("info", "--backing-chain", "--output=json", "child.img")))
    t.equal([image["format"] for image in chain], [form, form], "formats of the chain")
    t.equal(chain[0]["backing-filename"], "parent.img", "name of the parent")
    # Another disk of the same name is not the parent.
    t.succeeded(t.instar("convert", "-f", "raw", "-O", form, "-o", parent_options, "got.raw",
                         "other.img"))
    other = bytearray((t.dir / "other.img").read_bytes())
    if form == "vpc":
        other[-512:] = vhd_images.vhd_footer(size, data_offset=512, identifier=b"other".ljust(16)) \
            if parent_options != "azure=on" else vhd_images.vhd_footer(
                size, vhd_images.FIXED, identifier=b"other".ljust(16))
    else:
        for at, sequence in ((64 * KIB, 1), (128 * KIB, 2)):
            other[at:at + 4096] = vhd_images.vhdx_header(sequence)
    (t.dir / "parent.img").write_bytes(other)
    t.refused(t.instar("convert", "-O", "raw", "child.img", "got.raw"), says="parent")


def replayed_log(t):
    """A block that only the log knows of is read; the file is not changed."""
    image = Vhdx().dirty()
    table = bytearray(4096)
    table[8:16] = (vhd_images.BLOCKS | 6).to_bytes(8, "little")
    image.log[0] = vhd_images.log_entry(7, [(vhd_images.BAT, bytes(table))])
    pieces = image.build()
    pieces[vhd_images.BLOCKS] = b"\x77" * MIB
    write(t.dir / "dirty.vhdx", pieces)
    before = (t.dir / "dirty.vhdx").read_bytes()
    t.succeeded(t.instar("convert", "-O", "raw", "dirty.vhdx", "got.raw"))
    (t.dir / "want.raw").write_bytes(bytes(MIB) + b"\x77" * MIB + bytes(2 * MIB))
    same_bytes(t, "got.raw", "want.raw")
    t.check((t.dir / "dirty.vhdx").read_bytes() == before, "the source changed")
    report = parse(t, t.succeeded(t.instar("info", "--output=json", "dirty.vhdx")))
    t.check(report["dirty-flag"], "does not say that the log is not empty")
    # qemu-img replays it where it may write, and then reads the same.
    t.qemu_img("check", "-q", "-r", "all", "-f", "vhdx", "dirty.vhdx")
    t.made_by_qemu_img("compare", "-q", "-f", "raw", "-F", "vhdx", "want.raw", "dirty.vhdx")


def sectors_of_4096(t):
    t.succeeded(t.instar("convert", "-f", "raw", "-O", "vhdx", "-o", "logical_sector_size=4096",
                         "disk.raw", "ours"))
    t.succeeded(t.instar("convert", "-f", "vhdx", "-O", "raw", "ours", "got.raw"))
    same_bytes(t, "got.raw")


def groups():
    sizes = Group("hyper-v/sizes")
    for form, all_sizes, all_options in (("vpc", VPC_SIZES, VPC_OPTIONS),
                                         ("vhdx", VHDX_SIZES, VHDX_OPTIONS)):
        for number, (name, size) in enumerate(all_sizes.items()):
            few = all_options if form == "vpc" else (all_options[number % 9], "subformat=dynamic")
            for options in dict.fromkeys(few):
                sizes.add(f"{form} {name} {options}", same_size, form, size, options)
    for options in VHDX_OPTIONS:
        sizes.add(f"vhdx 20 MiB {options}", same_size, "vhdx", 20 * MIB, options)
    sizes.case("a fixed vpc is recognised")(probed)

    content = Group("hyper-v/content", make_content)
    for form, all_options in (("vpc", VPC_OPTIONS), ("vhdx", VHDX_OPTIONS)):
        for options in all_options:
            content.add(f"{form} {options} of qemu-img", reads_qemu_img, form, options)
            content.add(f"{form} {options} for qemu-img", qemu_img_reads, form, options)
        content.add(f"{form} from qcow2", qemu_img_reads, form, all_options[0], "disk.qcow2")
        for isolation in ISOLATIONS:
            for options in all_options[:2]:
                content.add(f"{form} {options} {isolation}", isolation_agrees, form, options, isolation)
    content.case("azure")(azure)
    content.case("into an existing fixed vpc")(into_existing)
    content.case("sectors of 4096 bytes")(sectors_of_4096)

    built = Group("hyper-v/built")
    for form, options in (("vpc", "force_size=on"), ("vpc", "azure=on"), ("vhdx", "block_size=1M"),
                          ("vhdx", "subformat=fixed")):
        built.add(f"differencing {form} over {options}", differencing, form, options)
    built.case("a log to be replayed")(replayed_log)
    return [sizes, content, built]
