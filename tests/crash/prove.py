#!/usr/bin/env python3
"""Runs the proofs that changes in place are atomic, for as long as you like (./dev prove)."""

import argparse
import random
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

import harness  # noqa: E402
from crash import against_qemu, kill  # noqa: E402

KILL = "kill"
KILL_BRIEF = "kill -9 at each writing system call leaves the old image or the new one"
AGAINST_QEMU = "against-qemu"
AGAINST_QEMU_BRIEF = "sequences of verbs and writes leave what qemu-img leaves"


def prove_kill(options):
    print(f"{KILL}: all points, nothing is drawn")
    tools = harness.Tools(options.build / "bin/instar", None, options.jobs)
    tally = harness.Tally(options.verbose)
    count = {}
    harness.run_groups(kill.groups(everything=True, count=count, only=options.only), tools, tally)
    tally.print_skips()
    for what, number in count.items():
        print(f"  {what}: {number}")
    print("  " + tally.summary())
    return tally.count("failed") == 0 and bool(tally.verdicts)


def prove_against_qemu(options):
    print(f"{AGAINST_QEMU}: seed {options.seed}")
    tools = harness.Tools(options.build / "bin/instar", None, options.jobs)
    return against_qemu.prove(tools, options.seed, 0 if options.runs else options.seconds,
                              options.runs, options.only, options.jobs)


def prove_compiled(name, options):
    command = [options.build / "bin/prove", name, "--seed", str(options.seed)]
    if options.runs:
        command += ["--runs", str(options.runs)]
    elif not options.only:
        command += ["--seconds", str(options.seconds)]
    if options.only:
        command += ["--only", options.only]
    if options.verbose:
        command += ["-v"]
    return subprocess.run(command, check=False).returncode == 0


def main():
    parser = argparse.ArgumentParser(prog="./dev prove", description=__doc__)
    parser.add_argument("name", nargs="*", help="a proof; default: all")
    parser.add_argument("--list", action="store_true", help="print the proofs")
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 32))
    parser.add_argument("--seconds", type=float, default=60, help="of each proof but kill; 0: all")
    parser.add_argument("--runs", type=int, help="of each proof but kill, instead of --seconds")
    parser.add_argument("--only", default="", metavar="TEXT", help="runs with that in their names")
    parser.add_argument("--build", type=Path, default=TESTS.parent / "build/release")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    listed = subprocess.run([options.build / "bin/prove", "--list"], capture_output=True, text=True,
                            check=True).stdout
    listed += f"{KILL:12} {KILL_BRIEF}\n{AGAINST_QEMU:12} {AGAINST_QEMU_BRIEF}\n"
    if options.list:
        print(listed, end="")
        return 0
    known = [line.split()[0] for line in listed.splitlines()]
    for name in options.name:
        if name not in known:
            parser.error(f"no proof '{name}'; there are:\n{listed}")
    good = True
    for name in options.name or known:
        prove = {KILL: prove_kill, AGAINST_QEMU: prove_against_qemu}.get(
            name, lambda options, name=name: prove_compiled(name, options))
        good = prove(options) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
