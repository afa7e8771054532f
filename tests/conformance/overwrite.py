"""convert -n into existing images of vmdk, vpc and vhdx: the same content as qemu-img leaves."""

import struct

from harness import Group

MIB = 1 << 20
DISK = 20 * MIB

# name: (format, options of create)
TARGETS = {
    "vmdk": ("vmdk", ()),
    "vmdk of version 2": ("vmdk", ("-o", "zeroed_grain=on")),
    "dynamic vpc": ("vpc", ("-o", "force_size=on")),
    "vhdx": ("vhdx", ()),
    "vhdx of small blocks": ("vhdx", ("-o", "block_size=1M")),
    "fixed vhdx": ("vhdx", ("-o", "subformat=fixed")),
}
# name: what the target holds before
BEFORE = {
    "empty": (),
    "full": ("write -P 9 0 20M",),
    "partly written": ("write -P 9 300k 700k", "write -P 8 7M 3M", "write -P 7 19M 1M"),
}
SOURCES = ("whole.raw", "short.raw", "zeros.raw")


def make(t):
    """A disk of 20 MiB with data, zeros and holes; a shorter one that ends within every unit."""
    with open(t.dir / "whole.raw", "wb") as file:
        file.truncate(DISK)
        for at, byte, length in ((0, 1, 100 << 10), (3 * MIB, 2, 2 * MIB), (9 * MIB + 512, 3, 70000),
                                 (DISK - 512, 4, 512)):
            file.seek(at)
            file.write(bytes([byte]) * length)
    with open(t.dir / "whole.raw", "rb") as file:
        (t.dir / "short.raw").write_bytes(file.read(9 * MIB + 5 * 512))
    with open(t.dir / "zeros.raw", "wb") as file:
        file.truncate(12 * MIB)


def prepared(t, name, form, options, before):
    t.made_by_qemu_img("create", "-q", "-f", form, *options, name, str(20 * MIB))
    if before:
        t.qemu_io(name, *before, format=form)


def same_content(t, target, state, source, flags):
    form, options = TARGETS[target]
    for name in ("ours", "theirs"):
        prepared(t, name, form, options, BEFORE[state])
    arguments = ["convert", "-n", *flags, "-f", "raw", "-O", form, source]
    t.succeeded(t.instar(*arguments, "ours"))
    t.made_by_qemu_img(*arguments, "theirs")
    t.made_by_qemu_img("compare", "-q", "-f", form, "-F", form, "ours", "theirs")
    t.succeeded(t.instar("check", "-f", form, "ours"))
    if form != "vpc":
        t.made_by_qemu_img("check", "-q", "-f", form, "ours")
    # And once more, now that everything has its place.
    length = (t.dir / "ours").stat().st_size
    t.succeeded(t.instar(*arguments, "ours"))
    t.made_by_qemu_img("compare", "-q", "-f", form, "-F", form, "ours", "theirs")
    t.equal((t.dir / "ours").stat().st_size, length, "length after the second time")


def made_here(t, form):
    """Images that instar made are written into the same way."""
    t.succeeded(t.instar("convert", "-f", "raw", "-O", form, "zeros.raw", "ours"))
    t.qemu_io("ours", "write -P 9 1M 5M", format=form)
    t.succeeded(t.instar("convert", "-n", "-f", "raw", "-O", form, "short.raw", "ours"))
    t.succeeded(t.instar("check", "-f", form, "ours"))
    t.made_by_qemu_img("convert", "-f", "raw", "-O", "raw", "short.raw", "want")
    with open(t.dir / "want", "r+b") as file:
        file.truncate(12 * MIB)
    t.made_by_qemu_img("compare", "-q", "-f", "raw", "-F", form, "want", "ours")


def new_identity(t):
    """What was made upon a disk that is written into afterwards does not fit any more."""
    t.made_by_qemu_img("create", "-q", "-f", "vmdk", "base.vmdk", "20M")
    t.made_by_qemu_img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk", "child.vmdk")
    t.succeeded(t.instar("convert", "-n", "-f", "raw", "-O", "vmdk", "whole.raw", "base.vmdk"))
    t.refused(t.instar("convert", "-O", "raw", "child.vmdk", "out"), says="content ID")
    t.made_by_qemu_img("create", "-q", "-f", "vhdx", "ids.vhdx", "20M")
    before = (t.dir / "ids.vhdx").read_bytes()[:192 << 10]
    t.succeeded(t.instar("convert", "-n", "-f", "raw", "-O", "vhdx", "whole.raw", "ids.vhdx"))
    after = (t.dir / "ids.vhdx").read_bytes()[:192 << 10]
    for at in (64 << 10, 128 << 10):
        t.check(before[at + 16:at + 32] != after[at + 16:at + 32], f"FileWriteGuid at {at:#x}")
        t.check(before[at + 32:at + 48] != after[at + 32:at + 48], f"DataWriteGuid at {at:#x}")
    numbers = [struct.unpack_from("<Q", after, at + 8)[0] for at in (64 << 10, 128 << 10)]
    t.equal(abs(numbers[0] - numbers[1]), 1, "sequence numbers")


def onto_a_child(t):
    """Zeros hide what the parent holds."""
    t.made_by_qemu_img("create", "-q", "-f", "vmdk", "parent.vmdk", "20M")
    t.qemu_io("parent.vmdk", "write -P 5 0 20M", format="vmdk")
    for name in ("ours", "theirs"):
        t.made_by_qemu_img("create", "-q", "-f", "vmdk", "-b", "parent.vmdk", "-F", "vmdk", name)
    arguments = ["convert", "-n", "-f", "raw", "-O", "vmdk", "whole.raw"]
    t.succeeded(t.instar(*arguments, "ours"))
    t.made_by_qemu_img(*arguments, "theirs")
    t.made_by_qemu_img("compare", "-q", "-f", "vmdk", "-F", "vmdk", "ours", "theirs")
    t.refused(t.instar("convert", "-n", "-f", "raw", "-O", "vmdk", "short.raw", "ours"),
              says="parent")


def refused(t):
    """What cannot be written into is left alone."""
    for form, options, words in (
            ("vmdk", ("-o", "subformat=monolithicFlat"), "monolithicSparse"),
            ("vmdk", ("-o", "subformat=twoGbMaxExtentSparse"), "monolithicSparse"),
            ("vmdk", ("-o", "subformat=streamOptimized"), "streamOptimized"),
            ("vmdk", (), "4194304"), ("vhdx", (), "4194304"), ("vpc", ("-o", "force_size=on"), "4194304")):
        small = words == "4194304"
        t.made_by_qemu_img("create", "-q", "-f", form, *options, "image", "4M" if small else "20M")
        before = (t.dir / "image").read_bytes()
        t.refused(t.instar("convert", "-n", "-f", "raw", "-O", form, "whole.raw", "image"), says=words)
        t.check((t.dir / "image").read_bytes() == before, f"{form} {options} was changed")


def groups():
    for target in TARGETS:
        group = Group(f"into existing {target}", make)
        for state in BEFORE:
            for source in SOURCES:
                group.add(f"{state} from {source}", same_content, target, state, source, ())
        group.add("-S 0", same_content, target, "partly written", "whole.raw", ("-S", "0"))
        group.add("-m 1", same_content, target, "empty", "whole.raw", ("-m", "1"))
        yield group
    group = Group("into existing", make)
    for form in ("vmdk", "vhdx"):
        group.add(f"{form} made here", made_here, form)
    group.case("other identity")(new_identity)
    group.case("a child")(onto_a_child)
    group.case("refused")(refused)
    yield group
