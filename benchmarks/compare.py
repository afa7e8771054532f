#!/usr/bin/env python3
"""Whole-command benchmark: instar against the installed qemu-img, on the same inputs.

Every row runs both programs alternately (A B A B ...) after one warm-up of each, takes the median
of each side and their ratio: 1.00 is as fast as qemu-img, less is faster. qemu-img runs with the
settings that make it fastest (-m 16, and -W where it takes it), instar with its defaults. Inputs
and outputs lie in memory (/dev/shm) where there is room, so that the programs are compared and not
the disk. What instar wrote is verified against the input, outside of the timing.
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

import inputs

HERE = pathlib.Path(__file__).resolve().parent

@dataclasses.dataclass
class Row:
    name: str
    instar: list  # arguments after the program; {isolation} is put after the verb
    qemu: list
    output: str | None = None  # file both write; removed before each run
    # info: the same facts; output: the same text; raw: equals the source; another format: equal
    # content, and clean where qemu-img can tell
    verify: str = "none"
    pairs: int = 0  # at least this many, if more than asked for


@dataclasses.dataclass
class Sample:
    seconds: float
    peak_kib: int


def rows():
    def convert(name, source, target, options, qemu_options):
        verify = options[options.index("-O") + 1]
        return Row(name,
                   ["convert", *options, source, target],
                   ["convert", *qemu_options, *options, source, target],
                   output=target, verify=verify)

    def told(name, *arguments):
        return Row(name, list(arguments), list(arguments), verify="output")

    out_of_order = ["-m", "16", "-W"]
    made = [
        Row("info, small qcow2", ["info", "small.qcow2"], ["info", "small.qcow2"],
            verify="info", pairs=20),
        convert("raw to qcow2", "mixed.raw", "out.qcow2",
                ["-f", "raw", "-O", "qcow2"], out_of_order),
        convert("qcow2 to raw", "plain.qcow2", "out.raw",
                ["-f", "qcow2", "-O", "raw"], out_of_order),
        convert("raw to raw", "mixed.raw", "out.raw",
                ["-f", "raw", "-O", "raw"], out_of_order),
        convert("qcow2 to qcow2", "plain.qcow2", "out.qcow2",
                ["-f", "qcow2", "-O", "qcow2"], out_of_order),
        convert("chain of three to raw", "top.qcow2", "out.raw",
                ["-f", "qcow2", "-O", "raw"], out_of_order),
        convert("raw to zlib qcow2", "mixed.raw", "out.qcow2",
                ["-c", "-f", "raw", "-O", "qcow2"], ["-m", "16"]),
        convert("raw to zstd qcow2", "mixed.raw", "out.qcow2",
                ["-c", "-f", "raw", "-O", "qcow2", "-o", "compression_type=zstd"], ["-m", "16"]),
        convert("zlib qcow2 to raw", "zlib.qcow2", "out.raw",
                ["-f", "qcow2", "-O", "raw"], out_of_order),
        convert("zstd qcow2 to raw", "zstd.qcow2", "out.raw",
                ["-f", "qcow2", "-O", "raw"], out_of_order),
        convert("raw to streamOptimized vmdk", "mixed.raw", "out.vmdk",
                ["-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized"], ["-m", "16"]),
    ]
    for form, name, options in (("vmdk", "sparse.vmdk", []),
                                ("vpc", "dynamic.vhd", ["-o", "force_size=on"]),
                                ("vhdx", "dynamic.vhdx", [])):
        made += [
            convert(f"raw to {form}", "mixed.raw", f"out.{form}",
                    ["-f", "raw", "-O", form, *options], out_of_order),
            convert(f"{form} to raw", name, "out.raw", ["-f", form, "-O", "raw"], out_of_order),
        ]
    return made + [
        told("compare raw with raw", "compare", "-f", "raw", "-F", "raw", "mixed.raw", "same.raw"),
        told("compare raw with qcow2", "compare", "-f", "raw", "-F", "qcow2", "mixed.raw",
             "plain.qcow2"),
        told("check, 1 TiB in fragments", "check", "fragmented.qcow2"),
        told("map, 1 TiB in fragments", "map", "--output=json", "fragmented.qcow2"),
    ]


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


def measure(row, directory, instar, isolation, qemu_img, pairs):
    instar_command = [instar, row.instar[0], f"--isolation={isolation}", *row.instar[1:]]
    qemu_command = [qemu_img, *row.qemu]

    def once(command):
        if row.output:
            (directory / row.output).unlink(missing_ok=True)
        return run(command, directory)

    once(qemu_command)
    qemu_bytes = (directory / row.output).stat().st_blocks * 512 if row.output else 0
    once(instar_command)
    in_child(lambda: verify(row, directory, instar_command, qemu_img), "verifying")
    instar_bytes = (directory / row.output).stat().st_blocks * 512 if row.output else 0

    mine, theirs = [], []
    for _ in range(max(pairs, row.pairs)):
        mine.append(once(instar_command))
        theirs.append(once(qemu_command))
    if row.output:
        (directory / row.output).unlink()

    def side(samples, written):
        return {
            "median_seconds": statistics.median(s.seconds for s in samples),
            "seconds": [round(s.seconds, 6) for s in samples],
            "peak_mib": round(max(s.peak_kib for s in samples) / 1024, 1),
            "allocated_bytes": written,
        }
    result = {"row": row.name, "isolation": isolation,
              "instar": side(mine, instar_bytes), "qemu_img": side(theirs, qemu_bytes)}
    result["ratio"] = round(
        result["instar"]["median_seconds"] / result["qemu_img"]["median_seconds"], 4)
    return result


def readable(seconds):
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def table_line(result):
    mine, theirs = result["instar"], result["qemu_img"]
    return (f"| {result['row']} | {result['isolation']} "
            f"| {readable(mine['median_seconds'])} | {readable(theirs['median_seconds'])} "
            f"| {result['ratio']:.2f} | {mine['peak_mib']:.0f} MiB | {theirs['peak_mib']:.0f} MiB |")


def working_directory(wanted, size):
    """Memory where inputs and outputs fit (about four times the data), else a disk."""
    if wanted:
        return wanted
    shm = pathlib.Path("/dev/shm")
    if shm.is_dir() and shutil.disk_usage(shm).free > 5 * size:
        available = int(next(line.split()[1] for line in open("/proc/meminfo")
                             if line.startswith("MemAvailable"))) * 1024
        if available > 5 * size:
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


def default_isolation():
    return "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) else "process"


def check(results, bars, most_more_mib):
    """Each bar of bars.toml: a row, an isolation, the ratio it may not exceed. And no row may take
    so much more memory than qemu-img."""
    missed = [f"{r['row']} ({r['isolation']}): {r['instar']['peak_mib']:.0f} MiB of memory, "
              f"qemu-img {r['qemu_img']['peak_mib']:.0f} MiB" for r in results
              if r["instar"]["peak_mib"] > r["qemu_img"]["peak_mib"] + most_more_mib]
    for bar in bars:
        result = next((r for r in results if r["row"] == bar["row"]
                       and r["isolation"] == bar["isolation"]), None)
        if result is None:
            missed.append(f"{bar['row']} ({bar['isolation']}): not measured")
        elif result["ratio"] > bar["max_ratio"]:
            missed.append(f"{bar['row']} ({bar['isolation']}): {result['ratio']:.2f}, "
                          f"allowed {bar['max_ratio']:.2f}")
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
                        help="may be given several times; default kvm where there is one")
    parser.add_argument("--size", default="2G", type=parse_size, help="virtual size (2G)")
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
        in_child(lambda: inputs.make_all(directory, arguments.qemu_img, arguments.size,
                                         {word for row in chosen for word in row.instar}),
                 "making the inputs")
        facts = machine(instar, arguments.qemu_img)
        print(f"{facts['cores']} cores, {facts['memory_gib']} GiB; {facts['qemu_img']}; "
              f"{arguments.size / (1 << 30):g} GiB in {place}\n")
        print("| what | isolation | instar | qemu-img | ratio | instar peak | qemu-img peak |")
        print("|---|---|---:|---:|---:|---:|---:|")
        for row in chosen:
            for isolation in arguments.isolation or [default_isolation()]:
                result = measure(row, directory, instar, isolation, arguments.qemu_img,
                                 arguments.pairs)
                results.append(result)
                print(table_line(result), flush=True)

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
        if not check(results, bars, demanded["memory"]["most_more_mib"]):
            sys.exit(1)


if __name__ == "__main__":
    main()
