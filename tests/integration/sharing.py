"""Targets that share blocks with their sources, on a file system made for the purpose."""

import contextlib
import os
import random
import shutil
import subprocess

from harness import Group, Skip, first_difference

MIB = 1 << 20
DATA = 16 * MIB


@contextlib.contextmanager
def sharing_file_system(t):
    """A directory on a fresh XFS in a loop device; the case is skipped where there can be none."""
    if os.geteuid() != 0 or not shutil.which("mkfs.xfs"):
        raise Skip("mounting a file system needs root and mkfs.xfs")
    image, mount = t.dir / "fs.img", t.dir / "fs"
    mount.mkdir(exist_ok=True)
    with open(image, "wb") as file:
        file.truncate(400 * MIB)
    made = subprocess.run(["mkfs.xfs", "-q", "-f", "-m", "reflink=1", image], capture_output=True)
    if made.returncode != 0:
        raise Skip("mkfs.xfs cannot make a file system that shares blocks")
    if subprocess.run(["mount", "-o", "loop", image, mount], capture_output=True).returncode != 0:
        raise Skip("no loop device can be mounted")
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", mount], check=True)
        image.unlink()


def used(mount):
    os.sync()
    status = os.statvfs(mount)
    return (status.f_blocks - status.f_bfree) * status.f_bsize


def write_source(mount):
    # Random data, a hole, and an odd end that no block covers.
    content = random.Random(1).randbytes(DATA)
    with open(mount / "s.raw", "wb") as file:
        file.write(content)
        file.seek(64 * MIB)
        file.write(b"tail" * 384)


def growth(t, mount, *arguments):
    """Bytes of storage that a conversion takes."""
    before = used(mount)
    t.succeeded(t.instar("convert", *arguments))
    return used(mount) - before


# name, format, options
FORMS = (("raw", "raw", []), ("qcow2", "qcow2", []), ("vhdx", "vhdx", []),
         ("flat-vmdk", "vmdk", ["-o", "subformat=monolithicFlat"]))


def blocks_are_shared(t):
    """Whatever the formats, where data stands at multiples of a block in both files."""
    with sharing_file_system(t) as mount:
        write_source(mount)
        for name, form, options in FORMS[1:]:
            t.qemu_img("convert", "-O", form, *options, mount / "s.raw", mount / f"s.{name}")
        for source, source_form, _ in FORMS:
            for name, form, options in FORMS:
                target = mount / f"t-{source}.{name}"
                grown = growth(t, mount, "-f", source_form, "-O", form, *options,
                               mount / f"s.{source}", target)
                # Tables, and what XFS reserves behind the end of a file.
                t.check(grown < DATA * 3 // 4, f"{source} to {name} took {grown} bytes")
                same = t.qemu_img("compare", "-f", "raw", "-F", form, mount / "s.raw", target)
                t.check(same.code == 0, f"{source} to {name} has other content", same)


def zeros_that_were_asked_for(t):
    """With -S written zeros become holes, as qemu-img makes them; else they are shared."""
    with sharing_file_system(t) as mount:
        (mount / "z.raw").write_bytes(bytes(DATA))
        for form in ("raw", "qcow2"):
            for options, holes in (([], form != "raw"), (["-S", "4k"], True)):
                target = mount / f"t{len(options)}.{form}"
                t.succeeded(t.instar("convert", *options, "-f", "raw", "-O", form,
                                     mount / "z.raw", target))
                os.sync()
                stored = target.stat().st_blocks * 512
                t.check((stored < DATA // 8) == holes, f"{form} {options}: {stored} bytes are stored")


def storage_of_its_own(t):
    """Not where it was asked for: -S 0, preallocation."""
    with sharing_file_system(t) as mount:
        write_source(mount)
        for number, options in enumerate((["-S", "0"], ["-o", "preallocation=falloc"],
                                          ["-o", "preallocation=full"])):
            target = mount / f"t{number}"
            grown = growth(t, mount, *options, "-O", "raw", mount / "s.raw", target)
            t.check(grown >= DATA, f"{options}: took only {grown} bytes")
            difference = first_difference(mount / "s.raw", target)
            t.check(difference is None, f"{options}: other content: {difference}")


def small_pieces(t):
    """What is faster copied than shared is copied, unless -C says otherwise."""
    with sharing_file_system(t) as mount:
        count, cluster = 1024, 4096
        source = mount / "s.qcow2"
        t.qemu_img("create", "-f", "qcow2", "-o", "cluster_size=4k", source, str(count * cluster))
        for half in range(2):  # clusters that follow one another on the disk do not in the file
            subprocess.run(["qemu-io", "-f", "qcow2", source],
                           input="".join(f"write -P {1 + at % 200} {at * cluster} {cluster}\n"
                                         for at in range(half, count, 2)).encode(),
                           stdout=subprocess.DEVNULL, check=True)
        for options, shared in (([], False), (["-C"], True)):
            target = mount / f"t{len(options)}"
            grown = growth(t, mount, *options, "-O", "raw", source, target)
            t.check((grown < count * cluster // 2) == shared, f"{options}: took {grown} bytes")
            same = t.qemu_img("compare", "-f", "qcow2", "-F", "raw", source, target)
            t.check(same.code == 0, f"{options}: other content", same)


def kept_targets(t):
    """What a target that is kept has reserved it keeps, unless -C says otherwise."""
    with sharing_file_system(t) as mount:
        write_source(mount)
        # What is shared takes none, and gives up what was reserved.
        for reserved, options, most in ((True, [], 0), (True, ["-C"], -DATA), (False, [], 0)):
            target = mount / f"t{reserved}{len(options)}"
            with open(target, "wb") as file:
                file.truncate((mount / "s.raw").stat().st_size)
                if reserved:
                    os.posix_fallocate(file.fileno(), 0, DATA)
            grown = growth(t, mount, "-n", *options, "-O", "raw", mount / "s.raw", target)
            t.check(abs(grown - most) < DATA // 4, f"reserved {reserved}, {options}: {grown} bytes")
            difference = first_difference(mount / "s.raw", target)
            t.check(difference is None, f"{options}: other content: {difference}")


def groups():
    group = Group("block sharing")
    group.case("files of all formats with aligned data share blocks")(blocks_are_shared)
    group.case("written zeros are looked for where asked for")(zeros_that_were_asked_for)
    group.case("storage of its own where asked for")(storage_of_its_own)
    group.case("small pieces are copied")(small_pieces)
    group.case("storage of targets that are kept")(kept_targets)
    return [group]
