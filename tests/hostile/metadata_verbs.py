"""map, compare and check on images that mean harm: bounded, no fault, and where both Instar and
qemu-img complete a check, they count the same. amend, too: it refuses, and leaves the image as it was,
or makes a sound one of a sound one."""

import json
import shutil

from harness import run

MAX_SECONDS = 10
MAX_RSS_KIB = 300 * 1024
COMPLETED = (0, 2, 3)
MAX_COPIED_BYTES = 64 << 20


def bounded(t, *arguments, codes):
    outcome = t.instar(*arguments, deadline=MAX_SECONDS)
    t.check(not outcome.timed_out, f"ran for more than {MAX_SECONDS} s", outcome)
    t.check(outcome.max_rss_kib < MAX_RSS_KIB, f"used {outcome.max_rss_kib} KiB", outcome)
    t.check(outcome.code in codes, "exit code", outcome)
    t.clean(outcome)
    return outcome


def examine_metadata_verbs(t, image):
    told = bounded(t, "map", "--output=json", "-f", "qcow2", image, codes=(0, 1))
    if told.code == 0:
        at = 0
        for entry in json.loads(told.text):
            t.check(entry["start"] == at, f"a gap before {entry}", told)
            at += entry["length"]
    bounded(t, "compare", "-f", "qcow2", "-F", "qcow2", image, image, codes=(0, 2, 3, 4))
    got = bounded(t, "check", "--output=json", "-f", "qcow2", image, codes=(0, 1, 2, 3))
    if got.code in COMPLETED:
        agrees_with_qemu_img(t, image, got)
    if (t.dir / image).stat().st_size <= MAX_COPIED_BYTES:
        amended(t, image, sound=got.code == 0)
        repaired(t, image, before=got)


def amended(t, image, sound):
    copy = "amended.qcow2"
    for options in ("refcount_bits=64", "compat=0.10", "compat=1.1,refcount_bits=1,size=1T"):
        shutil.copyfile(t.dir / image, t.dir / copy)
        outcome = bounded(t, "amend", "-f", "qcow2", "-o", options, copy, codes=(0, 1))
        if outcome.code == 1:
            # What nothing counts at the end of the file may be gone.
            t.check((t.dir / image).read_bytes().startswith((t.dir / copy).read_bytes()),
                    "it was refused and has changed", outcome)
        elif sound:
            # Counts behind the end of a file that was cut are leaks that show when it is longer.
            check = t.instar("check", "-q", "-f", "qcow2", copy)
            t.check(check.code in (0, 3), "the check finds corruptions", outcome, check)
    (t.dir / copy).unlink()


def repaired(t, image, before):
    """A repair is refused, and nothing is written; or there are no more corruptions than before, and what
    it says is left is what a check finds."""
    content = (t.dir / image).read_bytes()
    copy = "repaired.qcow2"
    for mode in ("leaks", "all"):
        (t.dir / copy).write_bytes(content)
        dry = bounded(t, "check", "-r", mode, "--dry-run", "-f", "qcow2", copy, codes=(0, 1, 2, 3))
        t.check((t.dir / copy).read_bytes() == content, "a dry run has changed it", dry)
        outcome = bounded(t, "check", "-r", mode, "--output=json", "-f", "qcow2", copy,
                          codes=(0, 1, 2, 3))
        if outcome.code == 1:
            continue
        after = bounded(t, "check", "--output=json", "-f", "qcow2", copy, codes=COMPLETED)
        t.equal(after.code, outcome.code, "a check finds something else", outcome, after)
        if before.code in COMPLETED:
            left = [json.loads(told.text).get("corruptions", 0) for told in (before, after)]
            t.check(left[1] <= left[0], "more corruptions than before", outcome, after)
    (t.dir / copy).unlink()


def examine_changes(t, image):
    """What would change the image: it is refused, and nothing is written; or the image is no worse."""
    content = (t.dir / image).read_bytes()
    before = t.instar("check", "--output=json", "-f", "qcow2", image)
    for arguments in (["--remove-all", "--add", "y.qcow2", "b"],
                      ["--add", "--merge", "b0", "-g", "512", "-b", image, "-F", "qcow2", "y.qcow2", "b"]):
        (t.dir / "y.qcow2").write_bytes(content)
        outcome = bounded(t, "bitmap", "-f", "qcow2", *arguments, codes=(0, 1))
        if outcome.code == 1:
            t.check((t.dir / "y.qcow2").read_bytes() == content, "refused, and changed", outcome)
        elif before.code in COMPLETED:
            after = t.instar("check", "--output=json", "-f", "qcow2", "y.qcow2")
            t.check(after.code in COMPLETED, "the result cannot be checked", outcome, after)
            for kind in ("corruptions",):
                t.check(json.loads(after.text).get(kind, 0) <= json.loads(before.text).get(kind, 0),
                        f"more {kind} than before", outcome, after)
    (t.dir / "y.qcow2").unlink()


def agrees_with_qemu_img(t, image, got):
    want = run([t.tools.need("qemu-img"), "check", "--output=json", "-f", "qcow2", image],
               cwd=t.dir, deadline=MAX_SECONDS)
    if want.code in COMPLETED:
        t.equal(json.loads(got.text), json.loads(want.text), "what is counted", got, want)
