"""Text on standard output: --max-output-size holds for it, and its length costs no memory."""

import struct

from harness import Group, run

CLUSTER = 65536
LIMIT_LINE = "the output is longer than the limit of 1000 bytes (--max-output-size) and ends here"


def make(t):
    t.made_by_qemu_img("create", "-q", "-f", "qcow2", "plain.qcow2", "64M")
    write_image_of_many_stretches(t.dir / "many.qcow2")
    write_image_with_snapshots(t.dir / "snapshots.qcow2", 2000)


def write_image_of_many_stretches(path):
    """A qcow2 image with one table of the disk, every other cluster of which reads as zeros."""
    entries = CLUSTER // 8
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 3, 0, 0, 16, entries * CLUSTER, 0, 1,
                         3 * CLUSTER, CLUSTER, 1, 0, 0) + struct.pack(">QQQII", 0, 0, 0, 4, 104)
    table = b"".join(struct.pack(">Q", i % 2) for i in range(entries))
    with open(path, "wb") as file:
        for place, content in ((0, header), (1, struct.pack(">5H", 1, 1, 1, 1, 1)),
                               (2, table), (3, struct.pack(">Q", 1 << 63 | 2 * CLUSTER)),
                               (4, b"")):
            file.seek(place * CLUSTER)
            file.write(content)
        file.seek(CLUSTER)
        file.write(struct.pack(">Q", 4 * CLUSTER))
        file.seek(4 * CLUSTER)
        file.write(struct.pack(">5H", 1, 1, 1, 1, 1))
        file.truncate(5 * CLUSTER)


def write_image_with_snapshots(path, count):
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 3, 0, 0, 16, 1 << 20, 0, 1, 3 * CLUSTER,
                         CLUSTER, 1, count, 5 * CLUSTER) + struct.pack(">QQQII", 0, 0, 0, 4, 104)
    with open(path, "wb") as file:
        file.write(header)
        file.seek(5 * CLUSTER)
        for i in range(count):
            name = b"snapshot %d" % i
            number = b"%d" % i
            entry = struct.pack(">QIHHIIQII", 0, 0, len(number), len(name), 1700000000, 0, 0, 0,
                                16) + struct.pack(">QQ", 0, 1 << 20) + number + name
            file.write(entry + bytes(-len(entry) % 8))
        file.truncate(file.tell() + CLUSTER)


def ends_at_the_limit(t, *arguments):
    verb, *rest = arguments
    whole = t.instar(verb, *rest)
    t.check(whole.code == 0 and len(whole.out) > 1000, "the whole text is longer", whole)
    cut = t.instar(verb, "--max-output-size=1000", *rest)
    t.equal(cut.code, 1, "exit code")
    t.equal(cut.out, whole.out[:1000], "what is printed")
    t.check(t.complaint(cut) == [f"instar: {LIMIT_LINE}"], "one line says why", cut)


def short_text_is_printed_whole(t, *arguments):
    verb, *rest = arguments
    whole = t.instar(verb, *rest)
    bounded = t.instar(verb, f"--max-output-size={len(whole.out)}", *rest)
    t.equal((bounded.code, bounded.out, bounded.err), (whole.code, whole.out, whole.err), "outcome")


def one_byte_is_too_little(t, verb, *rest):
    code = 4 if verb == "compare" else 1  # 1 of compare: the images differ
    cut = t.instar(verb, "--max-output-size=1", *rest)
    t.equal((cut.code, len(cut.out)), (code, 1), "exit code and bytes printed")
    t.check(b"--max-output-size" in cut.err and len(t.complaint(cut)) == 1, "one line says why", cut)


def snapshots_take_little_memory(t, isolation, form):
    """As many as the format allows; the text is 16 MiB."""
    write_image_with_snapshots(t.dir / "most.qcow2", 65536)
    t.tools.isolation(isolation)
    outcome = t.instar("info", f"--isolation={isolation}", f"--output={form}", "most.qcow2")
    t.check(outcome.code == 0 and outcome.out.count(b"snapshot 65535") == 1, "all are shown", outcome)
    t.check(outcome.max_rss_kib < 32 << 10, f"{outcome.max_rss_kib} KiB of memory", outcome)
    (t.dir / "most.qcow2").unlink()


def memory_that_is_refused_is_one_line(t):
    """The host has no memory for the report: an error like others, in a thread of a vCPU, too."""
    write_image_with_snapshots(t.dir / "most.qcow2", 65536)
    # With KVM the guest's memory is the process's own, and has no room in that either.
    outcome = run(["sh", "-c", 'ulimit -d 20000 && exec "$0" "$@"', t.tools.instar, "info",
                   "--isolation=process", "most.qcow2"], cwd=t.dir)
    t.equal(outcome.code, 1, "exit code")
    t.equal(outcome.out, b"", "what is printed")
    t.equal(outcome.err.decode(), "instar: 'most.qcow2': this process may not have the memory "
            "that the image takes\n", "one line says why")
    (t.dir / "most.qcow2").unlink()


def groups():
    group = Group("printed text", make)
    for form in ("human", "json"):
        group.add(f"info of many snapshots ends at the limit, {form}", ends_at_the_limit, "info",
                  f"--output={form}", "snapshots.qcow2")
    group.add("map of many stretches ends at the limit", ends_at_the_limit, "map",
              "--output=json", "many.qcow2")
    for arguments in (("info", "plain.qcow2"), ("info", "--output=json", "plain.qcow2"),
                      ("check", "plain.qcow2"), ("check", "--output=json", "plain.qcow2"),
                      ("map", "plain.qcow2"), ("map", "--output=json", "plain.qcow2"),
                      ("measure", "-O", "qcow2", "plain.qcow2"),
                      ("measure", "--output=json", "-O", "qcow2", "plain.qcow2"),
                      ("compare", "plain.qcow2", "plain.qcow2")):
        name = " ".join(arguments)
        group.add(f"text of exactly the limit is whole: {name}", short_text_is_printed_whole,
                  *arguments)
        group.add(f"one byte is too little: {name}", one_byte_is_too_little, *arguments)
    for isolation in ("kvm", "process"):
        for form in ("human", "json"):
            group.add(f"65,536 snapshots take little memory: {isolation}, {form}",
                      snapshots_take_little_memory, isolation, form)
    group.case("memory that is refused is one line")(memory_that_is_refused_is_one_line)
    return [group]
