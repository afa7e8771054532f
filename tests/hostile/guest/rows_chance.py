"""Chance: programs of random requests on several vCPUs, of which no outcome is expected but that
the promises hold which hold after every run.

A few seeds are part of the suite. As a program it runs more of them and prints those that fail:

    python3 tests/hostile/guest/rows_chance.py BUILD/bin/instar FIRST LAST
"""

import random
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hostile.guest import script as sc
from hostile.guest.script import Kind, Op, Role
from hostile.guest.table import EVERY, Table

table = Table("chance")

NUMBERS = (0, 1, 2, 7, 511, 512, 513, 4096, 65536, 1 << 20, (1 << 20) + 1, 1 << 31, (1 << 32) - 1,
           1 << 32, 1 << 40, (1 << 62) - 1, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
SMALL = (0, 1, 511, 512, 4096, 65536, 1 << 20)
NAMES = (b"other.img", b"evil.img", b"out", b"fifo", b"link.img", b"linked/secret.img",
         b"../outside/secret.img", b"/etc/hostname", b"", b".", b"/", b"a/../other.img",
         b"other.img\0x", b"/proc/self/environ", b"x" * 4096, b"\xff\x1b")
KEYS = ("device", "format", "virtual-size", "snapshots", "filename", "finding", "verdict", "k",
        "format-specific", "data", "required", "window", "skipped-bitmaps", "corruptions")


class Chance:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.pick = self.random.choice
        # Half of the guests send nothing that ends them at once, and so come further.
        self.rude = self.random.random() < 0.5

    def number(self):
        return self.pick(NUMBERS) if self.random.random() < 0.8 else self.random.getrandbits(64)

    def device(self):
        return self.pick((0, 0, 0, 1, 1, 1, 2, 3, 1024, 0xFFFFFFFF))

    def size(self):
        return self.pick(SMALL) if self.random.random() < 0.8 else self.number()

    def address(self):
        return self.pick((sc.arena(), sc.arena(8), sc.arena(4096), sc.arena(1 << 20), sc.arena(),
                          sc.MAILBOX, sc.BOOT, sc.END - 8, 0, sc.PAGE_TABLES, self.number())
                         if self.rude and self.random.random() < 0.3 else (sc.arena(), sc.arena(65536)))

    def records(self):
        if self.rude and self.random.random() < 0.3:
            return self.pick((sc.field(sc.OBJECT), sc.field(sc.END_OBJECT), sc.field(sc.ARRAY),
                              sc.field(sc.END_ARRAY), sc.key(self.pick(KEYS)), sc.value(1),
                              sc.disk(self.size()), sc.stretch(self.size(), self.size()),
                              self.random.randbytes(24)))
        return sc.value({**dict.fromkeys(("device",), 0), "k": self.tree(0)})

    def tree(self, depth):
        if depth < 3 and self.random.random() < 0.5:
            return {k: self.tree(depth + 1) for k in self.random.sample(KEYS, 3)}
        return self.pick((0, 1, -1, "raw", b"\x1b[2J", True, [], [1], self.number()))

    def step(self, p):
        """One more step of a program."""
        device, offset, size = self.device(), self.size(), self.size()
        self.pick((
            lambda: p.read(device, offset, size, into=self.address()),
            lambda: p.write(device, offset, self.address(), size),
            lambda: p.move(self.pick(tuple(Kind)), device, offset, size, source=self.device(),
                           source_offset=self.size(), unit=self.pick((512, 4096, 65536, 3))),
            lambda: p.scan(device, offset, size, unit=self.pick((512, 4096, 1)), words=64),
            lambda: p.runs(device, offset, size, unit=self.pick((1, 4096, 3)), capacity=16),
            lambda: p.compare((device, offset, size), (self.device(), self.size(), size)),
            lambda: p.open(self.pick(NAMES), parent=self.device(), role=self.pick(tuple(Role))),
            lambda: p.emit(self.records()),
            lambda: p.emit(self.records()),
            lambda: p.ring(Op.RESIZE, device, size, self.pick((0, 0, 0, 1))),
            lambda: p.ring(Op.FLUSH, device),
            lambda: p.ring(Op.DEVICE_INFO, device, self.address()),
            lambda: p.ring(Op.PROGRESS, self.number(), self.number()),
            lambda: p.ring(Op.YIELD),
            lambda: p.ring(Op.PARALLEL_START, self.pick((0, 1, 2, 3, 16)), sc.WORKER, 0),
            lambda: p.join(),
            lambda: p.store(self.pick((sc.arena(), sc.arena(8), sc.arena(24), sc.MAILBOX + 8)),
                            self.number()),
            lambda: p.ring(self.random.randint(0, 20), *(self.number() for _ in range(6)))
            if self.rude and self.random.random() < 0.1 else p.pause(100),
        ))()


def program_of(chance):
    def write(p):
        for _ in range(chance.random.randint(5, 40)):
            chance.step(p)
    return write


def write_script(script, seed):
    chance = Chance(seed)
    worker = script.program(program_of(chance))
    if chance.random.random() < 0.7:
        script.main.start(worker, vcpus=chance.pick((1, 1, 3)))
    program_of(chance)(script.main)
    chance.pick((lambda: script.main.join().finish(), script.main.finish, script.main.holds,
                 lambda: script.main.join().holds()))()


def add(seed, isolations, to=table):
    @to.row(verbs=EVERY, options=["--timeout=4", "--stall-timeout=1", "--workers=4"], code=None,
            within=4, rss_mib=160, isolations=isolations,
            name=f"random requests keep the promises: seed {seed}")
    def chance(s):
        write_script(s, seed)


for number in range(8):
    add(number, ("kvm",) if number % 2 else ("process",))


def main():
    import harness
    program, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    more = Table("chance")
    for seed in range(first, last):
        add(seed, ("kvm",) if seed % 2 else ("process",), to=more)
    tally = harness.Tally()
    harness.run_groups([more.group()], harness.Tools(program), tally)
    print(tally.summary())


if __name__ == "__main__":
    main()
