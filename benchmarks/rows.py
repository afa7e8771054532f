"""What is measured: the work of each row, as arguments of both programs."""

import dataclasses


@dataclasses.dataclass
class Row:
    name: str
    instar: list  # arguments after the program; the isolation is put after the verb
    qemu: list
    output: str | None = None  # file both write; removed before each run
    # info: the same facts; output: the same text; raw: equals the source; another format: equal
    # content, and clean where qemu-img can tell
    verify: str = "none"
    pairs: int = 0  # at least this many, if more than asked for
    moves_data: bool = False  # all the work there is is to copy the disk's data
    shares: bool = False  # on a file system where files can share blocks


def rows():
    def convert(name, source, target, options, qemu_options):
        verify = options[options.index("-O") + 1]
        return Row(name,
                   ["convert", *options, source, target],
                   ["convert", *qemu_options, *options, source, target],
                   output=target, verify=verify,
                   moves_data=not {"-c", "zlib.qcow2", "zstd.qcow2"} & {source, *options} and
                   "subformat=streamOptimized" not in options)

    def told(name, *arguments):
        return Row(name, list(arguments), list(arguments), verify="output")

    out_of_order = ["-m", "16", "-W"]
    made = [
        Row("info, small qcow2", ["info", "small.qcow2"], ["info", "small.qcow2"],
            verify="info", pairs=20),
        convert("raw to qcow2", "mixed.raw", "out.qcow2",
                ["-f", "raw", "-O", "qcow2"], out_of_order),
        convert("qcow2 to raw", "plain.qcow2", "out.raw",
                ["-f", "qcow2", "-O", "raw"], out_of_order),
        convert("raw to raw", "mixed.raw", "out.raw",
                ["-f", "raw", "-O", "raw"], out_of_order),
        convert("qcow2 to qcow2", "plain.qcow2", "out.qcow2",
                ["-f", "qcow2", "-O", "qcow2"], out_of_order),
        convert("chain of three to raw", "top.qcow2", "out.raw",
                ["-f", "qcow2", "-O", "raw"], out_of_order),
        convert("zlib qcow2 to raw", "zlib.qcow2", "out.raw",
                ["-f", "qcow2", "-O", "raw"], out_of_order),
        convert("zstd qcow2 to raw", "zstd.qcow2", "out.raw",
                ["-f", "qcow2", "-O", "raw"], out_of_order),
    ]
    for form, name, options in (("vmdk", "sparse.vmdk", []),
                                ("vpc", "dynamic.vhd", ["-o", "force_size=on"]),
                                ("vhdx", "dynamic.vhdx", [])):
        made += [
            convert(f"raw to {form}", "mixed.raw", f"out.{form}",
                    ["-f", "raw", "-O", form, *options], out_of_order),
            convert(f"{form} to raw", name, "out.raw", ["-f", form, "-O", "raw"], out_of_order),
        ]
    for form, name in (("raw", "mixed.raw"), ("qcow2", "plain.qcow2")):
        for asked, more in (("", []), (", qemu-img -C", ["-C"])):
            row = convert(f"{form} to raw, shared blocks{asked}", name, "out.raw",
                          ["-f", form, "-O", "raw"], [*more, *out_of_order])
            row.moves_data, row.shares = False, True
            made.append(row)
    return made + [
        told("compare raw with raw", "compare", "-f", "raw", "-F", "raw", "mixed.raw", "same.raw"),
        told("compare raw with qcow2", "compare", "-f", "raw", "-F", "qcow2", "mixed.raw",
             "plain.qcow2"),
        told("check, 1 TiB in fragments", "check", "fragmented.qcow2"),
        told("map, 1 TiB in fragments", "map", "--output=json", "fragmented.qcow2"),
        # What takes long comes last.
        convert("raw to zlib qcow2", "mixed.raw", "out.qcow2",
                ["-c", "-f", "raw", "-O", "qcow2"], ["-m", "16"]),
        convert("raw to zstd qcow2", "mixed.raw", "out.qcow2",
                ["-c", "-f", "raw", "-O", "qcow2", "-o", "compression_type=zstd"], ["-m", "16"]),
        convert("raw to streamOptimized vmdk", "mixed.raw", "out.vmdk",
                ["-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized"], ["-m", "16"]),
    ]
