"""What must hold for each image: Instar says and writes what qemu-img says and writes."""

import json
import os

from harness import Group, first_difference
from conformance import check, compare
from conformance import map as map_verb
from conformance.comparing import as_qemu, differing_fields, parse, take_opened_references
from conformance.images import Maker, images, noise
from conformance.targets import Dealer, Target, qcow2_targets, raw_targets

QCOW2_TARGETS_PER_IMAGE = 3
ISOLATIONS = ("kvm", "process", "none")
IMAGES_PER_ISOLATION_SAMPLE = 8  # every eighth image runs in all three


def info_json(t, image, *options):
    arguments = ["--output=json", *options, *image.format_options, image.file]
    want = t.qemu_img("info", *arguments)
    t.check(want.code == 0, "the generator made what qemu-img cannot read", want)
    got = parse(t, t.succeeded(t.instar("info", as_qemu(t), *arguments)))
    opened = take_opened_references(t, got)
    if "--backing-chain" in options:
        t.check(len(opened) >= len(got) - 1, f"a file of the chain is not told: {opened}")
    differing = differing_fields(got, parse(t, want))
    t.check(not differing, f"fields differ (got, want): {differing}")


def info_human(t, image, *options):
    arguments = [*options, *image.format_options, image.file]
    want = t.qemu_img("info", *arguments)
    t.check(want.code == 0, "the generator made what qemu-img cannot read", want)
    got = t.succeeded(t.instar("info", as_qemu(t), *arguments))
    t.equal(got.text.split("\n"), want.text.split("\n"), "lines differ")


def convert_raw(t, image, options=()):
    arguments = [*image.format_options, *options, "-O", "raw", image.file]
    want = t.qemu_img("convert", *arguments, "want.raw")
    t.check(want.code == 0, "qemu-img cannot convert this", want)
    got = t.instar("convert", *arguments, "got.raw")
    try:
        t.succeeded(got)
        difference = first_difference(t.dir / "got.raw", t.dir / "want.raw")
        t.check(difference is None, f"raw bytes: {difference}", got)
        not_larger(t, "got.raw", "want.raw")
    finally:
        remove(t, "got.raw", "want.raw")


def not_larger(t, got, want, cluster=1, preallocated=False):
    """At most 1 % above qemu-img's, in length and in storage.

    Two units are coarser than 1 % of small files. Storage is counted in blocks of the file system,
    so one block is the least by which it can differ. And qemu-img may end a qcow2 file within its
    last cluster, where ours holds all of it: the part that is missing there is no waste of ours.
    Where storage is preallocated, ours includes the unused rest of a metadata cluster, never more
    than that one cluster whatever the size of the disk.
    """
    ours, theirs = os.stat(t.dir / got), os.stat(t.dir / want)
    tail = -theirs.st_size % cluster
    extra = max(tail, cluster if preallocated else 0)
    t.check(ours.st_size <= max(theirs.st_size * 1.01, theirs.st_size + tail),
            f"length: {ours.st_size}, qemu-img's is {theirs.st_size}")
    mine, other = ours.st_blocks * 512, theirs.st_blocks * 512
    t.check(mine <= max(other * 1.01, other + ours.st_blksize, other + extra),
            f"storage: {mine} bytes, qemu-img's is {other}")


def remove(t, *names):
    for name in names:
        (t.dir / name).unlink(missing_ok=True)


def convert_both(t, image, target):
    """Runs the same conversion by qemu-img and by Instar into got.FORMAT and want.FORMAT."""
    inputs = [image.file]
    if target.second_input:
        if image.file.endswith(".raw"):
            (t.dir / "second").write_bytes(noise(1, 100_000))
        else:
            t.made_by_qemu_img("create", "-q", "-f", "qcow2", "second", "333k")
            t.qemu_io("second", "write -P 5 10k 20k")
        inputs.append("second")
    names = {}
    for who in ("want", "got"):
        names[who] = f"{who}.{target.format}"
        if target.create is not None:
            t.made_by_qemu_img("create", "-q", "-f", target.format, *target.create, names[who],
                               str(-(-image.size // 512) * 512))
    snapshot = image.snapshots[0] if image.snapshots else None
    outcomes = {}
    for who, program in (("want", t.qemu_img), ("got", t.instar)):
        outcomes[who] = program("convert", *image.format_options,
                                *target.arguments(image, names[who], snapshot), *inputs, names[who])
    t.check(outcomes["want"].code == 0, "qemu-img cannot convert this", outcomes["want"])
    return names["got"], names["want"], outcomes["got"], outcomes["want"]


def clean_up(t):
    remove(t, *(f"{who}.{rest}" for who in ("got", "want")
                for rest in ("qcow2", "raw", "qcow2.data")), "second")


def convert_as(t, image, target):
    try:
        got, want, outcome, reference = convert_both(t, image, target)
        t.succeeded(outcome)
        if "-p" in target.options:
            t.check(outcome.text.split("\r")[-1] == reference.text.split("\r")[-1],
                    "the last line of progress differs", outcome, reference)
        if target.format == "raw":
            difference = first_difference(t.dir / got, t.dir / want)
            t.check(difference is None, f"raw bytes: {difference}", outcome)
            not_larger(t, got, want)
        else:
            sound_qcow2(t, got, want, outcome, preallocated="preallocation=f" in target.name)
    finally:
        clean_up(t)


def sound_qcow2(t, got, want, outcome, preallocated):
    """Clean, equal, with the options that were asked for, and not larger."""
    checked = t.qemu_img("check", "-f", "qcow2", got)
    t.check(checked.code == 0, "qemu-img check finds fault", outcome, checked)
    t.check(b"No errors were found" in checked.out, "qemu-img check finds fault", checked)
    compared = t.qemu_img("compare", "-f", "qcow2", "-F", "qcow2", got, want)
    t.check(compared.code == 0, "qemu-img compare sees a difference", outcome, compared)
    reports = []
    for name in (got, want):
        report = json.loads(t.made_by_qemu_img("info", "--output=json", "-f", "qcow2", name).text)
        report.pop("actual-size")
        report.pop("filename")
        report.get("format-specific", {}).get("data", {}).pop("data-file", None)
        reports.append(report)
    differing = differing_fields(*reports)
    t.check(not differing, f"the written image's fields differ (got, want): {differing}", outcome)
    not_larger(t, got, want, reports[1]["cluster-size"], preallocated)
    data = f"{got}.data"
    if (t.dir / data).exists():
        not_larger(t, data, f"{want}.data")


def isolation_agrees(t, image, target, isolation):
    """What this isolation prints and writes equals what the default one does."""
    how = f"--isolation={t.tools.isolation(isolation)}"
    try:
        for options in ((), ("--output=json",)):
            arguments = ["info", as_qemu(t), *options, *image.format_options, image.file]
            plain = t.succeeded(t.instar(*arguments))
            other = t.succeeded(t.instar(*arguments, how))
            t.equal(other.out, plain.out, "info differs by isolation")
        snapshot = image.snapshots[0] if image.snapshots else None
        for what in (["-O", "raw"], target.arguments(image, "got.qcow2", snapshot)):
            # The same name both times: the output may hold its own (data file).
            arguments = ["convert", *image.format_options, *what, image.file, "got.qcow2"]
            t.succeeded(t.instar(*arguments))
            os.rename(t.dir / "got.qcow2", t.dir / "want.qcow2")
            t.succeeded(t.instar(*arguments, how))
            difference = first_difference(t.dir / "got.qcow2", t.dir / "want.qcow2")
            t.check(difference is None, f"convert {what} differs by isolation: {difference}")
            remove(t, "want.qcow2", "got.qcow2.data")
    finally:
        clean_up(t)


def group_of(image, number, qcow2, raw):
    group = Group(f"conformance/{image.name}", lambda t: image.make(Maker(t)))
    group.add("info json", info_json, image)
    group.add("info human", info_human, image)
    group.add("info -U", info_json, image, "-U")
    if image.chain:
        group.add("info chain json", info_json, image, "--backing-chain")
        group.add("info chain human", info_human, image, "--backing-chain")
    for verb in (map_verb, compare, check):
        verb.add_cases(group, image, number)
    group.add("raw", convert_raw, image)
    for snapshot in image.snapshots:
        group.add(f"raw of snapshot {snapshot[:12]}", convert_raw, image, ("-l", snapshot))
    chosen = qcow2.deal(image, QCOW2_TARGETS_PER_IMAGE)
    for target in [*chosen, *raw.deal(image, 1)]:
        group.add(target.name, convert_as, image, target)
    if number % IMAGES_PER_ISOLATION_SAMPLE == 0:
        repeatable = next((t for t in chosen if t.ordered and t.create is None
                          and not t.second_input), Target(()))
        for isolation in ISOLATIONS:
            group.add(f"isolation {isolation}", isolation_agrees, image, repeatable, isolation)
            group.add(f"map isolation {isolation}", map_verb.map_isolation, image, isolation)
    return group


def groups():
    qcow2, raw = Dealer(qcow2_targets()), Dealer(raw_targets())
    return [group_of(image, number, qcow2, raw) for number, image in enumerate(images())]
