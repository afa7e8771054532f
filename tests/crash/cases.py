"""What the suite does of the proofs of changes in place: some runs of each, with a seed that stays."""

import os
from pathlib import Path

from crash import kill
from harness import Group, Skip, run

RUNS = {"guard": 120, "cycles": 8}


def prove(t, proof):
    program = Path(t.tools.instar).parent / "prove"
    if not os.access(program, os.X_OK):
        raise Skip(f"{program} was not built")
    t.tools.need("qemu-img")
    t.tools.need("qemu-io")
    outcome = run([program, proof, "--seed", "1", "--runs", str(RUNS[proof])], deadline=600)
    t.check(outcome.code == 0, "the proof fails", outcome)


def groups():
    group = Group("crash")
    for proof in RUNS:
        group.add(proof, prove, proof)
    return [group, *kill.groups()]
