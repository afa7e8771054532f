"""A system that gives less than usual: no further threads, short files, little address space, no
/proc. A run does with less, or ends with one line and leaves no target."""

import os
import resource
import shutil

from harness import Group, Skip, run

ISOLATIONS = ("kvm", "process")
MEBIBYTE = 1 << 20
GIBIBYTE = 1 << 30


def make(t):
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "x.qcow2", "64M")
    t.qemu_io("x.qcow2", "write -P 1 0 24M", "write -P 2 40M 300k")
    t.made_by_qemu_img("convert", "-O", "raw", "x.qcow2", "x.raw")
    # Its L2 table lies beyond the end of the file: found out when the target exists already.
    image = bytearray((t.dir / "x.qcow2").read_bytes())
    l1 = int.from_bytes(image[40:48], "big")
    image[l1:l1 + 8] = (1 << 63 | 1 << 40).to_bytes(8, "big")
    (t.dir / "broken.qcow2").write_bytes(image)


def verbs(how):
    """Every verb, with all workers; the files of the group are named relative to its directory."""
    return [
        ["info", how, "x.qcow2"],
        ["check", how, "x.qcow2"],
        ["map", how, "x.qcow2"],
        ["measure", how, "-O", "qcow2", "x.qcow2"],
        ["compare", how, "x.qcow2", "x.raw"],
        ["convert", how, "--workers=16", "-c", "-O", "qcow2", "x.qcow2", "out"],
        ["convert", how, "--workers=16", "-c", "-o", "compression_type=zstd", "-O", "qcow2",
         "x.qcow2", "out"],
        ["convert", how, "--workers=16", "-O", "vmdk", "-o", "subformat=streamOptimized", "x.raw",
         "out"],
        ["dd", how, "if=x.qcow2", "of=out", "bs=1M"],
        ["create", how, "-f", "qcow2", "out", "1G"],
    ]


def forget(t, name="out"):
    (t.dir / name).unlink(missing_ok=True)


# ---- threads

def few_threads(t, isolation, processes):
    """As a user of its own, since the limit counts all processes of a user, and not for root."""
    if os.geteuid() != 0:
        raise Skip("needs root, to become another user")
    how = f"--isolation={t.tools.isolation(isolation)}"
    # Not the same twice: what has ended counts until the system has taken note.
    user = 100_000 + 16 * (os.getpid() % 100_000) + 2 * processes + ISOLATIONS.index(isolation)
    os.chmod(t.dir, 0o777)
    program = t.dir / "instar"
    if not program.exists():
        shutil.copy(t.tools.instar, program)
    os.chmod(t.dir / "x.qcow2", 0o644)
    name = f"threads-{isolation}-{processes}"
    outcome = run([program, "convert", how, "--workers=4", "-c", "-O", "qcow2", "x.qcow2", name],
                  cwd=t.dir, user=user, limits={resource.RLIMIT_NPROC: processes})
    if isolation == "kvm" and b"/dev/kvm" in outcome.err:
        raise Skip("another user may not use /dev/kvm")
    t.check(outcome.code in (0, 1), "exit code", outcome)
    if outcome.code == 1:
        t.refused(outcome)
        t.check(not (t.dir / name).exists(), "a partial target is left", outcome)
        t.check(processes < 3, "one worker should have been enough", outcome)
        return
    same = t.instar("compare", "x.raw", name)
    t.equal(same.code, 0, "exit code of compare", outcome, same)


# ---- length of files

def short_files_do_not_matter_to(t, verb):
    how = f"--isolation={t.tools.isolation('process')}"
    limits = {resource.RLIMIT_FSIZE: 1 * MEBIBYTE}
    t.succeeded(t.instar(verb, how, "x.qcow2", limits=limits))


def too_long_a_target(t, isolation, arguments):
    how = f"--isolation={t.tools.isolation(isolation)}"
    verb, *rest = arguments
    outcome = t.instar(verb, how, *rest, limits={resource.RLIMIT_FSIZE: 8 * MEBIBYTE})
    t.refused(outcome, says="ulimit -f")
    t.check(not (t.dir / "out").exists(), "a partial target is left", outcome)


# ---- address space

def little_address_space(t, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    for arguments in verbs(how):
        t.succeeded(t.instar(*arguments, limits={resource.RLIMIT_AS: GIBIBYTE}))
        forget(t)


def most_memory_in_little_address_space(t, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    outcome = t.instar("convert", how, "--workers=16", "--max-memory=4G", "-c", "-O", "qcow2", "x.qcow2",
                       "out", limits={resource.RLIMIT_AS: GIBIBYTE})
    t.succeeded(outcome)
    t.equal(t.instar("compare", "x.raw", "out").code, 0, "exit code of compare")
    forget(t)


def too_little_address_space(t, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    outcome = t.instar("convert", how, "-O", "qcow2", "x.qcow2", "out",
                       limits={resource.RLIMIT_AS: 64 * MEBIBYTE})
    t.refused(outcome, says="--max-memory")
    t.check(not (t.dir / "out").exists(), "a target is left", outcome)


# ---- /proc

def without_proc(t, *arguments):
    unshare = shutil.which("unshare") or shutil.which("unshare", path="/usr/bin:/bin")
    if unshare is None:
        raise Skip("unshare is not installed")
    command = [unshare, "-m", "sh", "-c", 'umount -l /proc && exec "$@"', "sh"]
    if run([*command, "true"]).code != 0:
        raise Skip("no mount namespace can be made here")
    return run([*command, t.tools.instar, *arguments], cwd=t.dir)


def every_verb_without_proc(t, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    for arguments in verbs(how):
        t.succeeded(without_proc(t, *arguments))
        forget(t)


def no_target_left_without_proc(t, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    (t.dir / f"link-{isolation}").symlink_to("out")
    for target in ("out", f"link-{isolation}"):
        t.refused(without_proc(t, "convert", how, "-O", "raw", "broken.qcow2", target))
        t.check(not (t.dir / "out").exists(), "a target is left")


def groups():
    threads, lengths = Group("few threads", make), Group("short files", make)
    memory, proc = Group("little address space", make), Group("without /proc", make)
    for isolation in ISOLATIONS:
        for processes in (1, 2, 3, 4, 5, 6):
            threads.add(f"{isolation}: {processes} processes", few_threads, isolation, processes)
        for name, arguments in {
                "convert to raw": ["convert", "-O", "raw", "x.qcow2", "out"],
                "convert to qcow2": ["convert", "-O", "qcow2", "x.raw", "out"],
                "create": ["create", "-f", "raw", "out", "1G"],
        }.items():
            lengths.add(f"{isolation}: {name} says that the limit is reached", too_long_a_target,
                        isolation, arguments)
        memory.add(f"{isolation}: 1 GiB is enough for every verb", little_address_space, isolation)
        memory.add(f"{isolation}: --max-memory beyond it takes what there is",
                   most_memory_in_little_address_space, isolation)
        memory.add(f"{isolation}: too little is said in one line", too_little_address_space, isolation)
        proc.add(f"{isolation}: every verb works", every_verb_without_proc, isolation)
        proc.add(f"{isolation}: a failed run leaves no target", no_target_left_without_proc, isolation)
    for verb in ("info", "check", "map"):
        lengths.add(f"{verb} needs no file", short_files_do_not_matter_to, verb)
    return [threads, lengths, memory, proc]
