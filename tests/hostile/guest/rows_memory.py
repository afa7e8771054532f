"""Memory: what a guest reports or asks for costs the host a bounded amount."""

from hostile.guest import script as sc
from hostile.guest.script import Op
from hostile.guest.table import ISOLATIONS, Table

table = Table("memory")
row = table.row

END = sc.field(sc.END_ARRAY) + sc.field(sc.END_OBJECT)


def opened(verb_key="format-specific"):
    head = sc.value({"device": 0, "format": "qcow2", "virtual-size": 4096, "corruptions": 0})[:-8]
    return head + sc.key(verb_key) + sc.field(sc.OBJECT) + sc.key("data") + sc.field(
        sc.OBJECT) + sc.key("list") + sc.field(sc.ARRAY)


def flood(name, item, values, head=None, tail=None, verbs=("info", "check"), rss_mib=64,
          too_many=False):
    """As many `item`s (of so many values each) as a report may hold, or more."""
    fits = min(FULL // len(item), 1_900_000 // values)
    batches = min(480, 1_900_000 // values // fits) + (100 if too_many else 0)
    much = ", too many of them" if too_many else ""

    # One isolation each: which of them runs the guest changes nothing of what the host keeps.
    @row(verbs=verbs, code=None, within=10, rss_mib=rss_mib, options=["--timeout=3"],
         isolations=(ISOLATIONS[len(table.rows) % 2],), name=f"memory is bounded against {name}{much}")
    def write(s):
        s.main.emit(opened() if head is None else head)
        s.main.times(batches, lambda p: p.emit(item * fits))
        s.main.emit(END + sc.field(sc.END_OBJECT) * 2 if tail is None else tail)


FULL = 128 << 10
LONG = FULL - 200
flood("small numbers", sc.value(7), 1)
flood("small numbers", sc.value(7), 1, too_many=True)
flood("empty texts", sc.value(b""), 1)
flood("short texts", sc.value(b"12345678"), 1)
flood("long texts", sc.value(b"t" * LONG), 1)
flood("long texts", sc.value(b"t" * LONG), 1, too_many=True)
flood("text that is escaped", sc.value(b"\x01" * LONG), 1,
      verbs=("info", "info as JSON", "check as JSON"))
flood("text that is no UTF-8", sc.value(b"\xff" * LONG), 1)
flood("empty lists", sc.value([]), 1)
flood("empty objects", sc.value({}), 1)
flood("objects with a member", sc.value({"k": 1}), 2)
flood("nested lists", sc.field(sc.ARRAY) * 10 + sc.field(sc.END_ARRAY) * 10, 10)
flood("parts that name a file", sc.value({"device": 0}), 2, verbs=("info", "info as JSON"))
flood("images", sc.value({"device": 0, "format": "qcow2"}), 3, head=b"", tail=b"")
FINDINGS = {"head": b"", "tail": sc.value({"format": "qcow2", "supported": True, "corruptions": 1,
                                             "check-errors": 0, "leaks": 0}),
            "verbs": ("check", "check as JSON")}
NUMBERS = {"n0": 0, "n1": 0, "n2": 0}
flood("findings", sc.value({"finding": 1, "message": b"\x01" * 64, **NUMBERS}), 6, **FINDINGS)
flood("findings with long messages",
      sc.value({"finding": 1, "message": b"\x01" * (LONG - 200), **NUMBERS}), 6, **FINDINGS)
flood("records to a verb that wants one number", sc.value({"k": 1}), 2, head=b"", tail=b"",
      verbs=("measure", "compare", "convert", "create"), rss_mib=128)
flood("bitmaps that convert leaves out", sc.value(b"\x01" * 1000), 1,
      head=sc.field(sc.OBJECT) + sc.key("skipped-bitmaps") + sc.field(sc.ARRAY), tail=END,
      verbs=("convert",), rss_mib=128)


@row(verbs=("info", "convert"), options=["--max-memory=64M"], code=1, says="the promise held",
     rss_mib=192)
def memory_that_a_guest_fills_stays_within_its_limit(s):
    s.arena_bytes = 40 << 20
    s.main.fill(sc.arena(), 40 << 20, 1).holds()


@row(verbs=("info", "convert"), options=["--max-memory=64M"], says="memory than the sandbox has")
def a_guest_that_wants_more_memory_than_it_may_have_fails(s):
    s.arena_bytes = 256 << 20
    s.main.finish()


@row(verbs=("info",), says="an address outside the guest's memory")
def runs_are_not_answered_beyond_the_end_of_memory(s):
    s.main.ring(Op.NEXT_RUNS, 0, 0, 1 << 40, 1, sc.END - 16, 1024)
