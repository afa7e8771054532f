"""The command line as a whole: help, names, spellings, progress, and what is not there yet."""

import os
import re

from harness import Group, run

VERBS_HERE = ("amend", "bitmap", "check", "compare", "convert", "create", "dd", "doctor", "info", "map",
              "measure", "resize", "snapshot")
VERBS_LATER = ("bench", "commit", "rebase")


def make(t):
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "x.qcow2", "2M")
    t.qemu_io("x.qcow2", "write -P 1 0 1M")
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-b", "x.qcow2", "-F", "qcow2", "top.qcow2")
    t.qemu_io("top.qcow2", "write -P 2 1M 100k")


def prints(t, *arguments):
    outcome = t.succeeded(t.instar(*arguments))
    t.check(outcome.out.strip(), "prints nothing", outcome)
    return outcome


def help_of(t, arguments):
    t.check("instar" in prints(t, *arguments).text.lower(), "does not name the program")


def version(t):
    for option in ("--version", "-V"):
        outcome = prints(t, option)
        t.check(re.search(r"\d+\.\d+", outcome.text), "no version", outcome)


def doctor(t):
    text = prints(t, "doctor").text.lower()
    for word in ("kvm", "seccomp", "landlock"):
        t.check(word in text, f"doctor says nothing of {word}:\n{text}")


def later_verb(t, verb):
    outcome = t.refused(t.instar(verb, "x.qcow2"))
    t.check(verb in outcome.err_text, "should name the verb", outcome)


def later_format(t, form):
    outcome = t.refused(t.instar("convert", "-O", form, "x.qcow2", "out"))
    t.check(form in outcome.err_text, "should name the format", outcome)
    t.check(not (t.dir / "out").exists(), "a target is left", outcome)


DETECTED = {  # the first bytes by which a format is known
    "vmdk": b"COWD" + b"\x01\0\0\0" + bytes(2000),
    "vdi": bytes(64) + b"\x7f\x10\xda\xbe" + b"\x01\0\1\0" + bytes(2000),
    "luks": b"LUKS\xba\xbe\0\1" + bytes(2000),
    "qcow": b"QFI\xfb\0\0\0\1" + bytes(2000),
    "qed": b"QED\0" + bytes(2000),
}


def detected_format(t, form):
    """Known but unsupported is an error, never raw."""
    (t.dir / "other").write_bytes(DETECTED[form])
    for arguments in (["info", "other"], ["convert", "-O", "raw", "other", "out"]):
        outcome = t.refused(t.instar(*arguments))
        t.check(form in outcome.err_text.lower(), "should name the format", outcome)
    t.check(not (t.dir / "out").exists(), "a target is left")


# classic spelling, long spelling; both must do the same
SPELLINGS = [
    (["-f", "qcow2", "-O", "raw"], ["--source-format", "qcow2", "--target-format", "raw"]),
    (["-O", "qcow2", "-o", "cluster_size=4k"],
     ["--target-format=qcow2", "--target-format-options=cluster_size=4k"]),
    (["-O", "qcow2", "-c", "-q"], ["--target-format=qcow2", "--compress", "--quiet"]),
    (["-O", "qcow2", "-B", "x.qcow2", "-F", "qcow2"],
     ["--target-format=qcow2", "--backing=x.qcow2", "--backing-format=qcow2"]),
    (["-O", "raw", "-S", "64k", "-m", "2"],
     ["--target-format=raw", "--sparse-size=64k", "--parallel=2"]),
    (["-O", "raw", "-t", "writeback", "-T", "none"],
     ["--target-format=raw", "--target-cache=writeback", "--source-cache=none"]),
    (["-O", "raw", "-r", "900M", "-U"],
     ["--target-format=raw", "--rate-limit=900M", "--force-share"]),
    (["-O", "raw", "-W"], ["--target-format=raw", "--oob-writes"]),
]


def spelling(t, classic, long):
    for options, name in ((classic, "a"), (long, "b")):
        t.succeeded(t.instar("convert", *options, "top.qcow2", name))
    same = (t.dir / "a").read_bytes() == (t.dir / "b").read_bytes()
    for name in "ab":
        (t.dir / name).unlink()
    t.check(same, "the spellings differ")


def spelling_without_create(t):
    for name, option in (("a", "-n"), ("b", "--no-create")):
        t.made_by_qemu_img("create", "-q", "-f", "raw", name, "2M")
        t.succeeded(t.instar("convert", option, "-O", "raw", "top.qcow2", name))
    t.check((t.dir / "a").read_bytes() == (t.dir / "b").read_bytes(), "the spellings differ")


def options_behind_files(t):
    """As getopt does it: options may stand anywhere, short ones in one word."""
    t.succeeded(t.instar("convert", "top.qcow2", "-Oraw", "out", "-fqcow2"))
    t.succeeded(t.instar("convert", "-pqO", "raw", "--", "top.qcow2", "out"))
    t.succeeded(t.instar("info", "--", "top.qcow2"))


def under_the_name_of_qemu_img(t):
    os.symlink(t.tools.instar, t.dir / "qemu-img")
    outcome = run([t.dir / "qemu-img", "info", "missing"], cwd=t.dir)
    t.check(outcome.code == 1, "exit code", outcome)
    complaint = t.complaint(outcome)
    t.check(len(complaint) == 1 and complaint[0].startswith("qemu-img: "), "message", outcome)
    outcome = run([t.dir / "qemu-img", "info", "x.qcow2"], cwd=t.dir)
    t.check(outcome.code == 0 and outcome.text.startswith("image: x.qcow2\n"), "info", outcome)


def messages_name_the_file(t):
    outcome = t.refused(t.instar("info", "missing.qcow2"), says="missing.qcow2")
    t.check(outcome.err_text.startswith("instar: "), "message", outcome)


def progress(t):
    """What programs that scrape qemu-img rely on."""
    outcome = t.succeeded(t.instar("convert", "-p", "-O", "raw", "x.qcow2", "out"))
    steps = outcome.text.split("\r")
    numbers = [re.fullmatch(r"    \((\d+\.\d\d)/100%\)", step.rstrip("\n")) for step in steps if
               step.strip()]
    t.check(numbers and all(numbers), "not in qemu-img's form", outcome)
    values = [float(number[1]) for number in numbers]
    t.check(values == sorted(values) and values[-1] == 100, f"progress ran {values}", outcome)
    quiet = t.succeeded(t.instar("convert", "-O", "raw", "x.qcow2", "out"))
    t.equal(quiet.out, b"", "prints without -p")


def standard_output_that_is_full(t):
    """A report that could not be written is a failure."""
    outcome = t.instar("info", "x.qcow2")
    t.succeeded(outcome)
    with open("/dev/full", "wb") as full:
        import subprocess
        code = subprocess.run([t.tools.instar, "info", "x.qcow2"], cwd=t.dir, stdout=full,
                              stderr=subprocess.DEVNULL, check=False).returncode
    t.equal(code, 1, "exit code")


def version_by_environment(t):
    """INSTAR_QEMU_VERSION does what --qemu-version does, and the option wins."""
    plain = {v: t.succeeded(t.instar("info", f"--qemu-version={v}", "x.qcow2")).out
             for v in ("7.2", "8.2")}
    t.check(plain["7.2"] != plain["8.2"], "versions should differ from 8.0 on")
    env = t.succeeded(t.instar("info", "x.qcow2", env={"INSTAR_QEMU_VERSION": "7.2"}))
    t.equal(env.out, plain["7.2"], "by environment")
    both = t.succeeded(t.instar("info", "--qemu-version=8.2", "x.qcow2",
                                env={"INSTAR_QEMU_VERSION": "7.2"}))
    t.equal(both.out, plain["8.2"], "the option wins")
    t.refused(t.instar("info", "--qemu-version=new", "x.qcow2"))


def timed(t, *arguments):
    """The table of --trace=timing: milliseconds by name. What is printed otherwise stays."""
    plain = t.succeeded(t.instar(*arguments))
    t.check("timing" not in plain.err_text, "a table nobody asked for", plain)
    outcome = t.instar(*arguments, "--trace=timing")
    t.equal(outcome.code, 0, "exit code", outcome)
    t.equal(outcome.out, plain.out, "standard output with --trace=timing", outcome)
    table = {}
    for line in outcome.err_text.splitlines():
        row = re.fullmatch(r"  (  )?(\S.*?)  +(\d+\.\d\d)(?:  (.*))?", line)
        if row:
            table[("  " if row[1] else "") + row[2]] = (float(row[3]), row[4] or "")
    t.check(table, "no table", outcome)
    return table


def timing(t, isolation):
    t.tools.isolation(isolation)
    table = timed(t, "info", f"--isolation={isolation}", "x.qcow2")
    for name in ("before main", "command line", "files and locks", "sandbox", "guest memory",
                 "guest image", "vCPUs", "jail: landlock", "jail: seccomp", "guest", "  running",
                 "  read", "teardown", "result", "total from main"):
        t.check(name in table, f"no line '{name}' in {table}")
    phases = [time for name, (time, _) in table.items()
              if not name.startswith(" ") and name not in ("before main", "total from main")]
    t.check(abs(sum(phases) - table["total from main"][0]) < 0.01 * (len(phases) + 1),
            f"phases do not add up: {table}")
    within = sum(time for name, (time, _) in table.items() if name.startswith(" "))
    t.check(within <= table["guest"][0] + 0.02 + 0.01 * len(table), f"requests exceed: {table}")
    count, read = re.fullmatch(r"(\d+) x, (\d+) bytes", table["  read"][1]).groups()
    t.check(0 < int(count) < 100 and int(read) >= 512, f"reads: {table}")


def timing_of_a_failure(t):
    outcome = t.instar("info", "-f", "qcow2", "--trace=timing", "top.qcow2", "--no-references",
                       "--backing-chain")
    t.equal(outcome.code, 1, "exit code", outcome)
    t.check("\n  guest  " in outcome.err_text, "no table", outcome)


def timing_of_every_verb(t):
    for arguments in (["map"], ["check"], ["measure", "-O", "raw"]):
        table = timed(t, *arguments, "x.qcow2")
        t.check(table["guest"][0] > 0, f"{arguments}: {table}")
    for arguments in (["compare", "x.qcow2", "x.qcow2"], ["convert", "-O", "raw", "x.qcow2", "out"],
                      ["create", "-q", "-f", "qcow2", "new", "1M"],
                      ["dd", "if=x.qcow2", "of=out", "bs=64k", "count=1"]):
        table = timed(t, *arguments)
        t.check(table["guest"][0] > 0, f"{arguments}: {table}")


def other_traces(t):
    """Before the verb qemu-img takes patterns of its trace points; they change nothing."""
    for option in (["-T", "bdrv_*"], ["--trace=enable=x"]):
        t.succeeded(t.instar(*option, "info", "x.qcow2"))
    outcome = t.instar("-T", "timing", "info", "x.qcow2")
    t.check("total from main" in outcome.err_text, "no table", outcome)
    t.refused(t.instar("info", "--trace=bdrv_*", "x.qcow2"), says=["--trace", "timing"])


def unknown_isolation(t):
    t.refused(t.instar("info", "--isolation=hope", "x.qcow2"))


def groups():
    group = Group("command line", make)
    for verb in VERBS_HERE:
        group.add(f"{verb} --help", help_of, [verb, "--help"])
    group.add("--help", help_of, ["--help"])
    group.add("-h", help_of, ["-h"])
    group.case("--version")(version)
    group.case("doctor")(doctor)
    for verb in VERBS_LATER:
        group.add(f"{verb} is refused by name", later_verb, verb)
    for form in ("vdi", "qed"):
        group.add(f"convert to {form} is refused by name", later_format, form)
    for form in DETECTED:
        group.add(f"{form} is recognised and refused", detected_format, form)
    for classic, long in SPELLINGS:
        group.add(f"{' '.join(classic)} has a long spelling", spelling, classic, long)
    group.case("-n has a long spelling")(spelling_without_create)
    group.case("options may follow files")(options_behind_files)
    group.case("under the name of qemu-img")(under_the_name_of_qemu_img)
    group.case("messages name the file")(messages_name_the_file)
    group.case("progress")(progress)
    group.case("full standard output")(standard_output_that_is_full)
    group.case("--qemu-version")(version_by_environment)
    group.case("an unknown isolation")(unknown_isolation)
    for isolation in ("kvm", "process", "none"):
        group.add(f"--trace=timing, isolation {isolation}", timing, isolation)
    group.case("--trace=timing of a failure")(timing_of_a_failure)
    group.case("--trace=timing of every verb")(timing_of_every_verb)
    group.case("other patterns for --trace")(other_traces)
    return [group]
