"""Random sequences of the verbs that change an image in place, with writes of the guest between them,
carried out by qemu-img and by ours: in the end both images show the same.

Each sequence is drawn from the seed and its own number, so that one that fails replays alone. What differs
on purpose (docs/divergences.md) is not drawn, or is named in TOLERATED.
"""

import concurrent.futures
import hashlib
import json
import random
import re
import shutil
import tempfile
import time
from pathlib import Path

from crash.stored_bitmaps import stored_bitmaps
from harness import run
from maps import without_places

NAMES = ("one", "two", "3", "a long name of a snapshot")
BITMAPS = ("b0", "b1", "b2")
SNAPSHOT, RESIZE, AMEND, BITMAP, CONVERT = "snapshot", "resize", "amend", "bitmap", "convert"
VERBS = (SNAPSHOT, RESIZE, AMEND, BITMAP, CONVERT)

# Words of qemu-img's refusal, and of ours, that stand for one another; the reason is in docs/divergences.md.
TOLERATED = (
    ("Invalid argument", "than refcounts of"),
    ("output file is smaller than input file", "fewer than the source's"),
)


class Recipe:
    """An image that both programs begin with."""

    def __init__(self, draw):
        self.cluster_bits = draw.choice((9, 9, 10, 12, 12, 14, 16, 16, 16, 21))
        self.clusters = draw.choice((1, 5, 12, 12, 33))
        self.version = draw.choice((2, 3, 3, 3))
        options = [f"cluster_size={1 << self.cluster_bits}",
                   "compat=" + ("0.10" if self.version == 2 else "1.1")]
        self.extended = self.version == 3 and self.cluster_bits >= 14 and draw.random() < 0.25
        self.data_file = self.version == 3 and draw.random() < 0.12
        self.backing = not self.data_file and draw.random() < 0.2
        if self.extended:
            options.append("extended_l2=on")
        if self.version == 3:
            options.append(f"refcount_bits={draw.choice((1, 2, 4, 8, 16, 16, 16, 32, 64))}")
            if draw.random() < 0.15:
                options.append("lazy_refcounts=on")
            if not self.data_file and draw.random() < 0.2:
                options.append("compression_type=zstd")
        if self.data_file:
            options.append("data_file=d.raw" + draw.choice(("", ",data_file_raw=on")))
        elif not self.backing and draw.random() < 0.1:
            options.append("preallocation=" + draw.choice(("metadata", "full")))
        self.options = ",".join(options)
        self.bytes = (self.clusters << self.cluster_bits) - draw.choice((0, 0, 0, 512))
        self.bytes = max(self.bytes, 512)
        self.base_bytes = self.bytes

    def commands(self):
        create = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", self.options]
        found = []
        if self.backing:
            found += [["qemu-img", "create", "-q", "-f", "raw", "b.raw", str(self.base_bytes)],
                      ["qemu-io", "-f", "raw", "-c", f"write -P 8 0 {self.base_bytes}", "b.raw"]]
            create += ["-b", "b.raw", "-F", "raw"]
        return [*found, [*create, "i.qcow2", str(self.bytes)]]


class Sequence:
    """A recipe and steps. A step is a list of words; its first says what it is."""

    def __init__(self, seed, number):
        draw = random.Random(f"{seed}:{number}")
        self.number = number
        self.recipe = Recipe(draw)
        self.disk = self.recipe.bytes
        self.steps = []
        for _ in range(draw.choice((1, 2, 3, 3, 4, 5))):
            if draw.random() < 0.8:
                self.steps.append(self.writes(draw))
            verb = draw.choice((self.resize, self.snapshot, self.snapshot, self.amend, self.bitmap,
                                self.bitmap, self.convert, self.convert))
            self.steps += [verb(draw)] if verb != self.convert else self.convert(draw)
        if draw.random() < 0.5:
            self.steps.append(self.writes(draw))

    def writes(self, draw):
        cluster = 1 << self.recipe.cluster_bits
        commands = []
        for _ in range(draw.choice((1, 2, 4))):
            length = min(draw.choice((512, cluster, cluster, 3 * cluster)), self.recipe.bytes)
            start = draw.randrange(0, self.recipe.bytes - length + 1, 512)
            if draw.random() < 0.6:
                start = start // cluster * cluster
            kind = draw.choice(("write -P {}", "write -P {}", "write -P {}", "write -z", "discard",
                                "write -c -P {}" if not self.recipe.data_file else "write -P {}"))
            if "-c" in kind:
                start, length = start // cluster * cluster, cluster
                if start + length > self.recipe.bytes:
                    continue
            commands.append(f"{kind.format(draw.randrange(1, 256))} {start} {length}")
        return ["io", *commands]

    def resize(self, draw):
        # A shrink within a cluster shows what it cut off when the disk grows again, with qemu-img.
        cluster = 1 << self.recipe.cluster_bits
        words = []
        size = max(self.disk // cluster + draw.randrange(-8, 20), 1) * cluster
        if size < self.disk:
            words.append("--shrink")
        elif draw.random() < 0.25:
            words.append("--preallocation=" + draw.choice(("metadata", "falloc", "full")))
        self.disk = size
        self.recipe.bytes = min(self.recipe.bytes, size)
        return [RESIZE, "-q", *words, "i.qcow2", str(size)]

    def snapshot(self, draw):
        action = draw.choice(("-c", "-c", "-a", "-d"))
        return [SNAPSHOT, action, draw.choice(NAMES), "i.qcow2"]

    def amend(self, draw):
        options = [draw.choice(("compat=0.10", "compat=1.1", "compat=1.1", "lazy_refcounts=on",
                                "lazy_refcounts=off"))]
        # In larger clusters qemu-img goes through refcounts for minutes.
        if self.recipe.cluster_bits <= 14 and draw.random() < 0.5:
            options.append(f"refcount_bits={draw.choice((1, 2, 4, 8, 16, 32, 64))}")
        return [AMEND, "-o", ",".join(options), "i.qcow2"]

    def bitmap(self, draw):
        words = []
        name = draw.choice(BITMAPS)
        for action in draw.sample(("--add", "--clear", "--enable", "--disable", "--merge",
                                   "--remove"), draw.choice((1, 1, 1, 2))):
            words.append(action)
            if action == "--merge":
                words.append(draw.choice(BITMAPS))
            if action == "--add" and draw.random() < 0.5:
                words += ["-g", draw.choice(("512", "4k", "64k", "1M"))]
        return [BITMAP, *words, "i.qcow2", name]

    def convert(self, draw):
        """Makes a source, and writes it into the image."""
        cluster = 1 << self.recipe.cluster_bits
        size = self.recipe.bytes
        if draw.random() < 0.5:
            size = draw.randrange(512, size + 1, 512)
        commands = []
        for _ in range(draw.choice((0, 1, 3, 6))):
            length = min(draw.choice((512, cluster // 2, cluster, 3 * cluster)), size)
            commands.append(f"write -P {draw.randrange(256)} {draw.randrange(0, size - length + 1, 512)}"
                            f" {length // 512 * 512 or 512}")
        flags = ["-S", "0"] if draw.random() < 0.2 else []
        return [["source", str(size), *commands],
                [CONVERT, "-n", *flags, "-f", "raw", "-O", "qcow2", "s.raw", "i.qcow2"]]

    def describe(self):
        lines = [" ".join(command) for command in self.recipe.commands()]
        for step in self.steps:
            if step[0] == "io":
                lines.append("qemu-io -f qcow2 " + " ".join(f"-c '{c}'" for c in step[1:]) + " i.qcow2")
            elif step[0] == "source":
                lines.append(f"rm -f s.raw; truncate -s {step[1]} s.raw; qemu-io -f raw " +
                             " ".join(f"-c '{c}'" for c in step[2:]) + " s.raw")
            else:
                lines.append("qemu-img " + " ".join(step))
        return "\n".join("    " + line for line in lines)


class Side:
    """The image as one of the programs changes it."""

    def __init__(self, tools, folder, program):
        self.tools = tools
        self.dir = folder
        self.program = program
        self.env = {"INSTAR_QEMU_VERSION": tools.qemu_version, "INSTAR_ISOLATION": "process"}

    def command(self, words):
        program = self.program if words[0] in VERBS else None
        argv = [program, *words] if program else [self.tools.need(words[0]), *words[1:]]
        return run(argv, cwd=self.dir, env=self.env)

    def step(self, words):
        if words[0] == "source":
            (self.dir / "s.raw").unlink(missing_ok=True)
            with open(self.dir / "s.raw", "wb") as file:
                file.truncate(int(words[1]))
            argv = ["qemu-io", "-f", "raw"]
            for command in words[2:]:
                argv += ["-c", command]
            outcome = self.command([*argv, "s.raw"] if words[2:] else ["qemu-img", "--version"])
            return outcome, outcome.code
        if words[0] != "io":
            outcome = self.command(words)
            return outcome, (outcome.code, without_names(outcome.err_text), outcome.text)
        argv = ["qemu-io", "-f", "qcow2"]
        for command in words[1:]:
            argv += ["-c", command]
        outcome = self.command([*argv, "i.qcow2"])
        return outcome, (outcome.code, re.sub(r"[0-9.]+ .?i?B/sec.*|.*ops; .*", "", outcome.text))

    def facts(self):
        """What is to be seen of the image in the end."""
        found = {}
        qemu = self.tools.need("qemu-img")
        info = run([qemu, "info", "--output=json", "i.qcow2"], cwd=self.dir)
        if info.code != 0:
            return {"info": info.describe()}
        told = json.loads(info.text)
        for key in ("actual-size", "filename", "children", "full-backing-filename"):
            told.pop(key, None)
        for snapshot in told.get("snapshots", ()):
            for key in ("date-sec", "date-nsec"):
                snapshot.pop(key)
        found["info"] = told
        found["own check"] = run([self.tools.instar, "check", "-q", "i.qcow2"], cwd=self.dir,
                                 env=self.env).code
        for program in ("check", "map"):
            outcome = run([qemu, program, "--output=json", "i.qcow2"], cwd=self.dir)
            found[program] = json.loads(outcome.text) if outcome.text else outcome.describe()
        found["map"] = without_places(found["map"])
        for key in ("filename", "image-end-offset", "fragmented-clusters"):
            found["check"].pop(key, None)
        for name in [None, *(s["id"] for s in told.get("snapshots", ()))]:
            found[f"content of {name}"] = self.content(name)
        found["bitmaps"] = stored_bitmaps(self.dir / "i.qcow2")
        return found

    def content(self, snapshot):
        choice = ["-l", f"snapshot.id={snapshot}"] if snapshot else []
        outcome = run([self.tools.need("qemu-img"), "convert", *choice, "-O", "raw", "i.qcow2",
                       "content"], cwd=self.dir)
        if outcome.code != 0:
            return outcome.describe()
        with open(self.dir / "content", "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        (self.dir / "content").unlink()
        return digest


def without_names(text):
    """Where qemu-img names a node by a number, ours names the file."""
    return re.sub(r"persistent (in|to) '?[^' ]*'?", r"persistent \1 it", text)


def difference(theirs, ours):
    if theirs.get("own check") == 3 and ours.get("own check") == 0:
        # qemu-img leaks a cluster where a snapshot fails for want of bits in a refcount.
        theirs["own check"] = 0
        theirs["check"].pop("leaks", None)
    for key in theirs:
        if theirs[key] != ours.get(key):
            return f"{key}:\n      qemu-img: {theirs[key]}\n      ours:     {ours.get(key)}"
    return ""


def compare(tools, seed, number, folder):
    """What is wrong with the sequence; empty if nothing is. And how many verbs succeeded."""
    sequence = Sequence(seed, number)
    done = 0
    for name in ("theirs", "ours"):
        (folder / name).mkdir()
    program = folder / "qemu-img"
    program.symlink_to(tools.instar)
    theirs = Side(tools, folder / "theirs", tools.need("qemu-img"))
    ours = Side(tools, folder / "ours", program)
    for command in sequence.recipe.commands():
        outcome = theirs.command(command)
        if outcome.code != 0:
            return f"the image cannot be made\n{outcome.describe()}", 0
    shutil.copytree(theirs.dir, ours.dir, dirs_exist_ok=True)
    sides = (theirs, ours)
    for number_of_step, step in enumerate(sequence.steps):
        outcomes, records = zip(*(side.step(step) for side in sides))
        if step[0] in VERBS:
            done += outcomes[1].code == 0
            if "is not available" in outcomes[1].err_text:
                return "", 0  # this version has no such verb
        if records[0] != records[1] and not is_tolerated(outcomes):
            return (f"step {number_of_step + 1}\n" +
                    "\n".join(outcome.describe() for outcome in outcomes)), done
        if step[0] == BITMAP and outcomes[0].code != 0 and sum(w.startswith("--") for w in step) > 1:
            return "", done  # qemu-img keeps what it did before the action that fails
    facts = [side.facts() for side in sides]
    if any(step[0] == CONVERT for step in sequence.steps):
        # Zeros that show without a backing file are left unallocated, and those of a raw data file have
        # their places.
        for found in facts:
            found.pop("map", None)
            found.get("check", {}).pop("allocated-clusters", None)
    return difference(*facts), done


def is_tolerated(outcomes):
    return any(outcome.code == 1 and their_words in theirs.err_text and our_words in outcome.err_text
               for their_words, our_words in TOLERATED
               for theirs, outcome in [outcomes])


def prove(tools, seed, seconds, runs, only, jobs):
    """Compares sequences until time or number is up; whether all were equal."""
    tools.need("qemu-io")
    end = time.monotonic() + seconds if seconds else None
    count = {"sequences": 0, "verbs that succeeded": 0, "failures": 0}
    numbers = iter([int(only)]) if only else iter(range(runs or 1 << 62))

    def one(number):
        with tempfile.TemporaryDirectory(prefix="against-qemu-") as folder:
            return number, *compare(tools, seed, number, Path(folder))

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        waiting = set()
        while True:
            while len(waiting) < 2 * jobs and (end is None or time.monotonic() < end):
                number = next(numbers, None)
                if number is None:
                    break
                waiting.add(pool.submit(one, number))
            if not waiting:
                break
            finished, waiting = concurrent.futures.wait(
                waiting, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in finished:
                number, why, done = future.result()
                count["sequences"] += 1
                count["verbs that succeeded"] += done
                if why:
                    count["failures"] += 1
                    print(f"  FAILED sequence {number}: {why}\n{Sequence(seed, number).describe()}\n"
                          f"    again: ./dev prove against-qemu --seed {seed} --only {number}",
                          flush=True)
    for what, number in count.items():
        print(f"  {what}: {number}")
    return count["failures"] == 0 and count["sequences"] != 0
