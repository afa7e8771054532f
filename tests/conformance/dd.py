"""`dd` copies what qemu-img's dd copies."""

import json

from harness import Group, first_difference, tree
from conformance.checks import differing_fields
from conformance.errors import same_refusal

SOURCES = ("noise.raw", "odd.raw", "plain.qcow2", "compressed.qcow2", "over.qcow2", "empty.raw")

# Each with the windows below, into and out of the formats that have files of a shape of their own.
FOREIGN_SOURCES = ("plain.vmdk", "split.vmdk", "stream.vmdk", "dynamic.vpc", "fixed.vpc", "plain.vhdx")
FOREIGN_TARGETS = ("vmdk", "vpc", "vhdx")
FOREIGN_WINDOWS = ([], ["bs=1000", "count=300"], ["bs=4k", "skip=7"])

WINDOWS = (
    [], ["bs=1000"], ["bs=4k", "count=3"], ["bs=4k", "skip=20"], ["bs=4k", "skip=24"],
    ["bs=1k", "skip=30", "count=80"], ["bs=100", "count=7", "skip=3"], ["bs=1", "count=100"],
    ["bs=777", "skip=11", "count=1000"], ["count=0"], ["bs=1M", "count=2k"],
    ["bs=64k", "skip=1"], ["bs=513", "skip=1"],
)

SKIPS = (["skip=9999999"], ["bs=512", "skip=10", "count=5"], ["skip=7E", "bs=512"],
         ["bs=4k", "skip=1000"])

REFUSED = {
    "nothing": [],
    "no target": ["if=noise.raw"],
    "no source": ["of=out"],
    "unknown operand": ["foo", "if=noise.raw", "of=out"],
    "unknown operand with a value": ["seek=1", "if=noise.raw", "of=out"],
    "operand in capitals": ["IF=x", "if=noise.raw", "of=out"],
    "empty source": ["if=", "of=out"],
    "empty target": ["if=noise.raw", "of="],
    "missing source": ["if=missing", "of=out"],
    "target is a directory": ["if=noise.raw", "of=folder"],
    "target in a missing directory": ["if=noise.raw", "of=missing/out"],
    "unknown source format": ["-f", "nonsense", "if=noise.raw", "of=out"],
    "wrong source format": ["-f", "qcow2", "if=noise.raw", "of=out"],
    "unknown target format": ["-O", "nonsense", "if=noise.raw", "of=out"],
    "blocks of 0": ["bs=0", "if=noise.raw", "of=out"],
    "blocks of 2G": ["bs=2G", "if=noise.raw", "of=out"],
    "blocks of words": ["bs=x", "if=noise.raw", "of=out"],
    "negative blocks": ["bs=-1", "if=noise.raw", "of=out"],
    "count of words": ["count=x", "if=noise.raw", "of=out"],
    "count of nothing": ["count=", "if=noise.raw", "of=out"],
    "count too large": ["count=9999999999999999999", "if=noise.raw", "of=out"],
    "skip of words": ["skip=x", "if=noise.raw", "of=out"],
    "skip too large": ["skip=8E", "if=noise.raw", "of=out"],
    "a snapshot": ["-l", "s", "if=noise.raw", "of=out"],
    "options of the format": ["-o", "cluster_size=4k", "if=noise.raw", "of=out"],
    "no creation": ["-n", "if=noise.raw", "of=out"],
}

# What differs on purpose.
OWN = {"onto itself": ["if=self.raw", "of=self.raw"]}


def furnish(t):
    import random
    (t.dir / "noise.raw").write_bytes(random.Random(4).randbytes(100_352))
    (t.dir / "odd.raw").write_bytes(random.Random(5).randbytes(100_001))
    (t.dir / "self.raw").write_bytes(b"\x5a" * 4096)
    (t.dir / "empty.raw").write_bytes(b"")
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "plain.qcow2", "3M")
    t.qemu_io("plain.qcow2", "write -P 1 10k 100k", "write -P 2 1M 70k")
    t.made_by_qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", "-o", "cluster_size=4k",
                       "odd.raw", "compressed.qcow2")
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-b", "plain.qcow2", "-F", "qcow2",
                       "over.qcow2", "5M")
    t.qemu_io("over.qcow2", "write -P 3 50k 64k", "write -z 1M 64k")
    (t.dir / "folder").mkdir()
    for name, options in (("plain.vmdk", ""), ("split.vmdk", "subformat=twoGbMaxExtentSparse"),
                          ("stream.vmdk", "subformat=streamOptimized"), ("dynamic.vpc", ""),
                          ("fixed.vpc", "subformat=fixed,force_size=on"), ("plain.vhdx", "")):
        t.made_by_qemu_img("convert", "-f", "qcow2", "-O", name.split(".")[1],
                           *(["-o", options] if options else []), "plain.qcow2", name)


def copied(t, form, source, window):
    # A fixed VHD is recognised by us alone.
    stated = ["-f", "vpc"] if source == "fixed.vpc" else []
    arguments = ["-O", form, *stated, *window, f"if={source}"]
    try:
        want = t.qemu_img("dd", *arguments, "of=want")
        t.check(want.code == 0, "qemu-img refuses this: the row is wrong", want)
        got = t.instar("dd", *arguments, "of=got")
        t.equal(got.code, 0, "exit code", got)
        t.equal([line.replace("instar:", "qemu-img:") for line in t.complaint(got)],
                want.err_lines, "stderr", got)
        t.equal(got.text, want.text, "what is printed", got)
        if form == "raw":
            difference = first_difference(t.dir / "got", t.dir / "want")
            t.check(difference is None, f"raw bytes: {difference}", got)
            return
        compared = t.qemu_img("compare", "-f", form, "-F", form, "got", "want")
        t.check(compared.code == 0, "qemu-img compare sees a difference", got, compared)
        checked = t.qemu_img("check", "-f", form, "got")
        t.check(checked.code == (63 if form == "vpc" else 0), "qemu-img check finds fault", got,
                checked)
        reports = []
        for name in ("got", "want"):
            report = json.loads(t.made_by_qemu_img("info", "--output=json", "-f", form, name).text)
            report.pop("actual-size")
            report.pop("filename")
            data = report.get("format-specific", {}).get("data", {})
            data.pop("cid", None)  # a random number
            for extent in data.get("extents", []):
                extent.pop("filename")
            reports.append(report)
        differing = differing_fields(*reports)
        t.check(not differing, f"fields differ (got, want): {differing}", got)
    finally:
        for name in ("got", "want"):
            (t.dir / name).unlink(missing_ok=True)


def refused(t, arguments):
    before = tree(t.dir)
    got = t.instar("dd", *arguments)
    after = tree(t.dir)
    want = t.qemu_img("dd", *arguments)
    (t.dir / "out").unlink(missing_ok=True)
    t.check(want.code != 0, "qemu-img takes this: the row is wrong", want)
    t.equal(after, before, "files", got)
    same_refusal(t, got, want, tree(t.dir), t.dir)


def as_said(t, arguments):
    got = t.instar("dd", *arguments)
    want = t.qemu_img("dd", *arguments)
    t.equal(got.code, want.code, "exit code", got, want)


def groups():
    group = Group("dd", furnish)
    for number, source in enumerate(SOURCES):
        for window_number, window in enumerate(WINDOWS):
            form = ("raw", "qcow2")[(number + window_number) % 2]
            group.add(" ".join([form, source, *window]), copied, form, source, window)
    for source in (*FOREIGN_SOURCES, *SOURCES):
        foreign = source in FOREIGN_SOURCES
        for form in (*FOREIGN_TARGETS, *(("raw", "qcow2") if foreign else ())):
            for window in FOREIGN_WINDOWS if foreign else FOREIGN_WINDOWS[:2]:
                if source != "empty.raw":
                    group.add(" ".join([form, source, *window]), copied, form, source, window)
    for number, window in enumerate(SKIPS):
        form = ("raw", "qcow2")[number % 2]
        group.add(" ".join([form, *window]), copied, form, "noise.raw", window)
    for name, arguments in REFUSED.items():
        group.add(f"refused: {name}", refused, arguments)
    for name, arguments in OWN.items():
        group.add(f"own: {name}", as_said, arguments)
    return [group]
