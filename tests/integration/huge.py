"""Disks of 64 TiB that hold little: memory does not follow what an image claims."""

import contextlib
import os
import shutil
import subprocess

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


def make_full(t, path):
    """1 TiB, all clusters of it mapped: 130 MiB of tables in a file that stores little else."""
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", path, "1T")


def reads_a_full_image(t, path):
    within_memory(t, "check", path)
    told = within_memory(t, "map", "--output=json", path)
    t.check(told.out.count(b"\n") > 0, "nothing is mapped", told)
    within_memory(t, "measure", "-O", "qcow2", path)


def full_image(t):
    make_full(t, "full.qcow2")
    reads_a_full_image(t, "full.qcow2")
    (t.dir / "full.qcow2").unlink()


@contextlib.contextmanager
def compressed_file_system(t):
    """A directory on a fresh btrfs that compresses all it stores."""
    if os.geteuid() != 0 or not shutil.which("mkfs.btrfs"):
        raise Skip("mounting a file system needs root and mkfs.btrfs")
    image, mount = t.dir / "fs.img", t.dir / "fs"
    mount.mkdir(exist_ok=True)
    with open(image, "wb") as file:
        file.truncate(1 << 30)
    subprocess.run(["mkfs.btrfs", "-q", "-f", image], check=True, capture_output=True)
    mounted = subprocess.run(["mount", "-o", "loop,compress-force=zstd", image, mount],
                             capture_output=True)
    if mounted.returncode != 0:
        raise Skip("no btrfs can be mounted")
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", mount], check=True)
        image.unlink()


def compressed_full_image(t):
    """The bounds follow the data, of which the file system stores less."""
    with compressed_file_system(t) as mount:
        path = mount / "full.qcow2"
        make_full(t, path)
        os.sync()
        room = os.statvfs(mount)
        t.check((room.f_blocks - room.f_bfree) * room.f_bsize < 64 << 20,
                "the file system does not compress")
        reads_a_full_image(t, path)


def full_image_on_a_device(t):
    """A block device cannot tell its holes: its length counts."""
    if os.geteuid() != 0 or not shutil.which("losetup"):
        raise Skip("a loop device needs root and losetup")
    make_full(t, "device.img")
    made = subprocess.run(["losetup", "-f", "--show", t.dir / "device.img"], capture_output=True,
                          text=True)
    if made.returncode != 0:
        raise Skip("no loop device can be had: " + made.stderr.strip())
    try:
        reads_a_full_image(t, made.stdout.strip())
    finally:
        subprocess.run(["losetup", "-d", made.stdout.strip()], check=True)
        (t.dir / "device.img").unlink()


def punched_image(t):
    """An honest image into whose zeros holes were punched: its tables stand in holes and are read as
    ever. Enough of them that the walk comes to look for holes."""
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", "punched.qcow2",
                       "1T")
    path = t.dir / "punched.qcow2"
    with open(path, "r+b") as file:
        def word(at):
            return int.from_bytes(os.pread(file.fileno(), 8, at), "big")

        l1, zeros = word(40), bytes(CLUSTER)
        kept = {}
        for i in range(2048):
            table = word(l1 + 8 * i) & 0x00FFFFFFFFFFFE00
            first = os.pread(file.fileno(), 8, table)
            os.pwrite(file.fileno(), zeros, table)
            if i % 512 == 0:
                os.pwrite(file.fileno(), first, table)
                kept[i] = first
    dug = subprocess.run(["fallocate", "-d", path], capture_output=True)
    if dug.returncode != 0:
        raise Skip("no holes can be punched here")
    outcome = within_memory(t, "map", path.name)
    t.equal(outcome.out, t.qemu_img("map", path.name).out, "another map")
    within_memory(t, "measure", "-O", "qcow2", path.name)
    got = t.instar("check", "--output=json", path.name)
    t.check(got.code in (2, 3), "the lost clusters are not found", got)  # they are leaks now
    path.unlink()


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
    full = Group("full image")
    full.case("of 1 TiB")(full_image)
    full.case("of 1 TiB, compressed by its file system")(compressed_full_image)
    full.case("of 1 TiB on a block device")(full_image_on_a_device)
    full.case("of 1 TiB whose tables were punched out")(punched_image)
    chain = Group("long chain", make_chain)
    for verb in (["map"], ["measure", "-O", "qcow2"], ["compare"]):
        chain.add(f"{verb[0]} goes through it", goes_through_the_chain, *verb)
    chain.case("convert takes little memory")(converts_the_chain)
    return [group, damaged, full, chain]
