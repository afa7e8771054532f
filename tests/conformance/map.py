"""map: every image of the table, told as qemu-img tells it, in all of its forms."""

from harness import Failure
from conformance.comparing import as_qemu, parse, same_output

WINDOWS = ((100_000, 300_000), (0, 512), (700_000, 1 << 40))
IMAGES_PER_WINDOW_SAMPLE = 10
IMAGES_PER_COVER_SAMPLE = 4


def map_json(t, image, *options):
    same_output(t, "map", "--output=json", *options, *image.format_options, image.file)


def map_human(t, image, *options):
    same_output(t, "map", *options, *image.format_options, image.file)


def map_covers_the_disk(t, image):
    """Without gaps and overlaps, and never two entries that are one."""
    entries = parse(t, t.succeeded(t.instar("map", "--output=json", *image.format_options,
                                            image.file)))
    size = parse(t, t.instar("info", "--output=json", *image.format_options,
                             image.file))["virtual-size"]
    at = 0
    for entry in entries:
        t.equal(entry["start"], at, f"start of {entry}")
        t.check(entry["length"] > 0 or size == 0, f"an empty entry: {entry}")
        t.check("compressed" in entry, f"no flag for compression: {entry}")
        at += entry["length"]
    t.equal(at, size, "end of the last entry")
    for a, b in zip(entries, entries[1:]):
        said = [{k: v for k, v in entry.items() if k not in ("start", "length", "offset")}
                for entry in (a, b)]
        same = said[0] == said[1] and ("offset" in a) == ("offset" in b)
        if same and ("offset" not in a or a["offset"] + a["length"] == b["offset"]):
            raise Failure(f"should be one entry: {a} and {b}")


def map_isolation(t, image, isolation):
    how = f"--isolation={t.tools.isolation(isolation)}"
    for options in ((), ("--output=json",)):
        arguments = ["map", as_qemu(t), *options, *image.format_options, image.file]
        plain, other = t.instar(*arguments), t.instar(*arguments, how)
        t.equal((other.code, other.out), (plain.code, plain.out), "map differs by isolation")


def add_cases(group, image, number):
    group.add("map json", map_json, image)
    group.add("map human", map_human, image)
    if number % IMAGES_PER_COVER_SAMPLE == 0:
        group.add("map covers the disk", map_covers_the_disk, image)
    if number % IMAGES_PER_WINDOW_SAMPLE == 0:
        for start, length in WINDOWS:
            group.add(f"map -s {start} -l {length}", map_json, image, "-s", str(start), "-l",
                      str(length))
