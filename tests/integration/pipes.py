"""Conversions into and out of pipes: the bytes that a file would get, in their order, and no others."""

import os
import pty
import subprocess
import threading

from harness import Group, clean_environment, first_difference, tree

STREAMED = {
    "raw": ["-O", "raw"],
    "streamOptimized": ["-O", "vmdk", "-o", "subformat=streamOptimized"],
    "fixed VHD": ["-O", "vpc", "-o", "subformat=fixed"],
    "azure": ["-O", "vpc", "-o", "azure"],
}
SOURCES = ["sparse.qcow2", "packed.qcow2", "dense.raw", "odd.raw", "empty.raw"]


def make(t):
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "sparse.qcow2", "70M")
    t.qemu_io("sparse.qcow2", "write -P 1 1M 300k", "write -P 2 31M 2M", "write -P 3 66M 64k")
    # Plain and compressed clusters in turn, so that one chunk has copies and writes.
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "packed.qcow2", "9M")
    t.qemu_io("packed.qcow2", "write -c -P 4 0 64k", "write -P 5 64k 64k", "write -c -P 6 128k 64k",
              "write -P 7 3M 1M", "write -c -P 8 5M 64k")
    (t.dir / "dense.raw").write_bytes(os.urandom(5 << 20))
    (t.dir / "odd.raw").write_bytes(os.urandom((1 << 20) + 700))
    (t.dir / "empty.raw").write_bytes(b"")


def through(t, *argv, stdin=None):
    """(exit code, what came out of the pipe, stderr lines) of instar with argv."""
    with open(stdin, "rb") if stdin else open(os.devnull, "rb") as source:
        feeder = subprocess.Popen(["cat"], stdin=source, stdout=subprocess.PIPE)
        process = subprocess.Popen([t.tools.instar, *argv], cwd=t.dir, stdin=feeder.stdout,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=clean_environment())
        feeder.stdout.close()
        out, err = process.communicate(timeout=60)
        feeder.wait()
    lines = [line for line in err.decode().split("\n") if line.strip()]
    return process.returncode, out, [x for x in lines if x not in t.tools.announcement]


def same_bytes(t, kind, source):
    """What a file of the name a pipe's image goes by holds, comes out of the pipe."""
    name = "disk.vmdk" if kind == "streamOptimized" else "disk"
    arguments = ["convert", "--reproducible", *STREAMED[kind], source]
    t.succeeded(t.instar(*arguments, name))
    want = (t.dir / name).read_bytes()
    (t.dir / name).unlink()
    code, got, lines = through(t, *arguments, "-")
    t.equal((code, lines), (0, []), "exit code and complaints")
    t.check(got == want, f"{len(got)} bytes differ from the {len(want)} of a file")


def read_by_others(t):
    """The piped streamOptimized image is one for qemu-img, 7-Zip and libvmdk."""
    code, got, _ = through(t, "convert", *STREAMED["streamOptimized"], "sparse.qcow2", "-")
    t.equal(code, 0, "exit code")
    (t.dir / "piped.vmdk").write_bytes(got)
    compared = t.qemu_img("compare", "sparse.qcow2", "piped.vmdk")
    t.check(compared.code == 0, "differs for qemu-img", compared)
    t.succeeded(t.instar("check", "piped.vmdk"))
    if t.tools.paths.get("7z"):
        t.made_by_qemu_img("convert", "-O", "raw", "sparse.qcow2", "want")
        with open(t.dir / "unpacked", "wb") as out:
            subprocess.run(["7z", "e", "-so", "piped.vmdk"], cwd=t.dir, stdout=out,
                           stderr=subprocess.DEVNULL, check=True)
        t.check(first_difference(t.dir / "want", t.dir / "unpacked") is None, "differs for 7-Zip")


def other_formats(t):
    for options in (["-O", "qcow2"], ["-O", "vhdx"], ["-O", "vmdk"], ["-O", "vpc"],
                    ["-O", "vmdk", "-o", "subformat=monolithicFlat"]):
        outcome = t.refused(t.instar("convert", *options, "dense.raw", "-"),
                            says=("streamOptimized", "subformat=fixed", "raw"))
        t.equal(outcome.out, b"", "standard output")
    t.refused(t.instar("convert", "-n", "-O", "raw", "dense.raw", "-"), says="-n")
    t.refused(t.instar("convert", "-O", "raw", "-o", "preallocation=full", "dense.raw", "-"),
              says="preallocate")


def everything_else_on_stderr(t):
    code, got, lines = through(t, "convert", "-p", "-O", "raw", "dense.raw", "-")
    t.equal((code, got), (0, (t.dir / "dense.raw").read_bytes()), "exit code and image")
    t.check(any("100.00/100%" in line for line in lines), f"no progress on stderr: {lines}")


def into_a_redirection(t):
    """Standard output that is a file gets the bytes where it stands."""
    with open(t.dir / "log", "wb") as out:
        out.write(b"before")
        out.flush()
        subprocess.run([t.tools.instar, "convert", "-O", "raw", "dense.raw", "-"], cwd=t.dir,
                       stdout=out, check=True, env=clean_environment())
        out.write(b"after")
    want = b"before" + (t.dir / "dense.raw").read_bytes() + b"after"
    t.equal((t.dir / "log").read_bytes() == want, True, "the file holds the image")


def into_a_fifo(t, target):
    os.mkfifo(t.dir / target)
    got = []
    reader = threading.Thread(target=lambda: got.append((t.dir / target).read_bytes()))
    reader.start()
    t.succeeded(t.instar("convert", "-O", "raw", "packed.qcow2", target))
    reader.join(20)
    t.made_by_qemu_img("convert", "-O", "raw", "packed.qcow2", "want")
    t.check(got[0] == (t.dir / "want").read_bytes(), "other bytes came out")


def out_of_a_fifo(t):
    os.mkfifo(t.dir / "source")
    writer = threading.Thread(
        target=lambda: (t.dir / "source").write_bytes((t.dir / "odd.raw").read_bytes()))
    writer.start()
    t.succeeded(t.instar("convert", "-f", "raw", "-O", "qcow2", "source", "out.qcow2"))
    writer.join(20)
    compared = t.qemu_img("compare", "-f", "raw", "odd.raw", "out.qcow2")
    t.check(compared.code == 0, "differs", compared)


def to_a_terminal(t):
    master, terminal = pty.openpty()
    try:
        process = subprocess.Popen([t.tools.instar, "convert", "-O", "raw", "dense.raw", "-"],
                                   cwd=t.dir, stdout=terminal, stderr=subprocess.PIPE,
                                   env=clean_environment())
        _, err = process.communicate(timeout=60)
    finally:
        os.close(terminal)
        os.close(master)
    t.equal(process.returncode, 1, "exit code")
    t.check(b"terminal" in err, f"should say so: {err!r}")


def reader_goes_away(t, options):
    process = subprocess.Popen([t.tools.instar, "convert", *options, "sparse.qcow2", "-"],
                               cwd=t.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=clean_environment())
    process.stdout.read(1000)
    process.stdout.close()
    err = process.stderr.read().decode()
    process.stderr.close()
    t.equal(process.wait(60), 1, "exit code")
    lines = [x for x in err.split("\n") if x.strip() and x not in t.tools.announcement]
    t.equal(len(lines), 1, f"lines on stderr: {lines}")
    t.check("Broken pipe" in lines[0], f"should say so: {lines[0]}")


def from_a_pipe(t, source, target):
    arguments = ["convert", "--reproducible", "-f", "raw", *target]
    code, _, lines = through(t, *arguments, "-", "copy", stdin=t.dir / source)
    t.equal((code, lines), (0, []), "exit code and complaints")
    os.rename(t.dir / "copy", t.dir / "piped")
    t.succeeded(t.instar(*arguments, source, "copy"))
    t.check(first_difference(t.dir / "copy", t.dir / "piped") is None,
            "not the bytes that a file gives")
    for name in ("copy", "piped"):
        (t.dir / name).unlink()


def keeps_zeros_out(t):
    """Zeros that come out of a pipe become holes, whichever way they take."""
    with open(t.dir / "sparse.raw", "wb") as file:
        file.truncate(32 << 20)
        file.seek(8 << 20)
        file.write(os.urandom(1 << 20))
    for form in ("raw", "qcow2"):
        code, _, _ = through(t, "convert", "-f", "raw", "-O", form, "-", "holes",
                             stdin=t.dir / "sparse.raw")
        t.equal(code, 0, "exit code")
        t.check((t.dir / "holes").stat().st_blocks * 512 < 3 << 20, f"{form} takes up all of it")


def from_a_redirection(t):
    """A seekable standard input is a file, of any format."""
    with open(t.dir / "sparse.qcow2", "rb") as source:
        t.succeeded(t.instar("convert", "-O", "raw", "-", "copied", stdin=source))
    t.made_by_qemu_img("convert", "-O", "raw", "sparse.qcow2", "want")
    t.check(first_difference(t.dir / "copied", t.dir / "want") is None, "differs")
    # Of which something was read already, the rest.
    with open(t.dir / "odd.raw", "rb", buffering=0) as source:
        source.read(700)
        t.succeeded(t.instar("convert", "-f", "raw", "-O", "raw", "-", "rest", stdin=source))
    t.equal((t.dir / "rest").read_bytes() == (t.dir / "odd.raw").read_bytes()[700:], True, "rest")


def needs_its_format(t):
    before = tree(t.dir)
    for options, words in (([], "-f raw"), (["-f", "qcow2"], "only raw")):
        code, _, lines = through(t, "convert", *options, "-O", "raw", "-", "copy",
                                 stdin=t.dir / "sparse.qcow2")
        t.equal((code, len(lines)), (1, 1), "exit code and lines")
        t.check(words in lines[0], f"should say {words}: {lines}")
    t.equal(tree(t.dir), before, "files changed")


def read_twice(t):
    before = tree(t.dir)
    for names in (["-", "-"], ["-", "/dev/stdin"], ["/dev/stdin", "odd.raw", "-"]):
        code, _, lines = through(t, "convert", "-f", "raw", "-O", "raw", *names, "copy",
                                 stdin=t.dir / "odd.raw")
        t.equal((code, len(lines)), (1, 1), f"exit code and lines: {lines}")
        t.check("only once" in lines[0], f"should say why: {lines}")
    t.equal(tree(t.dir), before, "files changed")


def too_large_for_the_process(t):
    """What RLIMIT_FSIZE forbids is told, and does not end the program."""
    before = tree(t.dir)
    for form in ("raw", "qcow2"):
        command = f'ulimit -f 2000; cat dense.raw | "$0" convert -f raw -O {form} - copy'
        done = subprocess.run(["bash", "-c", command, t.tools.instar], cwd=t.dir,
                              env=clean_environment(), capture_output=True, timeout=60)
        t.equal(done.returncode, 1, f"exit code: {done.stderr}")
        t.check(b"File too large" in done.stderr, f"should say why: {done.stderr}")
    t.equal(tree(t.dir), before, "files changed")


def straight_through(t):
    code, got, lines = through(t, "convert", "-f", "raw", "-O", "raw", "-", "-",
                               stdin=t.dir / "odd.raw")
    t.equal((code, lines), (0, []), "exit code and complaints")
    want = (t.dir / "odd.raw").read_bytes()
    t.check(got == want + bytes(-len(want) % 512), "other bytes came out")
    code, got, _ = through(t, "convert", "-f", "raw", *STREAMED["streamOptimized"], "-", "-",
                           stdin=t.dir / "dense.raw")
    t.equal(code, 0, "exit code")
    (t.dir / "piped.vmdk").write_bytes(got)
    compared = t.qemu_img("compare", "-f", "raw", "dense.raw", "piped.vmdk")
    t.check(compared.code == 0, "differs", compared)


def limited(t):
    """The bounds hold for what has no size."""
    for form in ("raw", "qcow2"):
        before = tree(t.dir)
        code, _, lines = through(t, "convert", "--max-virtual-size", "1M", "-f", "raw", "-O", form,
                                 "-", "copy", stdin=t.dir / "dense.raw")
        t.equal((code, len(lines)), (1, 1), f"exit code and lines: {lines}")
        t.equal(tree(t.dir), before, "files changed")
    code, got, lines = through(t, "convert", "--max-output-size", "1M", "-O", "raw", "dense.raw", "-")
    t.equal((code, len(lines)), (1, 1), f"exit code and lines: {lines}")
    t.check(len(got) <= 1 << 20, "more came out than the limit")


def dd_into_a_pipe(t):
    code, got, lines = through(t, "dd", "-O", "raw", "bs=1k", "skip=3", "count=9", "if=dense.raw",
                               "of=-")
    t.equal((code, lines), (0, []), "exit code and complaints")
    t.equal(got == (t.dir / "dense.raw").read_bytes()[3 << 10:9 << 10], True, "the window came out")


def isolated(t, name):
    t.tools.isolation(name)
    code, got, _ = through(t, "convert", f"--isolation={name}", "-O", "raw", "packed.qcow2", "-")
    t.equal(code, 0, "exit code")
    t.made_by_qemu_img("convert", "-O", "raw", "packed.qcow2", "want")
    t.check(got == (t.dir / "want").read_bytes(), "other bytes came out")
    code, _, lines = through(t, "convert", f"--isolation={name}", "-f", "raw", "-O", "raw", "-",
                             "copy", stdin=t.dir / "dense.raw")
    t.equal((code, lines if name != "process" else []), (0, []), "exit code and complaints")
    t.check(first_difference(t.dir / "copy", t.dir / "dense.raw") is None, "differs")


def called_dash(t):
    """A file of that name is ./-"""
    (t.dir / "-").write_bytes((t.dir / "dense.raw").read_bytes())
    t.succeeded(t.instar("convert", "-f", "raw", "-O", "raw", "./-", "named"))
    t.check(first_difference(t.dir / "named", t.dir / "dense.raw") is None, "differs")
    (t.dir / "-").unlink()


def not_read(t, verb, *arguments):
    """For verbs that look at an image here and there - is a file; where there is none, they say so."""
    t.refused(t.instar(verb, *arguments), code=2 if verb == "compare" else 1,
              says="standard input is read by convert and dd only")
    (t.dir / "-").write_bytes((t.dir / "dense.raw").read_bytes())
    try:
        got = t.instar(verb, *arguments)
        t.equal(got.code, 63 if verb == "check" else 0, "exit code", got)
    finally:
        (t.dir / "-").unlink()


def groups():
    group = Group("pipes", make)
    for verb in ("info", "map", "measure", "check"):
        group.add(f"{verb} of -", not_read, verb, "-f", "raw", "-")
    group.add("compare with -", not_read, "compare", "-f", "raw", "-F", "raw", "dense.raw", "-")
    for kind in STREAMED:
        for source in SOURCES:
            group.add(f"{kind} of {source} to -", same_bytes, kind, source)
    for source in ("dense.raw", "odd.raw", "empty.raw"):
        for form in ("raw", "qcow2", "vmdk", "vhdx"):
            group.add(f"{form} of {source} from -", from_a_pipe, source, ["-O", form])
    group.add("twoGbMaxExtentFlat from -", divided_from_a_pipe)
    group.case("streamOptimized is read by others")(read_by_others)
    group.case("other formats are refused")(other_formats)
    group.case("progress goes to stderr")(everything_else_on_stderr)
    group.case("a redirection")(into_a_redirection)
    group.add("a FIFO", into_a_fifo, "fifo")
    group.case("from a FIFO")(out_of_a_fifo)
    group.case("no terminal")(to_a_terminal)
    for name, options in STREAMED.items():
        if name != "streamOptimized":  # fits into the pipe
            group.add(f"a reader that goes away from {name}", reader_goes_away, options)
    group.case("zeros from - are left out")(keeps_zeros_out)
    group.case("a seekable - is a file")(from_a_redirection)
    group.case("- needs -f raw")(needs_its_format)
    group.case("- twice")(read_twice)
    group.case("a limit of the process")(too_large_for_the_process)
    group.case("- to -")(straight_through)
    group.case("limits")(limited)
    group.case("dd to -")(dd_into_a_pipe)
    for name in ("kvm", "process", "none"):
        group.add(f"--isolation={name}", isolated, name)
    group.case("./- is a file")(called_dash)
    return [group]


def divided_from_a_pipe(t):
    """The number of files follows from what came in."""
    code, _, lines = through(t, "convert", "-f", "raw", "-O", "vmdk", "-o",
                             "subformat=twoGbMaxExtentFlat", "-", "split.vmdk",
                             stdin=t.dir / "odd.raw")
    t.equal((code, lines), (0, []), "exit code and complaints")
    compared = t.qemu_img("compare", "-f", "raw", "odd.raw", "split.vmdk")
    t.check(compared.code == 0, "differs", compared)
