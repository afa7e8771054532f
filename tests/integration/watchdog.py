"""What outlasts its time is ended: one line, the exit code, and no part of a target left."""

from harness import Group
from hostile.generate import COPIED, Qcow2, word

SOURCE_BYTES = 16 << 20
# A check of them takes a minute and more where one of 1024 takes a second.
TABLES = 65536


def make(t):
    (t.dir / "slow.raw").write_bytes(bytes(range(1, 256)) * (SOURCE_BYTES // 255))
    # One table of 2 MiB that a check has to walk once for each entry of the L1 table.
    image = Qcow2(cluster_bits=21, size=1 << 20).data(0)
    built = image.build()
    entry = int.from_bytes(built[image.l1_offset: image.l1_offset + 8], "big") & ~COPIED
    place = len(built)
    built += bytes(-place % image.cluster)
    word(built, 36, TABLES, ">I")
    word(built, 40, len(built))
    built += b"".join(entry.to_bytes(8, "big") for _ in range(TABLES)) + bytes(
        image.cluster - 8 * TABLES)
    word(built, 24, TABLES << 39)
    table = entry & 0x00FFFFFFFFFFFE00
    for at in range(0, image.cluster, 8):
        word(built, table + at, 1)
    (t.dir / "slow.qcow2").write_bytes(built)


def ends_convert(t, isolation, target):
    t.tools.isolation(isolation)
    # Ten times as long as it may take.
    outcome = t.instar("convert", f"--isolation={isolation}", "--timeout=1", "-r", "1600k",
                       "-f", "raw", *target, "slow.raw", "out", deadline=8)
    t.refused(outcome, says="watchdog")
    t.check(not (t.dir / "out").exists(), "a partial target is left", outcome)


def ends_check(t, isolation):
    t.tools.isolation(isolation)
    outcome = t.instar("check", f"--isolation={isolation}", "--timeout=1", "slow.qcow2", deadline=8)
    t.refused(outcome, says="watchdog")


def groups():
    group = Group("watchdog", make)
    for isolation in ("kvm", "process"):
        for target in ("raw", "qcow2", "vmdk"):
            group.add(f"ends a convert to {target}, {isolation}", ends_convert, isolation,
                      ["-O", target])
        group.add(f"ends a check, {isolation}", ends_check, isolation)
    return [group]
