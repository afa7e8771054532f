"""The jail around a run, seen from outside: through strace and through /proc."""

import os
import signal
import subprocess
from pathlib import Path

from harness import Group, clean_environment, poll_until, wait_for_exit
from hostile import tracing
from hostile.generate import Qcow2

ISOLATIONS = ("kvm", "process")

# Where guest memory stands, and what little of the host's there is below it (bare_code.h).
GUEST_BASE = 64 << 30
REFUGE = GUEST_BASE - (1 << 20)

# CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: what root needs to work on other users' images.
MAY_KEEP = 1 << 1 | 1 << 2


def make(t):
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "base.qcow2", "16M")
    t.qemu_io("base.qcow2", "write -P 1 0 8M")
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "x.qcow2")
    t.qemu_io("x.qcow2", "write -P 2 1M 300k")
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "other.qcow2", "16M")
    t.made_by_qemu_img("bitmap", "--add", "other.qcow2", "recorded")
    t.qemu_io("other.qcow2", "write -P 2 1M 300k")
    (t.dir / "bad.qcow2").write_bytes(Qcow2(cluster_bits=16).back(b"/etc/passwd", b"raw").build())


VERBS = {
    "info": ["info", "x.qcow2"],
    "info of a chain": ["info", "--backing-chain", "x.qcow2"],
    "convert to raw": ["convert", "-O", "raw", "x.qcow2", "out"],
    "convert to qcow2": ["convert", "-c", "-O", "qcow2", "x.qcow2", "out"],
    "convert with a backing file": ["convert", "-O", "qcow2", "-B", "base.qcow2", "-F", "qcow2",
                                    "x.qcow2", "out"],
    "convert with a data file": ["convert", "-O", "qcow2", "-o", "data_file=out.data", "x.qcow2",
                                 "out"],
    "bitmap": ["bitmap", "--remove-all", "--add", "x.qcow2", "b"],
    "bitmap with a source": ["bitmap", "--remove-all", "--add", "--merge", "recorded", "-b",
                             "other.qcow2", "-F", "qcow2", "x.qcow2", "b"],
    "a refused reference": ["convert", "-O", "raw", "bad.qcow2", "out"],
}


def only_the_gate(t, arguments, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    verb, *rest = arguments
    outcome, calls = tracing.trace(t, tracing.SANDBOX_CALLS, verb, how, *rest)
    t.equal(outcome.code, 1 if "bad.qcow2" in arguments else 0, "exit code", outcome)
    watched = tracing.demand_only_the_gate(calls)
    if isolation == "process":
        processes = {watched.group[tid] for tid in watched.jailed}
        t.check(len(processes) >= 2, f"the child or its parent has no filter: {processes}", outcome)


class Running:
    """A convert slowed down so that it can be looked at; killed at the end."""

    def __init__(self, t, *arguments):
        self.process = subprocess.Popen(
            [t.tools.instar, *arguments], cwd=t.dir, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(),
            start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    @property
    def alive(self):
        return not wait_for_exit(self.process.pid, 0)

    def processes(self):
        """This process and its descendants."""
        found, waiting = [], [self.process.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                waiting += [int(child) for child in children.read_text().split()]
        return found

    def threads(self):
        """(pid, tid, status as a dict) of every thread."""
        for pid in self.processes():
            for status in Path(f"/proc/{pid}/task").glob("*/status"):
                try:
                    lines = status.read_text().splitlines()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                yield pid, int(status.parent.name), dict(
                    line.split(":\t", 1) for line in lines if ":\t" in line)


def slow_convert(t, isolation):
    return Running(t, "convert", f"--isolation={isolation}", "-r", "200k", "-O", "raw", "x.qcow2",
                   "out")


# The process that opens and removes files for the jailed one: it may keep what root needs, and of
# the memory it was forked with it parses nothing.
OPENER = "instar-opener"


def jailed(status):
    return status.get("Seccomp") == "2" and status.get("NoNewPrivs") == "1"


def status_of_all_threads(t, isolation):
    with slow_convert(t, t.tools.isolation(isolation)) as running:
        def all_jailed():
            seen = list(running.threads())
            return seen if seen and all(jailed(status) for _, _, status in seen) else None

        seen = poll_until(lambda: all_jailed() or not running.alive)
        t.check(isinstance(seen, list), "not every thread is under seccomp and no_new_privs: " + str(
            [(tid, status.get("Name"), status.get("Seccomp"), status.get("NoNewPrivs"))
             for _, tid, status in running.threads()]))
        for pid, tid, status in seen:
            opener = status.get("Name") == OPENER
            allowed = MAY_KEEP if opener or pid == running.process.pid else 0
            held = int(status["CapEff"], 16) | int(status["CapPrm"], 16)
            t.equal(held & ~allowed, 0, f"capabilities of thread {tid}")
        if isolation == "process":
            t.check(len({pid for pid, _, _ in seen}) >= 2, "no separate process")


def parser_process_holds_no_files(t):
    """The process that parses has no descriptor of an image, nor of anything on a file system."""
    with slow_convert(t, t.tools.isolation("process")) as running:
        def children():
            found = [(pid, status) for pid, _, status in running.threads()
                     if pid != running.process.pid and status.get("Name") != OPENER]
            return found if found and all(jailed(s) for _, s in found) else None

        found = poll_until(lambda: children() or not running.alive)
        t.check(isinstance(found, list), "no jailed child appeared")
        for pid, _ in found:
            for link in Path(f"/proc/{pid}/fd").iterdir():
                to = os.readlink(link)
                t.check(not to.startswith("/") or to.startswith(("/memfd:", "/dev/null")),
                        f"the child holds {to}")


def parser_process_inherits_no_memory(t):
    """Of the memory of the process that started it nothing is left: no environment, no program, no
    second view of the guest's code that could be written."""
    with slow_convert(t, t.tools.isolation("process")) as running:
        def children():
            return [pid for pid, _, status in running.threads()
                    if pid != running.process.pid and status.get("Name") != OPENER and
                    jailed(status)]

        found = poll_until(lambda: children() or not running.alive)
        t.check(isinstance(found, list), "no jailed child appeared")
        maps = Path(f"/proc/{found[0]}/maps").read_text().splitlines()
        t.check(maps, "the child has no memory")
        for line in maps:
            span, rights, _, _, inode, *name = line.split(maxsplit=5)
            start, end = (int(part, 16) for part in span.split("-"))
            if name and name[0].startswith("[v"):
                continue
            in_refuge = REFUGE <= start and end <= GUEST_BASE and inode == "0"
            in_guest = start >= GUEST_BASE and name[:1] == ["/dev/zero (deleted)"]
            t.check(in_refuge or in_guest, f"left in the child: {line}")
            t.check(not ("w" in rights and "x" in rights), f"writable code: {line}")
        guest = [line.split() for line in maps if "/dev/zero (deleted)" in line]
        t.check(guest, "the child has no guest memory")
        offsets = [(int(fields[2], 16), fields[0]) for fields in guest]
        t.equal(len({offset for offset, _ in offsets}), len(offsets), "guest memory mapped once")


def nothing_but_the_named_files(t, isolation):
    """The whole host process, while it runs: only the files that this run is about."""
    with slow_convert(t, t.tools.isolation(isolation)) as running:
        seen = poll_until(lambda: (t.dir / "out").exists() and all(
            jailed(s) for _, _, s in running.threads()) or not running.alive)
        t.check(seen and running.alive, "the run ended too early")
        for pid in running.processes():
            for link in Path(f"/proc/{pid}/fd").iterdir():
                to = os.readlink(link)
                fine = (to.startswith((str(t.dir), "/memfd:", "/dev/null", "/dev/kvm", "anon_inode:",
                                       "pipe:", "socket:")))
                t.check(fine, f"holds {to}")


def groups():
    group = Group("jail", make)
    for isolation in ISOLATIONS:
        for name, arguments in VERBS.items():
            group.add(f"{isolation}: only the gate opens files in {name}", only_the_gate, arguments,
                      isolation)
        group.add(f"{isolation}: every thread under seccomp and no_new_privs",
                  status_of_all_threads, isolation)
        group.add(f"{isolation}: holds no file but those of the run", nothing_but_the_named_files,
                  isolation)
    group.case("process: the parser inherits no memory")(parser_process_inherits_no_memory)
    group.case("process: the parser holds no files")(parser_process_holds_no_files)
    return [group]
