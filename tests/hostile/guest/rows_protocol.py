"""The mailbox, vCPUs and the end of a run: states and orders that honest code does not produce, and
memory that another vCPU changes while the host looks at it."""

from hostile.guest import script as sc
from hostile.guest.script import FUTEX, FUTEX_WAKE, MAILBOX, Code, Kind, Op, mailbox_of
from hostile.guest.table import ONE_EACH, PARALLEL, Table

table = Table("protocol")
row = table.row

HELD = "the promise held"
OUTSIDE = "an address outside the guest's memory"
TWO = ("--workers=2", "--stall-timeout=1")


# ---- what a guest says about itself

@row(verbs=ONE_EACH, says="the first vCPU claims to be a worker")
def the_first_vcpu_is_no_worker(s):
    s.main.ring(Op.WORKER_DONE)


@row(verbs=PARALLEL, options=TWO, says="a worker tried to start workers")
def a_worker_starts_no_workers(s):
    s.main.start(s.program(lambda p: p.start(p))).join()


@row(verbs=PARALLEL, options=TWO, says="a worker tried to start workers")
def a_worker_does_not_wait_for_workers(s):
    s.main.start(s.program(lambda p: p.join())).join()


@row(verbs=("info", "convert"), options=TWO, says=HELD)
def more_workers_than_there_are_do_not_start(s):
    worker = s.program(lambda p: p.spin())
    for count in (2, 16, 17, 1 << 32, (1 << 64) - 1):
        s.main.start(worker, vcpus=count).is_refused(Code.INVALID)
    s.main.holds()


@row(verbs=PARALLEL, options=TWO, says=HELD)
def workers_that_run_are_not_started_again(s):
    worker = s.program(lambda p: p.spin())
    s.main.start(worker).gets(0).start(worker).is_refused(Code.INVALID).holds()


@row(verbs=PARALLEL, options=TWO, says="fault")
def a_worker_that_starts_nowhere_is_a_fault(s):
    s.main.ring(Op.PARALLEL_START, 1, 0xDEAD0000, 0).join()


@row(verbs=("info", "convert"), says=HELD)
def waiting_for_workers_that_never_started_returns(s):
    s.main.join().gets(0).join().gets(0).holds()


@row(verbs=("info", "convert"), says="fault")
def a_guest_that_destroys_its_own_block_is_a_fault(s):
    s.main.fill(sc.mailbox_of(0) - 256, 256, 0xFF).ring(Op.FLUSH, 0)


@row(verbs=ONE_EACH, says=HELD)
def the_boot_block_is_read_once(s):
    s.main.fill(sc.BOOT, 4096, 0xFF).read(0, 0, 64).gets(0).holds()


@row(verbs=PARALLEL, options=TWO, says=HELD)
def the_boot_block_may_change_while_workers_run(s):
    s.main.start(s.program(lambda p: p.flip(sc.BOOT, 0, (1 << 64) - 1)))
    s.main.times(200, lambda p: p.read(0, 0, 64)).holds()


# ---- states of the mailbox

for state in (sc.IDLE, sc.RESPONSE, sc.START, 4, 0xFFFFFFFF):
    @row(verbs=("info", "convert"), options=TWO, isolations=("process",), within=1,
         says=("no progress",), name=f"a forged state of the mailbox is no request: {state}")
    def forged(s, state=state):
        s.main.store32(MAILBOX, state).system_call(FUTEX, MAILBOX, FUTEX_WAKE, 8)
        s.main.for_ever(lambda p: p.store32(MAILBOX, state))


@row(verbs=("info", "convert"), options=TWO, isolations=("process",), within=1,
     says=("no progress",))
def states_that_change_without_end_do_not_keep_the_host(s):
    s.main.flip(MAILBOX, sc.RESPONSE, 77)


@row(verbs=("info", "convert"), options=TWO, isolations=("process",), within=1, code=1)
def requests_without_a_wait_are_requests(s):
    """The mailbox is rung again and again before it is answered."""
    s.main.store32(MAILBOX + sc.MAILBOX_OP, Op.DEVICE_INFO).for_ever(
        lambda p: p.store32(MAILBOX, sc.REQUEST).system_call(FUTEX, MAILBOX, FUTEX_WAKE, 8))


@row(verbs=PARALLEL, options=TWO, isolations=("process",), within=1, code=1)
def one_vcpu_may_ring_the_mailbox_of_another(s):
    s.main.start(s.program(lambda p: p.for_ever(lambda q: q.store32(
        mailbox_of(0, sc.MAILBOX_OP), Op.WORKER_DONE).store32(
            mailbox_of(0), sc.REQUEST).system_call(FUTEX, mailbox_of(0), FUTEX_WAKE, 8))))
    s.main.spin()


@row(verbs=PARALLEL, options=TWO, isolations=("process",), within=1, code=1)
def a_mailbox_of_a_worker_that_does_not_run_is_not_served(s):
    s.main.store32(mailbox_of(1, sc.MAILBOX_OP), Op.FINISH).store32(mailbox_of(1), sc.REQUEST)
    s.main.system_call(FUTEX, mailbox_of(1), FUTEX_WAKE, 8).spin()


@row(verbs=PARALLEL, options=TWO, within=3, code=1)
def the_operation_may_change_while_it_is_carried_out(s):
    s.main.start(s.program(lambda p: p.flip(mailbox_of(0), Op.FLUSH << 32, Op.READ << 32)))
    s.main.times(300, lambda p: p.read(0, 0, 64)).holds()


@row(verbs=("convert",), options=TWO, within=3, code=1)
def arguments_may_change_while_they_are_checked(s):
    s.main.start(s.program(lambda p: p.flip(mailbox_of(0, sc.MAILBOX_ARGS), 1, 0)))
    s.main.times(500, lambda p: p.ring(Op.RESIZE, 0, 512, 0)).holds()


@row(verbs=("info", "convert"), code=None, within=3, rss_mib=160)
def progress_of_more_than_all_is_harmless(s):
    for done, total in ((5, 1), (1 << 63, 1), ((1 << 64) - 1,) * 2, (0, (1 << 64) - 1), (1, 0)):
        s.main.ring(Op.PROGRESS, done, total)
        s.main.store(MAILBOX + sc.POSTED_DONE, done).store(MAILBOX + sc.POSTED_TOTAL, total)
        s.main.ring(Op.FLUSH, 7)
    s.main.holds()


@row(verbs=("convert", "compare"), options=("-p",), code=None, within=3)
def progress_of_more_than_all_is_shown_harmlessly(s):
    for done, total in ((5, 1), (1 << 63, 1), ((1 << 64) - 1,) * 2, (1 << 62, 3)):
        s.main.ring(Op.PROGRESS, done, total)
    s.main.holds()


# ---- memory that changes between check and use

def changing(name, write, verbs=("convert",), says=(), code=1):
    row(verbs=verbs, options=TWO, within=4, says=says, code=code,
        name=f"memory that another vCPU changes: {name}")(write)


def the_address_of_a_read(s):
    """Either answer is right for each request: read into the arena, or the guest is ended."""
    at = sc.arena(64)
    s.main.store(at, 0).store(at + 8, 0).store(at + 16, sc.arena(4096)).store(at + 24, 4096)
    s.main.start(s.program(lambda p: p.flip(at + 16, sc.arena(4096), sc.PAGE_TABLES)))
    s.main.times(5000, lambda p: p.ring(Op.READ, at, 1)).holds()


def the_length_of_a_read(s):
    at = sc.arena(64)
    s.main.store(at, 0).store(at + 8, 0).store(at + 16, sc.END - 4096).store(at + 24, 4096)
    s.main.start(s.program(lambda p: p.flip(at + 24, 4096, 1 << 29)))
    s.main.times(5000, lambda p: p.ring(Op.READ, at, 1)).holds()


def the_device_of_a_write(s):
    at = sc.arena(64)
    s.main.store(at, 1).store(at + 8, 0).store(at + 16, sc.arena(4096)).store(at + 24, 8)
    s.main.start(s.program(lambda p: p.flip(at, 0, 1)))
    s.main.times(5000, lambda p: p.ring(Op.WRITE, at, 1)).holds()


def the_target_of_a_transfer(s):
    at = sc.arena(64)
    step = sc.pack_transfers([(Kind.COPY, 0, 1, 4096, 0, 0, 512)])
    s.main.copy(at, step, len(step))
    s.main.start(s.program(lambda p: p.flip(at + 8, 0, 1)))
    s.main.times(5000, lambda p: p.ring(Op.TRANSFER, at, 1)).holds()


def the_offset_of_a_transfer(s):
    at = sc.arena(64)
    step = sc.pack_transfers([(Kind.ZERO, 0, 1, 4096, 0, 0, 512)])
    s.main.copy(at, step, len(step))
    s.main.start(s.program(lambda p: p.flip(at + 24, 0, 1 << 40)))
    s.main.times(2000, lambda p: p.ring(Op.TRANSFER, at, 1)).holds()


def the_name_of_a_reference(s):
    good, bad = b"a/../other.img\0\0", b"../outside/secre"
    s.main.copy(sc.arena(), b"../outside/secret.img", 21)
    s.main.start(s.program(lambda p: p.flip(
        sc.arena(), int.from_bytes(good[:8], "little"), int.from_bytes(bad[:8], "little"))))
    s.main.times(800, lambda p: p.ring(Op.OPEN_REFERENCE, 0, sc.arena(), 21, 3).set(
        3, sc.RESULT).read(2, 0, 512, into=sc.arena(4096)))
    s.main.step(sc.Step.FAIL, Code.CORRUPT, 0, 0, sc.arena(4096), 512, 0)


def a_key_of_a_report(s):
    records = sc.field(sc.OBJECT) + sc.key("kkkkkkkk") + sc.value(1) + sc.key("l") + sc.value(1)
    s.main.copy(sc.arena(), records, len(records))
    s.main.start(s.program(lambda p: p.flip(
        sc.arena(16), int.from_bytes(b"kkkkkkkk", "little"), 0x1B1B1B1B1B1B1B1B)))
    s.main.times(50, lambda p: p.ring(Op.EMIT, sc.arena(), len(records))).holds()


def the_length_of_a_text(s):
    records = sc.field(sc.OBJECT) + sc.key("k") + sc.value(b"t" * 64)
    s.main.copy(sc.arena(), records, len(records))
    s.main.start(s.program(lambda p: p.flip(sc.arena(24), 9 | 64 << 32, 9 | 0xFFFFFFF0 << 32)))
    s.main.times(50, lambda p: p.ring(Op.EMIT, sc.arena(), len(records))).holds()


def the_words_of_a_failure(s):
    s.main.store(sc.arena(), 1).store(sc.arena(16), sc.arena(4096)).fill(sc.arena(4096), 512, 65)
    s.main.start(s.program(lambda p: p.flip(sc.arena(16), sc.arena(4096), sc.PAGE_TABLES)))
    s.main.pause(1000).ring(Op.FAIL, sc.arena())


for attack in (the_address_of_a_read, the_length_of_a_read, the_device_of_a_write,
               the_target_of_a_transfer, the_offset_of_a_transfer, the_name_of_a_reference,
               a_key_of_a_report, the_length_of_a_text, the_words_of_a_failure):
    changing(attack.__name__.replace("_", " "), attack)
for attack in (the_address_of_a_read, the_length_of_a_read, the_name_of_a_reference):
    changing(attack.__name__.replace("_", " ") + ", of files that are only read", attack,
             verbs=("compare",))



# ---- ends

@row(verbs=PARALLEL, options=TWO, says=HELD, within=1)
def a_guest_may_fail_while_a_worker_spins(s):
    s.main.start(s.program(lambda p: p.spin())).pause(1000).holds()


@row(verbs=("convert",), options=TWO, says=HELD, within=2)
def a_guest_may_fail_while_a_worker_copies(s):
    s.main.start(s.program(lambda p: p.transfer(
        *[(Kind.ZERO, 0, 1, 0, 0, n << 14, 4096) for n in range(4096)])))
    s.main.pause(10000).holds()


@row(verbs=("convert",), options=TWO, code=0, within=2)
def a_guest_may_finish_while_a_worker_writes(s):
    s.main.start(s.program(lambda p: p.times(
        1000, lambda q: q.write(1, 0, sc.arena(), 4096)))).pause(100000).finish()


@row(verbs=PARALLEL, options=TWO, says=HELD, within=1)
def a_worker_may_end_the_run(s):
    s.main.start(s.program(lambda p: p.holds())).join().spin()


@row(verbs=PARALLEL, options=TWO, says=("fault",), within=1)
def a_fault_of_a_worker_ends_the_run_while_the_first_vcpu_waits(s):
    s.main.start(s.program(lambda p: p.touch(8))).join()


@row(verbs=("convert",), options=TWO, says=("fault",), within=2)
def a_fault_of_a_worker_ends_the_run_while_the_first_vcpu_is_in_requests(s):
    s.main.start(s.program(lambda p: p.touch(8)))
    s.main.for_ever(lambda p: p.write(1, 0, sc.arena(), 4096))


@row(verbs=PARALLEL, options=TWO, says=OUTSIDE, within=1)
def a_violation_of_a_worker_ends_the_run(s):
    s.main.start(s.program(lambda p: p.ring(Op.READ, 0, 1))).join()


@row(verbs=("convert",), options=("--workers=16", "--stall-timeout=1"), code=1, within=2)
def sixteen_vcpus_may_fail_at_once(s):
    s.main.start(s.program(lambda p: p.holds()), vcpus=15).holds()


@row(verbs=("convert",), options=("--workers=16", "--stall-timeout=2"), code=1, within=4)
def sixteen_vcpus_may_ask_for_everything_at_once(s):
    def all_of_it(p):
        p.read(0, 0, 512).write(1, 0, b"x").move(Kind.COPY, 1, 0, 512).scan(0, 0, 4096)
        p.runs(0, 0, 4096).compare((0, 0, 512), (1, 0, 512)).ring(Op.RESIZE, 1, 4096, 0)
        p.ring(Op.FLUSH, 1).open(b"other.img", role=3).ring(Op.DEVICE_INFO, 0, sc.arena())
        p.ring(Op.PROGRESS, 1, 2).ring(Op.YIELD)
    s.main.start(s.program(lambda p: p.times(20, all_of_it)), vcpus=15)
    s.main.times(20, all_of_it).join().holds()


FAULTS = {
    "a read of address 8": lambda p: p.touch(8),
    "a read of the page tables": lambda p: p.touch(sc.PAGE_TABLES),
    "a write to its code": lambda p: p.store(sc.IMAGE, 0),
    "a read beyond its memory": lambda p: p.touch(sc.END),
    "a jump into data": lambda p: p.fill(sc.arena(), 64, 0xC3).call(sc.arena()),
    "a jump to nowhere": lambda p: p.call(0),
    "a read of an address that cannot be": lambda p: p.touch(1 << 63),
}
for what, fault in FAULTS.items():
    @row(verbs=("info", "convert"), says="fault", within=1,
         name=f"a guest that faults is one clean line: {what}")
    def faults(s, fault=fault):
        fault(s.main)


for port in (0, 0x80, 0x50F, 0x511, 0xCF8):
    @row(verbs=("info",), says="fault", within=1, isolations=("kvm",),
         name=f"no port but the doorbell can be written: {port:#x}")
    def ports(s, port=port):
        s.main.out(port)

SYSTEM_CALLS = {
    "read": 0, "write": 1, "open": 2, "mmap": 9, "mprotect": 10, "ioctl": 16, "socket": 41,
    "clone": 56, "fork": 57, "execve": 59, "kill": 62, "getpid": 39, "ptrace": 101, "prctl": 157,
    "openat": 257, "tgkill": 234, "process_vm_readv": 310, "memfd_create": 319, "bpf": 321,
    "io_uring_setup": 425, "pidfd_open": 434, "a number beyond the table": 9999,
    "a number of the other table": 0x40000001,
}
for what, number in SYSTEM_CALLS.items():
    @row(verbs=("info",), isolations=("process",), says="forbidden system call", within=1,
         name=f"a system call ends the child: {what}")
    def calls(s, number=number):
        s.main.system_call(number, 0, 0, 0)

for what, number in (("exit_group", 231), ("exit", 60)):
    @row(verbs=ONE_EACH, isolations=("process",), options=("--stall-timeout=1",), code=1, within=1,
         name=f"a child that ends itself is a failed run: {what}")
    def exits(s, number=number):
        s.main.system_call(number, 0)


@row(verbs=PARALLEL, isolations=("process",), options=TWO, code=1, within=1)
def a_child_that_ends_itself_while_the_first_vcpu_waits_is_a_failed_run(s):
    s.main.start(s.program(lambda p: p.system_call(231, 0))).join()


@row(verbs=("info", "convert"), isolations=("process",), says="fault", within=1)
def a_child_cannot_forge_a_success_by_its_exit(s):
    s.main.emit(sc.value({"device": 0, "format": "raw", "virtual-size": 1})).touch(8)
