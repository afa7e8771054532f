"""The strict profile passes what honest programs write: qemu-img in all of its options, this one,
e2image, and makers of file systems, partition tables and CDs for raw disks."""

import random
import shutil

from harness import Group, Skip, run

KIB, MIB = 1 << 10, 1 << 20

# Of a disk that is neither empty nor full, and no whole number of any cluster.
SIZE = 6 * MIB + 3 * 512


def make(t):
    content = bytearray(SIZE)
    content[:MIB] = random.Random(1).randbytes(MIB)
    content[3 * MIB:4 * MIB] = b"some words " * (MIB // 11) + bytes(4)
    content[-512:] = b"\xAA" * 512
    (t.dir / "source.raw").write_bytes(content)
    (t.dir / "folder").mkdir()
    (t.dir / "folder" / "file").write_bytes(b"text\n" * 1000)


def converted(form, *options):
    return [["qemu-img", "convert", "-f", "raw", "-O", form, *options, "source.raw", "x"]]


def created(form, size, *options):
    return [["qemu-img", "create", "-q", "-f", form, *options, "x", size]]


def ours(verb, form, *options):
    tail = ["-f", "raw", "-O", form, *options, "source.raw", "x"]
    return [["instar", verb, *tail]] if verb == "convert" else [
        ["instar", "create", "-q", "-f", form, *options, "x", "20M"]]


def formatted(*maker, size="320M"):
    return [["truncate", "-s", size, "x"], [*maker, "x"]]


def qcow2_rows():
    for shift in range(13):
        yield f"clusters of {512 << shift}", converted("qcow2", "-o", f"cluster_size={512 << shift}")
    for bits in (1, 2, 4, 8, 32, 64):
        yield f"refcounts of {bits} bits", converted("qcow2", "-o", f"refcount_bits={bits}")
    yield "version 2", converted("qcow2", "-o", "compat=0.10")
    yield "lazy refcounts", converted("qcow2", "-o", "lazy_refcounts=on")
    yield "lazy refcounts, written", created("qcow2", "8M", "-o", "lazy_refcounts=on") + [
        ["qemu-io", "-f", "qcow2", "-c", "write 1M 2M", "x"]]
    for size in (16 * KIB, 64 * KIB, 2 * MIB):
        yield f"subclusters of {size // 32}", converted(
            "qcow2", "-o", f"extended_l2=on,cluster_size={size}")
    yield "subclusters, partly written", created("qcow2", "8M", "-o", "extended_l2=on") + [
        ["qemu-io", "-f", "qcow2", "-c", "write 6k 2k", "-c", "write -z 1M 4k", "x"]]
    yield "deflate", converted("qcow2", "-c")
    yield "zstd", converted("qcow2", "-c", "-o", "compression_type=zstd")
    yield "deflate in large clusters", converted("qcow2", "-c", "-o", "cluster_size=2M")
    for kind in ("metadata", "falloc", "full"):
        for size in (512, 64 * KIB, 2 * MIB):
            yield f"preallocation={kind}, clusters of {size}", created(
                "qcow2", "20M", "-o", f"preallocation={kind},cluster_size={size}")
    yield "preallocation=metadata of 1 TiB", created("qcow2", "1T", "-o", "preallocation=metadata")
    for size in ("0", "512", "1T", "64T"):
        yield f"empty, of {size}", created("qcow2", size, "-o", "cluster_size=2M")
    yield "snapshots", converted("qcow2") + [
        ["qemu-img", "snapshot", "-c", "a", "x"],
        ["qemu-io", "-f", "qcow2", "-c", "write 0 3M", "x"],
        ["qemu-img", "snapshot", "-c", "b", "x"]]
    yield "bitmaps", converted("qcow2") + [
        ["qemu-img", "bitmap", "--add", "-f", "qcow2", "x", "b"],
        ["qemu-io", "-f", "qcow2", "-c", "write 2M 1M", "x"],
        ["qemu-img", "bitmap", "--add", "-f", "qcow2", "--disable", "x", "c"]]
    yield "discarded", converted("qcow2") + [
        ["qemu-io", "-f", "qcow2", "-c", "discard 0 512k", "-c", "write -z -u 3M 1M", "x"]]
    yield "grown", converted("qcow2") + [["qemu-img", "resize", "-f", "qcow2", "x", "40G"]]
    yield "shrunk", converted("qcow2") + [
        ["qemu-img", "resize", "-f", "qcow2", "--shrink", "x", "2M"]]
    yield "made version 3", converted("qcow2", "-o", "compat=0.10") + [
        ["qemu-img", "amend", "-f", "qcow2", "-o", "compat=1.1", "x"]]
    yield "made version 2", converted("qcow2") + [
        ["qemu-img", "amend", "-f", "qcow2", "-o", "compat=0.10", "x"]]
    yield "cut from its backing file", [
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "source.raw", "-F", "raw", "x"],
        ["qemu-img", "rebase", "-f", "qcow2", "-b", "", "x"]]
    yield "without refcounts for its end", converted("qcow2", "-W")
    yield "e2image", [["truncate", "-s", "64M", "fs"], ["mkfs.ext4", "-q", "-F", "fs"],
                      ["e2image", "-Q", "fs", "x"]]
    for options in ([], ["-c"], ["-c", "-o", "compression_type=zstd"], ["-o", "extended_l2=on"],
                    ["-o", "cluster_size=512"], ["-o", "preallocation=metadata"]):
        yield "instar convert " + " ".join(options), ours("convert", "qcow2", *options)
    yield "instar create", ours("create", "qcow2", "-o", "preallocation=metadata")


def vmdk_rows():
    for kind in ("monolithicSparse", "streamOptimized"):
        yield kind, converted("vmdk", "-o", f"subformat={kind}")
        yield f"instar, {kind}", ours("convert", "vmdk", "-o", f"subformat={kind}")
    yield "empty", created("vmdk", "10G")
    yield "of no size", created("vmdk", "0")
    yield "of zero grains", created("vmdk", "8M", "-o", "zeroed_grain=on") + [
        ["qemu-io", "-f", "vmdk", "-c", "write -z 1M 1M", "-c", "write 3M 70k", "x"]]
    yield "bximage", [["bximage", "-func=create", "-hd=10M", "-imgmode=vmware4", "-q", "x"]]
    yield "for an LSI adapter", converted("vmdk", "-o", "adapter_type=lsilogic,hwversion=6")
    yield "for version 6", converted("vmdk", "-o", "compat6=on")


def vpc_rows():
    for kind in ("dynamic", "fixed"):
        for size in ("off", "on"):
            yield f"{kind}, force_size={size}", converted(
                "vpc", "-o", f"subformat={kind},force_size={size}")
        yield f"instar, {kind}", ours("convert", "vpc", "-o", f"subformat={kind}")
    yield "empty", created("vpc", "100G")
    yield "bximage", [["bximage", "-func=create", "-hd=10M", "-imgmode=vpc", "-q", "x"]]
    yield "instar create", ours("create", "vpc")


def vhdx_rows():
    for kind in ("dynamic", "fixed"):
        yield kind, converted("vhdx", "-o", f"subformat={kind}")
        yield f"instar, {kind}", ours("convert", "vhdx", "-o", f"subformat={kind}")
    for block in ("1M", "8M", "256M"):
        yield f"blocks of {block}", converted("vhdx", "-o", f"block_size={block}")
    yield "a log of 4 MiB", converted("vhdx", "-o", "log_size=4M")
    yield "blocks that are not zero", converted("vhdx", "-o", "block_state_zero=off")
    yield "written", created("vhdx", "5G") + [
        ["qemu-io", "-f", "vhdx", "-c", "write 1G 2M", "-c", "write 4G 64k", "x"]]
    yield "empty, of 60T", created("vhdx", "60T")


def raw_rows():
    yield "noise and holes", [["cp", "source.raw", "x"]]
    yield "an empty file", [["truncate", "-s", "0", "x"]]
    yield "of zeros", [["truncate", "-s", "10G", "x"]]
    yield "of 3 bytes", [["truncate", "-s", "3", "x"]]
    yield "ext2", formatted("mkfs.ext2", "-q", "-F")
    yield "ext4", formatted("mkfs.ext4", "-q", "-F")
    yield "xfs", formatted("mkfs.xfs", "-q")
    yield "btrfs", formatted("mkfs.btrfs", "-q")
    yield "FAT", formatted("mkfs.vfat")
    yield "swap", formatted("mkswap")
    yield "GPT by sgdisk", [["truncate", "-s", "64M", "x"],
                            ["sgdisk", "-n", "1:0:0", "-t", "1:8300", "x"]]
    yield "GPT by parted", [["truncate", "-s", "64M", "x"],
                            ["parted", "-s", "x", "mklabel", "gpt", "mkpart", "a", "1MiB", "9MiB"]]
    yield "MBR by parted", [["truncate", "-s", "64M", "x"],
                            ["parted", "-s", "x", "mklabel", "msdos", "mkpart", "primary", "1MiB",
                             "9MiB", "set", "1", "boot", "on"]]
    yield "ISO 9660", [["xorriso", "-as", "mkisofs", "-quiet", "-J", "-R", "-o", "x", "folder"]]
    yield "ISO 9660 with an MBR", [["xorriso", "-as", "mkisofs", "-quiet", "--protective-msdos-label",
                                    "-partition_offset", "16", "-o", "x", "folder"]]
    yield "squashfs", [["mksquashfs", "folder", "x", "-quiet", "-no-progress"]]
    yield "copied by qemu-img", converted("raw")
    yield "copied by instar", ours("convert", "raw")


FORMATS = {"qcow2": qcow2_rows, "vmdk": vmdk_rows, "vpc": vpc_rows, "vhdx": vhdx_rows,
           "raw": raw_rows}


def passes(t, form, commands):
    for stale in ("x", "fs"):
        (t.dir / stale).unlink(missing_ok=True)
    for program, *arguments in commands:
        found = t.tools.instar if program == "instar" else shutil.which(program)
        if not found:
            raise Skip(f"{program} is not installed")
        made = run([found, *arguments], cwd=t.dir)
        t.check(made.code == 0, "the generator failed", made)
    outcome = t.succeeded(t.instar("info", "--strict", "-f", form, "x"))
    t.equal(outcome.text, "verdict: passed\n", "what is printed", outcome)


def groups():
    made = []
    for form, rows in FORMATS.items():
        group = Group(f"strict/honest {form}", make)
        for name, commands in rows():
            group.add(f"{name} passes", passes, form, commands)
        made.append(group)
    return made
