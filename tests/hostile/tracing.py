"""Watching Instar through strace: what it opened, and what it was still able to do."""

import re
from dataclasses import dataclass

from harness import Failure, Skip, run

PATH_CALLS = "%file,openat2,open,openat,creat,connect"
SANDBOX_CALLS = ("open,openat,openat2,creat,execve,execveat,connect,socket,clone,clone3,fork,vfork,"
                 "prctl,seccomp,landlock_restrict_self")


@dataclass
class Call:
    tid: int
    name: str
    arguments: str
    result: str

    @property
    def worked(self):
        return not self.result.startswith(("-1", "?"))

    def __str__(self):
        return f"{self.tid} {self.name}({self.arguments}) = {self.result}"


LINE = re.compile(r"^(\d+) +(\w+)\((.*?)\) += (.*)$")
UNFINISHED = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*?)\) += (.*)$")


def trace(t, calls, *arguments, **kwargs):
    """Runs Instar under strace; (outcome, calls in order)."""
    strace = t.tools.need("strace")
    log = t.dir / "strace.log"
    outcome = run([strace, "-f", "-qq", "-s", "4096", "-e", "signal=none", "-e", f"trace={calls}",
                   "-o", log, t.tools.instar, *arguments], cwd=kwargs.pop("cwd", t.dir), **kwargs)
    if b"PTRACE" in outcome.err or b"ptrace" in outcome.err:
        raise Skip("strace may not trace here: " + outcome.err_text.strip())
    text = log.read_text("utf-8", "replace")
    log.unlink()
    return outcome, list(parse(text))


def parse(text):
    pending = {}
    for line in text.splitlines():
        if match := UNFINISHED.match(line):
            pending[match[1], match[2]] = match[3]
        elif match := RESUMED.match(line):
            start = pending.pop((match[1], match[2]), "")
            yield Call(int(match[1]), match[2], start + match[3], match[4])
        elif match := LINE.match(line):
            yield Call(int(match[1]), match[2], match[3], match[4])


class Sandboxed:
    """Follows the trace of one run: which threads stand under a seccomp filter, since when."""

    def __init__(self, calls):
        self.calls = calls
        self.group = {}  # thread -> the process it belongs to
        self.jailed = set()
        self.new_privileges_denied = set()
        self.later = []  # calls made under a filter
        for call in calls:
            self.group.setdefault(call.tid, call.tid)
            if call.tid in self.jailed and not self.births(call):
                self.later.append(call)
            self.follow(call)

    @staticmethod
    def births(call):
        return call.name in ("clone", "clone3", "fork", "vfork")

    def follow(self, call):
        if not call.worked:
            return
        if self.births(call):
            child = int(call.result.split()[0])
            thread = "CLONE_THREAD" in call.arguments
            self.group[child] = self.group[call.tid] if thread else child
            for held in (self.jailed, self.new_privileges_denied):
                if call.tid in held:
                    held.add(child)
        elif call.name == "prctl" and call.arguments.startswith("PR_SET_NO_NEW_PRIVS, 1"):
            self.new_privileges_denied.add(call.tid)
        elif installs_filter(call):
            everyone = "TSYNC" in call.arguments
            reached = {tid for tid, group in self.group.items()
                       if tid == call.tid or everyone and group == self.group[call.tid]}
            self.jailed |= reached
            if call.tid in self.new_privileges_denied:  # the kernel synchronizes this, too
                self.new_privileges_denied |= reached


def installs_filter(call):
    return (call.name == "seccomp" and call.arguments.startswith("SECCOMP_SET_MODE_FILTER") or
            call.name == "prctl" and call.arguments.startswith("PR_SET_SECCOMP, SECCOMP_MODE_FILTER"))


def demand_only_the_gate(calls):
    """Under the filter nothing opens a path but openat2 relative to a directory held open, within
    it, and without magic links."""
    watched = Sandboxed(calls)
    if not watched.jailed:
        raise Failure("no seccomp filter was installed")
    if not watched.jailed <= watched.new_privileges_denied:
        raise Failure("a filter without PR_SET_NO_NEW_PRIVS")
    for call in watched.later:
        if call.name in ("open", "openat", "creat", "execve", "execveat", "connect", "socket"):
            raise Failure(f"under the filter: {call}")
        if call.name == "openat2":
            if call.arguments.startswith("AT_FDCWD"):
                raise Failure(f"the gate opened relative to the working directory: {call}")
            for flag in ("RESOLVE_BENEATH", "RESOLVE_NO_MAGICLINKS"):
                if flag not in call.arguments:
                    raise Failure(f"the gate opened without {flag}: {call}")
    return watched


def demand_untouched(calls, *words):
    """No system call that takes a path was given one with any of these words in it."""
    for call in calls:
        if call.name != "execve" and any(word in call.arguments for word in words):
            raise Failure(f"touched: {call}")
