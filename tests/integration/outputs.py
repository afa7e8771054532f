"""What becomes of targets: their modes, their names, and their content when a run fails."""

import os
import pathlib
import stat

from harness import Group, first_difference, tree

HERE = pathlib.Path(__file__).resolve().parent


def make(t):
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "x.qcow2", "2M")
    t.qemu_io("x.qcow2", "write -P 1 0 1M")
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "bad.qcow2", "2M")
    t.qemu_io("bad.qcow2", "write -c -P 1 0 64k", "write -c -P 2 64k 64k")
    damage(t.dir / "bad.qcow2")
    (t.dir / "notes").write_bytes(b"precious " * 1000)


def damage(path):
    """Overwrites the packed data, so that the metadata is good and the content cannot be read."""
    content = bytearray(path.read_bytes())
    assert len(content) > 5 * 65536
    content[5 * 65536:] = b"\xff" * (len(content) - 5 * 65536)
    path.write_bytes(content)


def mode_of_a_new_target(t, form, umask):
    for program, name in ((t.qemu_img, "want"), (t.instar, "got")):
        outcome = program("convert", "-O", form, "x.qcow2", name, umask=umask)
        t.check(outcome.code == 0, "should succeed", outcome)
    modes = [stat.filemode((t.dir / name).stat().st_mode) for name in ("got", "want")]
    for name in ("got", "want"):
        (t.dir / name).unlink()
    t.equal(modes[0], modes[1], "mode")


def existing_target_is_overwritten_in_place(t):
    target = t.dir / "target"
    target.write_bytes(b"old" * 1_000_000)
    os.chmod(target, 0o640)
    before = target.stat()
    t.succeeded(t.instar("convert", "-O", "raw", "x.qcow2", "target"))
    after = target.stat()
    t.equal((after.st_ino, after.st_mode), (before.st_ino, before.st_mode), "inode and mode")
    t.made_by_qemu_img("convert", "-O", "raw", "x.qcow2", "want")
    t.check(first_difference(target, t.dir / "want") is None, "content")


def target_through_a_link(t):
    os.symlink("real", t.dir / "link")
    t.succeeded(t.instar("convert", "-O", "qcow2", "x.qcow2", "link"))
    t.check((t.dir / "link").is_symlink() and (t.dir / "real").is_file(), "the link was replaced")


def bad_source_leaves_targets_alone(t, source):
    """A source that cannot be opened is noticed before the target is touched."""
    for form in ("raw", "qcow2"):
        before = tree(t.dir)
        t.refused(t.instar("convert", "-f", "qcow2", "-O", form, source, "notes"))
        t.refused(t.instar("convert", "-f", "qcow2", "-O", form, source, "new"))
        t.equal(tree(t.dir), before, "files changed")


def unreadable_content_removes_the_new_target(t):
    for arguments in (["-O", "raw"], ["-O", "qcow2"], ["-c", "-O", "qcow2"],
                      ["-O", "qcow2", "-o", "data_file=new.data"]):
        before = tree(t.dir)
        t.refused(t.instar("convert", *arguments, "bad.qcow2", "new"))
        t.equal(tree(t.dir), before, "files changed")


def compression_levels(t, form, options):
    """Every level gives the source's content, and the same bytes whatever the workers, each of which
    gets a chunk or more."""
    lines = b"".join(b"%d: nothing to report, %d\n" % (n, n * n % 9973) for n in range(300_000))
    (t.dir / "log.raw").write_bytes(lines + bytes(-len(lines) % 512))
    sizes = {}
    for level in (1, 2, 4, 5, 7, 9):
        first = None
        for workers in (1, 3, 8):
            t.succeeded(t.instar("convert", "--reproducible", f"--workers={workers}",
                                 f"--compress-level={level}", *options, "-f", "raw", "-O", form, "log.raw", "out"))
            written = (t.dir / "out").read_bytes()
            t.check(written == (first or written), f"level {level}: {workers} workers write other bytes")
            first = written
        t.made_by_qemu_img("compare", "-f", "raw", "-F", form, "log.raw", "out")
        sizes[level] = len(first)
    t.check(sizes[9] < sizes[1] * 0.97, f"levels make no difference: {sizes}")


def compressed_files_are_small(t, form, options):
    """No larger than qemu-img's at the level that is the default, whatever ordinary data it is."""
    lines = b"".join(b"2031-05-%02d %02d:%02d host%d sshd[%d]: session of user%d from 10.1.%d.%d\n"
                     % (n % 28 + 1, n // 60 % 24, n % 60, n * n % 7, n * 31 % 9973, n * n % 53,
                        n * 7 % 256, n * n % 251) for n in range(60_000))
    kinds = {"log": lines,
             "program": pathlib.Path(t.tools.need("qemu-img")).read_bytes(),
             "source": b"".join(path.read_bytes() for path in sorted(HERE.glob("*.py"))),
             "numbers": b"".join((n * 7).to_bytes(4, "little") for n in range(400_000))}
    for kind, content in kinds.items():
        (t.dir / "kind.raw").write_bytes(content + bytes(-len(content) % 65536))
        t.succeeded(t.instar("convert", *options, "-f", "raw", "-O", form, "kind.raw", "mine"))
        t.made_by_qemu_img("convert", *options, "-f", "raw", "-O", form, "kind.raw", "theirs")
        mine, theirs = ((t.dir / name).stat().st_size for name in ("mine", "theirs"))
        t.check(mine <= theirs * 1.01, f"{kind}: {mine} bytes, qemu-img's {theirs}")


ZSTD = ["-c", "-O", "qcow2", "-o", "compression_type=zstd"]


def packed_sources(t):
    """Compressed images of every kind, also in chains, each with what its disk holds."""
    lines = b"".join(b"%06d %x\n" % (n, n * n) for n in range(60_000))
    base = lines[:1 << 20]
    top = base[:256 << 10] + base[:128 << 10] + base[384 << 10:]  # 128 KiB of it are written anew
    (t.dir / "base.raw").write_bytes(base)
    for at in (0, 64):
        (t.dir / f"{at}.raw").write_bytes(base[at << 10:at + 64 << 10])
    t.made_by_qemu_img("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized",
                       "base.raw", "stream.vmdk")
    for form in ("vmdk", "vhdx"):
        t.made_by_qemu_img("convert", "-f", "raw", "-O", form, "base.raw", f"base.{form}")
    for kind in ("zlib", "zstd"):
        t.made_by_qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", "-o",
                           f"compression_type={kind}", "base.raw", f"{kind}.qcow2")
    chains = [f"{kind}-over-{form}.qcow2" for kind in ("zlib", "zstd") for form in ("vmdk", "vhdx")]
    for name in chains:
        kind, _, form = name.removesuffix(".qcow2").split("-")
        t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-b", f"base.{form}", "-F", form, "-o",
                           f"compression_type={kind}", name)
        for at in (0, 64):
            t.qemu_io(name, f"write -c -s {t.dir / f'{at}.raw'} {256 + at}k 64k")
    return [("stream.vmdk", base), ("zlib.qcow2", base), ("zstd.qcow2", base)] + [(name, top) for name in chains]


def any_compression_becomes_any_other(t):
    targets = [ZSTD + ["--compress-level", str(level)] for level in (1, 4, 5, 9)]
    targets += [["-c", "-O", "qcow2"], ["-O", "vmdk", "-o", "subformat=streamOptimized"],
                ["-O", "vhdx"], ["-O", "vpc"], ["-O", "vmdk"], ["-O", "raw"]]
    for source, content in packed_sources(t):
        (t.dir / "want").write_bytes(content)
        for options in targets:
            t.succeeded(t.instar("convert", *options, source, "out"))
            form = options[options.index("-O") + 1]
            t.made_by_qemu_img("compare", "-f", "raw", "-F", form, "want", "out")
            (t.dir / "out").unlink()
        for kind in ("zlib", "zstd"):
            t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-o", f"compression_type={kind}",
                               "out", "1M")
            t.succeeded(t.instar("convert", "-n", "-c", "-O", "qcow2", source, "out"))
            t.made_by_qemu_img("compare", "-f", "raw", "-F", "qcow2", "want", "out")
            (t.dir / "out").unlink()


def failed_run_keeps_what_existed(t):
    """A target that existed is not removed, even when the run fails midway."""
    (t.dir / "old").write_bytes(b"old")
    t.refused(t.instar("convert", "-O", "raw", "bad.qcow2", "old"))
    t.check((t.dir / "old").exists(), "removed a file that was there before")


def salvage(t):
    """--salvage goes on past what cannot be read, says so, and ends as qemu-img does."""
    want = t.qemu_img("convert", "--salvage", "-O", "raw", "bad.qcow2", "want")
    got = t.instar("convert", "--salvage", "-O", "raw", "bad.qcow2", "got")
    t.equal(got.code, want.code, "exit code", got, want)
    t.check(got.err_lines, "should warn", got)
    t.clean(got)
    difference = first_difference(t.dir / "got", t.dir / "want")
    t.check(difference is None, f"salvaged otherwise: {difference}", got)


def salvage_keeps_to_its_source(t):
    """A map that cannot be read costs nothing of the sources beside it."""
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "odd.qcow2", str((1 << 20) + 1536))
    t.qemu_io("odd.qcow2", "write -P 1 0 1M")
    content = bytearray((t.dir / "odd.qcow2").read_bytes())
    table = int.from_bytes(content[40:48], "big")
    entry = int.from_bytes(content[table:table + 8], "big") | 0x200
    content[table:table + 8] = entry.to_bytes(8, "big")
    (t.dir / "odd.qcow2").write_bytes(content)
    (t.dir / "good.raw").write_bytes(b"good" * (1 << 18))
    for sources in (["odd.qcow2", "good.raw"], ["good.raw", "odd.qcow2", "good.raw"]):
        got = t.instar("convert", "--salvage", "-O", "raw", *sources, "got")
        want = t.qemu_img("convert", "--salvage", "-O", "raw", *sources, "want")
        t.equal(got.code, want.code, "exit code", got, want)
        difference = first_difference(t.dir / "got", t.dir / "want")
        t.check(difference is None, f"{sources} salvaged otherwise: {difference}", got)


def bitmaps_that_cannot_be_copied(t):
    """They are noticed before the target is touched."""
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "b.qcow2", "1M")
    t.made_by_qemu_img("bitmap", "--add", "b.qcow2", "one")
    for options in (["-o", "compat=0.10"],):
        t.refused(t.instar("convert", "--bitmaps", "-O", "qcow2", *options, "b.qcow2", "notes"))
        t.equal((t.dir / "notes").read_bytes(), b"precious " * 1000, "the target")


def holes_with_a_large_sparse_size(t):
    """-S is about zeros that were written; holes of the source stay holes."""
    with open(t.dir / "holes.raw", "wb") as file:
        file.truncate(16 << 20)
        for number in range(16):
            file.seek(number << 20)
            file.write(b"data" * 1024)
    for options in ([], ["-o", "cluster_size=4k"]):
        for program, name in ((t.instar, "got"), (t.qemu_img, "want")):
            t.succeeded(program("convert", "-f", "raw", "-O", "qcow2", "-S", "1M", *options,
                                "holes.raw", name))
        got, want = ((t.dir / name).stat().st_blocks for name in ("got", "want"))
        t.check(got <= want * 1.01, f"{options}: {got} blocks, qemu-img {want}")


def zeros_of_a_large_sparse_size(t):
    """-S counts on the disk, wherever in the file a format puts it."""
    with open(t.dir / "zeros.raw", "wb") as file:
        for number in range(256):
            file.write((b"data" if number % 2 else bytes(4)) * (1 << 14))
    for form in ("vpc", "vhdx", "vmdk", "qcow2", "raw"):
        for program, name in ((t.instar, "got"), (t.qemu_img, "want")):
            t.succeeded(program("convert", "-f", "raw", "-O", form, "-S", "64k", "zeros.raw", name))
        got, want = ((t.dir / name).stat().st_blocks for name in ("got", "want"))
        t.check(got <= want * 1.01, f"{form}: {got} blocks, qemu-img {want}")


def to_a_device_file(t):
    """/dev/null is a character device: no image can be made there."""
    outcome = t.instar("convert", "-n", "-O", "raw", "x.qcow2", "/dev/null")
    t.refused(outcome)
    t.check(stat.S_ISCHR(os.stat("/dev/null").st_mode), "/dev/null is gone", outcome)


def source_is_never_written(t):
    """Not a byte, not a timestamp of content."""
    before = (t.dir / "x.qcow2").stat()
    content = (t.dir / "x.qcow2").read_bytes()
    for arguments in (["info", "x.qcow2"], ["convert", "-O", "raw", "x.qcow2", "a"],
                      ["convert", "-c", "-O", "qcow2", "x.qcow2", "b"]):
        t.succeeded(t.instar(*arguments))
    after = (t.dir / "x.qcow2").stat()
    t.equal((after.st_mtime_ns, after.st_ctime_ns), (before.st_mtime_ns, before.st_ctime_ns),
            "timestamps")
    t.check((t.dir / "x.qcow2").read_bytes() == content, "content")


def groups():
    group = Group("outputs", make)
    for form in ("raw", "qcow2"):
        for umask in (0o022, 0o077, 0):
            group.add(f"mode of a new {form} under umask {umask:03o}", mode_of_a_new_target, form,
                      umask)
    group.case("an existing target is overwritten in place")(existing_target_is_overwritten_in_place)
    group.case("a target through a symbolic link")(target_through_a_link)
    group.add("a missing source leaves targets alone", bad_source_leaves_targets_alone, "missing")
    group.add("a source that is no image leaves targets alone", bad_source_leaves_targets_alone,
              "notes")
    group.case("unreadable content removes the new target")(
        unreadable_content_removes_the_new_target)
    group.case("a failed run keeps what existed")(failed_run_keeps_what_existed)
    for form, options in (("qcow2", ["-c"]), ("qcow2", ["-c", "-o", "compression_type=zstd"]),
                          ("vmdk", ["-o", "subformat=streamOptimized"])):
        group.add(f"--compress-level, {form} {' '.join(options)}", compression_levels, form, options)
    for form, options in (("qcow2", ["-c"]), ("vmdk", ["-o", "subformat=streamOptimized"])):
        group.add(f"compressed {form} files are small", compressed_files_are_small, form, options)
    group.case("any compression becomes any other")(any_compression_becomes_any_other)
    group.case("--salvage")(salvage)
    group.case("--salvage keeps to its source")(salvage_keeps_to_its_source)
    group.case("bitmaps that cannot be copied leave the target alone")(
        bitmaps_that_cannot_be_copied)
    group.case("holes stay holes with a large -S")(holes_with_a_large_sparse_size)
    group.case("zeros are left out with a large -S")(zeros_of_a_large_sparse_size)
    group.case("a character device is no target")(to_a_device_file)
    group.case("the source is never written")(source_is_never_written)
    return [group]
