"""resize of images that stand on block devices, which cannot become longer: free clusters are used, and
where there are too few, it is said how many are missing and nothing is changed."""

import json
import re

from harness import Group
from integration.devices import content, device

MIB = 1 << 20
CLUSTER = 1 << 16
ISOLATIONS = ("kvm", "process")


def disk_bytes(t, form, name):
    return json.loads(t.made_by_qemu_img("info", "-f", form, "--output=json", name).text)["virtual-size"]


def image_on(t, name, *options, disk="4M"):
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", *options, name, disk)
    t.qemu_io(name, "write -P 5 0 256k", "write -P 6 1M 64k")


def holds(t, name, size):
    t.equal(disk_bytes(t, "qcow2", name), size, "size of the disk")
    t.made_by_qemu_img("check", "-q", "-f", "qcow2", name)
    t.succeeded(t.instar("check", "-q", "-f", "qcow2", name))
    t.qemu_io(name, "read -P 5 0 256k", "read -P 6 1M 64k")


def grows_and_shrinks(t, isolation):
    """Tables go where the image has room; noise that was on the device never shows."""
    how = f"--isolation={t.tools.isolation(isolation)}"
    with device(t) as name:
        image_on(t, name)
        for arguments, size in ((["5M"], 5 * MIB), (["--preallocation=metadata", "+1M"], 6 * MIB),
                                (["--preallocation=full", "+512k"], 6 * MIB + 512 * 1024),
                                (["900G"], 900 << 30), (["--shrink", "2M"], 2 * MIB),
                                (["4M"], 4 * MIB)):
            t.succeeded(t.instar("resize", how, "-f", "qcow2", *arguments[:-1], name, arguments[-1]))
            holds(t, name, size)
            t.equal(len(content(name)), 8 * MIB, "length of the device")
        t.qemu_io(name, "read -P 0 2M 2M")


def too_small(t, isolation):
    """Data for 4 MiB more does not fit. What fits is done afterwards."""
    how = f"--isolation={t.tools.isolation(isolation)}"
    with device(t) as name:
        image_on(t, name)
        t.qemu_io(name, "write -P 7 2M 2M")
        used = 4 + (256 + 64 + 2048) * 1024 // CLUSTER + 1  # header, refcounts, L1, data, L2
        wanted = 8 * MIB // CLUSTER
        before = content(name)
        for growth in ("metadata", "falloc", "full"):
            outcome = t.instar("resize", how, "-f", "qcow2", f"--preallocation={growth}", name, "+8M")
            t.refused(outcome)
            said = re.search(r"(\d+) more clusters are needed", outcome.err_text)
            t.check(said, "should say how much is missing", outcome)
            # For the data alone: the new L2 table and the counts need some, too.
            t.equal(int(said[1]), wanted - (8 * MIB // CLUSTER - used), "clusters that are missing", outcome)
            t.check(content(name) == before, "the device was changed", outcome)
        t.succeeded(t.instar("resize", how, "-f", "qcow2", "--preallocation=full", name, "+1M"))
        holds(t, name, 5 * MIB)


def room_after_a_shrink(t, isolation):
    """What a smaller disk gave back is used again."""
    how = f"--isolation={t.tools.isolation(isolation)}"
    with device(t) as name:
        image_on(t, name, disk="7M")
        t.qemu_io(name, "write -P 7 2M 5M")
        grow = ["resize", how, "-f", "qcow2", "--preallocation=full", name, "+3M"]
        t.refused(t.instar(*grow))
        t.succeeded(t.instar("resize", how, "-f", "qcow2", "--shrink", name, "3M"))
        t.succeeded(t.instar(*grow))
        holds(t, name, 6 * MIB)
        t.qemu_io(name, "read -P 7 2M 1M", "read -P 0 3M 3M")


def raw(t, isolation):
    """A raw image is as long as its device."""
    how = f"--isolation={t.tools.isolation(isolation)}"
    with device(t) as name:
        before = content(name)
        t.succeeded(t.instar("resize", how, "-f", "raw", name, "8M"))
        for arguments in (["16M"], ["--preallocation=full", "16M"], ["--shrink", "4M"]):
            outcome = t.instar("resize", how, "-f", "raw", *arguments[:-1], name, arguments[-1])
            t.refused(outcome)
            t.check(content(name) == before, "the device was changed", outcome)


def groups():
    group = Group("resize-devices")
    for isolation in ISOLATIONS:
        for name, case in (("a qcow2 image grows and shrinks", grows_and_shrinks),
                           ("a qcow2 image that does not fit", too_small),
                           ("a qcow2 image uses what a shrink gave back", room_after_a_shrink),
                           ("a raw image keeps the size", raw)):
            group.add(f"{name}, {isolation}", case, isolation)
    return [group]
