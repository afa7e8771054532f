"""Sources that become shorter while they are read: an error, never zeros that pass for data."""

import subprocess

from harness import Group, poll_until

MIB = 1 << 20
FORMS = ("raw", "qcow2", "vhdx")


def make(t):
    (t.dir / "s.raw").write_bytes(bytes(range(1, 256)) * (4 * MIB // 255))
    for form in FORMS[1:]:
        t.made_by_qemu_img("convert", "-f", "raw", "-O", form, "s.raw", f"s.{form}")


def shortened(t, form, isolation):
    t.tools.isolation(isolation)
    source, target = t.dir / "x", t.dir / "out"
    source.write_bytes((t.dir / f"s.{form}").read_bytes())
    with subprocess.Popen([t.tools.instar, "convert", f"--isolation={isolation}", "-r", "4M", "-f",
                           form, "-O", "raw", source, target], stderr=subprocess.PIPE) as running:
        # Something is written: the source is open and being read.
        poll_until(lambda: target.exists() and target.stat().st_blocks > 0)
        with open(source, "r+b") as file:
            file.truncate(source.stat().st_size // 2)
        told = running.stderr.read().decode()
        running.wait()
    t.equal(running.returncode, 1, "exit code")
    t.check("became shorter while it was read" in told, f"should say why, not {told!r}")
    t.equal(len(told.splitlines()), 1, "lines on stderr")
    t.check(not target.exists(), "a partial target is left")


def groups():
    group = Group("shortened", make)
    for form in FORMS:
        group.add(f"a {form} source", shortened, form, "process")
    group.add("a raw source in KVM", shortened, "raw", "kvm")
    return [group]
