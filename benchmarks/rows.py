"""What is measured: the work of each row, as arguments of both programs."""

import dataclasses

import inputs


@dataclasses.dataclass
class Row:
    name: str
    instar: list  # arguments after the program; the isolation is put after the verb
    qemu: list  # the same work as arguments of qemu-img; measured with those of...
    # ...these, put after the verb, with which it is fastest without taking more storage
    settings: list = dataclasses.field(default_factory=lambda: [[]])
    output: str | None = None  # file both write; removed before each run
    # info: the same facts; output: the same text; raw: equals the source; changed: clean, and of
    # disk_bytes; another format: equal content, and clean where qemu-img can tell
    verify: str = "none"
    pairs: int = 0  # at least this many, if more than asked for
    # All the work there is is to copy the disk's data: of each inputs.PERIOD the source holds...
    moves_bytes: int = 0  # ...this
    starts: bool = False  # all the work there is is to start, and to end
    shares: bool = False  # on a file system where files can share blocks...
    source: str | None = None  # ...of this
    changes: str | None = None  # output is a fresh copy of this before each run, not a new file...
    disk_bytes: int = 0  # ...and then an image of so large a disk

    def inputs(self):
        """Names that may be inputs, among others."""
        return {*self.instar, *([self.changes] if self.changes else [])}


def rows():
    def convert(name, source, target, options, *settings):
        verify = options[options.index("-O") + 1]
        packed = ({"-c", "zlib.qcow2", "zstd.qcow2"} & {source, *options} or
                  "subformat=streamOptimized" in options)
        held = inputs.WRITTEN if source == "mixed.raw" else inputs.DATA
        return Row(name,
                   ["convert", *options, source, target],
                   ["convert", *options, source, target],
                   settings=list(settings), output=target, verify=verify,
                   # The copying varies most: it takes more new memory than there is at hand.
                   pairs=0 if packed else 7,
                   moves_bytes=0 if packed else held)

    def told(name, *arguments):
        return Row(name, list(arguments), list(arguments), verify="output")

    def changes(name, changed, disk_bytes, *words, starts=False):
        words = list(words)
        return Row(name, words, words, output="changed.qcow2", changes=changed,
                   disk_bytes=disk_bytes, verify="changed", starts=starts, pairs=20 if starts else 0)

    many, out_of_order = ["-m", "16"], ["-m", "16", "-W"]
    sharing = ([], many, out_of_order)
    offloading = tuple(["-C", *settings] for settings in sharing)
    plain = (*sharing, offloading[-1])
    made = [
        Row("info, small qcow2", ["info", "small.qcow2"], ["info", "small.qcow2"],
            verify="info", pairs=20, starts=True),
        convert("raw to qcow2", "mixed.raw", "out.qcow2",
                ["-f", "raw", "-O", "qcow2"], *plain),
        convert("qcow2 to raw", "plain.qcow2", "out.raw",
                ["-f", "qcow2", "-O", "raw"], *plain),
        convert("raw to raw", "mixed.raw", "out.raw",
                ["-f", "raw", "-O", "raw"], *plain),
        convert("qcow2 to qcow2", "plain.qcow2", "out.qcow2",
                ["-f", "qcow2", "-O", "qcow2"], *plain),
        convert("chain of three to raw", "top.qcow2", "out.raw",
                ["-f", "qcow2", "-O", "raw"], *plain),
        convert("zlib qcow2 to raw", "zlib.qcow2", "out.raw",
                ["-f", "qcow2", "-O", "raw"], *plain),
        convert("zstd qcow2 to raw", "zstd.qcow2", "out.raw",
                ["-f", "qcow2", "-O", "raw"], *plain),
    ]
    for form, name, options in (("vmdk", "sparse.vmdk", []),
                                ("vpc", "dynamic.vhd", ["-o", "force_size=on"]),
                                ("vhdx", "dynamic.vhdx", [])):
        made += [
            convert(f"raw to {form}", "mixed.raw", f"out.{form}",
                    ["-f", "raw", "-O", form, *options], *plain),
            convert(f"{form} to raw", name, "out.raw", ["-f", form, "-O", "raw"], *plain),
        ]
    for form, name in (("raw", "mixed.raw"), ("qcow2", "plain.qcow2")):
        for asked, settings in (("", sharing), (", qemu-img -C", offloading)):
            row = convert(f"{form} to raw, shared blocks{asked}", name, "out.raw",
                          ["-f", form, "-O", "raw"], *settings)
            row.moves_bytes, row.shares, row.source = 0, True, name
            made.append(row)
    return made + [
        told("compare raw with raw", "compare", "-f", "raw", "-F", "raw", "mixed.raw", "same.raw"),
        told("compare raw with qcow2", "compare", "-f", "raw", "-F", "qcow2", "mixed.raw",
             "plain.qcow2"),
        told("check, 1 TiB in fragments", "check", "fragmented.qcow2"),
        told("measure, 1 TiB in fragments", "measure", "-O", "qcow2", "fragmented.qcow2"),
        told("map, 1 TiB in fragments", "map", "--output=json", "fragmented.qcow2"),
        changes("resize +1G, 1 GiB", "gib.qcow2", 2 << 30, "resize", "changed.qcow2", "+1G",
                starts=True),
        changes("resize +1T, 1 TiB with all tables", "tables.qcow2", 2 << 40, "resize",
                "changed.qcow2", "+1T"),
        changes("bitmap --add, 1 GiB", "gib.qcow2", 1 << 30, "bitmap", "--add", "changed.qcow2", "b",
                starts=True),
        changes("bitmap --add, 1 TiB with all tables", "tables.qcow2", 1 << 40, "bitmap", "--add",
                "changed.qcow2", "b"),
        changes("bitmap --merge, 1 TiB with all tables", "bitmaps.qcow2", 1 << 40, "bitmap",
                "--merge", "from", "changed.qcow2", "into"),
        changes("amend lazy_refcounts, 1 GiB", "gib.qcow2", 1 << 30, "amend", "-o",
             "lazy_refcounts=on", "changed.qcow2", starts=True),
        changes("amend refcount_bits=64, 1 GiB", "gib.qcow2", 1 << 30, "amend", "-o",
             "refcount_bits=64", "changed.qcow2", starts=True),
        changes("amend refcount_bits=64, 1 TiB with all tables", "tables.qcow2", 1 << 40, "amend",
             "-o", "refcount_bits=64", "changed.qcow2"),
        changes("snapshot -c, 1 GiB", "gib.qcow2", 1 << 30, "snapshot", "-c", "s", "changed.qcow2",
                starts=True),
        changes("check -r leaks, 1 TiB with 10,000 leaks", "leaks.qcow2", 1 << 40, "check", "-r",
                "leaks", "changed.qcow2"),
        changes("check -r all, 1 TiB with 10,000 wrong refcounts", "counts.qcow2", 1 << 40, "check",
                "-r", "all", "changed.qcow2"),
        changes("check -r all, 1 TiB that is sound", "tables.qcow2", 1 << 40, "check", "-r", "all",
                "changed.qcow2"),
        # What takes long comes last.
        convert("raw to zlib qcow2", "mixed.raw", "out.qcow2",
                ["-c", "-f", "raw", "-O", "qcow2"], many),
        convert("raw to zstd qcow2", "mixed.raw", "out.qcow2",
                ["-c", "-f", "raw", "-O", "qcow2", "-o", "compression_type=zstd"], many),
        convert("raw to streamOptimized vmdk", "mixed.raw", "out.vmdk",
                ["-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized"], many),
        changes("resize --shrink, 1 TiB with all tables to half", "tables.qcow2", 1 << 39, "resize",
                "--shrink", "changed.qcow2", "512G"),
        changes("snapshot -c, 1 TiB with all tables", "tables.qcow2", 1 << 40, "snapshot", "-c", "s",
                "changed.qcow2"),
        changes("snapshot -a, 1 TiB with all tables", "snapshot.qcow2", 1 << 40, "snapshot", "-a",
                "s", "changed.qcow2"),
        changes("snapshot -d, 1 TiB with all tables", "snapshot.qcow2", 1 << 40, "snapshot", "-d",
                "s", "changed.qcow2"),
    ]
