"""Files that a verb changes in place, under a guest that was taken over: it can spoil the one file that the user
named, and no more. Before the change takes effect a failure cuts the file back to its length; from then on
the message says that the change took effect. What is said of the length holds after every row (table.py)."""

from hostile.guest import script as sc
from hostile.guest.script import Code, Kind, Op
from hostile.guest.table import EDITS, Table

table = Table("edited files")
row = table.row

HELD = "the promise held"
TOOK_EFFECT = "; the change had taken effect before that"
NO_REPORT = "malformed or incomplete"
LIMIT = ["--timeout=1", "--stall-timeout=60"]
MIB = 1 << 20
ROOT = b"another root"
RESIZED = sc.value({"format": "raw", "old-size": MIB, "new-size": 64 * MIB, "guessed-raw": False,
                    "unfit-footer": False})


def lengthen(p):
    """In every way that there is."""
    p.write(0, 3 * MIB, b"x").ring(Op.RESIZE, 0, 5 * MIB, 0).ring(Op.RESIZE, 0, 6 * MIB, 2)
    p.move(Kind.ZERO, 0, 7 * MIB, 4096).move(Kind.COPY, 0, 9 * MIB, 4096)
    return p


# ---- before the change takes effect

@row(verbs=EDITS, says=HELD)
def what_a_failed_change_has_appended_is_cut_off(s):
    lengthen(s.main).holds()


@row(verbs=EDITS, says=NO_REPORT)
def what_a_change_without_a_result_has_appended_is_cut_off(s):
    lengthen(s.main).finish()


@row(verbs=EDITS, says="an unknown operation")
def what_a_guest_that_breaks_the_protocol_has_appended_is_cut_off(s):
    lengthen(s.main).ring(99)


@row(verbs=EDITS, options=["--stall-timeout=1"], says="no progress", within=1)
def what_a_guest_that_spins_has_appended_is_cut_off(s):
    lengthen(s.main).spin()


@row(verbs=EDITS, options=LIMIT, says="not done after 1 seconds", within=1)
def what_a_guest_that_is_late_has_appended_is_cut_off(s):
    s.main.for_ever(lambda p: p.write(0, 3 * MIB, b"x"))


# ---- the root

@row(verbs=EDITS, says=HELD + TOOK_EFFECT, keeps_target=True)
def a_root_that_is_written_is_said(s):
    lengthen(s.main).write_root(0, 4096, ROOT).gets(0).holds()


@row(verbs=EDITS, says=NO_REPORT + TOOK_EFFECT, keeps_target=True,
     look=lambda t, outcome, images: t.check(
         (images / "evil.img").read_bytes()[4096:].startswith(ROOT), "the root is not there", outcome))
def a_root_without_a_result_is_said(s):
    s.main.write_root(0, 4096, ROOT).gets(0).finish()


@row(verbs=EDITS, says=HELD + TOOK_EFFECT, keeps_target=True,
     look=lambda t, outcome, images: t.equal((images / "evil.img").stat().st_size, 32 * MIB, "the length",
                                             outcome))
def a_length_that_is_a_root_stays(s):
    s.main.ring(Op.RESIZE_ROOT, 0, 32 * MIB, 0).gets(0).holds()


@row(verbs=("resize",), code=0, keeps_target=True)
def roots_may_follow_one_another(s):
    s.main.emit(RESIZED)
    for at in (0, 1, 8191 - len(ROOT), 0):
        s.main.write_root(0, 4096 + at // 4096 * 4096, ROOT).gets(0)
    s.main.ring(Op.RESIZE_ROOT, 0, 32 * MIB, 0).gets(0).ring(Op.RESIZE_ROOT, 0, MIB, 0).gets(0)
    s.main.finish()


@row(verbs=EDITS, says=HELD)
def a_root_that_no_disk_writes_whole_is_refused(s):
    for offset, length in ((4090, 12), (1, 4096), (8191, 2), ((1 << 63) - 4096, 4096), ((1 << 64) - 1, 1)):
        s.main.write_root(0, offset, sc.arena(), length).is_refused()
    s.main.holds()


def violation(name, says, ring):
    @row(verbs=EDITS, says=says, name=name)
    def write(s):
        ring(lengthen(s.main))
        s.main.fail(b"it was taken")


violation("a root that is too long ends the guest", "longer than INSTAR_MAX_ROOT",
          lambda p: p.write_root(0, 0, sc.arena(), 4097))
violation("a root of all lengths ends the guest", "longer than INSTAR_MAX_ROOT",
          lambda p: p.write_root(0, 0, sc.arena(), (1 << 64) - 1))
violation("a root of no bytes ends the guest", "an address outside the guest's memory",
          lambda p: p.write_root(0, 0, sc.arena(), 0))
for where, bad in (("the page tables", sc.PAGE_TABLES), ("the end of memory", sc.END - 8), ("zero", 0)):
    violation(f"a root at {where} ends the guest", "an address outside the guest's memory",
              lambda p, bad=bad: p.write_root(0, 0, bad, 512))
violation("a root of a device of more than 32 bits ends the guest", "a device number of more than 32 bits",
          lambda p: p.write_root(1 << 32, 0, ROOT))
violation("a length with an unknown preallocation ends the guest", "an unknown kind of preallocation",
          lambda p: p.ring(Op.RESIZE_ROOT, 0, MIB, 99))


@row(verbs=EDITS, says=HELD)
def only_the_file_that_is_changed_has_a_root(s):
    s.main.open(b"other.img").gets(1)
    for device in (1, 2, 7, 0xFFFFFFFF):
        s.main.write_root(device, 0, ROOT).is_refused()
        s.main.ring(Op.RESIZE_ROOT, device, 1, 0).is_refused()
        s.main.ring(Op.RESIZE, device, 1, 0).is_refused()
        s.main.write(device, 0, b"x").is_refused()
        for kind in Kind:
            s.main.move(kind, device, 0, 512).is_refused()
    s.main.holds()


@row(verbs=("info", "check", "map", "measure", "compare", "convert", "dd", "create"), says=HELD)
def a_file_that_is_only_read_has_no_root(s):
    s.main.write_root(0, 0, ROOT).is_refused(Code.DENIED)
    s.main.ring(Op.RESIZE_ROOT, 0, 1, 0).is_refused(Code.DENIED)
    s.main.holds()


# ---- after the change has taken effect

@row(verbs=EDITS, options=["--stall-timeout=1"], says="no progress", within=1, keeps_target=True,
     look=lambda t, outcome, _: t.check(TOOK_EFFECT in outcome.err_text, "what became of it", outcome))
def a_guest_that_spins_after_the_root_is_ended(s):
    s.main.write_root(0, 4096, ROOT).gets(0).spin()


@row(verbs=EDITS, options=LIMIT, says="not done after 1 seconds", within=4, keeps_target=True)
def a_guest_that_writes_roots_for_ever_is_ended(s):
    s.main.for_ever(lambda p: p.write_root(0, 4096, ROOT))


@row(verbs=EDITS, options=LIMIT, says="not done after 1 seconds", within=4, keeps_target=True)
def a_guest_that_sets_lengths_for_ever_is_ended(s):
    s.main.for_ever(lambda p: p.ring(Op.RESIZE_ROOT, 0, 32 * MIB, 0).ring(Op.RESIZE_ROOT, 0, 16 * MIB, 0))


@row(verbs=EDITS, options=["--stall-timeout=1"], says="no progress", within=2, keeps_target=True)
def roots_that_are_written_again_are_no_progress(s):
    s.main.for_ever(lambda p: p.write_root(0, 4096, ROOT))


@row(verbs=EDITS, options=["--stall-timeout=1"], says="no progress", within=2, keeps_target=True)
def lengths_that_are_reserved_again_are_no_progress(s):
    s.main.for_ever(lambda p: p.ring(Op.RESIZE_ROOT, 0, 32 * MIB, 2).ring(Op.RESIZE_ROOT, 0, 16 * MIB, 0))


@row(verbs=EDITS, says=HELD + TOOK_EFFECT, keeps_target=True)
def what_is_given_back_after_the_root_may_be_the_old_image_alone(s):
    s.main.open(b"other.img").gets(1).write_root(0, 4096, ROOT).gets(0)
    s.main.move(Kind.DISCARD, 0, 4096, 4096).gets(0).ring(Op.RESIZE, 0, 4096, 0).gets(0)
    for kind in (Kind.ZERO, Kind.DISCARD):
        s.main.move(kind, 1, 0, 512).is_refused(Code.DENIED)
    s.main.ring(Op.RESIZE, 1, 0, 0).is_refused(Code.DENIED).holds()


# ---- limits

FAR = {
    "a write": lambda p, at: p.write(0, at, b"x"),
    "a copy": lambda p, at: p.move(Kind.COPY, 0, at, 4096),
    "zeros": lambda p, at: p.move(Kind.ZERO, 0, at, 4096),
    "a discard": lambda p, at: p.move(Kind.DISCARD, 0, at, 4096),
    "a length": lambda p, at: p.ring(Op.RESIZE, 0, at + 1, 0),
    "a reserved length": lambda p, at: p.ring(Op.RESIZE, 0, at + 1, 2),
    "a root": lambda p, at: p.write_root(0, at, ROOT),
    "a length that is a root": lambda p, at: p.ring(Op.RESIZE_ROOT, 0, at + 1, 0),
    "a reserved length that is a root": lambda p, at: p.ring(Op.RESIZE_ROOT, 0, at + 1, 2),
}
for what, attempt in FAR.items():
    for option, places in (("--max-virtual-size=1M", (8 << 30, 1 << 62)),
                           ("--max-output-size=1M", (MIB, 8 << 30, 1 << 62))):
        @row(verbs=EDITS, options=[option], says=(), name=f"{option} holds against {what}")
        def far(s, attempt=attempt, places=places):
            for at in places:
                attempt(s.main, at)
                s.main.is_refused()
            s.main.holds()


# ---- records

LIES = {
    "a format that there is not": {"format": "evil"},
    "a size that is none": {"new-size": -1},
    "a truth that is a number": {"guessed-raw": 1},
    "a member too many": {"more": 1},
}
for what, lie in LIES.items():
    @row(verbs=("resize",), says=("malformed", NO_REPORT), name=f"a result with {what} undoes the change")
    def lying(s, lie=lie):
        record = {"format": "raw", "old-size": MIB, "new-size": 64 * MIB, "guessed-raw": False,
                  "unfit-footer": False, **lie}
        lengthen(s.main).emit(sc.value(record)).finish()


@row(verbs=("resize",), says=("malformed", NO_REPORT))
def two_results_undo_the_change(s):
    lengthen(s.main).emit(RESIZED).emit(RESIZED).finish()
