#!/usr/bin/env python3
"""Whole-command benchmark: instar against the installed qemu-img, on the same inputs.

Every row runs both programs alternately (A B A B ...) after one warm-up of each, takes the median
of each side and their ratio: 1.00 is as fast as qemu-img, less is faster. qemu-img runs with the
settings that make it fastest (-m 16, and -W where it takes it), instar with its defaults. Inputs
and outputs lie in memory (/dev/shm) where there is room, so that the programs are compared and not
the disk. What instar wrote is verified against the input, outside of the timing. Where the work is
to copy data, a bare copy of it (bare_copy.py) runs in turn with them: what no program can beat.
"""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib

import bare_copy
import inputs
from rows import rows

HERE = pathlib.Path(__file__).resolve().parent

@dataclasses.dataclass
class Sample:
    seconds: float
    peak_kib: int


def parse_size(text):
    unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:].upper())
    return int(text[:-1]) * unit if unit else int(text)


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
        except Exception as error:  # pylint: disable=broad-except
            print(f"{what} failed: {error}", file=sys.stderr)
            code = 1
        sys.stderr.flush()
        os._exit(code)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit(1)


def run(command, directory):
    """Runs to the end; wall-clock seconds and peak memory of the process."""
    with open(os.devnull, "r+b") as null, tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        child = subprocess.Popen(command, cwd=directory, stdin=null, stdout=null, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            errors.seek(0)
            sys.exit(f"{' '.join(map(str, command))}\nexited {child.returncode}: "
                     f"{errors.read().decode(errors='replace').strip()}")
    return Sample(seconds, usage.ru_maxrss)


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


class Side:
    """The runs of one program."""

    def __init__(self, command, row, directory):
        self.command = command
        self.output = directory / row.output if row.output else None
        self.directory = directory
        self.samples = []

    def once(self):
        if self.output:
            self.output.unlink(missing_ok=True)
        return run(self.command, self.directory)

    def warm_up(self):
        self.once()
        self.written = self.output.stat().st_blocks * 512 if self.output else 0

    def facts(self):
        return {
            "median_seconds": statistics.median(s.seconds for s in self.samples),
            "seconds": [round(s.seconds, 6) for s in self.samples],
            "peak_mib": round(max(s.peak_kib for s in self.samples) / 1024, 1),
            "allocated_bytes": self.written,
        }


def measure(row, directory, instar, isolations, qemu_img, pairs, size):
    """All programs in turn, again and again."""
    theirs = Side([qemu_img, *row.qemu], row, directory)
    mine = {isolation: Side([instar, row.instar[0], f"--isolation={isolation}", *row.instar[1:]],
                            row, directory) for isolation in isolations}
    theirs.warm_up()
    for side in mine.values():
        side.warm_up()
        in_child(lambda command=side.command: verify(row, directory, command, qemu_img),
                 "verifying")
    bare = []
    for _ in range(max(pairs, row.pairs)):
        for side in (*mine.values(), theirs):
            side.samples.append(side.once())
        if row.moves_data:
            (directory / row.output).unlink()
            bare.append(bare_copy.seconds(directory / "mixed.raw", directory / row.output,
                                          inputs.data_ranges(size)))
    if row.output:
        (directory / row.output).unlink(missing_ok=True)
    result = {"row": row.name, "qemu_img": theirs.facts(),
              "instar": {isolation: side.facts() for isolation, side in mine.items()}}
    for told in result["instar"].values():
        told["ratio"] = round(told["median_seconds"] / result["qemu_img"]["median_seconds"], 4)
    if bare:
        result["bare_copy"] = {"median_seconds": statistics.median(bare),
                               "seconds": [round(s, 6) for s in bare]}
    return result


def readable(seconds):
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def table_lines(result):
    theirs = result["qemu_img"]
    bare = result.get("bare_copy")
    for isolation, mine in result["instar"].items():
        yield (f"| {result['row']} | {isolation} "
               f"| {readable(mine['median_seconds'])} | {readable(theirs['median_seconds'])} "
               f"| {mine['ratio']:.2f} | {readable(bare['median_seconds']) if bare else ''} "
               f"| {mine['peak_mib']:.0f} MiB | {theirs['peak_mib']:.0f} MiB |")


def working_directory(wanted, size):
    """Memory where the inputs and outputs of one row fit, else a disk."""
    if wanted:
        return wanted
    shm = pathlib.Path("/dev/shm")
    if shm.is_dir() and shutil.disk_usage(shm).free > 4 * size:
        available = int(next(line.split()[1] for line in open("/proc/meminfo")
                             if line.startswith("MemAvailable"))) * 1024
        if available > 4 * size:
            return str(shm)
    print("no room in /dev/shm: measuring on disk, in /var/tmp", file=sys.stderr)
    return "/var/tmp"


def machine(instar, qemu_img):
    def first_line(*command):
        return subprocess.run(command, capture_output=True, text=True).stdout.split("\n")[0]
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo")
                  if line.startswith("MemTotal"))
    return {"cores": len(os.sched_getaffinity(0)), "memory_gib": round(memory / (1 << 20)),
            "instar": first_line(instar, "--version"), "qemu_img": first_line(qemu_img, "--version")}


def default_isolations():
    return ["kvm", "process"] if os.access("/dev/kvm", os.R_OK | os.W_OK) else ["process"]


def miss(result, told, most, physical):
    """What is wrong with a row's ratio, if anything. No program copies faster than a bare copy: a
    ratio that this itself does not reach is out of reach, and how near the row comes counts."""
    if told["ratio"] <= most:
        return None
    text = f"{told['ratio']:.2f}, allowed {most:.2f}"
    bare = result.get("bare_copy")
    if bare is None:
        return text
    limit = bare["median_seconds"] / result["qemu_img"]["median_seconds"]
    over = told["median_seconds"] / bare["median_seconds"]
    text += f"; a bare copy has {limit:.2f}, this is {over:.2f} times that"
    if limit * physical["margin"] > most and over <= physical["most_over"]:
        print(f"out of reach: {result['row']}: {text}")
        return None
    return text


def check(results, bars, demanded):
    """Whether every row keeps to bars.toml."""
    missed = []
    for result in results:
        theirs = result["qemu_img"]
        for isolation, told in result["instar"].items():
            if told["peak_mib"] > theirs["peak_mib"] + demanded["memory"]["most_more_mib"]:
                missed.append(f"{result['row']} ({isolation}): {told['peak_mib']:.0f} MiB of memory, "
                              f"qemu-img {theirs['peak_mib']:.0f} MiB")
        both = [result["instar"].get(name) for name in ("process", "kvm")]
        if all(both):
            times = both[0]["median_seconds"] / both[1]["median_seconds"]
            if times > demanded["process"]["most_of_kvm"]:
                missed.append(f"{result['row']}: process takes {times:.2f} times as long as kvm")
    by_name = {result["row"]: result for result in results}
    for bar in bars:
        result = by_name.get(bar["row"])
        told = result and result["instar"].get("kvm")
        wrong = miss(result, told, bar["max_ratio"], demanded["physical"]) if told else "not measured"
        if wrong:
            missed.append(f"{bar['row']}: {wrong}")
    for line in missed:
        print(f"missed: {line}")
    if not missed:
        print(f"all {len(bars)} bars met")
    return not missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build/release", help="build directory (build/release)")
    parser.add_argument("--instar", help="program to measure (bin/instar of the build directory)")
    parser.add_argument("--qemu-img", default=shutil.which("qemu-img"))
    parser.add_argument("--isolation", action="append", choices=["kvm", "process", "none"],
                        help="may be given several times; default process, and kvm where there is one")
    parser.add_argument("--size", default="4G", type=parse_size, help="virtual size (4G)")
    parser.add_argument("--pairs", default=5, type=int, help="runs of each program (5)")
    parser.add_argument("--rows", default="", help="only rows whose name contains this")
    parser.add_argument("--dir", help="where inputs and outputs go (/dev/shm)")
    parser.add_argument("--output", help="JSON file (benchmarks/results/DATE.json)")
    parser.add_argument("--check", action="store_true",
                        help="exit 1 when a bar of benchmarks/bars.toml is missed")
    arguments = parser.parse_args()

    instar = os.path.abspath(arguments.instar or pathlib.Path(arguments.build) / "bin" / "instar")
    if not os.access(instar, os.X_OK):
        sys.exit(f"{instar}: no such program; './dev build' makes it")
    if not arguments.qemu_img:
        sys.exit("qemu-img is not installed ('./dev setup bench')")
    chosen = [row for row in rows() if arguments.rows in row.name]
    if not chosen:
        sys.exit(f"no row's name contains '{arguments.rows}'")

    place = working_directory(arguments.dir, arguments.size)
    results = []
    with tempfile.TemporaryDirectory(prefix="instar-bench.", dir=place) as name:
        directory = pathlib.Path(name)
        made = inputs.Inputs(directory, arguments.qemu_img, arguments.size)
        facts = machine(instar, arguments.qemu_img)
        print(f"{facts['cores']} cores, {facts['memory_gib']} GiB; {facts['qemu_img']}; "
              f"{arguments.size / (1 << 30):g} GiB in {place}\n")
        print("| what | isolation | instar | qemu-img | ratio | bare copy | instar peak "
              "| qemu-img peak |")
        print("|---|---|---:|---:|---:|---:|---:|---:|")
        for number, row in enumerate(chosen):
            in_child(lambda row=row: [made.make(word) for word in ("mixed.raw", *row.instar)],
                     "making the inputs")
            result = measure(row, directory, instar, arguments.isolation or default_isolations(),
                             arguments.qemu_img, arguments.pairs, arguments.size)
            results.append(result)
            for line in table_lines(result):
                print(line, flush=True)
            for word in set(row.instar) - {word for later in chosen[number + 1:]
                                           for word in later.instar}:
                made.remove(word)

    now = datetime.datetime.now(datetime.timezone.utc)
    output = pathlib.Path(arguments.output or
                          HERE / "results" / f"{now.strftime('%Y-%m-%d-%H%M%S')}.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({"date": now.isoformat(timespec="seconds"), "machine": facts,
                                  "virtual_bytes": arguments.size, "directory": place,
                                  "results": results}, indent=1) + "\n")
    print(f"\nratio: instar's median time over qemu-img's. Written to {output}")

    if arguments.check:
        with open(HERE / "bars.toml", "rb") as file:
            demanded = tomllib.load(file)
        bars = [bar for bar in demanded["bar"] if arguments.rows in bar["row"]]
        if not check(results, bars, demanded):
            sys.exit(1)


if __name__ == "__main__":
    main()
