"""Running both programs on one row, in turn, and verifying what instar made."""

import ctypes
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import inputs
import judging
import memory


@dataclasses.dataclass
class Sample:
    seconds: float
    peak_kib: int


def in_child(work, what):
    """Does work() in a process of its own. Linux counts the peak memory of whoever starts a program
    as the program's own, so this one has to stay small (its some 20 MiB are the least a row can
    show)."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            work()
            code = 0
        except SystemExit as stop:
            print(stop, file=sys.stderr)
            code = 1
        except KeyboardInterrupt:
            code = 130
        except Exception as error:  # pylint: disable=broad-except
            print(f"{what} failed: {error}", file=sys.stderr)
            code = 1
        sys.stderr.flush()
        os._exit(code)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit(1)


def adopt_orphans():
    """Processes that a program leaves behind when it ends become children of this one."""
    set_child_subreaper = 36  # prctl(2)
    ctypes.CDLL(None, use_errno=True).prctl(set_child_subreaper, 1, 0, 0, 0)


def orphans_kib():
    """Peak memory of all such, once they have ended."""
    total = 0
    try:
        while True:
            total += os.wait4(-1, 0)[2].ru_maxrss
    except ChildProcessError:
        return total


def run(command, directory):
    """Runs to the end; wall-clock seconds, and peak memory of the process and those that it started
    and did not wait for: a child in a sandbox."""
    orphans_kib()  # of what ran before, not measured
    with open(os.devnull, "r+b") as null, tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        child = subprocess.Popen(command, cwd=directory, stdin=null, stdout=null, stderr=errors)
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:  # an interruption: nothing goes on in what is about to be removed
            child.kill()
            child.wait()
            raise
        seconds = time.perf_counter() - begin
        peak_kib = usage.ru_maxrss + orphans_kib()
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            errors.seek(0)
            sys.exit(f"{' '.join(map(str, command))}\nexited {child.returncode}: "
                     f"{errors.read().decode(errors='replace').strip()}")
    return Sample(seconds, peak_kib)


def verify(row, directory, instar_command, qemu_img):
    if row.verify == "info":
        def facts(command):
            told = json.loads(subprocess.run(command + ["--output=json"], cwd=directory,
                                             check=True, capture_output=True).stdout)
            return {key: told.get(key) for key in ("format", "virtual-size", "cluster-size")}
        mine, theirs = facts(instar_command), facts([qemu_img, *row.qemu])
        if mine != theirs:
            sys.exit(f"{row.name}: info says {mine}, qemu-img {theirs}")
    elif row.verify == "output":
        imitated = {**os.environ, "INSTAR_QEMU_VERSION": "7.2"}
        texts = [subprocess.run(command, cwd=directory, env=imitated, check=True,
                                capture_output=True).stdout
                 for command in (instar_command, [qemu_img, *row.qemu])]
        if row.qemu[0] == "map":  # where runs are cut is nobody's business
            texts = [covered(json.loads(text)) for text in texts]
        if texts[0] != texts[1]:
            sys.exit(f"{row.name}: the output differs from qemu-img's")
    elif row.verify == "raw":
        subprocess.run(["cmp", "mixed.raw", row.output], cwd=directory, check=True)
    elif row.verify != "none":
        if row.verify != "vpc":
            subprocess.run([qemu_img, "check", "-q", "-f", row.verify, row.output], cwd=directory,
                           check=True)
        subprocess.run([qemu_img, "compare", "-q", "-f", "raw", "-F", row.verify, "mixed.raw",
                        row.output], cwd=directory, check=True)


def covered(extents):
    """Bytes by what a map says of them."""
    total = {}
    for extent in extents:
        kind = (extent["depth"], extent["zero"], extent["data"])
        total[kind] = total.get(kind, 0) + extent["length"]
    return total


@dataclasses.dataclass
class Programs:
    instar: str
    qemu_img: str
    bare_copy: str
    bare_kvm: str


@dataclasses.dataclass
class Place:
    """Where a row is measured: the inputs there are of disks of `size` bytes."""
    directory: pathlib.Path
    size: int


class Side:
    """The runs of one program."""

    def __init__(self, command, row, place, settings=()):
        self.command = command
        self.settings = list(settings)
        self.row = row
        self.place = place
        self.output = place.directory / row.output if row.output else None
        self.samples = []

    def once(self):
        if self.output:
            self.output.unlink(missing_ok=True)
        if self.row.shares:
            time.sleep(0.1)  # the file system takes back what was shared when it gets round to it
        elif self.output:
            memory.fetch(self.place.size // 4 * 3)  # no target takes more
        return run(self.command, self.place.directory)

    def warm_up(self):
        self.once()
        self.length = self.output.stat().st_size if self.output else 0
        self.written = self.output.stat().st_blocks * 512 if self.output else 0

    def times(self):
        return {"median_seconds": statistics.median(s.seconds for s in self.samples),
                "seconds": [round(s.seconds, 6) for s in self.samples]}

    def facts(self):
        return {
            **self.times(),
            "peak_mib": round(max(s.peak_kib for s in self.samples) / 1024, 1),
            "allocated_bytes": self.written,
            "file_bytes": self.length,
        }


def fastest(row, place, qemu_img):
    """qemu-img with those of the row's settings that make it fastest, but not with any that make the
    target take more storage than the first do."""
    verb, *arguments = row.qemu
    sides = []
    for settings in row.settings:
        side = Side([qemu_img, verb, *settings, *arguments], row, place, settings)
        side.warm_up()
        sides.append(side)
    sides = [side for side in sides if side.written <= 1.01 * sides[0].written]
    return sides[quickest(dict(enumerate(sides)))]


def quickest(sides):
    """Which of them is, by three runs in turn."""
    tried = {name: [] for name in sides}
    if len(sides) > 1:
        for _ in range(3):
            for name, side in sides.items():
                tried[name].append(side.once().seconds)
    return min(sides, key=lambda name: statistics.median(tried[name] or [0]))


def bare_work(row, place, programs, isolations):
    """What a row cannot do without, and nothing else: a guest that halts, or, in the ways of
    bare_copy.cc, the copying of its data."""
    if row.starts and "kvm" in isolations:
        return {"start": Side([programs.bare_kvm], row, place)}
    ways = {}  # what is copied, by the way
    if row.shares:
        # All of a raw disk at once; what a qcow2 image holds, piece by piece.
        piece = (place.size, place.size) if row.source == "mixed.raw" else (
            inputs.PERIOD, inputs.DATA, inputs.QCOW2_FIRST)
        ways = {"guest-clone" if "kvm" in isolations else "clone": (row.source, piece)}
    elif row.moves_bytes:
        ways = {way: ("mixed.raw", (inputs.PERIOD, row.moves_bytes)) for way in ("read", "large")}
    return {way: Side([programs.bare_copy, way, source, row.output, *map(str, (place.size, *numbers))],
                      row, place) for way, (source, numbers) in ways.items()}


def measure(row, place, programs, isolations, pairs):
    """All programs in turn, again and again."""
    verb, *words = row.instar
    mine = {isolation: Side([programs.instar, verb, f"--isolation={isolation}", *words], row,
                            place) for isolation in isolations}
    theirs = fastest(row, place, programs.qemu_img)
    for side in mine.values():
        side.warm_up()
        in_child(lambda command=side.command: verify(row, place.directory, command, programs.qemu_img),
                 "verifying")
    bare = bare_work(row, place, programs, isolations)
    if len(bare) > 1:
        way = quickest(bare)
        bare = {way: bare[way]}
    for _ in range(max(pairs, row.pairs)):
        for side in (*mine.values(), theirs, *bare.values()):
            side.samples.append(side.once())
    if row.output:
        (place.directory / row.output).unlink(missing_ok=True)
    result = {"row": row.name, "qemu_img": {"settings": theirs.settings, **theirs.facts()},
              "instar": {isolation: side.facts() for isolation, side in mine.items()}}
    for told in result["instar"].values():
        told["ratio"] = round(judging.ratio(told, result["qemu_img"]), 4)
    if bare:
        result["bare"] = {way: side.times() for way, side in bare.items()}
    return result
