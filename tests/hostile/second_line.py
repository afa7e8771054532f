"""What holds a host process that was taken over, and that a run can demand it."""

import os
import shutil
import signal
import stat
import sys
from pathlib import Path

from harness import Group, Skip, poll_until, run
from hostile import tracing, without_calls
from hostile.generate import Qcow2
from hostile.jail import Running

STRANGER = 64001
ISOLATIONS = ("kvm", "process")
SAID = "Landlock is not available"


def make(t):
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "base.qcow2", "16M")
    t.qemu_io("base.qcow2", "write -P 1 0 8M")
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "x.qcow2")
    t.qemu_io("x.qcow2", "write -P 2 1M 300k")
    (t.dir / "bad.qcow2").write_bytes(Qcow2(cluster_bits=16).back(b"/etc/passwd", b"raw").build())


def launcher(program):
    return [sys.executable, Path(without_calls.__file__), without_calls.LANDLOCK, program]


def without_landlock(t, *arguments, program=None, **kwargs):
    return run([*launcher(program or t.tools.instar), *arguments], cwd=t.dir, **kwargs)


def reads_a_chain(t, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    with_it = t.instar("convert", how, "-O", "raw", "x.qcow2", "with")
    without = without_landlock(t, "convert", how, "-O", "raw", "x.qcow2", "without")
    t.equal((with_it.code, without.code), (0, 0), "exit codes", with_it, without)
    t.equal((t.dir / "without").read_bytes(), (t.dir / "with").read_bytes(), "content", without)
    told = without_landlock(t, "info", how, "--backing-chain", "x.qcow2")
    t.equal(told.code, 0, "exit code", told)
    t.check("base.qcow2" in told.text, "the chain is not followed", told)


def says_so_in_one_line(t):
    outcome = without_landlock(t, "info", "x.qcow2")
    t.equal(outcome.code, 0, "exit code", outcome)
    t.equal([SAID in line for line in outcome.err_lines].count(True), 1, "lines", outcome)
    t.check(SAID not in t.instar("info", "x.qcow2").err_text, "said where it is there")


def says_nothing_as_qemu_img(t):
    (t.dir / "qemu-img").symlink_to(t.tools.instar)
    outcome = without_landlock(t, "info", "x.qcow2", program=t.dir / "qemu-img")
    t.equal((outcome.code, outcome.err), (0, b""), "exit code and complaint", outcome)


def holds_the_gate(t, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    outcome = without_landlock(t, "convert", how, "-O", "raw", "bad.qcow2", "refused")
    t.equal(outcome.code, 1, "exit code", outcome)
    t.check("is outside the directories" in outcome.err_text, "refused otherwise", outcome)
    t.check(not (t.dir / "refused").exists(), "a target is left", outcome)


PATH_CALLS = "newfstatat,openat2,unlinkat,openat,open,stat,lstat,statx,access,readlink,unlink"


def leaves_paths_to_the_opener(t, isolation, launch, verb, *arguments):
    """Under the filter only the opener makes a call that takes a path."""
    how = f"--isolation={t.tools.isolation(isolation)}"
    (t.dir / "opened").unlink(missing_ok=True)
    log = t.dir / "strace.log"
    calls = f"{PATH_CALLS},clone,clone3,fork,vfork,prctl,seccomp"
    outcome = run([t.tools.need("strace"), "-f", "-qq", "-s", "256", "-e", "signal=none", "-e",
                   f"trace={calls}", "-o", log, *launch(t.tools.instar), verb, how, *arguments],
                  cwd=t.dir)
    t.equal(outcome.code, 1 if "bad.qcow2" in arguments else 0, "exit code", outcome)
    made = list(tracing.parse(log.read_text("utf-8", "replace")))
    # What the launcher does to itself is no part of the jail.
    start = next(i for i, call in enumerate(made) if "PR_SET_DUMPABLE" in call.arguments)
    watched = tracing.Sandboxed(made[start:])
    openers = {call.tid for call in made if '"instar-opener"' in call.arguments}
    t.equal(len(openers), 1, "openers", outcome)
    for call in watched.later:
        if call.name in PATH_CALLS.split(","):
            t.check(call.tid in openers, f"in the jail: {call}", outcome)
    t.check(any(call.tid in openers and call.name in ("openat2", "unlinkat")
                for call in watched.later), "the opener did nothing", outcome)


class SlowWithoutLandlock(Running):
    def __init__(self, t, *arguments):
        class Launched:
            class tools:
                instar = sys.executable
            dir = t.dir
        super().__init__(Launched, *[str(word) for word in launcher(t.tools.instar)[1:]], *arguments)


def removes_an_interrupted_target(t, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    target = t.dir / f"interrupted-{isolation}"
    with SlowWithoutLandlock(t, "convert", how, "-r", "200k", "-O", "raw", "x.qcow2", target.name) as slow:
        written = poll_until(lambda: target.exists() and target.stat().st_blocks > 0 or not slow.alive)
        t.check(written and slow.alive, "the run ended too early")
        slow.process.send_signal(signal.SIGTERM)
        slow.process.wait(20)
    t.check(not target.exists(), "a partial target is left")


def required(t, *words, launched=None, env=None):
    arguments = ["convert", *words, "-O", "raw", "x.qcow2", "wanted"]
    if launched is None:
        outcome = t.instar(*arguments, env=env)
    else:
        outcome = launched(t, *arguments, env=env)
    made = (t.dir / "wanted").exists()
    if made:
        (t.dir / "wanted").unlink()
    return outcome, made


def runs_with_what_is_required(t):
    if without_landlock(t, "doctor").text == t.instar("doctor").text:
        raise Skip("this kernel has no Landlock")
    outcome, made = required(t, "--require=landlock,seccomp,openat2")
    t.equal((outcome.code, made), (0, True), "exit code and target", outcome)


def refuses_without(t):
    outcome, made = required(t, "--require=seccomp,landlock", launched=without_landlock)
    t.equal((outcome.code, made), (1, False), "exit code and target", outcome)
    t.equal(len(t.complaint(outcome)), 1, "lines", outcome)
    t.check("'landlock' is required" in outcome.err_text, "says not what is missing", outcome)


def refuses_the_other_isolation(t):
    outcome, made = required(t, "--require=kvm", f"--isolation={t.tools.isolation('process')}")
    t.equal((outcome.code, made), (1, False), "exit code and target", outcome)
    t.refused(outcome, says="'kvm' is required")


def refuses_without_kvm(t):
    """As a user who may not use it: one line, and no word about what takes its place."""
    if os.geteuid() != 0:
        raise Skip("needs root, to become another user")
    program = reachable_program(t)
    outcome = run([program, "info", "--require=kvm", "x.qcow2"], cwd=t.dir, user=STRANGER)
    if outcome.code == 0:
        raise Skip("everybody may use /dev/kvm")
    t.equal(outcome.code, 1, "exit code", outcome)
    t.equal(len(outcome.err_lines), 1, "lines", outcome)
    t.check("'kvm' is required" in outcome.err_text, "says not what is missing", outcome)


def reachable_program(t):
    """A copy where every user may run it."""
    t.dir.chmod(0o755)
    for above in t.dir.parents:
        if stat.S_IMODE(above.stat().st_mode) & 0o011 != 0o011:
            raise Skip(f"others may not search {above}")
    program = t.dir / "instar"
    if not program.exists():
        shutil.copy(t.tools.instar, program)
    return program


def refuses_unknown_names(t):
    for words in ("landlok", "", "kvm,", "kvm,,seccomp"):
        outcome, made = required(t, f"--require={words}")
        t.equal(made, False, "target", outcome)
        t.refused(outcome, says="--require: unknown")


def is_read_from_a_file(t):
    folder = t.dir / "settings" / "instar"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('require = "landlock"\n')
    outcome, made = required(t, launched=without_landlock,
                             env={"XDG_CONFIG_HOME": str(folder.parent)})
    t.equal((outcome.code, made), (1, False), "exit code and target", outcome)
    t.check("'landlock' is required" in outcome.err_text, "says not what is missing", outcome)


def doctor_judges_it(t):
    fine = t.instar("doctor", "--require=seccomp")
    t.equal(fine.code, 0, "exit code", fine)
    outcome = without_landlock(t, "doctor", "--require=landlock")
    t.equal(outcome.code, 1, "exit code", outcome)
    t.check("'landlock' is required" in outcome.err_text, "says not what is missing", outcome)


def doctor_judges_the_chosen_isolation(t):
    """As a run would: where KVM is there but not used, it is not what was required."""
    outcome = t.instar("doctor", "--require=kvm", f"--isolation={t.tools.isolation('process')}")
    t.equal(outcome.code, 1, "exit code", outcome)
    t.equal(len(outcome.err_lines), 1, "lines", outcome)
    t.check("'kvm' is required" in outcome.err_text, "says not what is missing", outcome)
    if t.tools.isolation("kvm"):
        t.equal(t.instar("doctor", "--require=kvm", "--isolation=kvm").code, 0, "with KVM")


def groups():
    chain, demands = Group("without Landlock", make), Group("required protection", make)
    for isolation in ISOLATIONS:
        chain.add(f"{isolation}: a chain is read alike", reads_a_chain, isolation)
        chain.add(f"{isolation}: the gate holds", holds_the_gate, isolation)
        chain.add(f"{isolation}: an interrupted target is removed", removes_an_interrupted_target,
                  isolation)
        for name, launch in (("with", lambda program: [program]), ("without", launcher)):
            chain.add(f"{isolation}: {name} it a convert leaves paths to the opener",
                      leaves_paths_to_the_opener, isolation, launch, "convert", "-O", "raw",
                      "x.qcow2", "opened")
            chain.add(f"{isolation}: {name} it a failed convert does too",
                      leaves_paths_to_the_opener, isolation, launch, "convert", "-O", "raw",
                      "bad.qcow2", "refused")
            chain.add(f"{isolation}: {name} it a map leaves paths to the opener",
                      leaves_paths_to_the_opener, isolation, launch, "map", "x.qcow2")
        chain.add(f"{isolation}: info of a chain leaves paths to the opener",
                  leaves_paths_to_the_opener, isolation, launcher, "info", "--backing-chain",
                  "x.qcow2")
    chain.add("one line says so", says_so_in_one_line)
    chain.add("nothing is said under the name qemu-img", says_nothing_as_qemu_img)
    demands.add("a run that has it goes on", runs_with_what_is_required)
    demands.add("a run without is refused", refuses_without)
    demands.add("another isolation than the required is refused", refuses_the_other_isolation)
    demands.add("an unknown name is refused", refuses_unknown_names)
    demands.add("it can stand in the configuration", is_read_from_a_file)
    demands.add("a run without KVM is refused in one line", refuses_without_kvm)
    demands.add("doctor says what is missing", doctor_judges_it)
    demands.add("doctor judges the isolation that is chosen", doctor_judges_the_chosen_isolation)
    return [chain, demands]
