"""How the table of promises is run: rows, the verbs they run under, and what must hold after each run.

A row is a function that writes a script (script.py), with what must come of it:

    @row(verbs=PARALLEL, options=["--stall-timeout=1"], says="no progress", within=1)
    def a_worker_that_spins_is_ended_while_the_first_vcpu_waits_for_it(s):
        s.main.start(s.program(lambda p: p.spin()))
        s.main.join()

It runs under each verb in both isolations: the real command line around a guest that runs the script
(build target instar_hostile). Whatever a row expects, these hold after every run, too: it ended by
itself, no process is left, no file but the target was touched, a failed run left no target and says
why in one line, nothing that a terminal would obey was printed, JSON is valid and has no member
twice, memory stayed within bounds, and not a byte of what lies outside was shown.
"""

import concurrent.futures
import dataclasses
import json
import os
import re
import shutil
import tempfile
import time
import unicodedata
from pathlib import Path

import harness
from harness import Failure, Group, Skip
from hostile.guest.open_promises import OPEN
from hostile.guest.script import Script

ISOLATIONS = ("kvm", "process")

# A run that has not ended by then hangs: its processes are killed and the row fails. Bounds of time
# in rows have slack for a machine that is busy with other tests.
HANGS_SECONDS = 8
SLACK_SECONDS = 3
AT_A_TIME = 6

SECRET = b"SECRET-BEYOND-THE-GATE"
IMAGE = "evil.img"


@dataclasses.dataclass(frozen=True)
class Verb:
    name: str
    arguments: tuple  # after the verb's name and the options
    json: bool = False
    target: str = None
    edits: str = None  # a file that it changes in place

    def argv(self, options):
        verb, *rest = self.arguments
        return [verb, *options, *rest]


VERBS = {verb.name: verb for verb in (
    Verb("info", ("info", "-f", "raw", IMAGE)),
    Verb("info as JSON", ("info", "--output=json", "-f", "raw", IMAGE), json=True),
    Verb("info of a chain", ("info", "--backing-chain", "--output=json", "-f", "raw", IMAGE),
         json=True),
    Verb("check", ("check", "-f", "qcow2", IMAGE)),
    Verb("check as JSON", ("check", "--output=json", "-f", "qcow2", IMAGE), json=True),
    Verb("map", ("map", "-f", "raw", IMAGE)),
    Verb("map as JSON", ("map", "--output=json", "-f", "raw", IMAGE), json=True),
    Verb("measure", ("measure", "-O", "qcow2", "-f", "raw", IMAGE)),
    Verb("measure as JSON", ("measure", "--output=json", "-O", "qcow2", "-f", "raw", IMAGE),
         json=True),
    Verb("compare", ("compare", "-f", "raw", "-F", "raw", IMAGE, "other.img")),
    Verb("convert", ("convert", "-f", "raw", "-O", "raw", IMAGE, "out"), target="out"),
    Verb("convert to qcow2", ("convert", "-f", "raw", "-O", "qcow2", IMAGE, "out"), target="out"),
    Verb("convert to many files", ("convert", "-f", "raw", "-O", "vmdk", "-o",
                                   "subformat=twoGbMaxExtentFlat", IMAGE, "out"), target="out"),
    Verb("dd", ("dd", "-f", "raw", "-O", "raw", f"if={IMAGE}", "of=out"), target="out"),
    Verb("create", ("create", "-q", "-f", "qcow2", "-b", IMAGE, "-F", "raw", "out"), target="out"),
    Verb("resize", ("resize", "-f", "raw", IMAGE, "64M"), edits=IMAGE),
    Verb("snapshot", ("snapshot", "-f", "qcow2", "-c", "s", IMAGE), edits=IMAGE),
    Verb("amend", ("amend", "-f", "qcow2", "-o", "lazy_refcounts=on", IMAGE), edits=IMAGE),
    Verb("bitmap", ("bitmap", "--add", "-f", "qcow2", IMAGE, "b"), edits=IMAGE),
    Verb("check -r", ("check", "-r", "all", "-f", "qcow2", IMAGE), edits=IMAGE),
)}
EVERY = tuple(name for name in VERBS if name != "convert to many files")
ONE_EACH = ("info", "check", "map", "measure", "compare", "convert", "dd", "create", "resize")
EDITS = tuple(name for name, verb in VERBS.items() if verb.edits)
WRITE = ("convert", "dd")  # device 0 is the image, device 1 the target
PARALLEL = ("convert", "compare")
REPORT = ("info", "info as JSON", "check", "check as JSON", "measure", "compare", "convert", "create")


@dataclasses.dataclass
class Row:
    name: str
    write: object  # of the script
    verbs: tuple
    options: tuple
    says: tuple  # any of these stands in what is printed on standard error
    code: object  # exit code, or None for any that a program can mean
    within: float  # seconds, or None
    rss_mib: int
    isolations: tuple
    set_up: object  # of the directory, or None
    look: object  # at the outcome, or None
    keeps_target: bool  # or, of a verb that changes a file in place: the change took effect


class Table:
    """Rows of one subject, which become one group of cases."""

    def __init__(self, name):
        self.name = name
        self.rows = []

    def row(self, verbs=("convert",), options=(), says=(), code=1, within=None, rss_mib=160,
            isolations=ISOLATIONS, set_up=None, look=None, name=None, keeps_target=False):
        def register(write):
            self.rows.append(Row(
                name or write.__name__.replace("_", " "), write, tuple(verbs), tuple(options),
                (says,) if isinstance(says, str) else tuple(says), code, within, rss_mib,
                tuple(isolations), set_up, look, keeps_target))
            return write

        return register

    def group(self):
        group = Group(f"hostile guest: {self.name}")
        for row in self.rows:
            group.add(row.name, run_row, row)
        return group


def program(t):
    """The program around the scripted guest: built beside the one under test."""
    path = Path(t.tools.instar).parent / "instar_hostile"
    if path.exists():
        return path
    if (path.parent.parent / "build.ninja").exists():
        raise Failure(f"{path} is not built")
    raise Skip("the program around a hostile guest is only there in a build directory")


def run_row(t, row):
    """Runs the row everywhere, some runs at a time: many of them wait for a watchdog."""
    if row.name in OPEN:
        raise Skip("this promise does not hold yet")
    usable, missing = isolations_of(t, row)
    runs = [(VERBS[verb], isolation) for verb in row.verbs for isolation in usable]
    with concurrent.futures.ThreadPoolExecutor(max_workers=AT_A_TIME) as pool:
        failures = list(pool.map(lambda run: run_verb(t, row, *run), runs))
    told = [f"{verb.name}, {isolation}: {failure}"
            for (verb, isolation), failure in zip(runs, failures) if failure]
    t.check(not told, "\n".join(told))
    if missing is not None:
        raise missing


def isolations_of(t, row):
    """Those of the row that work here, and why another does not."""
    usable, missing = [], None
    for name in row.isolations:
        try:
            usable.append(t.tools.isolation(name))
        except Skip as skip:
            missing = skip
    return usable, missing


def run_verb(t, row, verb, isolation):
    """What did not hold, or nothing."""
    try:
        run_once(t, row, verb, isolation)
    except Failure as failure:
        return str(failure)
    return None


def run_once(t, row, verb, isolation):
    folder = Path(tempfile.mkdtemp(dir=t.dir))
    try:
        images = furnish(folder)
        script = Script()
        row.write(script)
        (images / IMAGE).write_bytes(script.build())
        if row.set_up is not None:
            row.set_up(images)
        before = contents(folder)
        argv = verb.argv([f"--isolation={isolation}", *row.options])
        outcome, seconds = run_bounded(program(t), images, argv)
        if outcome.max_rss_kib > row.rss_mib << 10:
            # What this process itself used when it started the other can show in that number.
            again, _ = run_bounded(program(t), images, argv)
            outcome.max_rss_kib = min(outcome.max_rss_kib, again.max_rss_kib)
        judge(t, row, verb, outcome, seconds)
        demand_untouched(t, row, verb, before, contents(folder), outcome)
        if row.look is not None:
            row.look(t, outcome, images)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def furnish(folder):
    """images/ holds what the user names and may be referred to; outside/ nothing that may."""
    images, outside = folder / "images", folder / "outside"
    images.mkdir()
    outside.mkdir()
    (outside / "secret.img").write_bytes(SECRET * 100)
    (images / "other.img").write_bytes(b"other" * 1000)
    (images / "link.img").symlink_to("../outside/secret.img")
    (images / "linked").symlink_to("../outside")
    os.mkfifo(images / "fifo")
    return images


def contents(folder):
    """Everything below the folder: for each path what it is and holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        large = status.st_size > 1 << 20
        is_file = path.is_file() and not path.is_symlink()
        found[str(path.relative_to(folder))] = (
            status.st_mode, status.st_size if is_file else 0, status.st_ino,
            path.read_bytes() if is_file and not large else None)
    return found


def run_bounded(path, images, arguments):
    """The outcome, and how long the run took. Its processes are killed when it hangs."""
    start = time.monotonic()
    outcome = harness.run([path, *arguments], cwd=images, deadline=HANGS_SECONDS)
    return outcome, time.monotonic() - start


def judge(t, row, verb, outcome, seconds):
    t.check(not outcome.timed_out, f"hung: killed after {HANGS_SECONDS} s", outcome)
    t.check(outcome.code >= 0 and outcome.code < 128, "ended by a signal", outcome)
    if row.code is not None:
        code = row.code
        if code == 1 and verb.name == "compare":  # where 1 means that they differ
            t.check(outcome.code > 1, "exit code of a failure", outcome)
        else:
            t.equal(outcome.code, code, "exit code", outcome)
    failed = outcome.code > (1 if verb.name == "compare" else 0)
    if failed:
        t.check(len(outcome.err_lines) >= 1, "failed without a word", outcome)
    if row.code == 1:
        t.equal(len(outcome.err_lines), 1, "lines on stderr", outcome)
    unexpected = re.search(r"step \d+: (result|memory)", outcome.err_text)
    t.check(not unexpected, "the guest saw what it should not", outcome)
    if row.says:
        t.check(any(words in outcome.err_text for words in row.says),
                f"should say one of {row.says}", outcome)
    if row.within is not None:
        t.check(seconds <= row.within + SLACK_SECONDS,
                f"took {seconds:.1f} s, not {row.within} s at most", outcome)
    t.check(outcome.max_rss_kib <= row.rss_mib << 10,
            f"took {outcome.max_rss_kib >> 10} MiB of memory, not {row.rss_mib} at most", outcome)
    harmless = "\n\t\r" if "-p" in row.options else "\n\t"
    for text in (outcome.text, outcome.err_text):
        obeyed = {c for c in text if unicodedata.category(c) == "Cc" and c not in harmless}
        t.check(not obeyed, f"control characters are printed: {obeyed}", outcome)
        t.check(SECRET.decode() not in text, "showed what lies outside", outcome)
    left = harness.poll_until(lambda: not processes_of(outcome.session), seconds=2)
    t.check(left, f"processes are left: {processes_of(outcome.session)}", outcome)
    if verb.json and outcome.code == 0:
        demand_json(t, outcome)


def demand_json(t, outcome):
    def object_of(pairs):
        keys = [k for k, _ in pairs]
        t.equal(len(keys), len(set(keys)), f"a member is there twice: {sorted(keys)}", outcome)
        return dict(pairs)

    try:
        json.loads(outcome.out.decode("utf-8"), object_pairs_hook=object_of)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Failure(f"the JSON is none: {error}\n" + outcome.describe()) from error


def processes_of(session):
    """The processes of a session that are still there."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.getsid(int(entry)) == session:
                state = Path("/proc", entry, "stat").read_text().rsplit(")", 1)[1].split()[0]
                if state not in "ZX":
                    found.append(entry)
        except OSError:
            continue  # ended meanwhile
    return found


def demand_untouched(t, row, verb, before, after, outcome):
    target = f"images/{verb.target}" if verb.target else None
    edited = f"images/{verb.edits}" if verb.edits else None
    if edited:
        demand_edited(t, row, before[edited], after.get(edited), outcome)
    if target and outcome.code != 0 and not row.keeps_target:
        t.check(target not in after, "a target is left", outcome)
    for path in sorted({*before, *after}):
        if path == target:
            content = after[path][3] if path in after else None
            t.check(not content or SECRET not in content, "copied what lies outside", outcome)
            continue
        if path != edited:
            t.equal(after.get(path), before.get(path), f"{path} was touched", outcome)


def demand_edited(t, row, before, after, outcome):
    """A guest may write what it likes to the file that its verb changes, and cut off what is behind its image.
    But a failure before the change took effect leaves it no longer than it was, it stays the same file, and it
    gets nothing from outside."""
    t.check(after is not None, "the edited file is gone", outcome)
    (mode, size, inode, _), (new_mode, new_size, new_inode, content) = before, after
    t.equal((new_mode, new_inode), (mode, inode), "mode and number of the edited file", outcome)
    t.check(not content or SECRET not in content, "copied what lies outside", outcome)
    if outcome.code != 0 and not row.keeps_target:
        t.check(new_size <= size, f"the edited file has {new_size} bytes and had {size}", outcome)
