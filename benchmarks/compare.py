#!/usr/bin/env python3
"""Whole-command benchmark: instar against the installed qemu-img, on the same inputs.

Every row runs both programs alternately (A B A B ...) after one warm-up of each, and takes the
median of each side and of the pairs' ratios: 1.00 is as fast as qemu-img, less is faster. qemu-img
runs with its defaults, with -m 16, with -m 16 -W, or with -C as well, whichever turns out to be
fastest, instar with its defaults. Inputs and outputs lie in memory (/dev/shm) where there is room,
so that the programs are compared and not the disk. What instar wrote is verified against the input,
outside of the timing. A verb that changes an image gets a fresh copy for each run, made outside of
the timing, too, and keeps its flushes.
The bare work of a row, where it can be told, runs in turn with them: a guest that does nothing
(bare_kvm.cc), or copying the data and nothing else (bare_copy.cc).
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
import judging
import sharing
from measuring import Place, Programs, measure
from rows import rows

HERE = pathlib.Path(__file__).resolve().parent
BARS_SIZE = 4 << 30  # of what bars.toml was written for


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the arguments."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")


def parse_size(text):
    unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:].upper())
    try:
        size = int(text[:-1]) * unit if unit else int(text)
    except ValueError:
        size = 0
    if size <= 0 or size % inputs.PERIOD != 0:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a multiple of {inputs.PERIOD >> 20} MiB, as 256M or 4G")
    return size


def readable(seconds):
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def table_lines(result):
    theirs = result["qemu_img"]
    bare = judging.bare_seconds(result)
    for isolation, mine in result["instar"].items():
        yield (f"| {result['row']} | {isolation} "
               f"| {readable(mine['median_seconds'])} | {readable(theirs['median_seconds'])} "
               f"| {judging.digits(mine['ratio'])} "
               f"| {readable(bare) if bare else ''} "
               f"| {mine['peak_mib']:.0f} MiB | {theirs['peak_mib']:.0f} MiB |")


def has_room(place, size):
    """Whether the inputs and outputs of one row fit. What does not fit into memory ends programs
    that have nothing to do with it."""
    if shutil.disk_usage(place).free <= 4 * size:
        return False
    available = int(next(line.split()[1] for line in open("/proc/meminfo")
                         if line.startswith("MemAvailable"))) * 1024
    return file_system(place) not in ("tmpfs", "ramfs") or available > 4 * size


def wrong_place(place, size):
    """Why nothing can be measured in a directory."""
    if not os.path.isdir(place):
        return f"'{place}' is no directory"
    if not os.access(place, os.W_OK | os.X_OK):
        return f"'{place}' cannot be written to"
    if not has_room(place, size):
        return f"no room in '{place}' for {size >> 20} MiB four times"
    return None


def unlike_the_bars(place, size):
    """Why what is measured there says nothing of the bars."""
    kind = file_system(place)
    if size >= BARS_SIZE and kind == "tmpfs":
        return None
    return (f"the bars are those of {BARS_SIZE >> 30} GiB on a file system in memory, not of "
            f"{size >> 20} MiB on {kind}")


def working_directory(size, check):
    """Memory where there is room, else a disk unless bars are to be checked."""
    if check or not wrong_place("/dev/shm", size):
        return "/dev/shm"
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


HEAD = ("| what | isolation | instar | qemu-img | ratio | bare work | instar peak "
        "| qemu-img peak |",
        "|---|---|---:|---:|---:|---:|---:|---:|")


def title(measured):
    facts = measured["machine"]
    return (f"{facts['cores']} cores, {facts['memory_gib']} GiB; {facts['instar']}, "
            f"{facts['qemu_img']}; {measured['virtual_bytes'] / (1 << 30):g} GiB on "
            f"{measured['file_system']}")


def file_system(place):
    """Its type, of the mount that holds `place`."""
    return subprocess.run(["stat", "-f", "-c", "%T", "--", place], capture_output=True,
                          text=True).stdout.strip()


def write_results(output, measured, results, verdicts=()):
    """`output`, and the same as a table in Markdown beside it. `measured`: date, machine, size and
    place."""
    output.write_text(json.dumps({**measured, "results": results, "verdicts": list(verdicts)},
                                 indent=1) + "\n")
    lines = [title(measured), "", *HEAD]
    lines += [line for result in results for line in table_lines(result)]
    if verdicts:
        lines += ["", "What `benchmarks/bars.toml` demands, of kvm where nothing else is said:", "",
                  *(f"- {line}" for line in verdicts)]
    output.with_suffix(".md").write_text("\n".join(lines) + "\n")


def measure_all(chosen, directory, programs, arguments):
    """Measures and prints one row after another. Inputs are there as long as rows need them."""
    made = inputs.Inputs(directory, arguments.qemu_img, arguments.size)
    for number, row in enumerate(chosen):
        for word in ("mixed.raw", *row.inputs()):
            made.make(word)
        os.sync()
        result = measure(row, Place(directory, arguments.size, programs.run_once), programs,
                         arguments.isolation or default_isolations(), arguments.pairs)
        for line in table_lines(result):
            print(line, flush=True)
        yield result
        for word in row.inputs() - {word for later in chosen[number + 1:]
                                    for word in later.inputs()}:
            if word != "mixed.raw":
                made.remove(word)


def parse_arguments():
    """The arguments, the rows they choose, and where those are measured."""
    parser = Parser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build/release", help="build directory (build/release)")
    parser.add_argument("--instar", help="program to measure (bin/instar of the build directory)")
    parser.add_argument("--qemu-img", default=shutil.which("qemu-img"))
    parser.add_argument("--isolation", action="append", choices=["kvm", "process", "none"],
                        help="may be given several times; default process, and kvm where there is one")
    parser.add_argument("--size", default="4G", type=parse_size,
                        help="virtual size, a multiple of 16M (4G)")
    parser.add_argument("--pairs", default=5, type=int, help="runs of each program (5)")
    parser.add_argument("--rows", default="", help="only rows whose name contains this")
    parser.add_argument("--dir", help="where inputs and outputs go (/dev/shm)")
    parser.add_argument("--output", help="JSON file (benchmarks/results/DATE.json); a table in "
                                         "Markdown is put beside it")
    parser.add_argument("--check", action="store_true",
                        help="exit 1 when a bar of benchmarks/bars.toml is missed; they are those "
                             "of 4G and more, and of a --dir in memory")
    arguments = parser.parse_args()
    if arguments.pairs < (5 if arguments.check else 1):
        parser.error("--pairs: at least 1, and with --check at least 5")
    chosen = [row for row in rows() if arguments.rows in row.name]
    if not chosen:
        parser.error(f"no row's name contains '{arguments.rows}'")
    place = (working_directory(arguments.size, arguments.check) if arguments.dir is None else
             arguments.dir)
    wrong = wrong_place(place, arguments.size)
    if not wrong and arguments.check:
        wrong = unlike_the_bars(place, arguments.size)
    if wrong:
        parser.error(wrong)
    return arguments, chosen, place


def main():
    arguments, chosen, place = parse_arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):  # as an interruption: what was made is removed
        signal.signal(number, lambda number, _: sys.exit(128 + number))

    instar = os.path.abspath(arguments.instar or pathlib.Path(arguments.build) / "bin" / "instar")
    if not os.access(instar, os.X_OK):
        sys.exit(f"{instar}: no such program; './dev build' makes it")
    helpers = [os.path.abspath(pathlib.Path(arguments.build) / "bin" / name)
               for name in ("run_once", "bare_copy", "bare_kvm")]
    for program in helpers:
        if not os.access(program, os.X_OK):
            sys.exit(f"{program}: no such program; './dev bench' makes it")
    if not arguments.qemu_img or not shutil.which("qemu-io"):
        sys.exit("qemu-img and qemu-io are not both installed ('./dev setup bench')")
    programs = Programs(instar, arguments.qemu_img, *helpers)

    now = datetime.datetime.now(datetime.timezone.utc)
    output = pathlib.Path(arguments.output or
                          HERE / "results" / f"{now.strftime('%Y-%m-%d-%H%M%S')}.json")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.touch()
    except OSError as error:
        sys.exit(f"the results cannot be written: {error}")
    measured = {"date": now.isoformat(timespec="seconds"),
                "machine": machine(instar, arguments.qemu_img), "virtual_bytes": arguments.size,
                "file_system": file_system(place)}
    print(title(measured), "", *HEAD, sep="\n")
    results = []
    with tempfile.TemporaryDirectory(prefix="instar-bench.", dir=place) as name:
        for result in measure_all([row for row in chosen if not row.shares], pathlib.Path(name),
                                  programs, arguments):
            results.append(result)
            write_results(output, measured, results)  # a run that is cut short is not for nothing
    unmeasured = {}
    sharing_rows = [row for row in chosen if row.shares]
    if sharing_rows:
        with sharing.file_system(place, 3 * arguments.size) as (directory, why_not):
            if directory:
                results += measure_all(sharing_rows, directory, programs, arguments)
            else:
                unmeasured = {row.name: why_not for row in sharing_rows}

    with open(HERE / "bars.toml", "rb") as file:
        demanded = tomllib.load(file)
    if arguments.rows:  # what the other rows have to do is not asked
        demanded["bar"] = [bar for bar in demanded["bar"] if arguments.rows in bar["row"]]
    good, verdicts = judging.check(results, unmeasured, demanded)
    if len(chosen) < len(rows()):
        verdicts.append(f"not asked for: {len(rows()) - len(chosen)} rows")
    unlike = unlike_the_bars(place, arguments.size)
    if unlike:
        verdicts.append(unlike)
    write_results(output, measured, results, verdicts)
    print("", *verdicts, sep="\n")
    print(f"ratio: instar's time over qemu-img's, median of the pairs. Written to {output}")
    if arguments.check and not good:
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except (OSError, subprocess.SubprocessError) as failure:  # a command that tells why itself
        sys.exit(f"compare.py: {failure}")
