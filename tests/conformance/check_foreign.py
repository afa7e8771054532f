"""check of vmdk, vpc and vhdx: sound images, and images made wrong at one known place.

Where qemu-img judges a damage as we do, exit code and output are its own. It has no check for vpc, and
of the other two it looks at less than we do; those damages stand in groups of their own, which
divergences.toml names as a whole, and state the exit code that is ours.
"""

import struct

from conformance.check import check_human, check_isolation, check_json
from conformance.checks import ISOLATIONS
from conformance.comparing import parse, same_output
from conformance.images import KIB, MIB, Maker, noise
from harness import Failure, Group
from hostile.vhd_images import guid, vhd_sum

CLEAN, FAILED, CORRUPT, LEAKS = 0, 1, 2, 3


class Image:
    """The bytes of an image, by the little or big words that its format has."""

    def __init__(self, content, order):
        self.bytes, self.order = content, order

    def get(self, at, kind):
        return struct.unpack_from(self.order + kind, self.bytes, at)[0]

    def put(self, at, kind, value):
        struct.pack_into(self.order + kind, self.bytes, at, value)

    def cut(self, count):
        del self.bytes[len(self.bytes) - count:]


class Vmdk(Image):
    """A sparse extent: where its grain directories and first grain tables stand."""

    def __init__(self, content):
        super().__init__(content, "<")
        self.redundant_directory = self.get(48, "Q") * 512
        self.directory = self.get(56, "Q") * 512
        self.table = self.get(self.directory, "I") * 512
        self.redundant_table = self.get(self.redundant_directory, "I") * 512

    def sectors(self):
        return len(self.bytes) // 512

    def grain(self, index):
        return self.get(self.table + 4 * index, "I")

    def place(self, index, sector):
        """Both tables put the grain there."""
        self.put(self.table + 4 * index, "I", sector)
        self.put(self.redundant_table + 4 * index, "I", sector)


class Vhdx(Image):
    """Where the regions of a VHDX stand."""

    def __init__(self, content):
        super().__init__(content, "<")
        for at in range(0x30010, 0x30010 + 32 * self.get(0x30008, "I"), 32):
            offset = self.get(at + 16, "Q")
            if content[at:at + 16] == guid("2DC27766-F623-4200-9D64-115E9BFD4A08"):
                self.table = offset
            else:
                self.metadata = offset

    def entry(self, index):
        return self.get(self.table + 8 * index, "Q")

    def place(self, index, mebibytes, state=6):
        self.put(self.table + 8 * index, "Q", mebibytes << 20 | state)


class Vhd(Image):
    """Where the parts of a VHD stand; those of a dynamic one where it is one."""

    def __init__(self, content):
        super().__init__(content, ">")
        self.footer = len(content) - 512
        self.dynamic = content[:8] == b"conectix"
        self.table = self.get(512 + 16, "Q") if self.dynamic else None

    def entry(self, index):
        return self.get(self.table + 4 * index, "I")

    def place(self, index, sector):
        self.put(self.table + 4 * index, "I", sector)

    def sum_up(self, at, field, length):
        """Makes the checksum of a changed structure right."""
        self.put(at + field, "I", vhd_sum(self.bytes[at:at + length], field))


# -- vmdk: what qemu-img tells as we do -----------------------------------------------------------

VMDK_ALIKE = {
    "the last grain cut short": lambda x: x.cut(100),
    "grown": lambda x: x.bytes.extend(bytes(100_000)),
    "marked as not shut down": lambda x: x.put(72, "B", 1),
    "no signature": lambda x: x.put(0, "I", 0),
    "version 9": lambda x: x.put(4, "I", 9),
    "tables of no entries": lambda x: x.put(44, "I", 0),
    "tables of 513 entries": lambda x: x.put(44, "I", 513),
    "no descriptor": lambda x: x.bytes.__setitem__(slice(512, 1536), bytes(1024)),
    "cut within the header": lambda x: x.cut(len(x.bytes) - 300),
}
VMDK_MORE = {
    "a grain beyond the end": (CORRUPT, lambda x: x.place(0, 1 << 20)),
    "a grain far beyond the end": (CORRUPT, lambda x: x.place(0, (1 << 32) - 1)),
    "a grain at the end": (CORRUPT, lambda x: x.place(0, x.sectors())),
    "the last grains missing": (CORRUPT, lambda x: x.cut(2 * 64 * KIB)),
    "two grains in one place": (CORRUPT, lambda x: x.place(0, x.grain(1))),
    "grains that overlap": (CORRUPT, lambda x: x.place(0, x.grain(1) - 1)),
    "a grain where the tables are": (CORRUPT, lambda x: x.place(0, x.table // 512)),
    "a table beyond the end": (CORRUPT, lambda x: x.put(x.directory, "I", 1 << 20)),
    "a table that one directory lacks": (CORRUPT, lambda x: x.put(x.directory, "I", 0)),
    "tables that differ": (CORRUPT, lambda x: x.put(x.redundant_table, "I", 0)),
    "a redundant table beyond the end": (CORRUPT,
                                         lambda x: x.put(x.redundant_directory, "I", 1 << 20)),
    "a redundant directory beyond the end": (CORRUPT, lambda x: x.put(48, "Q", 1 << 40)),
    "a directory beyond the end": (FAILED, lambda x: x.put(56, "Q", 1 << 40)),
    "a directory that is not there": (FAILED, lambda x: x.put(56, "Q", 0)),
    "compression 7": (FAILED, lambda x: x.put(77, "H", 7)),
    "grains of 3 sectors": (FAILED, lambda x: x.put(20, "Q", 3)),
    "damaged in text mode": (FAILED, lambda x: x.bytes.__setitem__(slice(73, 77), b"\n\n\n\n")),
}

FLAT_ALIKE = {
    "grown": lambda x: x.bytes.extend(bytes(700)),
}
FLAT_MORE = {
    "the last sector missing": (CORRUPT, lambda x: x.cut(512)),
    "the last byte missing": (CORRUPT, lambda x: x.cut(1)),
    "nothing there": (CORRUPT, lambda x: x.cut(len(x.bytes))),
}

# -- vhdx -----------------------------------------------------------------------------------------

VHDX_ALIKE = {
    "a block beyond the end": lambda x: x.place(0, 100),
    "a block at the end": lambda x: x.place(0, len(x.bytes) >> 20),
    "two blocks beyond the end": lambda x: (x.place(0, 100), x.place(1, 100)),
    "a block on the log": lambda x: x.place(0, 1),
    "a block on the table": lambda x: x.place(0, x.table >> 20),
    "a block on the metadata": lambda x: x.place(0, x.metadata >> 20),
    "the last block missing": lambda x: x.cut(MIB),
    "reserved bits": lambda x: x.put(x.table, "Q", x.entry(0) | 8),
    "a block marked as zeros": lambda x: x.put(x.table, "Q", x.entry(0) ^ 4),
    "grown": lambda x: x.bytes.extend(bytes(3 * MIB)),
    "both headers damaged": lambda x: (x.put(0x10008, "Q", 77), x.put(0x20008, "Q", 77)),
    "both region tables damaged": lambda x: (x.put(0x30018, "Q", 77), x.put(0x40018, "Q", 77)),
    "no signature": lambda x: x.put(0, "Q", 0),
    "no metadata": lambda x: x.put(x.metadata, "Q", 0),
    "cut behind the headers": lambda x: x.cut(len(x.bytes) - 0x50000),
}
VHDX_MORE = {
    "a block far beyond the end": (CORRUPT, lambda x: x.place(0, 1 << 43)),
    "two blocks in one place": (CORRUPT, lambda x: x.put(x.table, "Q", x.entry(2))),
    "a block on the header": (CORRUPT, lambda x: x.place(0, 0)),
    "a state that does not exist": (CORRUPT, lambda x: x.place(0, 8, state=4)),
    "partly present without a parent": (CORRUPT, lambda x: x.put(x.table, "Q", x.entry(0) | 1)),
    "the last block cut short": (CORRUPT, lambda x: x.cut(100)),
    "the first header damaged": (CLEAN, lambda x: x.put(0x10008, "Q", 77)),
    "the second header damaged": (CLEAN, lambda x: x.put(0x20008, "Q", 77)),
    "the second region table damaged": (CLEAN, lambda x: x.put(0x40018, "Q", 77)),
    "the first region table damaged": (CLEAN, lambda x: x.put(0x30018, "Q", 77)),
}

# -- vpc ------------------------------------------------------------------------------------------

VPC_ALIKE = {
    "a table beyond the end": lambda x: (x.put(512 + 16, "Q", 1 << 40), x.sum_up(512, 36, 1024)),
    "a table of too few entries": lambda x: (x.put(512 + 28, "I", 1), x.sum_up(512, 36, 1024)),
}
VPC_MORE = {
    "sound": (CLEAN, lambda x: None),
    "a block beyond the end": (CORRUPT, lambda x: x.place(0, 1 << 30)),
    "two blocks in one place": (CORRUPT, lambda x: x.place(0, x.entry(2))),
    "blocks that overlap": (CORRUPT, lambda x: x.place(0, x.entry(2) - 1)),
    "a block on the header": (CORRUPT, lambda x: x.place(0, 1)),
    "a block that nobody knows": (LEAKS, lambda x: x.place(0, 0xFFFFFFFF)),
    "copies of the footer that differ": (CORRUPT, lambda x: x.put(8, "I", 0)),
    "no copy of the footer": (CORRUPT, lambda x: x.bytes.__setitem__(slice(0, 512), bytes(512))),
    "no footer": (CORRUPT, lambda x: x.cut(512)),
    "a footer whose checksum is wrong": (CORRUPT, lambda x: x.put(x.footer + 64, "I", 0)),
    "a header whose checksum is wrong": (FAILED, lambda x: x.put(512 + 36, "I", 0)),
}
VPC_FIXED_ALIKE = {
    "a footer whose checksum is wrong": lambda x: x.put(x.footer + 64, "I", 0),
    "no footer": lambda x: x.cut(512),
}
VPC_FIXED_MORE = {"sound": (CLEAN, lambda x: None)}

# -- the images -----------------------------------------------------------------------------------


def content(m, size=3 * MIB):
    m.sparse("disk.raw", size, (0, noise(1, 200 * KIB)), (2 * MIB, noise(2, 64 * KIB)))


def converted(form, options):
    def make(t):
        m = Maker(t)
        content(m)
        m.qemu_img("convert", "-O", form, "-o", options, "disk.raw", f"x.{form}")
    return make


def make_vhdx(t):
    m = Maker(t)
    m.qemu_img("create", "-q", "-f", "vhdx", "-o", "block_size=1M", "x.vhdx", "5M")
    m.io("write -P 1 0 64k", "write -P 2 2M 1M", file="x.vhdx", format="vhdx")


def make_vpc(t):
    m = Maker(t)
    m.qemu_img("create", "-q", "-f", "vpc", "x.vpc", "7M")
    m.io("write -P 1 0 64k", "write -P 2 4M 1M", file="x.vpc", format="vpc")


SOUND = {
    "vmdk": ("subformat=monolithicSparse", "subformat=monolithicFlat",
             "subformat=twoGbMaxExtentSparse", "subformat=twoGbMaxExtentFlat",
             "subformat=streamOptimized", "zeroed_grain=on", "compat6=on"),
    "vhdx": ("subformat=dynamic", "subformat=fixed", "block_size=1M", "block_state_zero=off",
             "log_size=2M"),
}


def sound(t, form, options):
    """Of qemu-img's image and of ours, whatever was converted to it."""
    content(Maker(t))
    for who, convert in (("theirs", t.made_by_qemu_img),
                         ("ours", lambda *a: t.succeeded(t.instar(*a)))):
        convert("convert", "-O", form, "-o", options, "disk.raw", f"{who}.{form}")
        for stated in ((), ("-f", form)):
            for output in ((), ("--output=json",)):
                got = same_output(t, "check", *output, *stated, f"{who}.{form}")
                t.equal(got.code, CLEAN, "exit code", got)


def damaged(t, kind, form, file, mutate, code=None):
    """The exit code is `code`, where it is given; else everything is as qemu-img has it."""
    content = (t.dir / file).read_bytes()
    image = kind(bytearray(content))
    mutate(image)
    # A damaged extent is judged through the descriptor that names it.
    whole = file.replace("-s001", "").replace("-flat", "")
    try:
        (t.dir / file).write_bytes(image.bytes)
        if code is None:
            same_judgement(t, form, whole)
            return
        judged(t, form, whole, code)
        try:
            same_judgement(t, form, whole)
        except Failure as failure:
            raise Failure(f"judged otherwise than by qemu-img: {failure}") from failure
    finally:
        (t.dir / file).write_bytes(content)


def same_judgement(t, form, file):
    for output in ((), ("--output=json",)):
        same_output(t, "check", "-f", form, *output, file)


def judged(t, form, file, code):
    """What we say holds together: code, summary and JSON tell the same."""
    got = t.instar("check", "-f", form, "--output=json", file)
    t.clean(got)
    t.equal(got.code, code, "our own judgement", got)
    if code == FAILED:
        t.refused(got)
        return
    report = parse(t, got)
    t.equal(report.get("corruptions", 0) > 0, code == CORRUPT, "corruptions", got)
    t.check(code == CORRUPT or (report.get("leaks", 0) > 0) == (code == LEAKS), "leaks", got)
    t.equal(report["check-errors"], 0, "check-errors", got)
    human = t.instar("check", "-f", form, file)
    t.equal(human.code, code, "the human form's judgement", human)
    t.equal("No errors were found" in human.text, code == CLEAN, "summary", human)


def make_each(t):
    m = Maker(t)
    content(m)
    for form, options in (("vmdk", "subformat=twoGbMaxExtentSparse"), ("vpc", "force_size=on"),
                          ("vhdx", "block_size=1M")):
        m.qemu_img("convert", "-O", form, "-o", options, "disk.raw", f"x.{form}")


def groups():
    whole = Group("check/foreign")
    for form, all_options in SOUND.items():
        for options in all_options:
            whole.add(f"{form} {options}", sound, form, options)
    found = [whole]
    no_lone_extent = {name: case for name, case in VMDK_ALIKE.items() if name != "no descriptor"}
    for name, make, kind, form, file, alike, more in (
            ("vmdk", converted("vmdk", "subformat=monolithicSparse"), Vmdk, "vmdk", "x.vmdk",
             VMDK_ALIKE, VMDK_MORE),
            ("vmdk-split", converted("vmdk", "subformat=twoGbMaxExtentSparse"), Vmdk, "vmdk",
             "x-s001.vmdk", no_lone_extent, VMDK_MORE),
            ("vmdk-flat", converted("vmdk", "subformat=monolithicFlat"),
             lambda content: Image(content, "<"), "vmdk", "x-flat.vmdk", FLAT_ALIKE, FLAT_MORE),
            ("vhdx", make_vhdx, Vhdx, "vhdx", "x.vhdx", VHDX_ALIKE, VHDX_MORE),
            ("vpc", make_vpc, Vhd, "vpc", "x.vpc", VPC_ALIKE, VPC_MORE),
            ("vpc-fixed", converted("vpc", "subformat=fixed"), Vhd, "vpc", "x.vpc",
             VPC_FIXED_ALIKE, VPC_FIXED_MORE)):
        for suffix, cases in (("", alike), ("-more", more)):
            group = Group(f"check/{name}{suffix}", make)
            for what, case in cases.items():
                code, mutate = case if isinstance(case, tuple) else (None, case)
                group.add(what, damaged, kind, form, file, mutate, code)
            found.append(group)
    isolation = Group("check/foreign-isolation", make_each)
    for form in ("vmdk", "vpc", "vhdx"):
        for how in ISOLATIONS:
            isolation.add(f"{form} {how}", check_isolation, f"x.{form}", how)
        if form != "vpc":
            isolation.add(f"{form} json", check_json, f"x.{form}")
            isolation.add(f"{form} human", check_human, f"x.{form}")
    return [*found, isolation]
