"""Time: whatever a guest does, and in whatever call any of its vCPUs stands, the run ends."""

from hostile.guest import script as sc
from hostile.guest.script import FOR_EVER, Kind, Op
from hostile.guest.table import ONE_EACH, PARALLEL, WRITE, Table

table = Table("time")
requests = Table("time of one request")
row = table.row

STALL = ["--stall-timeout=1"]
LIMIT = ["--timeout=1", "--stall-timeout=60"]
TWO = ["--workers=2"]
MIB = 1 << 20

ENDED = ("no progress", "not done after", "endless requests", "ended")


def spinner(s):
    return s.program(lambda p: p.spin())


def asks(p):
    return p.ring(Op.DEVICE_INFO, 0, sc.arena())


@row(verbs=ONE_EACH, options=STALL, says="no progress", within=1)
def a_guest_that_spins_is_ended(s):
    s.main.spin()


@row(verbs=("info", "map", "convert"), options=LIMIT, says="not done after", within=1)
def a_guest_that_spins_is_ended_by_the_time_limit(s):
    s.main.spin()


@row(verbs=("info", "check", "convert"), options=STALL, says="no progress", within=1)
def requests_that_change_nothing_are_no_progress(s):
    s.main.for_ever(asks)


@row(verbs=("info", "measure", "convert"), options=STALL, says="no progress", within=1)
def reading_the_same_bytes_for_ever_is_no_progress(s):
    s.main.for_ever(lambda p: p.read(0, 0, MIB))


@row(verbs=PARALLEL, options=[*STALL, *TWO], says="no progress", within=1)
def a_worker_that_spins_is_ended_while_the_first_vcpu_waits_for_it(s):
    s.main.start(spinner(s)).join()


@row(verbs=PARALLEL, options=[*LIMIT, *TWO], says="not done after", within=1)
def a_worker_that_spins_while_the_first_vcpu_waits_is_ended_by_the_time_limit(s):
    s.main.start(spinner(s)).join()


@row(options=["--stall-timeout=1", "--workers=6"], says="no progress", within=3)
def five_workers_that_spin_are_ended_while_the_first_vcpu_waits_for_them(s):
    s.main.start(spinner(s), vcpus=5).join()


@row(verbs=PARALLEL, options=[*STALL, *TWO], says="no progress", within=1)
def a_first_vcpu_that_spins_is_ended_while_a_worker_asks_on(s):
    s.main.start(s.program(lambda p: p.for_ever(asks))).spin()


@row(options=[*STALL, *TWO], says=ENDED, within=1)
def a_long_request_of_one_worker_does_not_shield_another_that_spins(s):
    s.main.start(spinner(s))
    s.main.for_ever(lambda p: p.transfer(*[(Kind.ZERO, 0, 1, 0, 0, 0, 1 << 40)] * 64))


@row(options=[*STALL, *TWO], says=ENDED, within=1)
def one_worker_that_compares_for_ever_does_not_shield_another_that_spins(s):
    s.main.start(spinner(s))
    s.main.for_ever(lambda p: p.compare((0, 0, 16 << 30), (0, 0, 16 << 30)))


@row(verbs=PARALLEL, options=[*STALL, *TWO], says="no progress", within=1)
def two_vcpus_that_yield_to_each_other_for_ever_are_ended(s):
    s.main.start(s.program(lambda p: p.for_ever(lambda q: q.ring(Op.YIELD))))
    s.main.for_ever(lambda p: p.ring(Op.YIELD))


@row(verbs=PARALLEL, options=[*STALL, *TWO], says="no progress", within=1)
def a_worker_that_yields_for_ever_is_ended_while_the_first_vcpu_waits_for_it(s):
    s.main.start(s.program(lambda p: p.for_ever(lambda q: q.ring(Op.YIELD)))).join()


def taking_turns(vcpus, name, moment):
    @row(options=[*STALL, f"--workers={vcpus}"], says="no progress", within=1,
         name=f"{vcpus} vCPUs that take turns with {name} last no longer than one")
    def write(s):
        s.main.start(s.program(lambda p: p.for_ever(lambda q: moment(q).ring(Op.YIELD))),
                     vcpus=vcpus - 1)
        s.main.for_ever(lambda p: moment(p).ring(Op.YIELD))


taking_turns(16, "guest code", lambda p: p.pause(10000))
taking_turns(16, "a little guest code", lambda p: p.pause(100))
taking_turns(16, "requests that change nothing", asks)
taking_turns(16, "reading old bytes", lambda p: p.read(0, 0, 4096))
taking_turns(4, "guest code", lambda p: p.pause(10000))


@row(verbs=PARALLEL, options=[*STALL, *TWO], says="no progress", within=1)
def starting_workers_anew_for_ever_is_no_progress(s):
    worker = s.program(lambda p: p.pause(1))
    s.main.for_ever(lambda p: p.start(worker).join())


@row(verbs=("info", "map"), options=STALL, says="no progress", within=1)
def yielding_for_ever_on_the_only_vcpu_is_no_progress(s):
    s.main.for_ever(lambda p: p.ring(Op.YIELD))


# ---- the budget of progress

def rewrites(p, device=1):
    return p.for_ever(lambda q: q.write(device, 0, sc.arena(), MIB))


def raised(name, raise_budget):
    @row(verbs=WRITE, options=STALL, says=ENDED, within=1,
         name=f"rewriting the same MiB for ever is ended after {name}")
    def write(s):
        raise_budget(s.main)
        rewrites(s.main)


raised("nothing else", lambda p: p)
raised("a discard far out", lambda p: p.move(Kind.DISCARD, 1, 1 << 62, 1))
raised("zeros far out", lambda p: p.move(Kind.ZERO, 1, 1 << 62, 1))
raised("a sparse copy of zeros far out", lambda p: p.move(
    Kind.COPY_SPARSE, 1, 1 << 42, 4096, source_offset=1 << 30))
raised("a byte written far out", lambda p: p.write(1, 1 << 42, b"x"))
raised("a resize far out", lambda p: p.ring(Op.RESIZE, 1, 1 << 42, 0))
raised("many discards far out", lambda p: p.times(
    4096, lambda q: q.add(1, 1 << 50).ring(Op.TRANSFER, sc.pack_transfers(
        [(Kind.DISCARD, 0, 1, 0, 0, n << 50, 1 << 49) for n in range(64)]), 64)))


@row(verbs=WRITE, options=STALL, says=ENDED, within=1)
def copying_the_same_piece_for_ever_is_ended(s):
    s.main.move(Kind.DISCARD, 1, 1 << 62, 1)
    s.main.for_ever(lambda p: p.move(Kind.COPY, 1, 0, 4096))


@row(verbs=WRITE, options=STALL, says=ENDED, within=1)
def zeroing_the_same_piece_for_ever_is_ended(s):
    s.main.for_ever(lambda p: p.move(Kind.ZERO, 1, 0, MIB))


@row(verbs=WRITE, options=STALL, says=ENDED, within=1)
def discarding_further_and_further_is_no_progress(s):
    s.main.times(FOR_EVER, lambda p: p.transfer(
        *[(Kind.DISCARD, 0, 1, 0, 0, n << 40, 1 << 40) for n in range(256)]))


@row(verbs=WRITE, options=STALL, says=ENDED, within=1)
def growing_and_shrinking_the_target_for_ever_is_ended(s):
    s.main.for_ever(lambda p: p.ring(Op.RESIZE, 1, 1 << 40, 0).ring(Op.RESIZE, 1, 0, 0))


def reads_all_that_may_be_read(p):
    """Beyond it, to read is no progress."""
    return p.times(100, lambda q: q.read(0, 0, MIB))


@row(verbs=("compare", "convert"), options=STALL, says=ENDED, within=2)
def comparing_the_same_bytes_for_ever_is_no_progress(s):
    reads_all_that_may_be_read(s.main)
    s.main.for_ever(lambda p: p.compare((0, 0, 1 << 30), (0, 0, 1 << 30)))


@row(verbs=("compare", "convert"), options=STALL, says=ENDED, within=2)
def scanning_the_same_bytes_for_ever_is_no_progress(s):
    reads_all_that_may_be_read(s.main)
    s.main.for_ever(lambda p: p.scan(0, 0, 1 << 20).runs(0, 0, 1 << 20))


# ---- one request

def endless(name, step):
    for options, words in ((LIMIT, "not done after"), (STALL, None)):
        kind = "time limit" if words else "watchdog"

        @requests.row(verbs=WRITE, options=options, within=1, says=(), code=1,
             name=f"one list of 4096 {name} is ended by the {kind} or refused")
        def write(s):
            s.main.transfer(*[step] * 4096)
            s.main.for_ever(asks)


FAR = (1 << 63) - 1
endless("zeros without end", (Kind.ZERO, 0, 1, 0, 0, 0, FAR))
endless("discards without end", (Kind.DISCARD, 0, 1, 0, 0, 0, FAR))
endless("copies without end", (Kind.COPY, 0, 1, 0, 0, 0, FAR))
endless("sparse copies without end", (Kind.COPY_SPARSE, 0, 1, 4096, 0, 0, FAR))
endless("copies of a target onto itself", (Kind.COPY, 1, 1, 0, 0, 4096, 1 << 40))


@requests.row(verbs=WRITE, options=LIMIT, within=1)
def full_preallocation_of_exabytes_is_ended(s):
    s.main.ring(Op.RESIZE, 1, 1 << 60, 3).for_ever(asks)


@requests.row(verbs=("info", "compare", "convert"), options=LIMIT, within=1)
def scans_of_all_that_a_file_could_hold_are_ended(s):
    s.main.for_ever(lambda p: p.scan(0, 0, 16 << 30, unit=512, words=1 << 19))


@requests.row(verbs=("info", "compare", "convert"), options=LIMIT, within=1)
def comparing_all_that_files_could_hold_is_ended(s):
    s.main.for_ever(lambda p: p.compare((0, 0, 16 << 30), (0, 1 << 40, 16 << 30)))


# ---- drips: something now and then, but slower than the watchdog looks

def drip(p, once):
    """Some twenty times a second, as time that the only vCPU yields passes."""
    return p.for_ever(lambda q: once(q).times(40, lambda r: r.ring(Op.YIELD)))


@row(verbs=("info", "check", "measure", "compare", "convert"), options=STALL, says="no progress",
     within=1)
def a_slow_drip_of_records_is_no_progress(s):
    s.main.emit(sc.field(sc.OBJECT) + sc.key("values") + sc.field(sc.ARRAY))
    drip(s.main, lambda p: p.emit(sc.value(1)))


@row(verbs=("map",), options=STALL, says="no progress", within=1)
def a_slow_drip_of_stretches_is_no_progress(s):
    s.main.emit(sc.disk(1 << 40)).store(sc.arena(), 0)
    record = sc.stretch(0, 512, flags=sc.PRESENT | sc.ZERO)
    s.main.copy(sc.arena(4096), record, len(record)).set(1, 0)
    drip(s.main, lambda p: p.store(sc.arena(4096 + 8), sc.register(1)).add(1, 512).ring(
        Op.EMIT, sc.arena(4096), len(record)))


@row(verbs=("convert", "compare"), options=STALL, says="no progress", within=1)
def progress_that_a_guest_claims_is_none(s):
    s.main.set(1, 1)
    drip(s.main, lambda p: p.add(1, 1).ring(Op.PROGRESS, sc.register(1), 1 << 40))


@row(verbs=("convert", "compare"), options=STALL, says="no progress", within=1)
def progress_that_a_guest_posts_is_none(s):
    s.main.set(1, 1)
    drip(s.main, lambda p: p.add(1, 1).store(sc.MAILBOX + sc.POSTED_DONE, sc.register(1)).store(
        sc.MAILBOX + sc.POSTED_TOTAL, 1 << 40))


@row(verbs=WRITE, options=STALL, says=ENDED, within=1)
def a_slow_drip_of_rewritten_bytes_is_no_progress(s):
    s.main.move(Kind.DISCARD, 1, 1 << 62, 1)
    drip(s.main, lambda p: p.write(1, 0, b"x"))


# ---- after the guest's end

def parts(p, batches):
    """A report in which objects name files by their devices."""
    p.emit(sc.value({"device": 0, "format": "raw", "virtual-size": 4096})[:-8]
           + sc.key("format-specific") + sc.field(sc.OBJECT) + sc.key("data") + sc.field(sc.ARRAY))
    batches(p)
    return p.emit(sc.field(sc.END_ARRAY) + sc.field(sc.END_OBJECT) * 2).finish()


@row(verbs=("info", "info as JSON"), options=["--timeout=1"], code=None, within=1, rss_mib=64)
def many_parts_that_name_other_files_are_told_or_refused_in_time(s):
    each = 2500
    parts(s.main, lambda p: [p.emit(b"".join(
        sc.value({"device": n}) for n in range(first, first + each)))
        for first in range(0, 20 * each, each)])


@row(verbs=("info", "info as JSON"), options=["--timeout=1"], code=None, within=1, rss_mib=64)
def many_parts_that_name_the_image_are_told_or_refused_in_time(s):
    batch = sc.value({"device": 0}) * 2500
    parts(s.main, lambda p: p.times(80, lambda q: q.emit(batch)))
