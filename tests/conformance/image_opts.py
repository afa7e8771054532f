"""Images described on the command line: --image-opts, --target-image-opts, json:{...}, and -l with
both labels. Every row is run by both programs."""

import json
import shutil

from harness import Group, first_difference, tree
from conformance.comparing import as_qemu, same_output
from conformance.errors import same_refusal

FORMATS = {"raw": "base.raw", "qcow2": "a.qcow2", "vmdk": "d.vmdk", "vpc": "d.vpc", "vhdx": "d.vhdx"}


def nested(options):
    """{"file.filename": x} as objects within objects."""
    tree = {}
    for name, value in options.items():
        at = tree
        *above, last = name.split(".")
        for part in above:
            at = at.setdefault(part, {})
        at[last] = value
    return tree


def listed(options):
    return ",".join(f"{name}={str(value).replace(',', ',,')}" for name, value in options.items())


# Each gives the arguments that stand for an image with these options.
SPELLINGS = {
    "list": lambda options: ["--image-opts", listed(options)],
    "json": lambda options: ["json:" + json.dumps(nested(options))],
    "dotted json": lambda options: ["json:" + json.dumps(options)],
}


def image(driver, name, **more):
    options = {"driver": driver} if driver else {}
    options["file.driver"] = "file"
    options["file.filename"] = name
    options.update({key.replace("__", ".").replace("_", "-"): value
                    for key, value in more.items()})
    return options


# verb and options, and the formats for which both programs say the same
VERBS = (
    (["info"], FORMATS),
    (["info", "--output=json"], FORMATS),
    (["info", "--backing-chain"], ("raw", "qcow2")),
    (["map"], ("raw", "qcow2", "vmdk")),
    (["map", "--output=json"], ("raw", "qcow2", "vmdk")),
    (["check"], ("raw", "qcow2")),
    (["check", "--output=json"], ("qcow2",)),
    (["measure"], ("raw", "qcow2")),
    (["measure", "-O", "qcow2", "--output=json"], ("raw", "qcow2", "vmdk")),
)

# What stands below an image, and windows: told by map as qemu-img tells it, and by reading.
CHAINS = {
    "own chain": image("qcow2", "b.qcow2"),
    "another base": image("qcow2", "a.qcow2", backing__driver="raw",
                          backing__file__filename="other.raw"),
    "another base of the format stated": image("qcow2", "a.qcow2",
                                               backing__file__filename="other.raw"),
    "an image where raw is stated": image("qcow2", "a.qcow2", backing__file__filename="nob.qcow2"),
    "another format for the own base": image("qcow2", "b.qcow2", backing__driver="raw"),
    "the own base by its format": image("qcow2", "b.qcow2", backing__driver="qcow2"),
    "two levels": image("qcow2", "b.qcow2", backing__driver="qcow2",
                        backing__file__filename="a.qcow2", backing__backing__driver="raw",
                        backing__backing__file__filename="other.raw"),
    "the second level only": image("qcow2", "b.qcow2",
                                   backing__backing__file__filename="other.raw"),
    "a base for one without": image("qcow2", "nob.qcow2", backing__driver="raw",
                                    backing__file__filename="other.raw"),
    "a base for one without, probed": image("qcow2", "nob.qcow2",
                                            backing__file__filename="a.qcow2"),
    "a raw base for one without, probed": image("qcow2", "nob.qcow2",
                                                backing__file__filename="other.raw"),
    "a window as base": image("qcow2", "a.qcow2", backing__driver="raw",
                              backing__file__filename="other.raw", backing__offset=32768),
    "a smaller window as base": image("qcow2", "a.qcow2", backing__driver="raw",
                                      backing__file__filename="other.raw", backing__offset=32768,
                                      backing__size=65536),
    "a missing base replaced": image("qcow2", "orphan.qcow2", backing__driver="raw",
                                     backing__file__filename="other.raw"),
    "a base of another format": image("vmdk", "d.vmdk", backing__driver="qcow2",
                                      backing__file__filename="a.qcow2"),
    "window from 512": image("raw", "base.raw", offset=512),
    "window of 64k": image("raw", "base.raw", size=65536),
    "window within": image("raw", "base.raw", offset=32768, size=65536),
    "window over a hole": image("raw", "base.raw", offset=524288, size=524288),
    "window at the end": image("raw", "base.raw", offset=1048576),
    "window of nothing": image("raw", "base.raw", size=0),
    "window of everything": image("raw", "base.raw", offset=0, size=1048576),
    "window of an odd file": image("raw", "odd.raw", offset=512, size=512),
    "window between sectors": image("raw", "base.raw", offset=100, size=1024),
    "window, probed": image("", "base.raw", offset=65536),
    "window in k": image("raw", "base.raw", offset="64k", size="0x10000"),
    "window of a fraction": image("raw", "base.raw", offset="1.5k"),
    "probed": image("", "b.qcow2"),
    "a bare file": {"driver": "file", "filename": "base.raw"},
    "a bare file that holds an image": {"driver": "file", "filename": "a.qcow2"},
    "read-only": image("qcow2", "a.qcow2", read_only="on"),
    "caches": image("qcow2", "a.qcow2", cache__direct="on", cache__no_flush="off"),
    "discard and zeroes": image("qcow2", "a.qcow2", discard="unmap", detect_zeroes="off"),
    "qcow2 caches": image("qcow2", "a.qcow2", l2_cache_size="1M", lazy_refcounts="on",
                          overlap_check="all"),
    "options of the file": image("qcow2", "a.qcow2", file__locking="auto", file__aio="threads"),
    "shared": image("qcow2", "a.qcow2", force_share="on"),
    "a name of a node": image("qcow2", "a.qcow2", node_name="disk0"),
    "a comma in the name": image("raw", "with,comma.raw"),
    "a colon in the name": image("raw", "with:colon.raw"),
}

# info shows neither chains nor other bases.
INFO = [name for name in CHAINS if "backing.driver" not in CHAINS[name] and
        "backing.file.filename" not in CHAINS[name] and
        "backing.backing.file.filename" not in CHAINS[name] and "between" not in name and
        "colon" not in name]

CUT = ('json:{"driver": "qcow2", "file": {"driver": "file", "filename": "a.qcow2"}, "backing": null}',
       'json:{"driver": "qcow2", "file.filename": "b.qcow2", "backing": {"driver": "qcow2", '
       '"file.filename": "a.qcow2", "backing": null}}',
       "json:{'driver': 'qcow2', 'file': {'filename': 'a.qcow2'}, 'backing': null}",
       'json:{"driver": "raw", "file.filename": "base.raw", "backing": null}')

JSON_MISTAKES = {
    "nothing": "",
    "an empty object": "{}",
    "an array": "[]",
    "a number": "1",
    "unfinished": '{"driver": "qcow2"',
    "something behind it": '{"driver": "raw", "file.filename": "base.raw"} x',
    "a key twice": '{"driver": "raw", "driver": "raw", "file.filename": "base.raw"}',
    "a key twice within": '{"driver": "raw", "file": {"filename": "x", "filename": "base.raw"}}',
    "an object as driver": '{"driver": {"a": 1}, "file.filename": "base.raw"}',
    "a number as name": '{"driver": "raw", "file.filename": 1}',
    "null as name": '{"driver": "raw", "file.filename": null}',
    "null as file": '{"driver": "raw", "file": null}',
    "an empty file": '{"driver": "raw", "file": {}}',
    "a number as truth": '{"driver": "raw", "file.filename": "base.raw", "read-only": 1}',
    "a truth as number": '{"driver": "raw", "file.filename": "base.raw", "offset": true}',
    "a negative offset": '{"driver": "raw", "file.filename": "base.raw", "offset": -512}',
    "a fraction as offset": '{"driver": "raw", "file.filename": "base.raw", "offset": 512.5}',
    "a huge offset": '{"driver": "raw", "file.filename": "base.raw", "offset": 18446744073709551616}',
    "a reference to a node": '{"driver": "qcow2", "file": "a.qcow2"}',
    "an unknown empty object": '{"driver": "raw", "file.filename": "base.raw", "unknown": {}}',
    "an unknown null": '{"driver": "raw", "file.filename": "base.raw", "unknown": null}',
    "null and a base": '{"driver": "qcow2", "file.filename": "a.qcow2", "backing": null, '
                       '"backing.driver": "raw"}',
    "a base by reference": '{"driver": "qcow2", "file.filename": "a.qcow2", "backing": "x"}',
}

LIST_MISTAKES = (
    "", "a.qcow2", "filename=a.qcow2", "driver=qcow2", "driver=qcow2,filename=a.qcow2",
    "driver=nonsense,file.filename=a.qcow2", "driver=,file.filename=a.qcow2",
    "driver=QCOW2,file.filename=a.qcow2", "driver=qcow2,file=a.qcow2", "file=a.qcow2",
    "driver=qcow2,file=x,file.filename=a.qcow2", "driver=qcow2,file.driver=file",
    "driver=qcow2,file.filename=", "driver=qcow2,file.filename=missing",
    "driver=qcow2,file.filename=base.raw", "driver=qcow2,file.filename=nbd://localhost/x",
    "driver=qcow2,file.filename=json:{}", "driver=file", "driver=file,filename=missing",
    "driver=file,file.filename=base.raw", "driver=qcow2,file.filename=a.qcow2,unknown=1",
    "driver=qcow2,file.filename=a.qcow2,file.unknown=1",
    "driver=qcow2,file.filename=a.qcow2,offset=0", "file.filename=a.qcow2,offset=512",
    "driver=raw,file.filename=base.raw,offset=2M", "driver=raw,file.filename=base.raw,size=2M",
    "driver=raw,file.filename=base.raw,size=1000",
    "driver=raw,file.filename=base.raw,offset=512k,size=1M",
    "driver=raw,file.filename=base.raw,offset=512k,size=512001",
    "driver=raw,file.filename=base.raw,offset=-512", "driver=raw,file.filename=base.raw,offset=4kk",
    "driver=raw,file.filename=base.raw,offset=", "driver=raw,file.filename=base.raw,offset=16E",
    "driver=raw,file.filename=base.raw,offset=8E",
    "driver=raw,file.filename=base.raw,size=9223372036854775296",
    "driver=raw,file.filename=base.raw,backing.file.filename=other.raw",
    "driver=raw,file.filename=base.raw,backing.driver=raw",
    "driver=qcow2,file.filename=a.qcow2,read-only=1",
    "driver=qcow2,file.filename=a.qcow2,force-share=maybe",
    "driver=qcow2,file.filename=a.qcow2,cache.direct=x",
    "driver=qcow2,file.filename=a.qcow2,cache=none", "driver=qcow2,file.filename=a.qcow2,discard=foo",
    "driver=qcow2,file.filename=a.qcow2,detect-zeroes=unmap",
    "driver=qcow2,file.filename=a.qcow2,node-name=1x",
    "driver=qcow2,file.filename=a.qcow2,overlap-check=foo",
    "driver=qcow2,file.filename=a.qcow2,file.aio=native",
    "driver=qcow2,file.filename=a.qcow2,file.locking=foo",
    "driver=qcow2,file.filename=a.qcow2,backing=other.raw",
    "driver=qcow2,file.filename=a.qcow2,backing=null",
    "driver=qcow2,file.filename=a.qcow2,backing.filename=other.raw",
    "driver=qcow2,file.filename=a.qcow2,backing.driver=qcow2,backing.file.filename=other.raw",
    "driver=qcow2,file.filename=a.qcow2,backing.driver=raw,backing.file.filename=missing",
    "driver=qcow2,file.filename=a.qcow2,backing.driver=raw,backing.file.filename=other.raw,"
    "backing.offset=2M",
    "driver=qcow2,file.filename=nob.qcow2,backing.driver=raw",
    "driver=qcow2,file.driver=qcow2,file.file.filename=a.qcow2",
)

A = "driver=qcow2,file.filename=a.qcow2"
WINDOW = "driver=raw,file.filename=base.raw,offset=512,size=64k"
JSON_A = 'json:{"driver": "qcow2", "file": {"driver": "file", "filename": "a.qcow2"}}'
JSON_RAW = 'json:{"driver": "raw", "file": {"driver": "file", "filename": "a.qcow2"}}'

SAME = {
    "info -f over a driver": ["info", "-f", "raw", JSON_A],
    "info -f qcow2 over raw": ["info", "-f", "qcow2", JSON_RAW],
    "info of a chain cut": ["info", "--backing-chain", CUT[0]],
    "map with a window of the disk": ["map", "-s", "32k", "-l", "64k", "--image-opts", WINDOW],
    "compare of two lists": ["compare", "--image-opts", A, A],
    "compare of bases": ["compare", "--image-opts", A, A + ",backing.file.filename=other.raw"],
    "compare of windows": ["compare", "--image-opts", WINDOW, "driver=raw,file.filename=base.raw"],
    "compare -s of windows": ["compare", "-s", "--image-opts", WINDOW,
                              "driver=raw,file.filename=base.raw"],
    "compare of a name and json": ["compare", "a.qcow2", JSON_A],
    "compare of a cut chain": ["compare", "a.qcow2", CUT[0]],
    "measure a window": ["measure", "--image-opts", WINDOW, "-O", "qcow2"],
    "measure a cut chain": ["measure", CUT[0], "-O", "qcow2"],
    "measure by both labels": ["measure", "-O", "qcow2", "-l", "snapshot.id=1,snapshot.name=a",
                               "s.qcow2"],
    "measure by both labels, the later": ["measure", "-O", "qcow2", "-l",
                                          "snapshot.name=a,snapshot.id=3", "s.qcow2"],
    "check of another base": ["check", "--image-opts", A + ",backing.file.filename=other.raw"],
    "check of a window": ["check", "--image-opts", WINDOW],
}

REFUSED = {
    "info: -f with a list": ["info", "-f", "qcow2", "--image-opts", A],
    "info: another base": ["info", "--image-opts", A + ",backing.driver=raw"],
    "info: another base in a chain": ["info", "--backing-chain", "--image-opts",
                                      A + ",backing.file.filename=other.raw"],
    "info: json in a list": ["info", "--image-opts", JSON_A],
    "info: -f nonsense over json": ["info", "-f", "nonsense", JSON_A],
    "info: -f over a bare file": ["info", "-f", "qcow2",
                                  'json:{"driver": "file", "filename": "a.qcow2"}'],
    "check: -f with a list": ["check", "-f", "qcow2", "--image-opts", A],
    "check: a missing base": ["check", "--image-opts", A + ",backing.file.filename=missing"],
    "check: a window beyond": ["check", "--image-opts", WINDOW + "T"],
    "compare: -f with lists": ["compare", "-f", "qcow2", "--image-opts", A, A],
    "compare: -F with lists": ["compare", "-F", "qcow2", "--image-opts", A, A],
    "compare: a name in lists": ["compare", "--image-opts", "a.qcow2", A],
    "compare: a driver that is not": ["compare", "a.qcow2", JSON_A.replace("qcow2", "qcow9", 1)],
    "measure: -f with a list": ["measure", "-f", "qcow2", "--image-opts", A],
    "measure: a list without a file": ["measure", "--image-opts", "--size", "1M"],
    "measure: no snapshot of both labels": ["measure", "-l", "snapshot.id=1,snapshot.name=b",
                                            "s.qcow2"],
    "convert: -f with a list": ["convert", "-f", "qcow2", "--image-opts", A, "out"],
    "convert: a new image described": ["convert", "a.qcow2",
                                       'json:{"driver": "raw", "file.filename": "out"}'],
    "convert: a target described without -n": ["convert", "--target-image-opts", "a.qcow2",
                                               "driver=raw,file.filename=big.raw"],
    "convert: -O with a target described": ["convert", "-n", "--target-image-opts", "-O", "raw",
                                            "a.qcow2", "driver=raw,file.filename=big.raw"],
    "convert: a target smaller by its window": ["convert", "-n", "--target-image-opts", "a.qcow2",
                                                "driver=raw,file.filename=big.raw,offset=1536k"],
    "convert: a target smaller by its size": ["convert", "-n", "--target-image-opts", "a.qcow2",
                                              "driver=raw,file.filename=big.raw,size=512k"],
    "convert: a window beyond the target": ["convert", "-n", "--target-image-opts", "a.qcow2",
                                            "driver=raw,file.filename=big.raw,offset=3M"],
    "convert: a target that is read only": ["convert", "-n", "--target-image-opts", "a.qcow2",
                                            "driver=raw,file.filename=big.raw,read-only=on"],
    "convert: a target of another format": ["convert", "-n", "--target-image-opts", "a.qcow2",
                                            "driver=qcow2,file.filename=big.raw"],
    "convert: a target that is missing": ["convert", "-n", "--target-image-opts", "a.qcow2",
                                          "driver=raw,file.filename=missing"],
    "convert: -c into a raw target": ["convert", "-n", "-c", "--target-image-opts", "a.qcow2",
                                      "driver=raw,file.filename=big.raw"],
    "convert: no snapshot of both labels": ["convert", "-l", "snapshot.id=9,snapshot.name=a",
                                            "s.qcow2", "out"],
    "convert: an empty label": ["convert", "-l", "snapshot.id=1,snapshot.name=", "s.qcow2", "out"],
    "dd: -f with a list": ["dd", "-f", "qcow2", "--image-opts", "if=" + A, "of=out"],
    "dd: a new image described": ["dd", "if=a.qcow2", 'of=json:{"driver": "raw"}'],
    "dd: a reference": ["dd", "--image-opts", "if=a.qcow2", "of=out"],
}

# What stands in `out` afterwards (made by the run, or there before).
WRITTEN = {
    "convert a list": ["convert", "--image-opts", A, "out"],
    "convert json": ["convert", JSON_A, "out"],
    "convert -f over json": ["convert", "-f", "raw", JSON_A, "out"],
    "convert a cut chain": ["convert", CUT[0], "out"],
    "convert a chain cut below": ["convert", CUT[1], "out"],
    "convert two windows": ["convert", "--image-opts", WINDOW,
                            "driver=raw,file.filename=base.raw,offset=1k,size=1k", "out"],
    "convert an odd window": ["convert", "--image-opts", "driver=raw,file.filename=odd.raw,offset=100",
                              "out"],
    "convert to qcow2 and back": ["convert", "-O", "qcow2", "--image-opts", WINDOW, "out"],
    "convert by both labels": ["convert", "-l", "snapshot.id=3,snapshot.name=a", "s.qcow2", "out"],
    "convert by one label": ["convert", "-l", "snapshot.name=a", "s.qcow2", "out"],
    "dd a list": ["dd", "--image-opts", "if=" + A, "of=out", "bs=64k", "skip=1", "count=2"],
    "dd a window": ["dd", "--image-opts", "if=" + WINDOW, "of=out", "bs=1k", "count=3"],
    "dd json": ["dd", "if=" + JSON_A, "of=out"],
    "dd a list into a plain name": ["dd", "--image-opts", "if=" + A, "of=out"],
}
FILLED = {
    "a raw target": ["driver=raw,file.filename=out"],
    "a raw target with an offset": ["driver=raw,file.filename=out,offset=512k"],
    "a raw target with a window": ["driver=raw,file.filename=out,offset=512k,size=1M"],
    "a raw target between sectors": ["driver=raw,file.filename=out,offset=100,size=1M"],
    "a bare file": ["driver=file,filename=out"],
    "a target said to be zero": ["driver=raw,file.filename=out,offset=64k", "--target-is-zero"],
    "dense": ["driver=raw,file.filename=out,offset=64k", "-S", "0"],
}
JSON_TARGET = 'json:{"driver": "qcow2", "file": {"driver": "file", "filename": "out"}}'


def furnish(t):
    def qemu_img(*args):
        t.made_by_qemu_img(*args)

    for name, pattern in (("base.raw", 1), ("other.raw", 9), ("with,comma.raw", 3),
                          ("with:colon.raw", 4)):
        content = bytes([pattern]) * 65536
        (t.dir / name).write_bytes(content)
        with open(t.dir / name, "ab") as file:
            file.truncate(1 << 20)
    (t.dir / "odd.raw").write_bytes(bytes(range(1, 251)) * 4)
    (t.dir / "big.raw").write_bytes(b"\xbb" * (2 << 20))
    qemu_img("create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", "a.qcow2")
    t.qemu_io("a.qcow2", "write -P 2 64k 64k")
    qemu_img("create", "-q", "-f", "qcow2", "-b", "a.qcow2", "-F", "qcow2", "b.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", "nob.qcow2", "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", "gone", "-F", "qcow2", "orphan.qcow2", "1M")
    for driver in ("vmdk", "vpc", "vhdx"):
        qemu_img("convert", "-O", driver, "a.qcow2", FORMATS[driver])
    qemu_img("create", "-q", "-f", "qcow2", "s.qcow2", "1M")
    for number, name in enumerate(("a", "b", "a")):
        t.qemu_io("s.qcow2", f"write -P {number + 1} {number * 64}k 64k")
        qemu_img("snapshot", "-c", name, "s.qcow2")


def same(t, *arguments):
    same_output(t, *arguments)


def refused(t, *arguments):
    want = t.qemu_img(*arguments)
    before = tree(t.dir)
    same_refusal(t, t.instar(*arguments), want, before, t.dir)


def written(t, arguments):
    outcomes = []
    try:
        for program, name in ((t.qemu_img, "want"), (t.instar, "got")):
            outcome = program(*arguments)
            t.equal(outcome.code, 0, "exit code", outcome)
            outcomes.append(outcome)
            if "qcow2" in arguments:
                t.made_by_qemu_img("convert", "-f", "qcow2", "-O", "raw", "out", name)
            else:
                (t.dir / "out").rename(t.dir / name)
        difference = first_difference(t.dir / "got", t.dir / "want")
        t.check(difference is None, f"content: {difference}", *outcomes)
    finally:
        for name in ("out", "want", "got"):
            (t.dir / name).unlink(missing_ok=True)


def filled(t, arguments):
    outcomes = []
    try:
        for program, name in ((t.qemu_img, "want"), (t.instar, "got")):
            shutil.copy(t.dir / "big.raw", t.dir / "out")
            outcome = program("convert", "-n", *arguments)
            t.equal(outcome.code, 0, "exit code", outcome)
            outcomes.append(outcome)
            (t.dir / "out").rename(t.dir / name)
        difference = first_difference(t.dir / "got", t.dir / "want")
        t.check(difference is None, f"content: {difference}", *outcomes)
    finally:
        for name in ("out", "want", "got"):
            (t.dir / name).unlink(missing_ok=True)


def without_warning(t, options):
    """qemu-img warns of an empty name for "no backing file", which the list has no other word for."""
    want = t.qemu_img("map", "--output=json", "--image-opts", options)
    got = t.instar("map", as_qemu(t), "--output=json", "--image-opts", options)
    t.equal((got.code, got.text), (want.code, want.text), "map", got, want)


def groups():
    verbs = Group("image-opts/verbs", furnish)
    for arguments, formats in VERBS:
        for driver in formats:
            for spelling, spell in SPELLINGS.items():
                verbs.add(f"{' '.join(arguments)} {driver} as {spelling}", same, *arguments,
                          *spell(image(driver, FORMATS[driver])))
    chains = Group("image-opts/chains", furnish)
    for number, (name, options) in enumerate(CHAINS.items()):
        spellings = list(SPELLINGS.items())
        for count in range(2):
            if count == 1 and "colon" in name:
                continue  # shown as ./NAME
            spelling, spell = spellings[(number + count) % len(spellings)]
            form = ("--output=json", "--output=human")[count]
            chains.add(f"map {form} {name} as {spelling}", same, "map", form, *spell(options))
        spelling, spell = spellings[number % len(spellings)]
        chains.add(f"convert {name} as {spelling}", written, ["convert", *spell(options), "out"])
        if name in INFO:
            for form in ("--output=json", "--output=human"):
                chains.add(f"info {form} {name} as {spelling}", same, "info", form, *spell(options))
    for text in CUT:
        chains.add(f"map {text}", same, "map", "--output=json", text)
    for options in (A + ",backing=", "driver=qcow2,file.filename=b.qcow2,backing.backing="):
        chains.add(f"map {options}", without_warning, options)
    mistakes = Group("image-opts/mistakes", furnish)
    for name, text in JSON_MISTAKES.items():
        mistakes.add(f"json: {name}", refused, "map", "json:" + text)
    for text in LIST_MISTAKES:
        mistakes.add(f"list: {text}", refused, "map", "--image-opts", text)
    for name, arguments in REFUSED.items():
        mistakes.add(name, refused, *arguments)
    rest = Group("image-opts/rest", furnish)
    for name, arguments in SAME.items():
        rest.add(name, same, *arguments)
    for name, arguments in WRITTEN.items():
        rest.add(name, written, arguments)
    for name, (target, *options) in FILLED.items():
        rest.add(f"into {name}", filled, [*options, "--target-image-opts", "a.qcow2", target])
    rest.add("into json, -O over its driver", filled, ["-O", "raw", "a.qcow2", JSON_TARGET])
    rest.add("into json, raw without -O", filled, ["a.qcow2", JSON_TARGET])
    return [verbs, chains, mistakes, rest]
