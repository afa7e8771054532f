"""Block devices as targets: what stood there before must not show, and what cannot stand there is
refused before anything is lost."""

import contextlib
import json
import os
import shutil
import subprocess

from harness import Group, Skip

MIB = 1 << 20


@contextlib.contextmanager
def device(t, size=8 * MIB):
    """A loop device of noise; the case is skipped where there can be none."""
    if os.geteuid() != 0 or not shutil.which("losetup"):
        raise Skip("a loop device needs root and losetup")
    file = t.dir / "device.img"
    file.write_bytes(os.urandom(size))
    made = subprocess.run(["losetup", "-f", "--show", file], capture_output=True, text=True)
    if made.returncode != 0:
        raise Skip("no loop device can be had: " + made.stderr.strip())
    name = made.stdout.strip()
    try:
        yield name
    finally:
        subprocess.run(["losetup", "-d", name], check=True)
        file.unlink()


def probed(program, name):
    outcome = program("info", "--output=json", name)
    return json.loads(outcome.text)["format"]


def raw_forgets(t, isolation):
    """A new raw image is not taken for what was there before."""
    t.tools.isolation(isolation)
    with device(t) as name:
        for old in (["qcow2", name, "1M"], ["vhdx", name, "1M"], ["vmdk", name, "1M"]):
            t.made_by_qemu_img("create", "-q", "-f", *old)
            t.check(probed(t.qemu_img, name) == old[0], "nothing to forget")
            t.succeeded(t.instar("create", "-q", f"--isolation={isolation}", "-f", "raw", name, "8M"))
            t.equal((probed(t.instar, name), probed(t.qemu_img, name)), ("raw", "raw"), "format")


def raw_forgets_a_footer(t):
    with device(t) as name:
        t.made_by_qemu_img("create", "-q", "-f", "vpc", "-o", "subformat=fixed,force_size=on",
                           "fixed.vhd", "2M")
        footer = (t.dir / "fixed.vhd").read_bytes()[-512:]
        with open(name, "r+b") as file:
            file.seek(8 * MIB - 512)
            file.write(footer)
        t.succeeded(t.instar("create", "-q", "-f", "raw", name, "8M"))
        with open(name, "rb") as file:
            file.seek(8 * MIB - 512)
            t.equal(file.read(), bytes(512), "the last sector")


def content(name):
    with open(name, "rb") as file:
        return file.read()


def refused_whole(t, *arguments):
    """Refused, and the device is as it was."""
    (t.dir / "s.raw").write_bytes(b"x" * 4096)
    with device(t) as name:
        before = content(name)
        t.refused(t.instar(*(name if word == "DEVICE" else word for word in arguments)))
        t.check(content(name) == before, "the device was changed")


def salvaged(t, isolation, target):
    """Of a device that fails in its middle, all is saved that can be read."""
    t.tools.isolation(isolation)
    cut = 4 * MIB + 700 * 1024  # behind good data of the same chunk
    with device(t) as name:
        whole = content(name)
        os.truncate(t.dir / "device.img", cut)
        t.refused(t.instar("convert", f"--isolation={isolation}", "-T", "none", "-f", "raw",
                           "-O", target, name, "out"))
        saved = t.instar("convert", f"--isolation={isolation}", "--salvage", "-T", "none",
                         "-f", "raw", "-O", target, name, "out")
        t.equal(saved.code, 0, "exit code")
        t.succeeded(t.instar("convert", "-f", target, "-O", "raw", "out", "saved.raw"))
    t.check(content(t.dir / "saved.raw") == whole[:cut] + bytes(len(whole) - cut), "what was saved")


def groups():
    group = Group("devices")
    for isolation in ("kvm", "process"):
        group.add(f"a new raw image forgets what was there, {isolation}", raw_forgets, isolation)
        for target in ("raw", "qcow2", "vhdx"):
            group.add(f"salvage into {target}, {isolation}", salvaged, isolation, target)
    group.case("a new raw image forgets a footer")(raw_forgets_a_footer)
    stream = ["-o", "subformat=streamOptimized"]
    for name, arguments in (
            ("creating streamOptimized", ["create", "-f", "vmdk", *stream, "DEVICE", "1M"]),
            ("converting to streamOptimized", ["convert", "-f", "raw", "-O", "vmdk", *stream,
                                               "s.raw", "DEVICE"]),
            ("preallocating raw", ["create", "-q", "-f", "raw", "-o", "preallocation=full", "DEVICE",
                                   "1M"]),
            ("a disk that is too large", ["create", "-q", "-f", "raw", "DEVICE", "9M"])):
        group.add(f"{name} is refused", refused_whole, *arguments)
    return [group]
