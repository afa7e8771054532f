#!/usr/bin/env python3
"""Whole-command benchmark: instar against the installed qemu-img, on the same inputs.

Every row runs both programs alternately (A B A B ...) after one warm-up of each, takes the median
of each side and their ratio: 1.00 is as fast as qemu-img, less is faster. qemu-img runs with its
defaults or with -m 16 and -W, whichever turns out to be faster, instar with its defaults. Inputs
and outputs lie in memory (/dev/shm) where there is room, so that the programs are compared and not
the disk. What instar wrote is verified against the input, outside of the timing. Where the work is
to copy data, a bare copy of it (bare_copy.py) runs in turn with them: what no program can beat.
"""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib

import inputs
import sharing
from measuring import adopt_orphans, in_child, measure
from rows import rows

HERE = pathlib.Path(__file__).resolve().parent

def parse_size(text):
    unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:].upper())
    return int(text[:-1]) * unit if unit else int(text)


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


def judge(result, told, most, physical):
    """What is wrong with a row's ratio, if anything; the verdict goes into `told`. Where a bare copy
    itself does not reach a ratio, that is out of reach, and how near the row comes counts."""
    if told["ratio"] <= most:
        told["verdict"] = f"at most {most:.2f}"
        return None
    text = f"{told['ratio']:.2f}, allowed {most:.2f}"
    bare = result.get("bare_copy")
    if bare is None:
        told["verdict"] = "missed: " + text
        return text
    limit = bare["median_seconds"] / result["qemu_img"]["median_seconds"]
    over = told["median_seconds"] / bare["median_seconds"]
    text += f"; a bare copy has {limit:.2f}, this is {over:.2f} times that"
    if limit * physical["margin"] > most and over <= physical["most_over"]:
        told["verdict"] = "out of reach: " + text
        print(f"out of reach: {result['row']}: {text}")
        return None
    told["verdict"] = "missed: " + text
    return text


def check(results, unmeasured, bars, demanded):
    """Whether every row keeps to bars.toml. The verdicts become part of the results."""
    missed = []
    if not bars:
        missed.append("there is no bar for any of these rows")
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
        if not told:
            missed.append(f"{bar['row']}: not measured" +
                          (": " + unmeasured[bar["row"]] if bar["row"] in unmeasured
                           else " with kvm"))
            continue
        wrong = judge(result, told, bar["max_ratio"], demanded["physical"])
        if bar.get("no_larger") and told["allocated_bytes"] > result["qemu_img"]["allocated_bytes"]:
            wrong = (f"{told['allocated_bytes']} bytes of storage, qemu-img "
                     f"{result['qemu_img']['allocated_bytes']}")
            told["verdict"] = "missed: " + wrong
        if wrong:
            missed.append(f"{bar['row']}: {wrong}")
    for line in missed:
        print(f"missed: {line}")
    if not missed:
        print(f"all {len(bars)} bars met")
    return not missed


HEAD = ("| what | isolation | instar | qemu-img | ratio | bare copy | instar peak | qemu-img peak |",
        "|---|---|---:|---:|---:|---:|---:|---:|")


def title(facts, size, place):
    return (f"{facts['cores']} cores, {facts['memory_gib']} GiB; {facts['instar']}, "
            f"{facts['qemu_img']}; {size / (1 << 30):g} GiB in {place}")


def write_results(output, place, facts, size, results):
    """`output`, and the same as a table in Markdown beside it."""
    now = datetime.datetime.now(datetime.timezone.utc)
    output.write_text(json.dumps({"date": now.isoformat(timespec="seconds"), "machine": facts,
                                  "virtual_bytes": size, "directory": place,
                                  "results": results}, indent=1) + "\n")
    lines = [title(facts, size, place), "", *HEAD]
    lines += [line for result in results for line in table_lines(result)]
    verdicts = [f"- {result['row']}: {told['verdict']}" for result in results
                for told in result["instar"].values() if "verdict" in told]
    if verdicts:
        lines += ["", "What `benchmarks/bars.toml` demands of kvm:", "", *verdicts]
    output.with_suffix(".md").write_text("\n".join(lines) + "\n")


def measure_all(chosen, directory, instar, arguments):
    """Measures and prints one row after another. Inputs are there as long as rows need them."""
    made = inputs.Inputs(directory, arguments.qemu_img, arguments.size)
    results = []
    for number, row in enumerate(chosen):
        in_child(lambda row=row: [made.make(word) for word in ("mixed.raw", *row.instar)],
                 "making the inputs")
        os.sync()
        results.append(measure(row, directory, instar, arguments.isolation or default_isolations(),
                               arguments.qemu_img, arguments.pairs, arguments.size))
        for line in table_lines(results[-1]):
            print(line, flush=True)
        for word in set(row.instar) - {word for later in chosen[number + 1:]
                                       for word in later.instar}:
            if word != "mixed.raw":
                made.remove(word)
    return results


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
    parser.add_argument("--output", help="JSON file (benchmarks/results/DATE.json); a table in Markdown is put beside it")
    parser.add_argument("--check", action="store_true",
                        help="exit 1 when a bar of benchmarks/bars.toml is missed")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):  # as an interruption: what was made is removed
        signal.signal(number, lambda number, _: sys.exit(128 + number))

    instar = os.path.abspath(arguments.instar or pathlib.Path(arguments.build) / "bin" / "instar")
    if not os.access(instar, os.X_OK):
        sys.exit(f"{instar}: no such program; './dev build' makes it")
    if not arguments.qemu_img:
        sys.exit("qemu-img is not installed ('./dev setup bench')")
    chosen = [row for row in rows() if arguments.rows in row.name]
    if not chosen:
        sys.exit(f"no row's name contains '{arguments.rows}'")

    now = datetime.datetime.now(datetime.timezone.utc)
    output = pathlib.Path(arguments.output or
                          HERE / "results" / f"{now.strftime('%Y-%m-%d-%H%M%S')}.json")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.touch()
    except OSError as error:
        sys.exit(f"the results cannot be written: {error}")
    place = working_directory(arguments.dir, arguments.size)
    facts = machine(instar, arguments.qemu_img)
    print(title(facts, arguments.size, place), "", *HEAD, sep="\n")
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="instar-bench.", dir=place) as name:
        results = measure_all([row for row in chosen if not row.shares], pathlib.Path(name),
                              instar, arguments)
    unmeasured = {}
    sharing_rows = [row for row in chosen if row.shares]
    if sharing_rows:
        with sharing.file_system(place, 3 * arguments.size) as (directory, why_not):
            if directory:
                results += measure_all(sharing_rows, directory, instar, arguments)
            else:
                unmeasured = {row.name: why_not for row in sharing_rows}

    with open(HERE / "bars.toml", "rb") as file:
        demanded = tomllib.load(file)
    bars = [bar for bar in demanded["bar"] if arguments.rows in bar["row"]]
    print()
    good = not arguments.check or check(results, unmeasured, bars, demanded)
    write_results(output, place, facts, arguments.size, results)
    print(f"ratio: instar's median time over qemu-img's. Written to {output}")
    if not good:
        sys.exit(1)


if __name__ == "__main__":
    main()
