"""`measure` tells the figures that qemu-img tells."""

from harness import Group
from conformance.checks import as_qemu, parse
from conformance.errors import same_refusal
from harness import tree

SIZES = ("0", "1", "1000", "64k", "65537", "1M", "33M", "1G", "1.5T", "64T")

OPTIONS = (
    "cluster_size=512", "cluster_size=4k", "cluster_size=128k", "cluster_size=2M",
    "refcount_bits=1", "refcount_bits=64", "refcount_bits=64,cluster_size=2M",
    "extended_l2=on", "extended_l2=on,cluster_size=16k",
    "preallocation=off", "preallocation=metadata", "preallocation=falloc", "preallocation=full",
    "compat=0.10", "compat=1.1,lazy_refcounts=on", "compression_type=zstd",
    "data_file=x", "data_file=x,data_file_raw=on", "backing_file=x,backing_fmt=raw",
    "backing_file=x,backing_fmt=raw,preallocation=metadata", "size=5M", "nocow=off",
)


def of_sizes():
    for size in SIZES:
        yield f"raw of {size}", ["--size", size]
        yield f"qcow2 of {size}", ["-O", "qcow2", "--size", size]
    for options in OPTIONS:
        for size in ("1G", "100000"):
            yield f"qcow2 of {size} -o {options}", ["-O", "qcow2", "-o", options, "--size", size]
    for size in ("1M", "1G"):
        yield f"qcow2 of {size} in clusters of 512 with wide refcounts", [
            "-O", "qcow2", "-o", "cluster_size=512,refcount_bits=64", "--size", size]
    yield "raw with preallocation", ["-o", "preallocation=full", "--size", "1G"]


SOURCES = ("holes.raw", "odd.raw", "dense.raw", "empty.raw", "zero.raw", "data.qcow2",
           "zeroed.qcow2", "small.qcow2", "subclusters.qcow2", "compressed.qcow2", "over.qcow2",
           "short.qcow2", "snap.qcow2", "bitmaps.qcow2", "v2.qcow2", "metadata.qcow2", "full.qcow2",
           "external.qcow2", "rawdata.qcow2")
SOURCE_OPTIONS = ("cluster_size=64k", "cluster_size=512", "cluster_size=4k", "cluster_size=2M",
                  "compat=0.10", "preallocation=full", "backing_file=x,backing_fmt=raw",
                  "extended_l2=on,refcount_bits=8")


def of_images():
    for number, source in enumerate(SOURCES):
        yield f"raw of {source}", [source]
        yield f"qcow2 of {source}", ["-O", "qcow2", source]
        # Not each with each: a quarter of the products, dealt out in turn.
        for option_number, options in enumerate(SOURCE_OPTIONS):
            if (number + option_number) % 4 != 0:
                continue
            yield f"qcow2 of {source} -o {options}", ["-O", "qcow2", "-o", options, source]
    for form in ("raw", "qcow2"):
        yield f"-f {form}", ["-f", form, "-O", "qcow2", "data.qcow2"]
    for snapshot in ("one", "2", "snapshot.name=one", "snapshot.id=1"):
        yield f"-l {snapshot}", ["-O", "qcow2", "-l", snapshot, "snap.qcow2"]
    yield "raw -l one", ["-l", "one", "snap.qcow2"]
    yield "-U", ["-U", "-O", "qcow2", "data.qcow2"]
    for size in ("512", "4k", "1M"):
        yield f"bitmaps in clusters of {size}", ["-O", "qcow2", "-o", f"cluster_size={size}",
                                                 "bitmaps.qcow2"]


REFUSED = {
    "nothing": [],
    "both": ["--size", "1G", "data.qcow2"],
    "two files": ["data.qcow2", "odd.raw"],
    "a snapshot of a size": ["-l", "one", "--size", "1M"],
    "a format of a size": ["-f", "raw", "--size", "1M"],
    "unknown output": ["--output=xml", "--size", "1"],
    "unknown target format": ["-O", "nonsense", "--size", "1G"],
    "unknown source format": ["-f", "nonsense", "odd.raw"],
    "wrong source format": ["-f", "qcow2", "odd.raw"],
    "missing file": ["-O", "qcow2", "missing"],
    "missing base": ["-O", "qcow2", "orphan.qcow2"],
    "directory": ["folder"],
    "missing snapshot": ["-l", "none", "snap.qcow2"],
    "snapshot of raw": ["-l", "one", "-f", "raw", "odd.raw"],
    "size of an unknown unit": ["--size", "1q"],
    "size of 8E": ["--size", "8E"],
    "size too large": ["-O", "qcow2", "--size", "7E"],
    "cluster size of 3": ["-O", "qcow2", "-o", "cluster_size=3", "--size", "1G"],
    "refcounts of 3 bits": ["-O", "qcow2", "-o", "refcount_bits=3", "--size", "1G"],
    "narrow refcounts in version 2": ["-O", "qcow2", "-o", "compat=0.10,refcount_bits=8", "--size",
                                      "1G"],
    "subclusters in small clusters": ["-O", "qcow2", "-o", "extended_l2=on,cluster_size=4k",
                                      "--size", "1G"],
    "unknown option": ["-O", "qcow2", "-o", "frobnicate=1", "--size", "1G"],
    "option of another format": ["-o", "cluster_size=4k", "--size", "1G"],
    "encryption": ["-O", "qcow2", "-o", "encrypt.format=luks", "--size", "1G"],
}


def furnish(t):
    def qemu_img(*args):
        t.made_by_qemu_img(*args)

    with open(t.dir / "holes.raw", "wb") as file:
        file.truncate(5_000_000)
        for offset, length in ((0, 1000), (70_000, 5000), (1 << 20, 1 << 17), (4_900_000, 100_000)):
            file.seek(offset)
            file.write(b"\x5a" * length)
    (t.dir / "odd.raw").write_bytes(b"\x5a" * 100_001)
    (t.dir / "dense.raw").write_bytes(b"\x5a" * 1_000_000)
    (t.dir / "empty.raw").write_bytes(b"")
    (t.dir / "zero.raw").write_bytes(bytes(300_000))  # zeros that are stored

    def make(name, *options, size="8M"):
        qemu_img("create", "-q", "-f", "qcow2", *options, name, size)

    make("data.qcow2")
    t.qemu_io("data.qcow2", "write -P 1 0 4k", "write -P 2 1M 300k", "write -P 3 8000k 1k")
    make("zeroed.qcow2")
    t.qemu_io("zeroed.qcow2", "write -P 1 0 1M", "write -z 128k 128k", "write -z 5M 64k",
              "write -z -u 512k 64k")
    make("small.qcow2", "-o", "cluster_size=512", size="1M")
    t.qemu_io("small.qcow2", "write -P 1 0 512", "write -P 2 3k 1k", "write -P 3 100k 33k")
    make("subclusters.qcow2", "-o", "extended_l2=on")
    t.qemu_io("subclusters.qcow2", "write -P 1 0 2k", "write -P 2 70k 2k", "write -z 2M 2k")
    qemu_img("convert", "-f", "raw", "-c", "-O", "qcow2", "dense.raw", "compressed.qcow2")
    make("over.qcow2", "-b", "data.qcow2", "-F", "qcow2")
    t.qemu_io("over.qcow2", "write -P 4 2M 64k", "write -z 1M 64k")
    make("short.qcow2", "-b", "odd.raw", "-F", "raw", size="3M")
    t.qemu_io("short.qcow2", "write -P 4 2M 64k")
    make("snap.qcow2")
    t.qemu_io("snap.qcow2", "write -P 1 0 256k")
    qemu_img("snapshot", "-c", "one", "snap.qcow2")
    t.qemu_io("snap.qcow2", "write -P 1 1M 256k")
    qemu_img("snapshot", "-c", "two", "snap.qcow2")
    t.qemu_io("snap.qcow2", "write -P 1 3M 256k")
    make("bitmaps.qcow2", size="1G")
    for number, granularity in enumerate(("512", "64k", "2M")):
        qemu_img("bitmap", "--add", "-g", granularity, "bitmaps.qcow2", f"bitmap{number}")
    make("v2.qcow2", "-o", "compat=0.10")
    t.qemu_io("v2.qcow2", "write -P 1 0 256k")
    make("metadata.qcow2", "-o", "preallocation=metadata")
    make("full.qcow2", "-o", "preallocation=full", size="1M")
    make("external.qcow2", "-o", "data_file=external.data")
    t.qemu_io("external.qcow2", "write -P 1 1M 256k")
    make("rawdata.qcow2", "-o", "data_file=rawdata.data,data_file_raw=on")
    t.qemu_io("rawdata.qcow2", "write -P 1 1M 256k")
    make("orphan.qcow2", "-u", "-b", "gone", "-F", "qcow2")
    (t.dir / "folder").mkdir()


def measured(t, arguments):
    want = t.qemu_img("measure", *arguments)
    t.check(want.code == 0, "qemu-img refuses this: the row is wrong", want)
    got = t.succeeded(t.instar("measure", as_qemu(t), *arguments))
    t.equal(got.text, want.text, "what is printed", got, want)
    json = ["measure", "--output=json", *arguments]
    t.equal(parse(t, t.succeeded(t.instar(*json))), parse(t, t.qemu_img(*json)), "JSON")


def refused(t, arguments):
    want = t.qemu_img("measure", *arguments)
    t.check(want.code != 0, "qemu-img takes this: the row is wrong", want)
    before = tree(t.dir)
    same_refusal(t, t.instar("measure", *arguments), want, before, t.dir)


def holds_what_it_says(t, source, options):
    """What convert then writes is no longer than what was required."""
    arguments = ["-O", "qcow2", *options, source]
    told = parse(t, t.succeeded(t.instar("measure", "--output=json", *arguments)))
    t.succeeded(t.instar("convert", *arguments, "written"))
    written = (t.dir / "written").stat().st_size
    (t.dir / "written").unlink()
    t.check(written <= told["required"], f"{written} bytes were written, required were {told}")


def groups():
    group = Group("measure", furnish)
    for name, arguments in [*of_sizes(), *of_images()]:
        group.add(name, measured, arguments)
    for name, arguments in REFUSED.items():
        group.add(f"refused: {name}", refused, arguments)
    for source in ("holes.raw", "dense.raw", "data.qcow2", "over.qcow2", "small.qcow2"):
        group.add(f"convert of {source} fits", holds_what_it_says, source, ())
        group.add(f"convert of {source} to small clusters fits", holds_what_it_says, source,
                  ("-o", "cluster_size=512"))
    return [group]
