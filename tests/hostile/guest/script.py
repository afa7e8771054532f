"""An assembler for the scripts that the scripted guest runs (guest-runtime/testing/guest_script.h).

    s = Script()
    s.main.start(s.program(lambda p: p.spin()))  # on vCPU 1
    s.main.join()
    image = s.build()                            # what a file must begin with

Every step is a method that returns the program, so that steps can be chained. An argument is a
number, or a place: arena(8) is 8 bytes into memory that the script may use, a `bytes` object stands
for a copy of itself in the script, and the names below are what else only the guest knows.
"""

import enum
import itertools
import struct

MAGIC = 0x545049524C495645
HEADER = struct.Struct("<4Q32x")
STEP = struct.Struct("<I7B5x7Q")
WORD = 0xFFFFFFFFFFFFFFFF
FOR_EVER = 1 << 62


class Op(enum.IntEnum):
    """enum instar_op of instar/abi/mailbox.h."""
    DEVICE_INFO = 1
    OPEN_REFERENCE = 2
    RESIZE = 3
    FLUSH = 4
    READ = 5
    WRITE = 6
    TRANSFER = 7
    SCAN_ZERO = 8
    NEXT_RUNS = 9
    COMPARE = 10
    EMIT = 11
    PROGRESS = 12
    PARALLEL_START = 13
    PARALLEL_JOIN = 14
    WORKER_DONE = 15
    FINISH = 16
    FAIL = 17
    YIELD = 18
    WRITE_ROOT = 19
    RESIZE_ROOT = 20


class Kind(enum.IntEnum):
    """INSTAR_TRANSFER_* of instar/abi/call_table.h."""
    COPY = 1
    COPY_SPARSE = 2
    ZERO = 3
    DISCARD = 4


class Code(enum.IntEnum):
    """instar::ErrorCode."""
    CORRUPT = 1
    UNSUPPORTED = 2
    IO = 3
    LIMIT = 4
    DENIED = 5
    INVALID = 6
    NO_SPACE = 7
    NOT_FOUND = 8


class Role(enum.IntEnum):
    """instar::ReferenceRole."""
    BACKING = 1
    DATA_FILE = 2
    EXTENT = 3


class Step(enum.IntEnum):
    DONE = 0
    RING = 1
    FILL = 2
    STORE = 3
    STORE32 = 4
    COPY = 5
    SET = 6
    ADD = 7
    LOAD = 8
    JUMP = 9
    JUMP_BELOW = 10
    JUMP_NEGATIVE = 11
    EXPECT = 12
    EXPECT_FAILURE = 13
    EXPECT_LOAD = 14
    SPIN = 15
    PAUSE = 16
    FLIP = 17
    FAIL = 18
    SYSTEM_CALL = 19
    OUT = 20
    CALL = 21


class Place:
    """A number that the guest adds to what only it knows."""

    def __init__(self, base, number=0):
        self.base = base
        self.number = number

    def __add__(self, more):
        return Place(self.base, self.number + more)

    def __sub__(self, less):
        return self + -less


def arena(offset=0):
    return Place(1, offset)


def register(number):
    return Place(10, number)


def mailbox_of(vcpu, offset=0):
    return Place(4, (vcpu << 32) | offset)


SCRIPT = Place(2)
MAILBOX = Place(3)
BOOT = Place(5)
END = Place(6)  # of guest memory
WORKER = Place(7)
RESULT = Place(8)
SECOND_RESULT = Place(9)
IMAGE = 0x1000010000  # INSTAR_IMAGE_BASE
PAGE_TABLES = 0x1000001000  # invisible to a guest

# Offsets in struct instar_mailbox.
STATE, MAILBOX_OP, MAILBOX_ARGS, POSTED_DONE, POSTED_TOTAL = 0, 4, 8, 88, 96
IDLE, REQUEST, RESPONSE, START = range(4)
FUTEX, FUTEX_WAKE = 202, 1


class Program:
    """The steps of one vCPU."""

    def __init__(self, script):
        self.script = script
        self.steps = []

    def step(self, code, *arguments):
        self.steps.append((code, arguments))
        return self

    # ---- requests

    def ring(self, op, *arguments):
        """Any request at all; `op` need not be one."""
        return self.step(Step.RING, op, *arguments)

    def read(self, device, offset, length, into=arena()):
        return self.io(Op.READ, (device, offset, into, length))

    def write(self, device, offset, data, length=None):
        """`data`: bytes, or a place and the length."""
        length = len(data) if length is None else length
        return self.io(Op.WRITE, (device, offset, data, length))

    def write_root(self, device, offset, data, length=None):
        """`data`: bytes, or a place and the length."""
        return self.ring(Op.WRITE_ROOT, device, offset, data, len(data) if length is None else length)

    def io(self, op, *entries):
        """READ or WRITE with a list of (device, offset, address, length)."""
        at = self.script.scratch(32 * len(entries))
        for number, (device, offset, address, length) in enumerate(entries):
            entry = at + 32 * number
            self.store(entry, device).store(entry + 8, offset)
            self.store(entry + 16, address).store(entry + 24, length)
        return self.ring(op, at, len(entries))

    def transfer(self, *steps):
        """Steps (kind, source, target, zero unit, source offset, target offset, length)."""
        return self.ring(Op.TRANSFER, pack_transfers(steps), len(steps))

    def move(self, kind, target, offset, length, source=0, source_offset=0, unit=4096):
        return self.transfer((kind, source, target, unit, source_offset, offset, length))

    def scan(self, device, offset, length, unit=4096, bitmap=arena(), words=64):
        ranges = struct.pack("<IIQQ", device, 0, offset, length)
        return self.ring(Op.SCAN_ZERO, ranges, 1, unit, bitmap, words)

    def runs(self, device, offset, length, unit=1, into=arena(), capacity=16):
        return self.ring(Op.NEXT_RUNS, device, offset, length, unit, into, capacity)

    def compare(self, a, b):
        """Two ranges (device, offset, length)."""
        return self.ring(Op.COMPARE, *(struct.pack("<IIQQ", d, 0, o, n) for d, o, n in (a, b)))

    def open(self, name, parent=0, role=Role.BACKING):
        return self.ring(Op.OPEN_REFERENCE, parent, name, len(name), role)

    def emit(self, records):
        return self.ring(Op.EMIT, records, len(records))

    def finish(self):
        return self.ring(Op.FINISH)

    def fail(self, message=b"failed as the script says", code=Code.CORRUPT, device=0, errno=0,
             length=None, number=0):
        length = len(message) if length is None else length
        return self.step(Step.FAIL, code, device, errno, message, length, number)

    # ---- vCPUs

    def start(self, program, vcpus=1):
        """Lets so many vCPUs besides the first run `program`."""
        return self.ring(Op.PARALLEL_START, vcpus, WORKER, program)

    def join(self):
        return self.ring(Op.PARALLEL_JOIN)

    # ---- memory and loops

    def fill(self, address, length, value):
        return self.step(Step.FILL, address, length, value)

    def store(self, address, value):
        return self.step(Step.STORE, address, value)

    def store32(self, address, value):
        return self.step(Step.STORE32, address, value)

    def copy(self, to, source, length):
        return self.step(Step.COPY, to, source, length)

    def load(self, number, address):
        return self.step(Step.LOAD, number, address)

    def set(self, number, value):
        return self.step(Step.SET, number, value)

    def add(self, number, value):
        return self.step(Step.ADD, number, value)

    def touch(self, address):
        return self.load(15, address)

    def flip(self, address, one, other):
        return self.step(Step.FLIP, address, one, other)

    def call(self, address):
        return self.step(Step.CALL, address)

    def spin(self):
        return self.step(Step.SPIN)

    def pause(self, times):
        return self.step(Step.PAUSE, times)

    def system_call(self, number, *arguments):
        return self.step(Step.SYSTEM_CALL, number, *arguments)

    def out(self, port):
        return self.step(Step.OUT, port)

    def for_ever(self, body):
        first = len(self.steps)
        body(self)
        return self.step(Step.JUMP, Target(self, first))

    def times(self, count, body):
        counter = next(self.script.counters) % 12
        self.set(counter, 0)
        first = len(self.steps)
        body(self)
        return self.step(Step.JUMP_BELOW, counter, count, Target(self, first))

    def unless_refused(self, body):
        """Goes on with `body` where the last request succeeded."""
        jump = len(self.steps)
        self.step(Step.JUMP_NEGATIVE, 0)
        body(self)
        self.steps[jump] = (Step.JUMP_NEGATIVE, (Target(self, len(self.steps)),))
        return self

    # ---- what the guest must see; otherwise it fails with a message that the row does not expect

    def gets(self, result):
        """The result of the last request."""
        return self.step(Step.EXPECT, result & WORD)

    def is_refused(self, code=None):
        if code is None:
            return self.step(Step.EXPECT_FAILURE)
        return self.step(Step.EXPECT, -int(code) & WORD)

    def holds(self):
        """The end of a row whose promise held: the run fails with words that it expects."""
        return self.fail(b"the promise held")

    def sees(self, address, value):
        return self.step(Step.EXPECT_LOAD, address, value)


class Target:
    """A step of a program, as what a jump takes."""

    def __init__(self, program, index=0):
        self.program = program
        self.index = index


class Script:
    def __init__(self, arena_bytes=8 << 20):
        self.arena_bytes = arena_bytes
        self.programs = []
        self.blobs = {}
        self.blob_bytes = 0
        self.scratch_used = 0
        self.counters = itertools.count()
        self.main = Program(self)

    def program(self, write):
        """A program for workers; `write(p)` gives it its steps."""
        program = Program(self)
        write(program)
        self.programs.append(program)
        return program

    def scratch(self, length):
        """A place near the end of the arena that no other call gives away."""
        self.scratch_used += (length + 63) // 64 * 64
        return arena(self.arena_bytes - self.scratch_used)

    def _blob(self, data):
        if data not in self.blobs:
            self.blobs[data] = self.blob_bytes
            self.blob_bytes += (len(data) + 15) // 16 * 16
        return self.blobs[data]

    def build(self):
        programs = [self.main, *self.programs]
        starts, total = {}, 0
        for program in programs:
            starts[id(program)] = total
            total += len(program.steps) + 1  # and DONE
        for program in programs:
            for _, arguments in program.steps:
                for argument in arguments:
                    if isinstance(argument, bytes):
                        self._blob(argument)
        blobs_at = HEADER.size + total * STEP.size

        def resolve(argument):
            if isinstance(argument, Place):
                return argument.base, argument.number & WORD
            if isinstance(argument, bytes):
                return SCRIPT.base, blobs_at + self.blobs[argument]
            if isinstance(argument, Target):
                return 0, starts[id(argument.program)] + argument.index
            if isinstance(argument, Program):
                return 0, starts[id(argument)]
            return 0, argument & WORD

        steps = bytearray()
        for program in programs:
            for code, arguments in [*program.steps, (Step.DONE, ())]:
                resolved = [resolve(a) for a in arguments] + [(0, 0)] * (7 - len(arguments))
                steps += STEP.pack(code, *(b for b, _ in resolved), *(n for _, n in resolved))
        tail = bytearray(self.blob_bytes)
        for data, offset in self.blobs.items():
            tail[offset:offset + len(data)] = data
        size = blobs_at + len(tail)
        return HEADER.pack(MAGIC, size, total, self.arena_bytes) + bytes(steps) + bytes(tail)


def pack_transfers(steps):
    return b"".join(struct.pack("<4I3Q", kind, source & 0xFFFFFFFF, target & 0xFFFFFFFF, unit,
                                source_offset, target_offset, length)
                    for kind, source, target, unit, source_offset, target_offset, length in steps)


# ---- records (instar/wire.h, instar/records.h, instar/map_records.h)

KEY, OBJECT, END_OBJECT, ARRAY, END_ARRAY, UNSIGNED, SIGNED, BOOLEAN, STRING = range(1, 10)


def field(tag, payload=b"", length=None):
    """One field; `length`: what it claims in place of its own."""
    length = len(payload) if length is None else length
    return struct.pack("<II", tag, length) + payload + bytes(-len(payload) % 8)


def key(name):
    return field(KEY, name if isinstance(name, bytes) else name.encode())


def value(item):
    """A Python value as records. A list of pairs is an object in which keys may repeat."""
    if isinstance(item, bool):
        return field(BOOLEAN, struct.pack("<Q", item))
    if isinstance(item, int):
        tag = UNSIGNED if item >= 0 else SIGNED
        return field(tag, struct.pack("<Q", item & WORD))
    if isinstance(item, (bytes, str)):
        return field(STRING, item if isinstance(item, bytes) else item.encode())
    if isinstance(item, dict):
        item = tuple(item.items())
        return field(OBJECT) + b"".join(key(k) + value(v) for k, v in item) + field(END_OBJECT)
    if isinstance(item, tuple):  # of pairs
        return field(OBJECT) + b"".join(key(k) + value(v) for k, v in item) + field(END_OBJECT)
    return field(ARRAY) + b"".join(value(i) for i in item) + field(END_ARRAY)


DISK, STRETCH = 1, 2
PRESENT, ZERO, DATA, COMPRESSED, HAS_OFFSET = (1 << bit for bit in range(5))


def disk(size):
    return field(DISK, struct.pack("<Q", size))


def stretch(start, length, offset=0, depth=0, device=0, flags=PRESENT | DATA | HAS_OFFSET):
    return field(STRETCH, struct.pack("<3Q4I", start, length, offset, depth, device, flags, 0))
