"""What every Python suite of Instar shares: cases, groups, processes with a deadline, a tally.

A suite is a list of groups. A group owns one scratch directory, an optional set-up that makes its
files, and cases that run one after another; groups run side by side. Each case is counted by itself.

    group = Group("raw-source")

    @group.case("keeps its size")
    def keeps_its_size(t):
        t.check(t.instar("info", "x").code == 0, "info failed")

Needs nothing but the standard library of Python 3.11.
"""

import concurrent.futures
import dataclasses
import fnmatch
import hashlib
import os
import resource
import select
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
import traceback
import unicodedata
from pathlib import Path

# How long any one process may take. A guard against hangs: nothing here measures speed.
DEADLINE_SECONDS = 60


class Skip(Exception):
    """The case cannot run here; the text says why."""


class Failure(Exception):
    """The case's expectation does not hold."""


@dataclasses.dataclass
class Outcome:
    """One finished process."""

    argv: list
    code: int  # exit status; negative: ended by that signal
    out: bytes
    err: bytes
    max_rss_kib: int  # 0: no more than this program's own
    timed_out: bool
    session: int = 0  # of this process and those it started

    @property
    def text(self):
        return self.out.decode("utf-8", "replace")

    @property
    def err_text(self):
        return self.err.decode("utf-8", "replace")

    @property
    def err_lines(self):
        return [line for line in self.err_text.split("\n") if line.strip()]

    def describe(self):
        lines = ["$ " + " ".join(str(a) for a in self.argv), f"exit {self.code}"]
        if self.timed_out:
            lines.append("killed at the deadline")
        if self.out:
            lines.append("stdout: " + repr(self.text[:1500]))
        if self.err:
            lines.append("stderr: " + repr(self.err_text[:1500]))
        return "\n".join(lines)


def _limits(limits):
    def apply():
        for which, value in limits.items():
            resource.setrlimit(which, (value, value))

    return apply if limits else None


def run(argv, cwd=None, deadline=DEADLINE_SECONDS, limits=None, env=None, umask=-1, user=None,
        stdin=None):
    """Runs argv to its end, or kills it at the deadline. Never raises for what the process does."""
    argv = [os.fspath(a) if isinstance(a, os.PathLike) else a for a in argv]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with _starting:
            forget_peak_memory()
            process = subprocess.Popen(
                argv, cwd=cwd, stdin=subprocess.DEVNULL if stdin is None else stdin, stdout=out,
                stderr=err, preexec_fn=_limits(limits), env=clean_environment(env), umask=umask,
                user=user, start_new_session=True)
            own_kib = peak_memory_kib()
        timed_out = not wait_for_exit(process.pid, deadline)
        if timed_out:
            os.killpg(process.pid, signal.SIGKILL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        used_kib = usage.ru_maxrss if usage.ru_maxrss > own_kib + UNCOUNTED_KIB else 0
        return Outcome(argv, process.returncode, out.read(), err.read(), used_kib, timed_out,
                       process.pid)


# What the kernel counts as a process's memory includes that of the program that started it, up to
# the call of exec. So the peak of this one is forgotten before, and looked at after.
_starting = threading.Lock()
# Each thread counts up to 64 pages before the process's figure has them.
UNCOUNTED_KIB = 1024


def forget_peak_memory():
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def peak_memory_kib():
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def wait_for_exit(pid, seconds):
    """True when the child ended in time. Leaves it to be reaped."""
    fd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(fd)


def poll_until(condition, seconds=20, interval=0.005):
    """Asks again and again until the condition is true; what it returned last."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        select.select([], [], [], interval)


def clean_environment(extra=None):
    """This environment without what configures Instar, the user's configuration file included."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("INSTAR_", "XDG_")) and k != "SOURCE_DATE_EPOCH"}
    env["LC_ALL"] = "C"
    env["HOME"] = "/nonexistent"
    env.update(extra or {})
    return env


class Tools:
    """The programs under test and beside it, found once."""

    def __init__(self, instar, workdir=None, jobs=2):
        self.instar = os.path.abspath(instar)
        self.workdir = workdir
        self.jobs = jobs
        self.paths = {
            name: shutil.which(name)
            for name in ("qemu-img", "qemu-io", "strace", "7z", "mount", "umount", "mkfs.ext4",
                         "e2image")
        }
        self._lock = threading.Lock()
        self._announcement = None
        self._isolations = {}
        self._qemu_version = None

    def need(self, name):
        path = self.paths.get(name)
        if not path:
            raise Skip(f"{name} is not installed")
        return path

    @property
    def qemu_version(self):
        """The installed qemu-img's version as `--qemu-version` takes it, e.g. "7.2"."""
        with self._lock:
            if self._qemu_version is None:
                words = run([self.need("qemu-img"), "--version"]).text.split()
                self._qemu_version = ".".join(words[2].split(".")[:2])
            return self._qemu_version

    @property
    def announcement(self):
        """The lines that a run in the default isolation prints on stderr although nothing is wrong
        (the fallback is announced there)."""
        with self._lock:
            if self._announcement is None:
                outcome = self._probe([])
                self._announcement = outcome.err_lines if outcome.code == 0 else []
            return self._announcement

    def isolation(self, name):
        """Demands that this isolation works here; Skip with Instar's own words where it does not."""
        with self._lock:
            if name not in self._isolations:
                self._isolations[name] = self._probe([f"--isolation={name}"])
            outcome = self._isolations[name]
        if outcome.code == 0:
            return name
        if name == "kvm" and not kvm_answers():
            raise Skip("no usable /dev/kvm: " + " ".join(outcome.err_lines))
        raise Failure(f"isolation {name} should work here\n" + outcome.describe())

    def _probe(self, options):
        with tempfile.TemporaryDirectory(dir=self.workdir) as folder:
            image = Path(folder, "probe.raw")
            image.write_bytes(bytes(4096))
            return run([self.instar, "info", *options, "-f", "raw", image])


def kvm_answers():
    """Whether the kernel lets this user make a virtual machine at all (KVM_CREATE_VM)."""
    import fcntl
    try:
        fd = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.close(fcntl.ioctl(fd, 0xAE01, 0))
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


class Context:
    """What a case gets: its group's directory, the tools, what the group's set-up returned."""

    def __init__(self, tools, folder):
        self.tools = tools
        self.dir = folder
        self.fixture = None

    def instar(self, *args, **kwargs):
        kwargs.setdefault("cwd", self.dir)
        return run([self.tools.instar, *args], **kwargs)

    def qemu_img(self, *args, **kwargs):
        kwargs.setdefault("cwd", self.dir)
        return run([self.tools.need("qemu-img"), *args], **kwargs)

    def made_by_qemu_img(self, *args, **kwargs):
        """qemu-img, for making what the test needs: it must succeed."""
        outcome = self.qemu_img(*args, **kwargs)
        if outcome.code != 0:
            raise Failure("the generator failed\n" + outcome.describe())
        return outcome

    def qemu_io(self, image, *commands, format=None, options=(), expect=0, force_share=False):
        argv = [self.tools.need("qemu-io")]
        if format:
            argv += ["-f", format]
        if force_share:
            argv += ["-U"]
        argv += options
        for command in commands:
            argv += ["-c", command]
        outcome = run([*argv, image], cwd=self.dir)
        if outcome.code != expect or b"rror" in outcome.out + outcome.err or b"failed" in outcome.out:
            raise Failure("the generator failed\n" + outcome.describe())
        return outcome

    def check(self, condition, text, *outcomes):
        if not condition:
            raise Failure("\n".join([text, *(o.describe() for o in outcomes)]))

    def equal(self, got, want, text, *outcomes):
        if got != want:
            raise Failure("\n".join(
                [text, f"  got:  {shorten(got)}", f"  want: {shorten(want)}",
                 *(o.describe() for o in outcomes)]))

    def complaint(self, outcome):
        """stderr without what the default isolation announces."""
        known = self.tools.announcement
        return [line for line in outcome.err_lines if line not in known]

    def succeeded(self, outcome):
        self.check(outcome.code == 0 and not outcome.timed_out, "should have succeeded", outcome)
        self.check(not self.complaint(outcome), "succeeded, but complained", outcome)
        return outcome

    def refused(self, outcome, code=1, lines=1, says=()):
        """One clean line (or as many as given), the right exit code, no fault, nothing on stdout."""
        self.check(not outcome.timed_out, "hung", outcome)
        self.equal(outcome.code, code, "exit code", outcome)
        complaint = self.complaint(outcome)
        self.equal(len(complaint), lines, "lines on stderr", outcome)
        self.clean(outcome)
        for words in [says] if isinstance(says, str) else says:
            self.check(words.lower() in " ".join(complaint).lower(), f"should say {words!r}", outcome)
        return outcome

    def clean(self, outcome):
        """No crash, no parser fault, nothing that a terminal would obey."""
        self.check(outcome.code >= 0, "ended by a signal", outcome)
        self.check(b"fault" not in outcome.err.lower(), "the parser faulted", outcome)
        for text in (outcome.text, outcome.err_text):
            obeyed = {c for c in text if unicodedata.category(c) == "Cc" and c not in "\n\t"}
            self.check(not obeyed, f"control characters reach the terminal: {obeyed}", outcome)


def shorten(value, limit=1200):
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."


class Group:
    """Cases that share one directory. `set_up(t)` makes their files; its result is t.fixture."""

    def __init__(self, name, set_up=None):
        self.name = name
        self.set_up = set_up
        self.cases = []

    def case(self, name):
        def register(function):
            self.add(name, function)
            return function

        return register

    def add(self, name, function, *args):
        self.cases.append((name, (lambda t: function(t, *args)) if args else function))


@dataclasses.dataclass
class Verdict:
    name: str
    status: str  # passed, failed, skipped
    detail: str = ""
    seconds: float = 0


class Tally:
    """Counts, and prints each failure once when it happens."""

    def __init__(self, verbose=False):
        self.verdicts = []
        self.verbose = verbose
        self._lock = threading.Lock()

    def add(self, verdict):
        with self._lock:
            self.verdicts.append(verdict)
            if verdict.status == "failed":
                body = verdict.detail.strip().replace("\n", "\n    ")
                print(f"FAILED  {verdict.name}\n    {body}", flush=True)
            elif self.verbose:
                print(f"{verdict.status:7} {verdict.name} {verdict.detail}".rstrip(), flush=True)

    def count(self, status):
        return sum(v.status == status for v in self.verdicts)

    def print_skips(self):
        reasons = {}
        for verdict in self.verdicts:
            if verdict.status == "skipped":
                reasons.setdefault(verdict.detail, []).append(verdict.name)
        for reason, names in reasons.items():
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            print(f"SKIPPED {names[0]}{more}: {reason}")

    def print_slowest(self, count):
        for verdict in sorted(self.verdicts, key=lambda v: -v.seconds)[:count]:
            print(f"{verdict.seconds:7.1f} s  {verdict.name}")

    def summary(self):
        return (f"{self.count('passed')} passed, {self.count('failed')} failed, "
                f"{self.count('skipped')} skipped")


class Divergences:
    """Intended differences from qemu-img. A case that one of them names must differ, in the way that
    its `shows` says, and fails when it no longer does."""

    def __init__(self, entries):
        self.entries = [(pattern, entry) for entry in entries for pattern in
                        ([entry["case"]] if isinstance(entry["case"], str) else entry["case"])]
        self.seen = set()

    def judge(self, name, status, detail):
        """The verdict on a case once what is registered for it is taken into account."""
        for pattern, entry in self.entries:
            if fnmatch.fnmatchcase(name, pattern):
                self.seen.add(pattern)
                if status == "failed" and entry["shows"] in detail:
                    return "passed", "differs as registered: " + entry["reason"]
                if status == "passed":
                    return "failed", "a registered divergence no longer occurs: " + entry["reason"]
        return status, detail

    def unused(self):
        return [pattern for pattern, _ in self.entries if pattern not in self.seen]


def run_groups(groups, tools, tally, select_case=None, divergences=None, every_suite=False):
    """Runs all groups, tools.jobs at a time."""
    divergences = divergences or Divergences([])
    with concurrent.futures.ThreadPoolExecutor(max_workers=tools.jobs) as pool:
        list(pool.map(lambda g: _run_group(g, tools, tally, select_case, divergences), groups))
    if every_suite and select_case is None:
        for pattern in divergences.unused():
            tally.add(Verdict(f"divergences/{pattern}", "failed",
                              "registered, but no case has this name"))


def _run_group(group, tools, tally, select_case, divergences):
    cases = [(f"{group.name}/{name}", function) for name, function in group.cases]
    if select_case:
        cases = [case for case in cases if select_case(case[0])]
    if not cases:
        return
    folder = Path(tempfile.mkdtemp(prefix="instar-", dir=tools.workdir))
    context = Context(tools, folder)
    try:
        problem = None
        if group.set_up:
            status, detail = _attempt(lambda: setattr(context, "fixture", group.set_up(context)))
            if status != "passed":
                problem = (status, "set-up: " + detail)
        for name, function in cases:
            began = time.monotonic()
            status, detail = problem or _attempt(lambda: function(context))
            if not problem:
                status, detail = divergences.judge(name, status, detail)
            tally.add(Verdict(name, status, detail, time.monotonic() - began))
    finally:
        remove_tree(folder)


def _attempt(function):
    try:
        function()
        return "passed", ""
    except Skip as skip:
        return "skipped", str(skip)
    except Failure as failure:
        return "failed", str(failure)
    except Exception:  # pylint: disable=broad-except
        return "failed", traceback.format_exc()


def remove_tree(folder):
    shutil.rmtree(folder, ignore_errors=True)


def tree(folder):
    """What a directory holds: for each name its kind, mode, size and content hash."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        info = path.lstat()
        content = ""
        if stat.S_ISREG(info.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest() if info.st_size < 1 << 26 else ""
        elif stat.S_ISLNK(info.st_mode):
            content = os.readlink(path)
        found[str(path.relative_to(folder))] = (oct(info.st_mode), info.st_size, content)
    return found


def data_runs(fd, size):
    """(start, end) of the runs of data in a sparse file."""
    offset = 0
    while offset < size:
        try:
            start = os.lseek(fd, offset, os.SEEK_DATA)
        except OSError:
            return
        offset = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, offset


def first_difference(a, b):
    """Compares two files as bytes, holes skipped; None when equal, else a sentence."""
    size_a, size_b = os.path.getsize(a), os.path.getsize(b)
    if size_a != size_b:
        return f"{size_a} bytes against {size_b}"
    with open(a, "rb") as file_a, open(b, "rb") as file_b:
        for walked in (file_a, file_b):
            for start, end in data_runs(walked.fileno(), size_a):
                while start < end:
                    step = min(1 << 20, end - start)
                    left = os.pread(file_a.fileno(), step, start)
                    right = os.pread(file_b.fileno(), step, start)
                    if left != right:
                        at = next(i for i, (x, y) in enumerate(zip(left, right)) if x != y)
                        return f"differ at offset {start + at}"
                    start += step
    return None
