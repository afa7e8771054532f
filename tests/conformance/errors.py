"""Bad command lines: the exit code is qemu-img's, the complaint is one line, nothing is lost."""

import os
import re
import shutil

from harness import Group, Skip, run, tree

MISSING_SNAPSHOT = "no such snapshot"

# name -> arguments; run in a directory made by `furnish`
BAD_COMMAND_LINES = {
    "no verb": [],
    "unknown verb": ["frobnicate"],
    "unknown option before the verb": ["--frobnicate", "info", "good.qcow2"],
    "info without a file": ["info"],
    "info of two files": ["info", "good.qcow2", "good.raw"],
    "info with an unknown option": ["info", "--frobnicate", "good.qcow2"],
    "info with an unknown short option": ["info", "-Z", "good.qcow2"],
    "info with an option that lacks its value": ["info", "good.qcow2", "-f"],
    "info of a missing file": ["info", "missing.qcow2"],
    "info of a file in a missing directory": ["info", "missing/x.qcow2"],
    "info of a directory": ["info", "folder"],
    "info of an empty name": ["info", ""],
    "info with an unknown format": ["info", "-f", "nonsense", "good.qcow2"],
    "info with the wrong format": ["info", "-f", "qcow2", "good.raw"],
    "info with an unknown output": ["info", "--output=xml", "good.qcow2"],
    "info --backing-chain with a missing base": ["info", "--backing-chain", "orphan.qcow2"],
    "info of a broken symbolic link": ["info", "dangling"],
    "convert without files": ["convert"],
    "convert with one file": ["convert", "good.qcow2"],
    "convert with an unknown option": ["convert", "--frobnicate", "good.qcow2", "out"],
    "convert of a missing file": ["convert", "-O", "qcow2", "missing.qcow2", "out"],
    "convert of a directory": ["convert", "-O", "qcow2", "folder", "out"],
    "convert of a second file that is missing": ["convert", "-O", "raw", "good.qcow2", "missing",
                                                 "out"],
    "convert whose base is missing": ["convert", "-O", "raw", "orphan.qcow2", "out"],
    "convert whose data file is missing": ["convert", "-O", "raw", "dataless.qcow2", "out"],
    "convert from an unknown format": ["convert", "-f", "nonsense", "good.qcow2", "out"],
    "convert from the wrong format": ["convert", "-f", "qcow2", "good.raw", "out"],
    "convert to an unknown format": ["convert", "-O", "nonsense", "good.qcow2", "out"],
    "convert onto itself": ["convert", "-O", "qcow2", "good.qcow2", "good.qcow2"],
    "convert onto itself by another name": ["convert", "-O", "raw", "-f", "raw", "good.raw",
                                            "./folder/../good.raw"],
    "convert onto itself through a symbolic link": ["convert", "-O", "raw", "good.qcow2", "link"],
    "convert onto itself through a hard link": ["convert", "-O", "raw", "good.qcow2", "hard"],
    "convert onto its own base": ["convert", "-O", "raw", "overlay.qcow2", "good.qcow2"],
    "convert onto a directory": ["convert", "-O", "qcow2", "good.qcow2", "folder"],
    "convert into a missing directory": ["convert", "-O", "qcow2", "good.qcow2", "missing/out"],
    "convert to an empty name": ["convert", "-O", "qcow2", "good.qcow2", ""],
    "-n with -o": ["convert", "-n", "-O", "qcow2", "-o", "compat=1.1", "good.qcow2",
                   "target.qcow2"],
    "-n onto a missing target": ["convert", "-n", "-O", "qcow2", "good.qcow2", "out"],
    "-n onto a smaller target": ["convert", "-n", "-O", "qcow2", "good.qcow2", "small.qcow2"],
    "-n onto a target of another format": ["convert", "-n", "-O", "qcow2", "good.qcow2",
                                           "good.raw"],
    "--target-is-zero without -n": ["convert", "--target-is-zero", "-O", "qcow2", "good.qcow2",
                                    "out"],
    "-W with -c": ["convert", "-W", "-c", "-O", "qcow2", "good.qcow2", "out"],
    "-c to flat vmdk": ["convert", "-c", "-O", "vmdk", "-o", "subformat=monolithicFlat",
                        "good.qcow2", "out"],
    "-c to divided flat vmdk": ["convert", "-c", "-O", "vmdk", "-o",
                                "subformat=twoGbMaxExtentFlat", "good.qcow2", "out"],
    "-c to raw": ["convert", "-c", "-O", "raw", "good.qcow2", "out"],
    "-C with -c": ["convert", "-C", "-c", "-O", "qcow2", "good.qcow2", "out"],
    "-C with -S": ["convert", "-C", "-S", "4k", "-O", "raw", "good.qcow2", "out"],
    "-C with --salvage": ["convert", "-C", "--salvage", "-O", "raw", "good.qcow2", "out"],
    "-m 0": ["convert", "-m", "0", "-O", "qcow2", "good.qcow2", "out"],
    "-m 17": ["convert", "-m", "17", "-O", "qcow2", "good.qcow2", "out"],
    "-m x": ["convert", "-m", "x", "-O", "qcow2", "good.qcow2", "out"],
    "-m -1": ["convert", "-m", "-1", "-O", "qcow2", "good.qcow2", "out"],
    "--skip-broken-bitmaps without --bitmaps": ["convert", "--skip-broken-bitmaps", "-O", "qcow2",
                                                "good.qcow2", "out"],
    "--bitmaps to raw": ["convert", "--bitmaps", "-O", "raw", "bitmap.qcow2", "out"],
    "--bitmaps from raw": ["convert", "--bitmaps", "-f", "raw", "-O", "qcow2", "good.raw", "out"],
    "--bitmaps with a broken one": ["convert", "--bitmaps", "-O", "qcow2", "inconsistent.qcow2",
                                    "out"],
    "-S without a number": ["convert", "-S", "many", "-O", "raw", "good.qcow2", "out"],
    "-S negative": ["convert", "-S", "-1", "-O", "raw", "good.qcow2", "out"],
    "-S not in sectors": ["convert", "-S", "1000", "-O", "raw", "good.qcow2", "out"],
    "-S too large": ["convert", "-S", "4T", "-O", "raw", "good.qcow2", "out"],
    "-S of an unknown unit": ["convert", "-S", "4q", "-O", "raw", "good.qcow2", "out"],
    "-r without a number": ["convert", "-r", "fast", "-O", "raw", "good.qcow2", "out"],
    "-r negative": ["convert", "-r", "-5", "-O", "raw", "good.qcow2", "out"],
    "-t of an unknown mode": ["convert", "-t", "sometimes", "-O", "raw", "good.qcow2", "out"],
    "-T of an unknown mode": ["convert", "-T", "sometimes", "-O", "raw", "good.qcow2", "out"],
    "-l of a missing snapshot": ["convert", "-l", MISSING_SNAPSHOT, "-O", "raw", "snap.qcow2",
                                 "out"],
    "-l of an empty snapshot": ["convert", "-l", "snapshot.id=9,snapshot.name=a", "-O", "raw",
                                "snap.qcow2", "out"],
    "-l from raw": ["convert", "-l", "1", "-f", "raw", "-O", "raw", "good.raw", "out"],
    "-l with several inputs": ["convert", "-l", "1", "-O", "raw", "snap.qcow2", "good.qcow2",
                               "out"],
    "-B without -F": ["convert", "-O", "qcow2", "-B", "good.qcow2", "overlay.qcow2", "out"],
    "-B of a missing file": ["convert", "-O", "qcow2", "-B", "missing.qcow2", "-F", "qcow2",
                             "overlay.qcow2", "out"],
    "-B with several inputs": ["convert", "-O", "qcow2", "-B", "good.qcow2", "-F", "qcow2",
                               "overlay.qcow2", "good.qcow2", "out"],
    "-B to raw": ["convert", "-O", "raw", "-B", "good.qcow2", "-F", "qcow2", "overlay.qcow2",
                  "out"],
    "-F of an unknown format": ["convert", "-O", "qcow2", "-B", "good.qcow2", "-F", "nonsense",
                                "overlay.qcow2", "out"],
    "-F without -B": ["convert", "-O", "qcow2", "-F", "qcow2", "good.qcow2", "out"],
    "too large for its clusters": ["convert", "-f", "raw", "-O", "qcow2", "-o", "cluster_size=512",
                                   "huge.raw", "out"],
}

BAD_QCOW2_OPTIONS = {
    "unknown option": "frobnicate=1",
    "cluster size of 256": "cluster_size=256",
    "cluster size of 1000": "cluster_size=1000",
    "cluster size of 4M": "cluster_size=4M",
    "cluster size of words": "cluster_size=large",
    "cluster size of 0": "cluster_size=0",
    "refcounts of 3 bits": "refcount_bits=3",
    "refcounts of 128 bits": "refcount_bits=128",
    "refcounts of 0 bits": "refcount_bits=0",
    "narrow refcounts in version 2": "compat=0.10,refcount_bits=8",
    "unknown compat": "compat=2.0",
    "unknown compression": "compression_type=lz4",
    "zstd in version 2": "compat=0.10,compression_type=zstd",
    "subclusters in version 2": "compat=0.10,extended_l2=on",
    "subclusters in small clusters": "cluster_size=8k,extended_l2=on",
    "lazy refcounts in version 2": "compat=0.10,lazy_refcounts=on",
    "lazy refcounts of maybe": "lazy_refcounts=maybe",
    "unknown preallocation": "preallocation=some",
    "preallocation with a backing file": "preallocation=metadata,backing_file=good.qcow2,backing_fmt=qcow2",
    "data file in version 2": "compat=0.10,data_file=out.data",
    "raw data file without a data file": "data_file_raw=on",
    "raw data file with a backing file": "data_file=out.data,data_file_raw=on,backing_file=good.raw,backing_fmt=raw",
    "no value": "cluster_size",
}

for _name, _options in BAD_QCOW2_OPTIONS.items():
    BAD_COMMAND_LINES["-o " + _name] = ["convert", "-O", "qcow2", "-o", _options, "good.qcow2",
                                        "out"]
BAD_COMMAND_LINES["-o unknown option to raw"] = ["convert", "-O", "raw", "-o", "cluster_size=4k",
                                                 "good.qcow2", "out"]
BAD_COMMAND_LINES["-c with a data file"] = ["convert", "-c", "-O", "qcow2", "-o",
                                            "data_file=out.data", "good.qcow2", "out"]


def furnish(t):
    """The directory that every bad command line meets, a fresh copy each."""
    template = t.dir / "template"
    template.mkdir()

    def qemu_img(*args):
        t.made_by_qemu_img(*args, cwd=template)

    qemu_img("create", "-q", "-f", "qcow2", "good.qcow2", "1M")
    qemu_img("create", "-q", "-f", "qcow2", "small.qcow2", "64k")
    qemu_img("create", "-q", "-f", "qcow2", "target.qcow2", "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", "good.qcow2", "-F", "qcow2", "overlay.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", "gone.qcow2", "-F", "qcow2",
             "orphan.qcow2", "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-o", "data_file=gone.data", "dataless.qcow2", "1M")
    (template / "gone.data").unlink()
    qemu_img("create", "-q", "-f", "qcow2", "snap.qcow2", "1M")
    qemu_img("snapshot", "-c", "a", "snap.qcow2")
    for name in ("bitmap.qcow2", "inconsistent.qcow2"):
        qemu_img("create", "-q", "-f", "qcow2", name, "1M")
        qemu_img("bitmap", "--add", name, "b0")
    t.qemu_io("template/good.qcow2", "write -P 1 0 300k")
    t.qemu_io("template/overlay.qcow2", "write -P 2 100k 64k")
    t.qemu_io("template/inconsistent.qcow2", "write -P 2 0 64k", "flush", "sigraise 9", expect=-9)
    (template / "good.raw").write_bytes(b"\x5a" * 200_000)
    with open(template / "huge.raw", "wb") as huge:
        huge.truncate(2 << 40)
    (template / "folder").mkdir()
    os.symlink("nowhere", template / "dangling")
    os.symlink("good.qcow2", template / "link")
    os.link(template / "good.qcow2", template / "hard")
    return template


def fresh_copy(t, name):
    copy = t.dir / name
    shutil.rmtree(copy, ignore_errors=True)
    copied = run(["cp", "-a", "--sparse=always", t.fixture, copy])
    t.check(copied.code == 0, "cannot copy the furniture", copied)
    return copy


def same_refusal(t, got, want, before, folder):
    """qemu-img's exit code, one line (or as many as qemu-img has), every file as it was."""
    t.check(not got.timed_out, "hung", got)
    t.check(got.code != 0, f"accepted; qemu-img's exit code is {want.code}", got, want)
    complaint = t.complaint(got)
    if len(complaint) == 2 and re.fullmatch(r"Try 'instar( \w+)? --help' for more information",
                                            complaint[1]):
        complaint.pop()  # as qemu-img points to its help, though for other mistakes than we do
    t.check(len(complaint) in (1, len(want.err_lines)), "one line on stderr", got, want)
    t.clean(got)
    after = tree(folder)
    t.check(after == before, "files changed: " + ", ".join(
        sorted(name for name in before.keys() | after.keys()
               if before.get(name) != after.get(name))), got)
    t.check(got.code == want.code, f"exit code, qemu-img's is {want.code}", got, want)


def bad_command_line(t, arguments):
    want = t.qemu_img(*arguments, cwd=fresh_copy(t, "theirs"))
    mine = fresh_copy(t, "ours")
    before = tree(mine)
    same_refusal(t, t.instar(*arguments, cwd=mine), want, before, mine)


def full_disk(t, size, arguments):
    """A file system of `size` bytes holds the target; the source lies elsewhere."""
    if os.geteuid() != 0:
        raise Skip("mounting a small tmpfs needs root")
    mount, umount = t.tools.need("mount"), t.tools.need("umount")
    outcomes = []
    for program in (t.qemu_img, t.instar):
        target = t.dir / "full"
        target.mkdir(exist_ok=True)
        mounted = run([mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", target])
        if mounted.code != 0:
            raise Skip("cannot mount a tmpfs here: " + mounted.err_text.strip())
        try:
            outcomes.append(program("convert", *arguments, "noise.raw", "full/out"))
            left = tree(target)
        finally:
            run([umount, target])
    want, got = outcomes
    t.check(want.code == 1, "qemu-img does not notice the full disk: the row is wrong", want)
    t.refused(got, says="space")
    t.check(not left, f"left behind: {list(left)}", got)


def make_noise(t):
    (t.dir / "noise.raw").write_bytes(os.urandom(3 << 20))


def unwritable(t, arguments):
    """As an ordinary user, in a directory and on files that belong to somebody else."""
    if os.geteuid() != 0:
        raise Skip("giving files to another user needs root")
    for folder in (t.dir, t.dir / "theirs", t.dir / "ours"):
        if folder != t.dir:
            fresh_copy(t, folder.name)
            os.chmod(folder / "good.raw", 0o600)
        os.chmod(folder, 0o755)
    nobody = 65534
    want = t.qemu_img(*arguments, cwd=t.dir / "theirs", user=nobody)
    mine = t.dir / "ours"
    before = tree(mine)
    if t.instar("--version", user=nobody).code != 0:
        raise Skip("another user cannot reach the program under test")
    verb, *rest = arguments
    # Stated, because what the default isolation announces may differ for this user.
    got = t.instar(verb, "--isolation=process", *rest, cwd=mine, user=nobody)
    same_refusal(t, got, want, before, mine)


UNWRITABLE = {
    "unreadable source": ["info", "-f", "raw", "good.raw"],
    "unreadable source of convert": ["convert", "-f", "raw", "-O", "raw", "good.raw",
                                     "/dev/null/out"],
    "unwritable directory": ["convert", "-O", "raw", "good.qcow2", "out"],
    "unwritable target": ["convert", "-O", "raw", "good.qcow2", "snap.qcow2"],
    "unwritable target with -n": ["convert", "-n", "-O", "qcow2", "good.qcow2", "target.qcow2"],
}


def groups():
    bad = Group("errors", furnish)
    for name, arguments in BAD_COMMAND_LINES.items():
        bad.add(name, bad_command_line, arguments)
    for name, arguments in UNWRITABLE.items():
        bad.add(name, unwritable, arguments)
    full = Group("errors/full disk", make_noise)
    full.add("raw", full_disk, "1m", ["-f", "raw", "-O", "raw"])
    full.add("qcow2", full_disk, "1m", ["-f", "raw", "-O", "qcow2"])
    full.add("compressed", full_disk, "1m", ["-f", "raw", "-c", "-O", "qcow2"])
    full.add("no room for a header", full_disk, "4k", ["-f", "raw", "-O", "qcow2"])
    full.add("preallocated", full_disk, "1m",
             ["-f", "raw", "-O", "qcow2", "-o", "preallocation=falloc"])
    return [bad, full]
