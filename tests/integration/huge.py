"""Disks of 64 TiB that hold little: memory does not follow what an image claims."""

import os

from harness import Group, Skip

MOST_KIB = 100 << 10  # of memory, the guest's included

CLUSTER = 64 << 10
WRITES = 400
LONG_BYTES = 15 << 40  # ext4 takes no more than 16 TiB
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


def make_damaged(t):
    """64 GiB, all clusters there, some of them wrongly so: enough that check starts workers."""
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-o", "preallocation=metadata",
                       "damaged.qcow2", "64G")
    with open(t.dir / "damaged.qcow2", "r+b") as image:
        def number(at):
            image.seek(at)
            return int.from_bytes(image.read(8), "big")

        def put(at, value):
            image.seek(at)
            image.write(value.to_bytes(8, "big"))

        l1 = number(40)
        for i in range(3, 128, 9):
            table = number(l1 + 8 * i) & 0x00FFFFFFFFFFFE00
            entry = number(table + 800)
            put(table + 808, entry)                      # used twice, and one lost
            put(table + 16000, entry & ~(1 << 63))       # COPIED missing
            put(table + 24000, (1 << 63) | (1 << 50))    # beyond the end
        block = number(number(48) + 8 * 7)
        put(block + 4000, 0x0002_0001_0000_0001)


def checks_the_same(t, isolation):
    t.tools.isolation(isolation)
    check = ["check", f"--isolation={isolation}", "damaged.qcow2"]
    alone = t.instar(*check, "--workers=1")
    t.check(alone.code == 2 and len(alone.err_lines) > 60, "nothing is found", alone)
    for workers in (2, 5):
        together = t.instar(*check, f"--workers={workers}")
        t.equal((together.code, together.out, together.err), (alone.code, alone.out, alone.err),
                f"{workers} workers find something else", together)


LAYERS = 40


def make_chain(t):
    """Images upon images, each with tables of 2 MiB: more than would fit if each were held whole."""
    for i in range(LAYERS):
        below = ["-b", f"{i - 1}.qcow2", "-F", "qcow2"] if i else []
        t.made_by_qemu_img("create", "-q", "-f", "qcow2", *below, f"{i}.qcow2", "16G")
        t.qemu_io(f"{i}.qcow2", *(f"write -q -P {i + 1} {(i + LAYERS * k) * CLUSTER + (k << 29)} 4k"
                                  for k in range(32)), options=["-t", "unsafe"])


def goes_through_the_chain(t, verb, *arguments):
    """Whatever the number of processors there are."""
    top = f"{LAYERS - 1}.qcow2"
    outcome = within_memory(t, verb, "--workers=4", *arguments, top,
                            *([top] if verb == "compare" else []))
    if verb == "map":
        t.equal(outcome.out, t.qemu_img("map", top).out, "another map")


def converts_the_chain(t):
    within_memory(t, "convert", "--workers=8", "-O", "raw", f"{LAYERS - 1}.qcow2", "flat.raw")
    t.qemu_io("flat.raw", *(f"read -P {i + 1} {i * CLUSTER} 4k" for i in range(LAYERS)), format="raw")
    (t.dir / "flat.raw").unlink()


def checks_a_long_file(t):
    """Holes cost nothing: going through all that the file is long would take minutes."""
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-o", "cluster_size=512", "long.qcow2", "1M")
    try:
        os.truncate(t.dir / "long.qcow2", LONG_BYTES)
    except OSError as error:
        raise Skip(f"no file of {LONG_BYTES} bytes: {error}") from error
    for workers in (1, 2):
        within_memory(t, "check", "--timeout=5", f"--workers={workers}", "long.qcow2")


def groups():
    damaged = Group("huge check", make_damaged)
    for isolation in ("kvm", "process"):
        damaged.add(f"finds the same with any workers: {isolation}", checks_the_same, isolation)
    group = Group("huge", make)
    for form in ("qcow2", "vhdx"):
        for verb in (["info"], ["map", "--output=json"], ["check"], ["measure", "-O", "qcow2"]):
            group.add(f"{verb[0]} of a 64 TiB {form}", within_memory, *verb, f"huge.{form}")
        group.add(f"convert of a 64 TiB {form}", converts, form)
    group.case("check of a file of many TiB in small clusters")(checks_a_long_file)
    chain = Group("long chain", make_chain)
    for verb in (["map"], ["measure", "-O", "qcow2"], ["compare"]):
        chain.add(f"{verb[0]} goes through it", goes_through_the_chain, *verb)
    chain.case("convert takes little memory")(converts_the_chain)
    return [group, damaged, chain]
