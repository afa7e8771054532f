"""Images in use by somebody else: the locks that QEMU takes are honoured, and -U looks anyway.

QEMU locks single bytes: byte 100+n while it uses permission n, byte 200+n while it does not share
permission n with others (0 read consistently, 1 write, 2 write unchanged, 3 resize).
"""

import contextlib
import fcntl
import os
import select
import struct
import subprocess

from harness import Group, Skip, clean_environment, run, tree

READ, WRITE, WRITE_UNCHANGED, RESIZE = range(4)


@contextlib.contextmanager
def held(path, uses=(), keeps=()):
    """Holds the locks of somebody who uses these permissions and keeps those to itself."""
    if not hasattr(fcntl, "F_OFD_SETLK"):
        raise Skip("this Python has no open file description locks")
    fd = os.open(path, os.O_RDWR)
    try:
        for start in (*(100 + n for n in uses), *(200 + n for n in keeps)):
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK,
                        struct.pack("hhqqi", fcntl.F_RDLCK, os.SEEK_SET, start, 1, 0))
        yield
    finally:
        os.close(fd)


def held_by_a_machine(path):
    """As a running virtual machine holds its disk."""
    return held(path, uses=(READ, WRITE, RESIZE), keeps=(WRITE, RESIZE))


def held_by_a_reader(path):
    return held(path, uses=(READ,), keeps=())


def held_by_a_strict_reader(path):
    """Reads, and lets nobody write meanwhile."""
    return held(path, uses=(READ,), keeps=(WRITE, RESIZE))


def make(t):
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "x.qcow2", "1M")
    t.qemu_io("x.qcow2", "write -P 1 0 100k")
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-b", "x.qcow2", "-F", "qcow2", "top.qcow2")
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "target.qcow2", "1M")
    t.made_by_qemu_img("create", "-q", "-f", "raw", "x.raw", "1M")
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-o", "data_file=guest.data", "split.qcow2",
                       "1M")


# what is locked, how, command, which of qemu-img's words must appear
REFUSED = {
    "info of a machine's disk": (
        "x.qcow2", held_by_a_machine, ["info", "x.qcow2"], 'Failed to get shared "write" lock'),
    "info of the chain above a machine's disk": (
        "x.qcow2", held_by_a_machine, ["info", "--backing-chain", "top.qcow2"],
        'Failed to get shared "write" lock'),
    "convert of a machine's disk": (
        "x.qcow2", held_by_a_machine, ["convert", "-O", "raw", "x.qcow2", "out"],
        'Failed to get shared "write" lock'),
    "convert of a machine's raw disk": (
        "x.raw", held_by_a_machine, ["convert", "-f", "raw", "-O", "raw", "x.raw", "out"],
        'Failed to get shared "write" lock'),
    "convert of an overlay of a machine's disk": (
        "x.qcow2", held_by_a_machine, ["convert", "-O", "raw", "top.qcow2", "out"],
        'Failed to get shared "write" lock'),
    "convert with a data file in use": (
        "guest.data", held_by_a_machine, ["convert", "-O", "raw", "split.qcow2", "out"],
        'Failed to get shared "resize" lock'),
    "convert onto a machine's disk": (
        "target.qcow2", held_by_a_machine, ["convert", "-O", "qcow2", "x.qcow2", "target.qcow2"],
        'Failed to get "write" lock'),
    "convert into a machine's disk": (
        "target.qcow2", held_by_a_machine,
        ["convert", "-n", "-O", "qcow2", "x.qcow2", "target.qcow2"], 'Failed to get "write" lock'),
    "convert onto a disk somebody reads": (
        "target.qcow2", held_by_a_strict_reader,
        ["convert", "-O", "qcow2", "x.qcow2", "target.qcow2"], 'Failed to get "write" lock'),
    "-U does not open the target's lock": (
        "target.qcow2", held_by_a_machine,
        ["convert", "-U", "-O", "qcow2", "x.qcow2", "target.qcow2"], 'Failed to get "write" lock'),
}

ACCEPTED = {
    "info of a machine's raw disk": (
        "x.raw", held_by_a_machine, ["info", "-f", "raw", "x.raw"]),
    "info of a disk somebody reads": ("x.qcow2", held_by_a_reader, ["info", "x.qcow2"]),
    "info of a disk read strictly": ("x.qcow2", held_by_a_strict_reader, ["info", "x.qcow2"]),
    "convert of a disk read strictly": (
        "x.qcow2", held_by_a_strict_reader, ["convert", "-O", "raw", "x.qcow2", "out"]),
    "info of an overlay of a machine's disk": (
        "x.qcow2", held_by_a_machine, ["info", "top.qcow2"]),
    "info -U of a machine's disk": ("x.qcow2", held_by_a_machine, ["info", "-U", "x.qcow2"]),
    "info --force-share of a machine's disk": (
        "x.qcow2", held_by_a_machine, ["info", "--force-share", "x.qcow2"]),
    "info -U of a chain": (
        "x.qcow2", held_by_a_machine, ["info", "-U", "--backing-chain", "top.qcow2"]),
    "convert -U of a machine's disk": (
        "x.qcow2", held_by_a_machine, ["convert", "-U", "-O", "raw", "x.qcow2", "out"]),
    "convert -U of an overlay of a machine's disk": (
        "x.qcow2", held_by_a_machine, ["convert", "-U", "-O", "raw", "top.qcow2", "out"]),
}


def core(lines):
    """The part of a lock message that programs look for: what is wrong, without which file was being
    opened for which."""
    return [line.split(": ")[-1] for line in lines]


def refused_while_held(t, locked, how, arguments, words):
    before = tree(t.dir)
    with how(t.dir / locked):
        want = t.qemu_img(*arguments)
        (t.dir / "out").unlink(missing_ok=True)
        t.check(want.code == 1 and words in want.err_text, "qemu-img sees it otherwise", want)
        t.check(tree(t.dir) == before, "qemu-img changed a locked file", want)
        got = t.instar(*arguments)
    t.check(got.code == 1, "should be refused", got)
    t.check(words in got.err_text, f"should say {words}", got)
    t.equal(core(t.complaint(got)), core(want.err_lines), "the messages differ", got)
    t.equal(tree(t.dir), before, "files changed", got)


def accepted_while_held(t, locked, how, arguments):
    with how(t.dir / locked):
        want = t.qemu_img(*arguments)
        t.check(want.code == 0, "qemu-img sees it otherwise", want)
        (t.dir / "out").unlink(missing_ok=True)
        t.succeeded(t.instar(*arguments))


def a_real_holder(t):
    """qemu-io with the image open, as a machine would have it."""
    process = subprocess.Popen([t.tools.need("qemu-io"), t.dir / "x.qcow2"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env=clean_environment())
    try:
        process.stdin.write(b"length\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], 20)
        t.check(ready and process.stdout.readline(), "qemu-io does not answer")
        refused = t.instar("info", "x.qcow2")
        t.check(refused.code == 1 and "Is another process using the image [x.qcow2]?"
                in refused.err_text, "should be refused", refused)
        t.succeeded(t.instar("info", "-U", "x.qcow2"))
    finally:
        process.communicate(b"quit\n")
    t.succeeded(t.instar("info", "x.qcow2"))


def we_hold_ours(t):
    """While Instar converts, others see the locks: nobody may write the source or the target."""
    from integration.signals import slow_convert
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "large.qcow2", "16M")
    t.qemu_io("large.qcow2", "write -P 1 0 8M")
    with slow_convert(t, "large.qcow2", "copy", form="qcow2") as running:
        t.check(running.wait_for_data(t.dir / "copy"), "the run ended too early")
        for name in ("large.qcow2", "copy"):
            outcome = t.qemu_img("resize", "-f", "qcow2", name, "+1M")
            t.check(outcome.code == 1 and '"write" lock' in outcome.err_text,
                    f"{name} is not locked", outcome)
        reading = t.qemu_img("info", "-f", "qcow2", "large.qcow2")
        t.check(reading.code == 0, "readers may share the source", reading)


WITHOUT_LOCKS = {
    "info": (["info", "--backing-chain", "top.qcow2"], True),
    "info -U": (["info", "-U", "--backing-chain", "top.qcow2"], False),
    "convert": (["convert", "-O", "raw", "top.qcow2", "out"], True),
    "create": (["create", "-q", "-f", "qcow2", "new.qcow2", "1M"], True),
}


def without_locks(t, row, error, name, isolation):
    """Where the system has no locks, one line says so and the image is used. (strace makes only the
    first lock fail: later ones are asked for in the jail, where it cannot take the place of a call.)"""
    arguments, warns = WITHOUT_LOCKS[row]
    how = f"--isolation={t.tools.isolation(isolation)}"
    program = t.dir / name
    if not program.exists():
        program.symlink_to(t.tools.instar)
    for made in ("out", "new.qcow2"):
        (t.dir / made).unlink(missing_ok=True)
    log = t.dir / "strace.log"
    verb, *rest = arguments
    outcome = run([t.tools.need("strace"), "-f", "-qq", "-o", log, "-e", "trace=fcntl", "-e",
                   f"inject=fcntl:error={error}:when=1", program, verb, how, *rest], cwd=t.dir)
    if b"trace" in outcome.err:
        raise Skip("strace may not trace here: " + outcome.err_text.strip())
    t.check(outcome.code == 0, "should have succeeded", outcome)
    complaint = t.complaint(outcome)
    t.equal(len(complaint), 1 if warns else 0, "lines on stderr", outcome)
    if warns:
        t.check("warning: '" in complaint[0] and "cannot be locked (" in complaint[0],
                "should warn that there are no locks", outcome)


def groups():
    group = Group("locks", make)
    for name, row in REFUSED.items():
        group.add(name, refused_while_held, *row)
    for name, row in ACCEPTED.items():
        group.add(name, accepted_while_held, *row)
    for row in WITHOUT_LOCKS:
        for isolation in ("kvm", "process"):
            group.add(f"{row} without locks, {isolation}", without_locks, row, "ENOLCK", "instar",
                      isolation)
    for error in ("EOPNOTSUPP", "EINVAL", "EIO"):
        group.add(f"info without locks: {error}", without_locks, "info", error, "instar", "process")
    group.add("info without locks, as qemu-img", without_locks, "info", "ENOLCK", "qemu-img",
              "process")
    group.case("a real holder")(a_real_holder)
    group.case("ours are seen by others")(we_hold_ours)
    return [group]
