"""Targets in memory, to which several workers copy at once, each in its own way."""

import contextlib
import os
import random
import subprocess

from harness import Group, Skip

MIB = 1 << 20
SIZE = 160 * MIB
FORMS = (("raw", []), ("qcow2", []), ("qcow2", ["-o", "cluster_size=4k"]), ("vmdk", []),
         ("vpc", ["-o", "force_size=on"]), ("vhdx", []))


@contextlib.contextmanager
def memory_file_system(t, size):
    """A directory on a tmpfs of `size` bytes; the case is skipped where there can be none."""
    mount = t.dir / "memory"
    mount.mkdir(exist_ok=True)
    if os.geteuid() != 0 or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", mount],
            capture_output=True).returncode != 0:
        raise Skip("mounting a tmpfs needs root and the right to mount")
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def write_source(path):
    """Runs of noise, of zeros and of nothing, of all lengths."""
    seed = random.Random(7)
    noise = seed.randbytes(8 * MIB)
    with open(path, "wb") as file:
        file.truncate(SIZE)
        at = 0
        while at < SIZE:
            run = min(seed.choice((1, 7, 16, 300, 2500)) * seed.randrange(512, 8192), SIZE - at)
            kind = seed.randrange(4)
            file.seek(at)
            if kind < 2:
                file.write((noise * (run // len(noise) + 1))[:run])
            elif kind == 2:
                file.write(bytes(run))
            at += run


def converts(t, isolation):
    t.tools.isolation(isolation)
    with memory_file_system(t, 16 * SIZE) as mount:
        write_source(mount / "s.raw")
        stored = os.stat(mount / "s.raw").st_blocks
        for number, (form, options) in enumerate(FORMS):
            first, back = mount / f"{number}.{form}", mount / f"{number}.back"
            common = [f"--isolation={isolation}", "--workers=4"]
            t.succeeded(t.instar("convert", *common, "-f", "raw", "-O", form, *options,
                                 mount / "s.raw", first))
            t.succeeded(t.instar("convert", *common, "-f", form, "-O", "raw", first, back))
            for image, kind in ((first, form), (back, "raw")):
                same = t.qemu_img("compare", "-f", "raw", "-F", kind, mount / "s.raw", image)
                t.check(same.code == 0, f"{image.name} has other content", same)
            t.check(os.stat(back).st_blocks <= stored, f"{back.name} takes more storage")
            first.unlink()
            back.unlink()


def no_room(t, isolation):
    t.tools.isolation(isolation)
    with memory_file_system(t, 24 * MIB) as mount:
        source = t.dir / "s.raw"
        source.write_bytes(random.Random(1).randbytes(48 * MIB))
        for form in ("raw", "qcow2"):
            outcome = t.instar("convert", f"--isolation={isolation}", "--workers=4", "-f", "raw",
                               "-O", form, source, mount / "out")
            t.refused(outcome, says="No space left on device")
            t.check(not (mount / "out").exists(), "a partial target is left", outcome)


def groups():
    group = Group("in memory", lambda t: None)
    for isolation in ("kvm", "process"):
        group.add(f"converts, {isolation}", converts, isolation)
        group.add(f"no room, {isolation}", no_room, isolation)
    return [group]
