"""What outlasts its time is ended: one line, the exit code, and no part of a target left. What gets on
is not, on a machine that is busy with others either."""

import contextlib
import os
import random
import signal
import subprocess
import sys

from harness import Group, clean_environment, poll_until, tree, wait_for_exit
from hostile.generate import COPIED, Qcow2, word

SOURCE_BYTES = 16 << 20
# A check of them takes a minute and more where one of 1024 takes a second.
TABLES = 65536
# How often tables may be walked again follows what the file stores.
STORED_MIB = 256


def make(t):
    (t.dir / "slow.raw").write_bytes(bytes(range(1, 256)) * (SOURCE_BYTES // 255))


def make_slow_to_check(path):
    """One table of 2 MiB that a check has to walk once for each entry of the L1 table."""
    image = Qcow2(cluster_bits=21, size=1 << 20).data(0)
    built = image.build()
    entry = int.from_bytes(built[image.l1_offset: image.l1_offset + 8], "big") & ~COPIED
    place = len(built)
    built += bytes(-place % image.cluster)
    word(built, 36, TABLES, ">I")
    word(built, 40, len(built))
    built += b"".join(entry.to_bytes(8, "big") for _ in range(TABLES)) + bytes(
        image.cluster - 8 * TABLES)
    word(built, 24, TABLES << 39)
    table = entry & 0x00FFFFFFFFFFFE00
    for at in range(0, image.cluster, 8):
        word(built, table + at, 1)
    with path.open("wb") as file:
        file.write(built)
        for _ in range(STORED_MIB):
            file.write(b"\1" * (1 << 20))


def ends_convert(t, isolation, target):
    t.tools.isolation(isolation)
    # Ten times as long as it may take.
    outcome = t.instar("convert", f"--isolation={isolation}", "--timeout=1", "-r", "1600k",
                       "-f", "raw", *target, "slow.raw", "out", deadline=8)
    t.refused(outcome, says="watchdog")
    t.check(not (t.dir / "out").exists(), "a partial target is left", outcome)


def ends_check(t, isolation):
    t.tools.isolation(isolation)
    make_slow_to_check(t.dir / "slow.qcow2")
    outcome = t.instar("check", f"--isolation={isolation}", "--timeout=1", "slow.qcow2", deadline=8)
    t.refused(outcome, says="watchdog")


LATE_SECONDS = 1
# Some more than the second that is promised: machines of tests are busy.
BY_THEN_SECONDS = LATE_SECONDS + 3


class Late:
    """A run whose time is over at LATE_SECONDS, with pipes that the test holds."""

    def __init__(self, t, *arguments, name=None, **pipes):
        self.t = t
        instar = t.tools.instar
        if name:
            instar = t.dir / name
            if not instar.exists():
                instar.symlink_to(t.tools.instar)
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                 "stderr": subprocess.PIPE} | pipes
        self.process = subprocess.Popen([instar, *arguments], cwd=t.dir, env=clean_environment(),
                                        start_new_session=True, **pipes)

    def ended(self, code=1, says="not done after 1 seconds"):
        """The line it ends with, which is its only one."""
        process = self.process
        try:
            in_time = wait_for_exit(process.pid, BY_THEN_SECONDS)
            self.t.check(in_time, "still runs after its time")
        finally:
            if not wait_for_exit(process.pid, 0):
                os.killpg(process.pid, signal.SIGKILL)
        self.t.equal(process.wait(), code, "exit code")
        if process.stderr is None:
            return None
        lines = [line for line in process.stderr.read().decode().split("\n")
                 if line.strip() and line not in self.t.tools.announcement]
        self.t.equal(len(lines), 1, f"lines of {lines}")
        self.t.check(says in lines[0], f"says {lines[0]!r}")
        return lines[0]


def timeout(isolation):
    return [f"--isolation={isolation}", f"--timeout={LATE_SECONDS}"]


def full_pipe():
    """Both ends of a pipe that takes no more; its writing end blocks."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writing, True)
    return reading, writing


def pipe_that_never_delivers(t, isolation, form):
    """Read as it comes (raw) and spooled before the jail is there (qcow2)."""
    t.tools.isolation(isolation)
    reading, writing = os.pipe()
    try:
        run = Late(t, "convert", *timeout(isolation), "-f", "raw", "-O", form, "-", "out",
                   stdin=reading)
        run.ended()
        t.check(not (t.dir / "out").exists(), "a partial target is left")
    finally:
        os.close(reading)
        os.close(writing)


def reader_that_never_reads(t, isolation):
    t.tools.isolation(isolation)
    reading, writing = os.pipe()
    try:
        Late(t, "convert", *timeout(isolation), "-f", "raw", "-O", "raw", "slow.raw", "-",
             stdout=writing).ended()
    finally:
        os.close(reading)
        os.close(writing)


def slow_by_the_users_limit(t, isolation):
    t.tools.isolation(isolation)
    before = tree(t.dir)
    Late(t, "convert", *timeout(isolation), "-r", "1000", "-f", "raw", "-O", "qcow2", "slow.raw",
         "out").ended()
    t.equal(tree(t.dir), before, "files changed")


def fifo_that_nobody_opens(t, isolation):
    t.tools.isolation(isolation)
    if not (t.dir / "fifo").exists():
        os.mkfifo(t.dir / "fifo")
    for arguments in (["fifo", "out"], ["slow.raw", "fifo"]):
        line = Late(t, "convert", *timeout(isolation), "-f", "raw", "-O", "raw", *arguments).ended()
        t.check(line.startswith(f"instar: {arguments[0]}: convert: "), f"says {line!r}")
        t.check(not (t.dir / "out").exists(), "a partial target is left")


def rendering_into_a_full_pipe(t, isolation):
    """The list of a disk in many pieces is larger than any pipe."""
    t.tools.isolation(isolation)
    with open(t.dir / "pieces.raw", "wb") as file:
        for i in range(8192):
            file.seek(i * 65536)
            file.write(b"x")
    reading, writing = os.pipe()
    try:
        Late(t, "map", *timeout(isolation), "--output=json", "-f", "raw", "pieces.raw",
             stdout=writing).ended()
    finally:
        os.close(reading)
        os.close(writing)


def full_standard_error(t):
    """The line cannot be written; the run ends all the same."""
    reading, writing = full_pipe()
    try:
        before = tree(t.dir)
        Late(t, "convert", "--timeout=1", "-r", "1000", "-f", "raw", "-O", "raw", "slow.raw", "out",
             stderr=writing).ended()
        t.equal(tree(t.dir), before, "files changed")
    finally:
        os.close(reading)
        os.close(writing)


def what_is_edited_stays(t):
    (t.dir / "edited.raw").write_bytes(bytes(SOURCE_BYTES))
    Late(t, "convert", "--timeout=1", "-n", "-r", "1000", "-f", "raw", "-O", "raw", "slow.raw",
         "edited.raw").ended()
    t.equal((t.dir / "edited.raw").stat().st_size, SOURCE_BYTES, "the target's length")
    (t.dir / "edited.raw").unlink()


def compare_keeps_its_exit_code(t):
    """1 would say that the images differ."""
    reading, writing = full_pipe()
    try:
        Late(t, "compare", "--timeout=1", "-f", "raw", "-F", "raw", "slow.raw", "slow.raw",
             stdout=writing).ended(code=4)
    finally:
        os.close(reading)
        os.close(writing)


def speaks_as_qemu_img(t):
    line = Late(t, "convert", "--timeout=1", "-r", "1000", "-f", "raw", "-O", "raw", "slow.raw",
                "out", name="qemu-img").ended()
    t.check(line.startswith("qemu-img: slow.raw: convert: "), f"says {line!r}")


def info_has_a_limit_of_its_own(t):
    """As the timer of the running process shows."""
    reading, writing = full_pipe()
    try:
        process = subprocess.Popen([t.tools.instar, "info", "-f", "raw", "slow.raw"], cwd=t.dir,
                                   env=clean_environment(), stdout=writing,
                                   stderr=subprocess.DEVNULL)
        try:
            caught = poll_until(lambda: catches_alarm(process.pid))
            t.check(caught, "no handler for the end of its time")
        finally:
            process.kill()
            process.wait()
    finally:
        os.close(reading)
        os.close(writing)


def catches_alarm(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("SigCgt:"):
                return int(line.split()[1], 16) >> (signal.SIGALRM - 1) & 1
    return 0


def alarms_of_others_are_interruptions(t):
    before = tree(t.dir)
    run = Late(t, "convert", "--timeout=60", "-r", "1000", "-f", "raw", "-O", "raw", "slow.raw",
               "out")
    poll_until(lambda: (t.dir / "out").exists())
    os.kill(run.process.pid, signal.SIGALRM)
    t.check(wait_for_exit(run.process.pid, 20), "does not end")
    t.equal(run.process.wait(), -signal.SIGALRM, "the signal that ended it")
    t.equal(tree(t.dir), before, "files changed")


def stopped_for_a_while(t, isolation):
    """Time in which the process did not run is no stall."""
    t.tools.isolation(isolation)
    run = Late(t, "convert", f"--isolation={isolation}", "--stall-timeout=2", "-r", "4M", "-f",
               "raw", "-O", "raw", "slow.raw", "out")
    poll_until(lambda: (t.dir / "out").exists() and (t.dir / "out").stat().st_blocks > 0)
    os.killpg(run.process.pid, signal.SIGSTOP)
    # Not to wait for anything to happen: that is the time in question.
    wait_for_exit(run.process.pid, 4)
    os.killpg(run.process.pid, signal.SIGCONT)
    t.check(wait_for_exit(run.process.pid, 40), "does not end")
    t.equal(run.process.wait(), 0, "exit code")
    (t.dir / "out").unlink()


@contextlib.contextmanager
def busy_machine():
    """Eight programs for each processor that want all of it."""
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
            for _ in range(8 * os.cpu_count())]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def slow_compression_on_a_busy_machine(t, isolation):
    """Clusters of 2 MiB at zstd's slowest level: a worker has nothing to show for seconds.

    Of a process nobody knows how much of a processor it got, so all of its time counts: a user of a
    busy machine has to allow for more.
    """
    patience = 10 if isolation == "kvm" else 60
    t.tools.isolation(isolation)
    words = [random.Random(n).randbytes(7) for n in range(4096)]
    chosen = random.Random(0).choices(words, k=SOURCE_BYTES // 7)
    (t.dir / "words.raw").write_bytes(b"".join(chosen))
    with busy_machine():
        outcome = t.instar("convert", f"--isolation={isolation}", f"--stall-timeout={patience}",
                           "--workers=8",
                           "-c", "-f", "raw", "-O", "qcow2", "-o",
                           "cluster_size=2M,compression_type=zstd,compression_level=9", "words.raw",
                           "out", deadline=120)
    t.equal(outcome.code, 0, "exit code", outcome)
    (t.dir / "out").unlink()


def groups():
    late = Group("time is over", make)
    for isolation in ("kvm", "process"):
        for form in ("raw", "qcow2"):
            late.add(f"a pipe that never delivers, to {form}, {isolation}",
                     pipe_that_never_delivers, isolation, form)
        late.add(f"a reader that never reads, {isolation}", reader_that_never_reads, isolation)
        late.add(f"a rate limit, {isolation}", slow_by_the_users_limit, isolation)
        late.add(f"a FIFO that nobody opens, {isolation}", fifo_that_nobody_opens, isolation)
        late.add(f"rendering into a full pipe, {isolation}", rendering_into_a_full_pipe, isolation)
        late.add(f"time in which it is stopped is no stall, {isolation}", stopped_for_a_while,
                 isolation)
    late.case("standard error is full")(full_standard_error)
    late.case("what is edited stays")(what_is_edited_stays)
    late.case("compare says with its exit code that it could not read")(compare_keeps_its_exit_code)
    late.case("under the name qemu-img")(speaks_as_qemu_img)
    late.case("info has a limit of its own")(info_has_a_limit_of_its_own)
    late.case("an alarm that others send is an interruption")(alarms_of_others_are_interruptions)
    group = Group("watchdog", make)
    for isolation in ("kvm", "process"):
        for target in ("raw", "qcow2", "vmdk"):
            group.add(f"ends a convert to {target}, {isolation}", ends_convert, isolation,
                      ["-O", target])
        group.add(f"ends a check, {isolation}", ends_check, isolation)
        group.add(f"does not end a slow compression on a busy machine, {isolation}",
                  slow_compression_on_a_busy_machine, isolation)
    return [group, late]
