"""A resize whose disk fails: before the change takes effect the file is as it was; where the write of the
root or its flush fails, both images are whole in the file, and the message says that either may be there.

The file is one of a file system of the test's own (faulty_file.py), so the program is the real one, filter
of system calls and all. Raw images flip with a change of length and a flush, qcow2 images with one write of
the first sector and its flush.
"""

import errno
import json
import os

from faulty_file import FaultyFile
from harness import Group

ISOLATIONS = ("kvm", "process")
MIB = 1 << 20
OLD = MIB
ROOT_BYTES = 512
DOUBT = "; the file holds the old image or the new one, whole, and after a crash it may be either"
CHANGING = ("write", "resize", "allocate")

# name -> (arguments, new size)
CHANGES = {
    "up": (["900G"], 900 << 30),
    "down": (["--shrink", "256k"], 256 << 10),
}


def make(t, form):
    image = t.dir / f"image.{form}"
    image.unlink(missing_ok=True)
    # Small clusters, so that a larger disk needs a new L1 table.
    options = ["-o", "cluster_size=4k"] if form == "qcow2" else []
    t.made_by_qemu_img("create", "-q", "-f", form, *options, image, str(OLD))
    t.qemu_io(image.name, "write -P 5 0 192k", "write -P 6 512k 128k", format=form)
    return image


def holds(t, form, image, size):
    told = json.loads(t.made_by_qemu_img("info", "-f", form, "--output=json", image).text)
    t.equal(told["virtual-size"], size, "size of the disk")
    if form == "qcow2":
        t.made_by_qemu_img("check", "-q", image)
        t.succeeded(t.instar("check", "-q", image))
    t.qemu_io(image.name, "read -P 5 0 192k", format=form)
    if size >= OLD:
        t.qemu_io(image.name, "read -P 6 512k 128k", "read -P 0 640k 384k", format=form)


def resized(t, image, fault, isolation, form, arguments):
    """(the outcome, what was asked of the file from the first call that failed on, that one left out)"""
    failed = []

    def noted(call):
        error = fault(call)
        if error and not failed:
            failed.append(call)
        return error

    with FaultyFile(t, image, noted) as file:
        outcome = t.instar("resize", f"--isolation={t.tools.isolation(isolation)}", "-f", form,
                           *arguments[:-1], file.path, arguments[-1])
    t.check(failed, "no call was made to fail", outcome)
    t.refused(outcome)
    return outcome, file.calls[file.calls.index(failed[0]) + 1:]


def put_root(image, root):
    with open(image, "r+b") as file:
        file.write(root)


def flip_of_qcow2(t, isolation, change, call_kind, error):
    """The write of the root fails, or its flush."""
    arguments, size = CHANGES[change]
    image = make(t, "qcow2")
    old_root = image.read_bytes()[:ROOT_BYTES]
    flipped = []

    def fault(call):
        if call.kind == "write" and call.offset == 0:
            flipped.append(call)
        return error if flipped and call.kind == call_kind else 0

    outcome, after = resized(t, image, fault, isolation, "qcow2", arguments)
    t.check(outcome.err_text.rstrip().endswith(f": {os.strerror(error)}{DOUBT}"), "the line", outcome)
    t.equal([call for call in after if call.kind in CHANGING], [], "calls after the failure", outcome)
    new_root = flipped[0].data
    t.check(len(new_root) == ROOT_BYTES and new_root != old_root, "what was written is no root", outcome)
    t.equal(image.read_bytes()[:ROOT_BYTES], old_root if call_kind == "write" else new_root,
            "the root in the file", outcome)
    for root, bytes_of_disk in ((new_root, size), (old_root, OLD)):
        put_root(image, root)
        holds(t, "qcow2", image, bytes_of_disk)


def flip_of_raw(t, isolation, change, call_kind, error):
    """The length cannot be set: then the old image is there. It is set, and cannot be flushed: either may."""
    arguments, size = CHANGES[change]
    image = make(t, "raw")
    outcome, after = resized(t, image, lambda call: error if call.kind == call_kind else 0, isolation,
                             "raw", arguments)
    in_doubt = call_kind == "flush"
    t.check(os.strerror(error) in outcome.err_text, "the reason", outcome)
    t.equal(outcome.err_text.rstrip().endswith(DOUBT), in_doubt, "whether there is doubt", outcome)
    if in_doubt:
        t.equal([call for call in after if call.kind in CHANGING], [], "calls after the failure", outcome)
    holds(t, "raw", image, size if in_doubt else OLD)


def before_the_flip(t, isolation, call_kind, error):
    """A write of new tables fails, or the flush before the root is written."""
    image = make(t, "qcow2")
    before = image.read_bytes()
    outcome, after = resized(t, image, lambda call: error if call.kind == call_kind else 0, isolation,
                             "qcow2", CHANGES["up"][0])
    t.check(os.strerror(error) in outcome.err_text and DOUBT not in outcome.err_text, "the line", outcome)
    t.equal([call for call in after if call.kind in ("write", "allocate")], [], "calls after the failure",
            outcome)
    t.check(image.read_bytes() == before, "the file is not what it was", outcome)


def half_a_root(t, isolation):
    """With -U, a header of which a writer has written one half is read again."""
    isolation = t.tools.isolation(isolation)
    image = make(t, "qcow2")
    number, torn = 0, True
    while torn:  # the first read of the header, the second, ...
        heads = []

        def answer(call, data):
            if call.offset != 0:
                return data
            heads.append(call)
            return data[:28] + b"\xEE\xEE" + data[30:] if len(heads) == number + 1 else data

        with FaultyFile(t, image, answer=answer, direct=True) as file:
            outcome = t.instar("info", "-U", f"--isolation={isolation}", "-f", "qcow2", "--output=json",
                               file.path)
        torn = len(heads) > number
        t.succeeded(outcome)
        t.equal(json.loads(outcome.text)["virtual-size"], OLD, f"size with read {number} torn", outcome)
        number += 1
    t.check(number > 2, "the header should be read twice at least", outcome)


def groups():
    group = Group("resize-faults")
    for isolation in ISOLATIONS:
        for name, error in (("EIO", errno.EIO), ("ENOSPC", errno.ENOSPC)):
            for change in CHANGES:
                group.add(f"qcow2 {change}: {name} at the root, {isolation}", flip_of_qcow2, isolation,
                          change, "write", error)
                group.add(f"qcow2 {change}: {name} at the flush of the root, {isolation}", flip_of_qcow2,
                          isolation, change, "flush", error)
                group.add(f"raw {change}: {name} at the length, {isolation}", flip_of_raw, isolation,
                          change, "resize", error)
                group.add(f"raw {change}: {name} at the flush of the length, {isolation}", flip_of_raw,
                          isolation, change, "flush", error)
            for kind in ("write", "flush"):
                group.add(f"{name} at a {kind} before the flip, {isolation}", before_the_flip, isolation,
                          kind, error)
        group.add(f"half a root that is read with -U, {isolation}", half_a_root, isolation)
    return [group]
