"""Disks of 64 TiB that hold little: memory does not follow what an image claims."""

from harness import Group

MOST_KIB = 100 << 10  # of memory, the guest's included

CLUSTER = 64 << 10
WRITES = 400
STRIDE = (64 << 40) // WRITES // CLUSTER * CLUSTER


def make(t):
    for form in ("qcow2", "vhdx"):
        name = f"huge.{form}"
        t.made_by_qemu_img("create", "-q", "-f", form, name, "64T")
        t.qemu_io(name, *(f"write -q -P {i % 255 + 1} {i * STRIDE} 64k" for i in range(WRITES)),
                  format=form, options=["-t", "unsafe"])


def within_memory(t, *arguments):
    outcome = t.instar(*arguments)
    t.succeeded(outcome)
    t.check(outcome.max_rss_kib < MOST_KIB, f"{outcome.max_rss_kib} KiB of memory", outcome)
    return outcome


def converts(t, form):
    within_memory(t, "convert", "-O", "qcow2", f"huge.{form}", f"of-{form}.qcow2")
    file = t.dir / f"of-{form}.qcow2"
    t.check(file.stat().st_blocks * 512 < 3 * WRITES * CLUSTER, "the result is too large")
    # What was written shows in both, and nothing else does.
    within_memory(t, "compare", f"huge.{form}", file.name)
    t.qemu_io(file.name, f"read -P 200 {199 * STRIDE} 64k", f"read -P 0 {199 * STRIDE + CLUSTER} 1M")
    file.unlink()


def groups():
    group = Group("huge", make)
    for form in ("qcow2", "vhdx"):
        for verb in (["info"], ["map", "--output=json"], ["check"], ["measure", "-O", "qcow2"]):
            group.add(f"{verb[0]} of a 64 TiB {form}", within_memory, *verb, f"huge.{form}")
        group.add(f"convert of a 64 TiB {form}", converts, form)
    return [group]
