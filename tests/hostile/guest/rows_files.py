"""Files and memory: nothing but the files of the run, within their rights, and nothing but the
guest's own memory. And every limit that a user sets is the host's."""

from hostile.guest import script as sc
from hostile.guest.script import Code, Kind, Op
from hostile.guest.table import ONE_EACH, WRITE, Table

table = Table("files")
row = table.row

HELD = "the promise held"
OUTSIDE = "an address outside the guest's memory"
MIB = 1 << 20


# ---- devices that are none

@row(verbs=ONE_EACH, says=HELD)
def files_that_were_not_opened_are_read_by_no_number(s):
    for device in (7, 1023, 1024, 0x7FFFFFFF, 0xFFFFFFFF):
        s.main.read(device, 0, 64).is_refused()
        s.main.ring(Op.DEVICE_INFO, device, sc.arena()).is_refused()
        s.main.runs(device, 0, 512).is_refused()
        s.main.scan(device, 0, 4096).is_refused()
        s.main.compare((device, 0, 512), (0, 0, 512)).is_refused()
    s.main.holds()


@row(verbs=ONE_EACH, says=HELD)
def files_that_were_not_opened_are_written_by_no_number(s):
    for device in (7, 1024, 0xFFFFFFFF):
        s.main.write(device, 0, b"x").is_refused()
        s.main.ring(Op.RESIZE, device, 1, 0).is_refused()
        s.main.ring(Op.FLUSH, device).is_refused()
        for kind in Kind:
            s.main.move(kind, device, 0, 4096).is_refused()
    s.main.holds()


@row(verbs=ONE_EACH, says="a device number of more than 32 bits")
def a_number_of_more_than_32_bits_is_no_device(s):
    s.main.ring(Op.FLUSH, 1 << 32)


# ---- what may only be read

@row(verbs=("info", "check", "map", "measure", "compare", "convert", "dd"), says=HELD)
def a_file_that_may_only_be_read_is_not_changed(s):
    s.main.write(0, 0, b"overwritten").is_refused(Code.DENIED)
    s.main.write(0, 1 << 20, b"appended").is_refused(Code.DENIED)
    for size in (0, 1, 1 << 30):
        s.main.ring(Op.RESIZE, 0, size, 0).is_refused(Code.DENIED)
    for kind in Kind:
        s.main.move(kind, 0, 0, 4096).is_refused(Code.DENIED)
        s.main.move(kind, 0, 0, 1 << 30).is_refused(Code.DENIED)
    s.main.ring(Op.FLUSH, 0).is_refused(Code.DENIED)
    s.main.holds()


@row(verbs=("compare",), says=HELD)
def the_second_file_of_two_is_not_changed_either(s):
    s.main.write(1, 0, b"overwritten").is_refused(Code.DENIED)
    for kind in Kind:
        s.main.move(kind, 1, 0, 512).is_refused(Code.DENIED)
    s.main.holds()


# ---- addresses

def address(name, ring, verbs=("info", "convert")):
    @row(verbs=verbs, says=OUTSIDE, name=f"an address that is not the guest's is refused: {name}")
    def write(s):
        ring(s.main)
        s.main.fail(b"the address was taken")


BAD = {
    "zero": 0,
    "below guest memory": 0xFFFFFFFFF,
    "the page tables": sc.PAGE_TABLES,
    "the guest's own code": sc.IMAGE,
    "across the end of memory": sc.END - 8,
    "beyond the end of memory": sc.END,
    "the last of all": (1 << 64) - 16,
    "half of all": 1 << 63,
}
for where, bad in BAD.items():
    address(f"read into {where}", lambda p, bad=bad: p.read(0, 0, 64, into=bad))
    address(f"the list stands at {where}", lambda p, bad=bad: p.ring(Op.READ, bad, 1))
    address(f"records at {where}", lambda p, bad=bad: p.ring(Op.EMIT, bad, 64), verbs=("info",))
    address(f"a name at {where}", lambda p, bad=bad: p.ring(Op.OPEN_REFERENCE, 0, bad, 20, 1),
            verbs=("info",))
    address(f"an answer to {where}", lambda p, bad=bad: p.ring(Op.DEVICE_INFO, 0, bad),
            verbs=("info",))
    address(f"runs to {where}", lambda p, bad=bad: p.runs(0, 0, 4096, into=bad), verbs=("info",))
    address(f"a bitmap to {where}", lambda p, bad=bad: p.scan(0, 0, 4096, bitmap=bad),
            verbs=("info",))
    address(f"a range at {where}", lambda p, bad=bad: p.ring(Op.COMPARE, bad, bad),
            verbs=("info",))
    address(f"write from {where}", lambda p, bad=bad: p.write(1, 0, bad, 64), verbs=("convert",))
    address(f"steps at {where}", lambda p, bad=bad: p.ring(Op.TRANSFER, bad, 1),
            verbs=("convert",))

address("an answer into constants", lambda p: p.load(1, sc.BOOT).ring(
    Op.DEVICE_INFO, 0, sc.IMAGE + 4096), verbs=("info",))
address("a length that comes round to the start", lambda p: p.read(
    0, 0, (1 << 64) - 4096, into=sc.arena(4096)))
address("a list that comes round to the start", lambda p: p.ring(Op.READ, (1 << 64) - 32, 4096))


@row(verbs=("info", "convert"), says="error report lies outside its memory")
def a_failure_that_lies_outside_of_memory_is_none(s):
    s.main.ring(Op.FAIL, sc.END - 8)


@row(verbs=("info", "convert"), says="failed without a reason")
def the_words_of_a_failure_outside_of_memory_are_not_shown(s):
    s.main.step(sc.Step.FAIL, Code.CORRUPT, 99, 0, sc.END - 4, 400, 0)


@row(verbs=("info",), says="evil.img")
def the_words_of_a_failure_are_cut_off(s):
    s.main.fill(sc.arena(), 1 << 20, ord("w"))
    s.main.step(sc.Step.FAIL, Code.CORRUPT, 0, 0, sc.arena(), 0xFFFFFFFF, 0)


# ---- lengths and numbers

@row(verbs=ONE_EACH, says="longer than INSTAR_MAX_LIST")
def a_list_of_too_many_entries_ends_the_guest(s):
    s.main.ring(Op.READ, sc.arena(), 4097)


for op, words in ((Op.WRITE, "INSTAR_MAX_LIST"), (Op.TRANSFER, "INSTAR_MAX_LIST"),
                  (Op.SCAN_ZERO, "INSTAR_MAX_LIST")):
    for count in (4097, 1 << 32, (1 << 64) - 1):
        @row(verbs=("convert",), says=words,
             name=f"a list of {count} entries ends the guest: {op.name}")
        def long_list(s, op=op, count=count):
            s.main.ring(op, sc.arena(), count, 512, sc.arena(), 1)


@row(verbs=("info", "convert"), says="longer than INSTAR_MAX_EMIT")
def a_batch_of_too_many_records_ends_the_guest(s):
    s.main.ring(Op.EMIT, sc.arena(), (128 << 10) + 1)


@row(verbs=("info", "convert"), says="longer than INSTAR_MAX_NAME")
def a_name_that_is_too_long_ends_the_guest(s):
    s.main.ring(Op.OPEN_REFERENCE, 0, sc.arena(), 4097, 1)


@row(verbs=("info", "convert"), says=HELD)
def ranges_that_overflow_are_refused(s):
    last = (1 << 64) - 1
    for offset, length in ((last, 1), (1 << 63, 512), ((1 << 63) - 1, 512), (1, last)):
        if length < 1 << 20:
            s.main.read(0, offset, length).is_refused()
            s.main.write(1, offset, sc.arena(), length).is_refused()
        s.main.scan(0, offset, length).is_refused()
        s.main.compare((0, offset, length), (0, 0, length)).is_refused()
        for kind in Kind:
            s.main.move(kind, 1, offset, length).is_refused()
        s.main.move(Kind.COPY, 1, 0, length, source_offset=offset).is_refused()
    s.main.ring(Op.RESIZE, 1, last, 0).is_refused()
    s.main.holds()


@row(verbs=("info", "convert"), says=HELD)
def units_and_counts_that_make_no_sense_are_refused(s):
    for unit in (0, 1, 511, 3, (1 << 64) - 1):
        s.main.scan(0, 0, 4096, unit=unit, words=1)
        s.main.runs(0, 0, 4096, unit=unit)
    for unit in (0, 1, 511, 513, 0xFFFFFFFF, 1 << 31):
        s.main.move(Kind.COPY_SPARSE, 1, 0, 4096, unit=unit).is_refused()
    s.main.runs(0, 0, 4096, capacity=0).is_refused()
    s.main.runs(0, 0, 4096, capacity=1025).is_refused()
    s.main.runs(0, 0, 4096, capacity=1 << 61).is_refused()
    s.main.scan(0, 0, 4096, unit=512, words=0).is_refused()
    s.main.holds()


@row(verbs=("info",), says=OUTSIDE)
def a_bitmap_whose_length_overflows_ends_the_guest(s):
    s.main.scan(0, 0, 4096, unit=512, words=1 << 61)


def violation(name, says, ring, verbs=("info", "convert")):
    @row(verbs=verbs, says=says, name=name)
    def write(s):
        ring(s.main)
        s.main.fail(b"it was taken")


for number in (0, 19, 77, 0xFFFFFFFF):
    violation(f"request number {number} ends the guest", "guest ended",
              lambda p, number=number: p.ring(number))
for kind in (0, 5, 0xFFFFFFFF):
    violation(f"a transfer of kind {kind} ends the guest", "a transfer of unknown kind",
              lambda p, kind=kind: p.move(kind, 1, 0, 512))
for role in (0, 4, (1 << 64) - 1):
    violation(f"a reference of role {role} ends the guest", "a reference of unknown role",
              lambda p, role=role: p.ring(Op.OPEN_REFERENCE, 0, b"other.img", 9, role))
violation("an unknown preallocation ends the guest", "an unknown kind of preallocation",
          lambda p: p.ring(Op.RESIZE, 1, 512, 99))


# ---- no byte of the host

@row(verbs=("info", "convert"), says=HELD)
def beyond_the_end_of_a_file_zeros_are_read(s):
    s.main.fill(sc.arena(), 4096, 0xEE).read(0, 1 << 40, 4096).sees(sc.arena(), 0)
    s.main.sees(sc.arena(4088), 0).holds()


@row(verbs=("info",), says=HELD)
def answers_carry_no_byte_of_the_host(s):
    s.main.fill(sc.arena(), 4096, 0).ring(Op.DEVICE_INFO, 0, sc.arena())
    s.main.sees(sc.arena(24), 0)
    s.main.fill(sc.arena(), 4096, 0).runs(0, 0, 4096, capacity=8)
    s.main.sees(sc.arena(8), 0).holds()


# ---- limits

FAR_WRITES = {
    "a write": lambda p, at: p.write(1, at, b"x"),
    "a copy": lambda p, at: p.move(Kind.COPY, 1, at, 4096),
    "a sparse copy": lambda p, at: p.move(Kind.COPY_SPARSE, 1, at, 4096),
    "zeros": lambda p, at: p.move(Kind.ZERO, 1, at, 4096),
    "a discard": lambda p, at: p.move(Kind.DISCARD, 1, at, 4096),
    "a new length": lambda p, at: p.ring(Op.RESIZE, 1, at + 1, 0),
    "a reserved length": lambda p, at: p.ring(Op.RESIZE, 1, at + 1, 2),
}

for what, attempt in FAR_WRITES.items():
    @row(verbs=("convert", "convert to qcow2", "dd"), options=["--max-output-size=1M"], says=(),
         name=f"--max-output-size holds against {what}")
    def beyond_the_output_limit(s, attempt=attempt):
        for at in (MIB, 8 << 30, (1 << 62)):
            attempt(s.main, at)
            s.main.is_refused()
        s.main.holds()

    @row(verbs=("convert", "dd"), options=["--max-virtual-size=1M"], says=(),
         name=f"--max-virtual-size holds against {what}")
    def beyond_the_virtual_limit(s, attempt=attempt):
        attempt(s.main, 8 << 30)
        s.main.is_refused().holds()


@row(verbs=("convert to qcow2",), options=["--max-virtual-size=1M"], says=HELD)
def max_virtual_size_holds_for_formats_with_tables(s):
    for at in (1 << 30, 8 << 30, 1 << 62):
        s.main.write(1, at, b"x").is_refused().move(Kind.COPY, 1, at, MIB).is_refused()
        s.main.ring(Op.RESIZE, 1, at, 0).is_refused()
    s.main.holds()


@row(verbs=("convert",), says=HELD, keeps_target=True,
     set_up=lambda images: (images / "out").write_bytes(b"was there"))
def a_target_that_was_there_stays_when_the_run_fails(s):
    s.main.read(2, 0, 64).is_refused()
    s.main.write(2, 0, b"x").is_refused().holds()


@row(verbs=WRITE, says=HELD)
def a_resize_to_an_extreme_is_refused_or_leaves_a_sparse_file(s):
    for size in (0, 1, (1 << 63) - 1, 1 << 62, 0):
        s.main.ring(Op.RESIZE, 1, size, 0)
    s.main.ring(Op.RESIZE, 1, 1 << 63, 0).is_refused()
    s.main.holds()


@row(verbs=WRITE, options=["--max-output-size=1M"], says=())
def preallocation_of_more_than_the_output_limit_is_refused(s):
    for how in (1, 2, 3):
        s.main.ring(Op.RESIZE, 1, 1 << 40, how).is_refused()
    s.main.holds()




def chain_files(images):
    for number in range(70):
        (images / f"backing-{number}").write_bytes(b"backing")


def chain(p, opened):
    """Opens one file after the other as the backing file of the one before."""
    p.set(5, 0)
    for number in range(opened):
        p.open(b"backing-%d" % number, parent=sc.register(5)).unless_refused(
            lambda q: q.set(5, sc.RESULT))
    return p


@row(verbs=("map", "convert"), options=["--max-chain-depth=2"], says=HELD, set_up=chain_files)
def max_chain_depth_holds(s):
    chain(s.main, 3).is_refused().holds()


@row(verbs=("info of a chain", "map", "measure", "convert"), says=HELD, set_up=chain_files)
def a_chain_of_more_images_than_the_default_is_refused(s):
    chain(s.main, 70).is_refused().holds()


@row(verbs=("map", "map as JSON"), options=["--max-output-size=64K"], code=1,
     look=lambda t, outcome, _: t.check(len(outcome.out) <= 65536, "printed too much", outcome))
def max_output_size_holds_for_what_map_prints(s):
    count = 2000
    batch = b"".join(sc.stretch(512 * n, 512, offset=7 * n) for n in range(count))
    s.main.emit(sc.disk(512 * count)).emit(batch).finish()


@row(verbs=("info", "info as JSON"), options=["--max-output-size=64K"], code=1,
     look=lambda t, outcome, _: t.check(len(outcome.out) <= 65536, "printed too much", outcome))
def max_output_size_holds_for_what_info_prints(s):
    texts = [b"t" * 1000] * 100
    s.main.emit(sc.value({"device": 0, "format": "qcow2", "virtual-size": 512,
                          "format-specific": {"type": "qcow2", "data": {"list": texts}}}))
    s.main.finish()


def claims(s, size, after):
    """Describes a disk of that size where info is run, and does `after` where convert is."""
    s.main.ring(Op.FLUSH, 1).unless_refused(after)
    s.main.emit(sc.value({"device": 0, "format": "raw", "virtual-size": size})).finish()


for size in (1 << 40, (1 << 64) - 1, 1 << 63, 1 << 62, (960 << 31) + 1):
    @row(verbs=("convert to many files",), within=3,
         name=f"files of a target that is divided are removed, though the size was a lie: {size}")
    def divided(s, size=size):
        claims(s, size, lambda p: p.holds())


@row(verbs=("info", "check"), says=HELD)
def no_backing_file_is_opened_where_the_chain_was_not_asked_for(s):
    s.main.open(b"other.img").is_refused().holds()
