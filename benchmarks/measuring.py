"""Running both programs on one row, in turn, and verifying what instar made."""

import dataclasses
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

import inputs
import judging
import memory

MOST_ROUNDS = 3  # of all pairs, while what is measured scatters


@dataclasses.dataclass
class Sample:
    seconds: float
    peak_kib: int


def run(launcher, command, directory):
    """Runs to the end, through the launcher (run_once.cc): wall-clock seconds, and peak memory of
    the process and those that it started and did not wait for."""
    with subprocess.Popen([launcher, "1", *command], cwd=directory, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace") as child:
        try:
            told, errors = child.communicate()
        except BaseException:  # an interruption: nothing goes on in what is about to be removed
            child.terminate()
            child.wait()
            raise
    # Where it tells nothing, it could not start the command.
    seconds, peak_kib, code = told.split() if child.returncode == 0 else (0, 0, child.returncode)
    if int(code) != 0:
        sys.exit(f"{' '.join(map(str, command))}\nexited {code}: {errors.strip()}")
    return Sample(float(seconds), int(peak_kib))


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
    elif row.verify == "changed":
        subprocess.run([qemu_img, "check", "-q", row.output], cwd=directory, check=True)
        told = json.loads(subprocess.run([qemu_img, "info", "--output=json", row.output],
                                         cwd=directory, check=True, capture_output=True).stdout)
        if told["virtual-size"] != row.disk_bytes:
            sys.exit(f"{row.name}: the disk has {told['virtual-size']} bytes")
    elif row.verify == "raw":
        subprocess.run(["cmp", "mixed.raw", row.output], cwd=directory, check=True)
    elif row.verify != "none":
        if row.verify != "vpc":
            subprocess.run([qemu_img, "check", "-q", "-f", row.verify, row.output], cwd=directory,
                           check=True)
        subprocess.run([qemu_img, "compare", "-q", "-f", "raw", "-F", row.verify, "mixed.raw",
                        row.output], cwd=directory, check=True)


def copy_fresh(source, target):
    """A copy with the same holes, on the disk before the run that changes it begins."""
    subprocess.run(["cp", "--sparse=auto", "--reflink=never", source, target], check=True)
    subprocess.run(["sync", target], check=True)


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
    run_once: str
    bare_copy: str
    bare_kvm: str


@dataclasses.dataclass
class Place:
    """Where a row is measured: the inputs there are of disks of `size` bytes."""
    directory: pathlib.Path
    size: int
    launcher: str  # which runs what is measured there


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
        if self.row.changes:
            copy_fresh(self.place.directory / self.row.changes, self.output)
        elif self.row.shares:
            time.sleep(0.1)  # the file system takes back what was shared when it gets round to it
        elif self.output:
            memory.fetch(self.place.size // 4 * 3)  # no target takes more
        return run(self.place.launcher, self.command, self.place.directory)

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
    """Which of them is, by the better of two runs in turn."""
    tried = dict.fromkeys(sides, math.inf)
    if len(sides) > 1:
        for _ in range(2):
            for name, side in sides.items():
                tried[name] = min(tried[name], side.once().seconds)
    return min(sides, key=tried.get)


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
        verify(row, place.directory, side.command, programs.qemu_img)
    bare = bare_work(row, place, programs, isolations)
    if bare:
        way = quickest(bare)
        bare = {way: bare[way]}
    sides = (*mine.values(), theirs, *bare.values())
    for _ in range(MOST_ROUNDS):
        for _ in range(max(pairs, row.pairs)):
            for side in sides:
                side.samples.append(side.once())
        if all(judging.settled([sample.seconds for sample in side.samples]) for side in sides):
            break
    if row.output:
        (place.directory / row.output).unlink(missing_ok=True)
    result = {"row": row.name, "qemu_img": {"settings": theirs.settings, **theirs.facts()},
              "instar": {isolation: side.facts() for isolation, side in mine.items()}}
    for told in result["instar"].values():
        told["ratio"] = round(judging.ratio(told, result["qemu_img"]), 4)
    if bare:
        result["bare"] = {way: side.times() for way, side in bare.items()}
    return result
