"""The identities of the images that are written: random, or with --reproducible from their content."""

import os
import re
import struct
import uuid

from harness import Group, clean_environment, run

MIB = 1 << 20
SIZE = 6 * MIB + 512

# What an image is made with, and the files that it consists of.
KINDS = {
    "vmdk": (["-O", "vmdk"], ["disk.vmdk"]),
    "monolithicFlat": (["-O", "vmdk", "-o", "subformat=monolithicFlat"],
                       ["disk.vmdk", "disk-flat.vmdk"]),
    "twoGbMaxExtentSparse": (["-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse"],
                             ["disk.vmdk", "disk-s001.vmdk"]),
    "streamOptimized": (["-O", "vmdk", "-o", "subformat=streamOptimized"], ["disk.vmdk"]),
    "vpc": (["-O", "vpc"], ["disk.vpc"]),
    "fixed vpc": (["-O", "vpc", "-o", "subformat=fixed"], ["disk.vpc"]),
    "vhdx": (["-O", "vhdx"], ["disk.vhdx"]),
    "fixed vhdx": (["-O", "vhdx", "-o", "subformat=fixed,block_size=1M"], ["disk.vhdx"]),
}
VERBS = ("convert", "create", "dd")
METADATA_REGION = uuid.UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E").bytes_le
DISK_ID = uuid.UUID("BECA12AB-B2E6-4523-93EF-C309E000C746").bytes_le


def make(t):
    block = bytes(range(1, 256)) * 257
    first = bytearray(SIZE)
    for at in (0, MIB, 3 * MIB + 4096, SIZE - 512):
        first[at:at + len(block)] = block[:SIZE - at]
    second = bytearray(first)
    second[3 * MIB + 5000] ^= 1
    (t.dir / "first.raw").write_bytes(first)
    (t.dir / "second.raw").write_bytes(second)
    t.made_by_qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", "first.raw", "first.qcow2")
    os.mkdir(t.dir / "configured")
    os.mkdir(t.dir / "configured/instar")
    (t.dir / "configured/instar/config.toml").write_text("reproducible = true\n")


def disk_id_at(content):
    """Where a VHDX keeps its virtual disk ID, which is SCSI page 83 for the guest."""
    table = content[192 << 10:][:64 << 10]
    at = table.index(METADATA_REGION)
    (metadata,) = struct.unpack_from("<Q", table, at + 16)
    entry = content.index(DISK_ID, metadata, metadata + (64 << 10))
    return metadata + struct.unpack_from("<I", content, entry + 16)[0]


def identity_ranges(content):
    """(identities, checksums over them): ranges of the file."""
    if content.startswith(b"vhdxfile"):
        identities = [(disk_id_at(content), 16)]
        for header in (64 << 10, 128 << 10):
            identities += [(header + 16, 16), (header + 32, 16)]
        return identities, [(64 << 10 | 4, 4), (128 << 10 | 4, 4)]
    if content[-512:].startswith(b"conectix"):
        footers = [len(content) - 512] + ([0] if content.startswith(b"conectix") else [])
        return [(at + 68, 16) for at in footers], [(at + 64, 4) for at in footers]
    found = re.search(rb"\nCID=([0-9a-f]{8})\n", content)
    return ([(found.start(1), 8)], []) if found else ([], [])


def split(content):
    """The identities, and the content without them."""
    identities, sums = identity_ranges(content)
    rest = bytearray(content)
    for at, length in identities + sums:
        rest[at:at + length] = bytes(length)
    return [content[at:at + length] for at, length in identities], bytes(rest)


def written(t, verb, kind, *extra, source="first.raw", env=None):
    """The files of such an image, which are removed again."""
    options, files = KINDS[kind]
    if verb == "create":
        arguments = ["-q", "-f", options[1], *options[2:], files[0], str(SIZE)]
    elif verb == "dd":
        arguments = ["-f", source.split(".")[1], *options[:2], f"if={source}", f"of={files[0]}"]
    else:
        arguments = ["-f", source.split(".")[1], *options, source, files[0]]
    outcome = t.instar(verb, *extra, *arguments, env=env)
    contents = []
    for name in files:
        if (t.dir / name).exists():
            contents.append((t.dir / name).read_bytes())
            (t.dir / name).unlink()
    t.succeeded(outcome)
    return contents


def random_by_default(t, verb, kind):
    """Two runs differ in all of their identities, and in nothing else."""
    first, second = written(t, verb, kind), written(t, verb, kind)
    identities, rest = split(first[0])
    others, other_rest = split(second[0])
    t.check(identities, "no identity was found")
    for one, other in zip(identities, others, strict=True):
        t.check(one != other, f"twice the same identity: {one}")
    t.check(rest == other_rest and first[1:] == second[1:], "more differs than the identities")


def reproducible(t, verb, kind, how):
    """The same bytes from every executor and from any number of workers."""
    want = written(t, verb, kind, "--reproducible")
    for workers in (1, 2, 4):
        got = written(t, verb, kind, "--reproducible", f"--workers={workers}",
                      f"--isolation={t.tools.isolation(how)}")
        t.check(got == want, f"{workers} workers write other bytes")


def asked_for_in_other_ways(t, verb, kind):
    """SOURCE_DATE_EPOCH and the configuration file do what the option does."""
    want = written(t, verb, kind, "--reproducible")
    for extra in ({"SOURCE_DATE_EPOCH": "0"}, {"SOURCE_DATE_EPOCH": "1700000000"},
                  {"XDG_CONFIG_HOME": str(t.dir / "configured")}):
        t.check(written(t, verb, kind, env=extra) == want, f"other bytes with {extra}")
    t.check(written(t, verb, kind, env={"SOURCE_DATE_EPOCH": ""}) != want, "an empty one counts")


def content_decides(t, kind):
    """Neither the format of the source nor the name decides, but each bit of the disk."""
    want = split(written(t, "convert", kind, "--reproducible")[0])[0]
    packed = split(written(t, "convert", kind, "--reproducible", source="first.qcow2")[0])[0]
    t.equal(packed, want, "identities from a compressed qcow2 of the same disk")
    options, files = KINDS[kind]
    t.succeeded(t.instar("convert", "--reproducible", "-f", "raw", *options, "first.raw", "other.x"))
    named = split((t.dir / "other.x").read_bytes())[0]
    for name in ["other.x", "other-flat.x", "other-s001.x"]:
        (t.dir / name).unlink(missing_ok=True)
    t.equal(named, want, "identities under another name")
    changed = split(written(t, "convert", kind, "--reproducible", source="second.raw")[0])[0]
    for one, other in zip(want, changed, strict=True):
        t.check(one != other, f"two disks, one identity: {one}")


def request_decides(t):
    """What create makes is told apart by name, size and options."""
    seen = []
    for arguments in (["disk.vpc", "6M"], ["disk.vpc", "7M"], ["another.vpc", "6M"],
                      ["-o", "subformat=fixed", "disk.vpc", "6M"]):
        t.succeeded(t.instar("create", "-q", "--reproducible", "-f", "vpc", *arguments))
        seen.append(split((t.dir / arguments[-2]).read_bytes())[0][0])
        (t.dir / arguments[-2]).unlink()
    t.equal(len(set(seen)), len(seen), f"different images: {seen}")


def forms(t, extra):
    """GUIDs say that they are random ones; a content ID is none of those that mean something."""
    for kind in KINDS:
        identities, _ = split(written(t, "convert", kind, *extra)[0])
        for raw in identities:
            if len(raw) == 8:
                t.check(raw not in (b"00000000", b"fffffffe", b"ffffffff"), f"content ID {raw}")
                continue
            guid = uuid.UUID(bytes_le=raw) if "vhdx" in kind else uuid.UUID(bytes=raw)
            t.equal((guid.version, guid.variant), (4, uuid.RFC_4122), f"{kind}: {guid}")
    values = [i for i in split(written(t, "convert", "vhdx", *extra)[0])[0]]
    t.equal(len(set(values)), 3, "GUIDs of one VHDX: disk, file and data, the latter two twice")


def replaced_parent(t, extra, how):
    """A child whose parent was made anew from other data is refused; made anew from the same data
    it fits again only where identities follow from that."""
    common = [f"--isolation={t.tools.isolation(how)}", *extra]
    into = ["convert", *common, "-f", "raw", "-O", "vmdk"]
    read = ["convert", *common, "-O", "raw", "child.vmdk", "out.raw"]
    t.succeeded(t.instar(*into, "first.raw", "base.vmdk"))
    t.succeeded(t.instar("create", *common, "-q", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk",
                         "child.vmdk"))
    t.succeeded(t.instar(*read))
    t.check((t.dir / "out.raw").read_bytes() == (t.dir / "first.raw").read_bytes(), "content")
    t.succeeded(t.instar(*into, "second.raw", "base.vmdk"))
    for verb in (read, ["compare", *common, "child.vmdk", "first.raw"], ["map", *common, "child.vmdk"]):
        t.refused(t.instar(*verb), code=2 if verb[0] == "compare" else 1, says="content ID")
    theirs = t.qemu_img("convert", "-O", "raw", "child.vmdk", "out.raw")
    t.check(theirs.code != 0, "qemu-img takes it", theirs)
    t.succeeded(t.instar(*into, "first.raw", "base.vmdk"))
    again = t.instar(*read)
    if extra:
        t.succeeded(again)
    else:
        t.refused(again, says="content ID")


def written_into(t, form, extra):
    """-n changes the identity of the content, where there is one, and keeps that of the disk."""
    t.succeeded(t.instar("convert", *extra, "-f", "raw", "-O", form, "first.raw", "kept"))
    before = split((t.dir / "kept").read_bytes())[0]
    for _ in range(2):
        t.succeeded(t.instar("convert", *extra, "-n", "-f", "raw", "-O", form, "second.raw", "kept"))
        after = split((t.dir / "kept").read_bytes())[0]
        if form == "vpc":
            t.equal(after, before, "unique ID")
        else:
            changed = [one != other for one, other in zip(before, after, strict=True)]
            # In VHDX the first is that of the disk.
            t.equal(changed, [False] * (form == "vhdx") + [True] * (4 if form == "vhdx" else 1),
                    "what changed")
        before = after


def asks_for_randomness_once(t):
    """Only what is given an identity costs the system call for it."""
    t.tools.need("strace")
    for arguments, want in (
            (["convert", "-O", "vpc", "first.qcow2", "o"], 1), (["convert", "-O", "qcow2", "first.qcow2", "o"], 0),
            (["convert", "-O", "raw", "first.qcow2", "o"], 0), (["info", "first.qcow2"], 0),
            (["create", "-q", "-f", "vhdx", "o", "1M"], 1), (["create", "-q", "-f", "qcow2", "o", "1M"], 0),
            (["convert", "--reproducible", "-O", "vpc", "first.qcow2", "o"], 0)):
        outcome = run(["strace", "-f", "-qq", "-e", "trace=getrandom", "-o", "calls", t.tools.instar,
                       *arguments], cwd=t.dir, env=clean_environment())
        t.equal(outcome.code, 0, "exit code", outcome)
        calls = (t.dir / "calls").read_text()
        t.equal(calls.count(", 16, 0)"), want, f"{arguments}: {calls}")


def groups():
    group = Group("identity", make)
    for kind in KINDS:
        for verb in VERBS:
            if verb == "dd" and KINDS[kind][0][2:]:
                continue  # it takes no -o
            group.add(f"{verb} {kind}: random by default", random_by_default, verb, kind)
            group.add(f"{verb} {kind}: asked for in other ways", asked_for_in_other_ways, verb, kind)
            for how in ("kvm", "process", "none"):
                group.add(f"{verb} {kind}: reproducible, {how}", reproducible, verb, kind, how)
        group.add(f"{kind}: the content decides", content_decides, kind)
    group.case("create: the request decides")(request_decides)
    for name, extra in (("random", ()), ("reproducible", ("--reproducible",))):
        group.add(f"forms, {name}", forms, extra)
        for how in ("kvm", "process"):
            group.add(f"a parent that was replaced, {name}, {how}", replaced_parent, extra, how)
        for form in ("vmdk", "vpc", "vhdx"):
            group.add(f"-n into {form}, {name}", written_into, form, extra)
    group.case("random numbers only where they are needed")(asks_for_randomness_once)
    return [group]
