"""What the suite does of the proofs of changes in place: some runs of each, with a seed that stays."""

import os
from pathlib import Path

from crash import against_qemu, kill
from harness import Group, Skip, run

RUNS = {"resize": 60, "snapshot": 60, "amend": 60, "bitmap": 60, "overwrite": 60, "repair": 250,
        "sequences": 60, "guard": 100, "faults": 20, "cycles": 6}
SEQUENCES = 60


def prove(t, proof):
    program = Path(t.tools.instar).parent / "prove"
    if not os.access(program, os.X_OK):
        raise Skip(f"{program} was not built")
    t.tools.need("qemu-img")
    t.tools.need("qemu-io")
    outcome = run([program, proof, "--seed", "1", "--runs", str(RUNS[proof])], deadline=600)
    t.check(outcome.code == 0, "the proof fails", outcome)


def beside_qemu_img(t):
    t.check(against_qemu.prove(t.tools, seed=1, seconds=0, runs=SEQUENCES, only="", jobs=1),
            "the images differ: ./dev prove against-qemu --seed 1")


def groups():
    found = kill.groups()
    beside = Group("crash: against-qemu")
    beside.add("the first sequences with the seed 1", beside_qemu_img)
    found.append(beside)
    for proof in RUNS:
        group = Group(f"crash: {proof}")
        group.add("the first runs with the seed 1", prove, proof)
        found.append(group)
    return found
