"""Records: every malformation is refused, and what is well-formed but a lie reaches the terminal and
JSON in a form that does no harm."""

import random

from hostile.guest import script as sc
from hostile.guest.script import Code, field, key, value
from hostile.guest.table import REPORT, Table

table = Table("records")
row = table.row

MALFORMED = "malformed records"
INFO = ("info", "info as JSON")
IMAGE = {"device": 0, "format": "qcow2", "virtual-size": 1 << 30, "cluster-size": 65536}
OBJECT, END = field(sc.OBJECT), field(sc.END_OBJECT)
ARRAY, END_ARRAY = field(sc.ARRAY), field(sc.END_ARRAY)

SHAPES = {
    "a value outside of an object": value(1),
    "a list outside of an object": ARRAY,
    "a key outside of an object": key("k"),
    "an end without a start": END,
    "an end of a list without a start": END_ARRAY,
    "a list closed as an object": OBJECT + key("k") + ARRAY + END,
    "an object closed as a list": OBJECT + END_ARRAY,
    "a value without a key": OBJECT + value(1),
    "a key in a list": OBJECT + key("k") + ARRAY + key("k"),
    "a key without a value": OBJECT + key("k") + END,
    "two keys for one value": OBJECT + key("k") + key("l"),
    "an empty key": OBJECT + key(""),
    "a key that is too long": OBJECT + key("k" * 65),
    "a key with an upper-case letter": OBJECT + key("K"),
    "a key with a control character": OBJECT + key("k\x1b"),
    "a key with a quotation mark": OBJECT + key('k"'),
    "a key with a zero byte": OBJECT + key("k\0"),
    "a key that is there twice": OBJECT + key("k") + value(1) + key("k") + value(2),
    "an unknown record": field(10),
    "record 0": field(0),
    "the last record number": field(0xFFFFFFFF),
    "a length beyond the batch": field(sc.OBJECT, length=8),
    "a length of all": field(sc.OBJECT, length=0xFFFFFFFF),
    "a length that rounds up to nothing": field(sc.OBJECT, length=0xFFFFFFF9),
    "half of a header": b"\1\0\0\0",
    "half of a payload": field(sc.KEY, b"kkkk", length=16)[:12],
    "a number of 7 bytes": OBJECT + key("k") + field(sc.UNSIGNED, bytes(7)),
    "a number of no bytes": OBJECT + key("k") + field(sc.UNSIGNED),
    "a number of 16 bytes": OBJECT + key("k") + field(sc.SIGNED, bytes(16)),
    "a truth of 2": OBJECT + key("k") + field(sc.BOOLEAN, b"\2" + bytes(7)),
    "an object with content of its own": field(sc.OBJECT, bytes(8)),
    "an end with content of its own": OBJECT + field(sc.END_OBJECT, bytes(8)),
}

for what, records in SHAPES.items():
    @row(verbs=("info as JSON", "convert"), says=MALFORMED, name=f"malformed records: {what}")
    def malformed(s, records=records):
        s.main.emit(records).emit(value(IMAGE)).finish()

for what in ("a value outside of an object", "a key that is there twice",
             "a length beyond the batch"):
    @row(verbs=REPORT, says=MALFORMED, name=f"malformed records to any verb: {what}")
    def malformed_anywhere(s, records=SHAPES[what]):
        s.main.emit(records).finish()


@row(verbs=REPORT, says=())
def nesting_that_is_too_deep_is_refused(s):
    s.main.emit((OBJECT + key("k")) * 17).is_refused(Code.LIMIT).holds()


@row(verbs=("info", "check", "measure", "compare", "create"), says=())
def a_report_that_stops_in_the_middle_is_refused(s):
    s.main.emit(value(IMAGE)[:-8]).finish()


@row(verbs=("info", "check", "measure", "compare"), says=())
def a_guest_that_says_nothing_has_failed(s):
    s.main.finish()


@row(verbs=("measure", "compare", "create"), says=())
def two_reports_where_one_is_wanted_are_refused(s):
    report = value({"required": 1, "fully-allocated": 2, "verdict": 0, "offset": 0,
                    "first-size": 0, "second-size": 0, "virtual-size": 1})
    s.main.emit(report * 2).finish()


@row(verbs=("info",), says="described no file")
def an_image_that_no_file_holds_is_refused(s):
    s.main.emit(value({**IMAGE, "device": 77})).finish()


@row(verbs=("compare",), says="malformed", code=1)
def a_verdict_that_there_is_not_is_refused(s):
    s.main.emit(value({"verdict": 77, "offset": 0, "first-size": 0, "second-size": 0})).finish()


# ---- members that the host adds

for member in ("filename", "children", "actual-size", "full-backing-filename", "dirty-flag",
               "backing-filename", "format-specific"):
    @row(verbs=("info as JSON", "info of a chain"), code=None,
         name=f"a member that the guest gives is not there twice: {member}")
    def given_twice(s, member=member):
        s.main.emit(value({**IMAGE, "backing-filename": "b", member: "given by the guest"}))
        s.main.finish()


@row(verbs=("info as JSON", "info of a chain", "info"), code=None)
def a_file_name_that_the_guest_gives_is_not_shown(s):
    s.main.emit(value({**IMAGE, "filename": "given by the guest"})).finish()


@row(verbs=("info as JSON", "info"), code=None)
def a_part_that_names_its_file_twice_does_not_show_two(s):
    part = {"device": 0, "filename": "given by the guest"}
    s.main.emit(value({**IMAGE, "format-specific": {"type": "vmdk", "data": {"extents": [part]}}}))
    s.main.finish()


@row(verbs=("info as JSON",), code=None)
def a_bare_file_has_no_member_twice(s):
    s.main.emit(value({**IMAGE, "format": "file", "format-specific": {"type": "file"}})).finish()


# ---- texts

TEXTS = {
    "escape sequences": b"\x1b]0;title\x07\x1b[2J\x1b[31mred\r\n\x08\x7f",
    "controls of one byte": bytes(range(32)) + b"\x7f" + bytes(range(0x80, 0xA0)),
    "controls of two bytes": "".join(chr(c) for c in range(0x80, 0xA0)).encode(),
    "text that turns around": "\u202e\u2066\u200f\ufeff\u2028".encode(),
    "broken UTF-8": b"\xc0\x80\xed\xa0\x80\xf5\x80\x80\x80\xff\xfe\xe2\x82",
    "quotation marks": b'","evil":"\\u0041\\',
    "a very long text": b"\x1b[2J" * 2000,
}

for what, text in TEXTS.items():
    @row(verbs=INFO, code=0, name=f"texts of images are shown harmlessly: {what}")
    def shown(s, text=text):
        snapshot = {"id": text, "name": text, "vm-state-size": 1, "date-sec": 1}
        s.main.emit(value({
            "device": 0, "format": text, "virtual-size": 512, "backing-filename": text,
            "backing-filename-format": text, "snapshots": [snapshot],
            "format-specific": {"type": text, "data": {"text": text, "list": [text]}},
            "partition-table": {"type": text, "partitions": [{"number": 1, "type": text}]}}))
        s.main.finish()

    @row(verbs=("info", "check", "map as JSON", "compare", "convert", "create"),
         name=f"words of a failure are shown harmlessly: {what}")
    def failure(s, text=text):
        s.main.fail(text)

    @row(verbs=("check", "check as JSON"), code=None,
         name=f"findings are shown harmlessly: {what}")
    def finding(s, text=text):
        finding = {"finding": 1, "message": text[:1000], "n0": 0, "n1": 0, "n2": 0}
        counts = {"format": "qcow2", "supported": True, "corruptions": 1, "check-errors": 0,
                  "leaks": 0}
        s.main.emit(value(finding) + value(counts)).finish()

    @row(verbs=("convert",), code=None, name=f"warnings are shown harmlessly: {what}")
    def warning(s, text=text):
        s.main.emit(value({"skipped-bitmaps": [text[:1000]]})).finish()


@row(verbs=("info",), says="evil.img")
def numbers_in_the_words_of_a_failure_are_only_numbers(s):
    s.main.fail(b"{0}{0x}{1}{t}{3}{0{}}%s%n{t" * 8, number=0x1B5B324A1B)


# ---- the wrong kind of value, and extremes

EXTREMES = (0, 1, -1, -(1 << 63), (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 32, 1 << 56, True,
            False, b"", b"text", b"\x1b[2J", [], {}, [[[]]], {"k": {"k": []}})
KEYS = ("device", "format", "virtual-size", "cluster-size", "snapshots", "backing-filename",
        "backing-filename-format", "format-specific", "partition-table", "encrypted", "dirty-flag",
        "icount", "id", "name", "date-sec", "date-nsec", "vm-clock-sec", "vm-clock-nsec",
        "vm-state-size", "type", "data", "partitions", "number", "length", "start", "compat",
        "bitmaps", "flags", "granularity", "extents", "filename", "children", "actual-size",
        "required", "fully-allocated", "verdict", "offset", "first-size", "second-size",
        "corruptions", "leaks", "check-errors", "finding", "message", "n0", "n1", "reading",
        "total-clusters", "allocated-clusters", "fragmented-clusters", "image-end-offset",
        "window", "beyond-end", "salvage", "unreadable-bytes", "skipped-bitmaps")


def invented(chance, depth=0):
    kind = chance.random()
    if depth < 4 and kind < 0.25:
        return {k: invented(chance, depth + 1) for k in chance.sample(KEYS, chance.randint(0, 6))}
    if depth < 4 and kind < 0.4:
        return [invented(chance, depth + 1) for _ in range(chance.randint(0, 4))]
    return chance.choice(EXTREMES)


for seed in range(12):
    @row(verbs=("info", "info as JSON", "check", "compare", "measure", "convert"), code=None,
         name=f"values of the wrong kind are shown or refused: {seed}",
         isolations=("kvm",) if seed % 2 else ("process",))
    def wrong_kind(s, seed=seed):
        chance = random.Random(seed)
        report = {k: invented(chance, 1) for k in chance.sample(KEYS, len(KEYS))}
        report.update({"device": 0, "format": chance.choice((b"qcow2", b"vmdk", b"file", 7))})
        if seed % 3 == 0:
            report.pop("reading"), report.pop("finding")
        for name in ("filename", "children", "actual-size"):
            report.pop(name)
        s.main.emit(value(report)).finish()

for extreme in EXTREMES[:9]:
    @row(verbs=INFO, code=0, name=f"a snapshot whose numbers are all {extreme} is shown")
    def snapshot(s, extreme=extreme):
        numbers = {k: extreme for k in ("icount", "date-sec", "date-nsec", "vm-clock-sec",
                                        "vm-clock-nsec", "vm-state-size")}
        s.main.emit(value({**IMAGE, "virtual-size": extreme, "cluster-size": extreme,
                           "snapshots": [{"id": "1", "name": "s", **numbers}] * 2})).finish()


# ---- map

MAPS = {
    "no disk": sc.stretch(0, 512),
    "two disks": sc.disk(1024) * 2 + sc.stretch(0, 1024),
    "a gap": sc.disk(1024) + sc.stretch(512, 512),
    "an overlap": sc.disk(1024) + sc.stretch(0, 1024) + sc.stretch(512, 512),
    "a stretch beyond the end": sc.disk(1024) + sc.stretch(0, 1 << 62),
    "a stretch after the end": sc.disk(512) + sc.stretch(0, 512) + sc.stretch(512, 512),
    "a stretch of nothing": sc.disk(512) + sc.stretch(0, 0) + sc.stretch(0, 512),
    "a stretch that overflows": sc.disk((1 << 64) - 1) + sc.stretch(0, (1 << 64) - 1, offset=9),
    "unknown flags": sc.disk(512) + sc.stretch(0, 512, flags=1 << 5),
    "a stretch of 39 bytes": sc.disk(512) + field(sc.STRETCH, bytes(39)),
    "a disk of 7 bytes": field(sc.DISK, bytes(7)),
    "a record of a report": sc.disk(512) + value({"k": 1}),
    "less than the disk": sc.disk(1024) + sc.stretch(0, 512),
    "nothing at all": b"",
}

for what, records in MAPS.items():
    @row(verbs=("map", "map as JSON"), code=1 if what != "a stretch that overflows" else None,
         name=f"stretches that contradict each other are refused: {what}")
    def stretches(s, records=records):
        s.main.emit(records).finish()


@row(verbs=("map", "map as JSON"), code=0)
def a_file_that_is_none_has_no_name_in_a_map(s):
    s.main.emit(sc.disk(512) + sc.stretch(0, 512, offset=(1 << 64) - 1, depth=0xFFFFFFFF,
                                          device=0xFFFFFFFF)).finish()
