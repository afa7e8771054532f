"""A resize that is ended or that fails at a moment that matters: before its change takes effect the
file is as it was, and from then on signals and deadlines wait.

strace makes system calls of the real program last long or come with a signal. Raw images flip with
ftruncate and fdatasync, qcow2 images with one pwritev2. That calls fail cannot be had in this way, as the
filter of system calls ends a process whose call was exchanged; resize_faults.py has such failures.
"""

import json
import resource
import signal

from harness import Group, Skip, run

MIB = 1 << 20
OLD, NEW = MIB, 4 * MIB


def traced(t, inject, *arguments):
    """Runs resize under strace, which injects what is asked for; (outcome, whether it did)."""
    log = t.dir / "strace.log"
    outcome = run([t.tools.need("strace"), "-f", "-qq", "-o", log, "-e", f"trace={inject.split(':')[0]}",
                   "-e", f"inject={inject}", t.tools.instar, "resize", *arguments], cwd=t.dir)
    if b"PTRACE" in outcome.err or b"ptrace" in outcome.err:
        raise Skip("strace may not trace here: " + outcome.err_text.strip())
    done = any(word in log.read_text("utf-8", "replace") for word in ("INJECTED", "DELAYED", "SIG"))
    t.check(done, "nothing was injected", outcome)
    return outcome


def image(t, form):
    name = f"image.{form}"
    (t.dir / name).unlink(missing_ok=True)
    t.made_by_qemu_img("create", "-q", "-f", form, name, str(OLD))
    t.qemu_io(name, "write -P 5 0 256k", format=form)
    return name


def disk_bytes(t, form, name):
    return json.loads(t.made_by_qemu_img("info", "-f", form, "--output=json", name).text)["virtual-size"]


def holds(t, form, name, size):
    t.equal(disk_bytes(t, form, name), size, "size of the disk")
    if form == "qcow2":
        t.made_by_qemu_img("check", "-q", name)
    t.qemu_io(name, "read -P 5 0 256k", format=form)


# name -> (format, what is injected)
FLIPS = {"raw": "ftruncate", "qcow2": "pwritev2"}


def interrupted_at_the_flip(t, form, number):
    """The signal comes with the call that writes the root: the disk has its new size, which is said."""
    name = image(t, form)
    outcome = traced(t, f"{FLIPS[form]}:signal={number.name}:when=1", "-f", form, name, str(NEW))
    t.equal((outcome.code, outcome.text), (0, "Image resized.\n"), "the end", outcome)
    holds(t, form, name, NEW)


def late_at_the_flip(t, form):
    """The deadline passes while the root is being written."""
    name = image(t, form)
    flip = "fdatasync" if form == "raw" else "pwritev2"
    outcome = traced(t, f"{flip}:delay_enter=1500000:when=1", "-f", form, "--timeout=1", name, str(NEW))
    t.equal((outcome.code, outcome.text), (0, "Image resized.\n"), "the end", outcome)
    holds(t, form, name, NEW)


def interrupted_before(t, number):
    """The signal comes with the flush before the flip."""
    name = image(t, "qcow2")
    length = (t.dir / name).stat().st_size
    for _ in range(5):
        outcome = traced(t, f"fdatasync:signal={number.name}:when=1", "-f", "qcow2", name, "900G")
        log = (t.dir / "strace.log").read_text("utf-8", "replace")
        if f"--- {number.name} " in log:
            break
        image(t, "qcow2")  # the tracer has lost the signal
    t.equal((outcome.code, outcome.text), (1, ""), f"the end; the calls:\n{log}", outcome)
    t.equal(t.complaint(outcome), [f"instar: {name}: resize: interrupted before the change took effect; "
                                   "the file is as it was"], "the line", outcome)
    t.equal((t.dir / name).stat().st_size, length, "length of the file", outcome)
    holds(t, "qcow2", name, OLD)


def late_before(t):
    name = image(t, "qcow2")
    length = (t.dir / name).stat().st_size
    outcome = traced(t, "fdatasync:delay_enter=1500000:when=1", "-f", "qcow2", "--timeout=1", name,
                     "900G")
    t.equal(outcome.code, 1, "exit code", outcome)
    t.check("ended by the watchdog: not done after 1 seconds" in outcome.err_text, "the line", outcome)
    t.equal((t.dir / name).stat().st_size, length, "length of the file", outcome)
    holds(t, "qcow2", name, OLD)


def no_room(t):
    """A file that may not become longer stays as it is (SIGXFSZ is ignored)."""
    for form in FLIPS:
        name = image(t, form)
        length = (t.dir / name).stat().st_size
        outcome = t.instar("resize", "-f", form, "--preallocation=full", name, "64M",
                           limits={resource.RLIMIT_FSIZE: 8 * MIB})
        t.refused(outcome)
        t.equal((t.dir / name).stat().st_size, length, "length of the file", outcome)
        holds(t, form, name, OLD)


def groups():
    group = Group("resize-ends")
    for form in FLIPS:
        for number in (signal.SIGINT, signal.SIGTERM):
            group.add(f"{form}: {number.name} at the flip", interrupted_at_the_flip, form, number)
        group.add(f"{form}: the deadline at the flip", late_at_the_flip, form)
    for number in (signal.SIGINT, signal.SIGTERM):
        group.add(f"{number.name} before the flip", interrupted_before, number)
    group.case("the deadline before the flip")(late_before)
    group.case("a limit of the length of files")(no_room)
    return [group]
