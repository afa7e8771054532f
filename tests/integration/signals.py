"""A convert that is interrupted: it ends soon, and what it had begun is gone."""

import os
import re
import signal
import subprocess
import sys

from harness import Group, clean_environment, poll_until, run, tree, wait_for_exit


def default_signals():
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


class Running:
    """A process that is looked at while it runs, and killed at the latest when the test is over."""

    def __init__(self, argv, cwd):
        # A shell starts what it puts into the background with signals ignored, and this with it.
        self.process = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.DEVNULL,
                                        preexec_fn=default_signals,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=clean_environment(), start_new_session=True)
        self.out = self.err = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()

    @property
    def alive(self):
        return not wait_for_exit(self.process.pid, 0)

    def wait_for_data(self, path):
        """Until the file has some content, or the process is gone; true in the first case."""
        poll_until(lambda: not self.alive or path.exists() and path.stat().st_blocks > 0)
        return self.alive

    def finish(self, seconds=20):
        """Reaps the process; None when it still runs."""
        if not wait_for_exit(self.process.pid, seconds):
            return None
        self.out, self.err = self.process.communicate()
        return self.process.returncode


def slow_convert(t, source, target, *options, form="raw"):
    return Running([t.tools.instar, "convert", "-r", "200k", *options, "-O", form, source, target],
                   t.dir)


def make(t):
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "x.qcow2", "16M")
    t.qemu_io("x.qcow2", "write -P 1 0 8M")


def interrupted(t, which, options):
    before = tree(t.dir)
    isolation = next((o.split("=")[1] for o in options if o.startswith("--isolation=")), None)
    if isolation:
        t.tools.isolation(isolation)
    with slow_convert(t, "x.qcow2", "out", *options) as running:
        t.check(running.wait_for_data(t.dir / "out"), "the run ended too early")
        os.kill(running.process.pid, which)
        code = running.finish()
        t.check(code is not None, "does not end")
        t.check(code != 0, "an interrupted run reports success")
    t.equal(tree(t.dir), before, "files changed")


def interrupted_writing_qcow2(t):
    before = tree(t.dir)
    with slow_convert(t, "x.qcow2", "out", "-o", "data_file=out.data", form="qcow2") as running:
        t.check(running.wait_for_data(t.dir / "out.data"), "the run ended too early")
        os.kill(running.process.pid, signal.SIGTERM)
        t.check(running.finish() not in (None, 0), "should fail")
    t.equal(tree(t.dir), before, "files changed")


def somebody_elses_file(t):
    """What was put in the place of the target meanwhile is not removed with it."""
    with slow_convert(t, "x.qcow2", "mine") as running:
        t.check(running.wait_for_data(t.dir / "mine"), "the run ended too early")
        (t.dir / "mine").unlink()
        (t.dir / "mine").write_bytes(b"other")
        os.kill(running.process.pid, signal.SIGTERM)
        t.check(running.finish() not in (None, 0), "should fail")
    t.equal((t.dir / "mine").read_bytes(), b"other", "the other file")


def other_signal(t, name):
    """Whatever ends the process and can be caught."""
    number = getattr(signal, name)
    before = tree(t.dir)
    with slow_convert(t, "x.qcow2", "out") as running:
        t.check(running.wait_for_data(t.dir / "out"), "the run ended too early")
        os.kill(running.process.pid, number)
        t.equal(running.finish(), -number, "the signal that ended it")
    t.equal(tree(t.dir), before, "files changed")


def progress_once(t):
    """SIGUSR1 prints the progress on stderr, once, and the run goes on."""
    with slow_convert(t, "x.qcow2", "out") as running:
        t.check(running.wait_for_data(t.dir / "out"), "the run ended too early")
        os.kill(running.process.pid, signal.SIGUSR1)
        complaint = running.process.stderr
        said = bytearray()

        def progress():
            if readable(complaint):
                said.extend(os.read(complaint.fileno(), 400))
            rest = bytes(said)
            for known in t.tools.announcement:
                rest = rest.replace(known.encode() + b"\n", b"")
            return rest.strip() and rest

        line = poll_until(progress)
        t.check(running.alive, "SIGUSR1 ended the run")
        t.check(line and re.fullmatch(rb"\s*\(\d+\.\d\d/100%\)\s*", line), f"printed {line!r}")


def readable(stream):
    import select
    return bool(select.select([stream], [], [], 0)[0])


def killed_outright(t):
    """After SIGKILL the next run may write the same target, and nothing else stays running."""
    with slow_convert(t, "x.qcow2", "left") as running:
        t.check(running.wait_for_data(t.dir / "left"), "the run ended too early")
        group = running.process.pid
        os.kill(group, signal.SIGKILL)
        running.finish()

        def gone():
            try:
                os.killpg(group, 0)
                return False
            except ProcessLookupError:
                return True

        t.check(poll_until(gone), "a process of the run outlives it")
    t.succeeded(t.instar("convert", "-O", "raw", "x.qcow2", "left"))
    compared = t.qemu_img("compare", "-F", "raw", "x.qcow2", "left")
    t.check(compared.code == 0, "differs", compared)


# Runs a command, adopts what it leaves behind, and exits 1 if that is anything.
ADOPT = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
if code != 0:
    sys.exit(2)
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    sys.exit(0)
sys.exit(1)
"""


def nothing_outlives_the_run(t, arguments):
    """Not for a moment, nor as a zombie: whoever runs it may unmount what it worked on."""
    how = f"--isolation={t.tools.isolation('kvm')}"
    outcome = run([sys.executable, "-c", ADOPT, t.tools.instar, *arguments, how], cwd=t.dir)
    t.equal(outcome.code, 0, "exit code", outcome)


def groups():
    group = Group("signals", make)
    for name, arguments in {
            "create": ["create", "-q", "-f", "qcow2", "fresh.qcow2", "1M"],
            "convert": ["convert", "-O", "raw", "x.qcow2", "fresh.raw"],
            "info": ["info", "x.qcow2"],
    }.items():
        group.add(f"nothing outlives {name}", nothing_outlives_the_run, arguments)
    for name in ("SIGINT", "SIGTERM"):
        for options in ((), ("--isolation=kvm",), ("--isolation=process",), ("-p",)):
            group.add(f"{name} removes the target {' '.join(options)}".strip(), interrupted,
                      getattr(signal, name), options)
    for name in ("SIGHUP", "SIGQUIT", "SIGALRM", "SIGVTALRM", "SIGXCPU", "SIGRTMIN"):
        group.add(f"{name} removes the target", other_signal, name)
    group.case("SIGTERM removes a target in two files")(interrupted_writing_qcow2)
    group.case("SIGUSR1 prints progress once")(progress_once)
    group.case("SIGKILL leaves no process")(killed_outright)
    group.case("a file in the place of the target stays")(somebody_elses_file)
    return [group]
