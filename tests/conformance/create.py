"""What `create` makes and says is what qemu-img's makes and says."""

import json

from harness import Group, remove_tree, run, tree
from conformance.checks import as_qemu, differing_fields, not_larger
from conformance.errors import same_refusal

SIZES = ("0", "1", "511", "512", "1000", "1.5k", "0x1000", "65536", "1M", "33M", "3G", "2T")

QCOW2_OPTIONS = (
    *(f"cluster_size={size}" for size in
      ("512", "1k", "2k", "4k", "8k", "16k", "32k", "128k", "256k", "512k", "1M", "2M")),
    *(f"refcount_bits={bits}" for bits in (1, 2, 4, 8, 32, 64)),
    "compat=0.10", "compat=v2", "compat=1.1", "compat=v3",
    "compat=0.10,cluster_size=4k",
    "compression_type=zlib", "compression_type=zstd",
    "lazy_refcounts=on", "lazy_refcounts=yes", "lazy_refcounts", "nolazy_refcounts",
    "extended_l2=on", "extended_l2=on,cluster_size=16k", "extended_l2=on,cluster_size=2M",
    "nocow=off", "extent_size_hint=1M", "encryption=off",
    "cluster_size=4k,cluster_size=8k",
    "refcount_bits=0x8", "cluster_size=0x1000",
    "data_file=new.data", "data_file=new.data,data_file_raw=on",
    "data_file=new.data,cluster_size=4k,extended_l2=off",
    *(f"preallocation={mode}" for mode in ("off", "metadata", "falloc", "full")),
    "preallocation=metadata,cluster_size=512", "preallocation=metadata,extended_l2=on",
    "preallocation=falloc,cluster_size=2M", "preallocation=full,refcount_bits=64",
    "preallocation=full,compat=0.10",
    "preallocation=metadata,data_file=new.data", "preallocation=full,data_file=new.data",
    "preallocation=falloc,data_file=new.data,data_file_raw=on",
)

RAW_OPTIONS = ("preallocation=off", "preallocation=falloc", "preallocation=full", "nocow=off",
               "extent_size_hint=64k", "extent_size_hint=64k,preallocation=full,nocow=off")

VMDK_SUBFORMATS = ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse",
                   "twoGbMaxExtentFlat", "streamOptimized")

VMDK_OPTIONS = (
    "adapter_type=ide", "adapter_type=lsilogic", "adapter_type=buslogic", "adapter_type=legacyESX",
    "hwversion=4", "hwversion=11", "hwversion=words", "hwversion=undefined", "compat6=on",
    "compat6=off", "compat6", "toolsversion=10246", "zeroed_grain=on", "zeroed_grain=off",
    "subformat=twoGbMaxExtentSparse,zeroed_grain=on",
    "subformat=streamOptimized,adapter_type=lsilogic,hwversion=14",
    "subformat=monolithicFlat,adapter_type=buslogic,compat6=on",
)

VPC_OPTIONS = ("subformat=dynamic", "subformat=fixed", "force_size=on", "force_size",
               "force_size=off", "subformat=fixed,force_size=on", "subformat=dynamic,force_size=off",
               "nocow=off", "extent_size_hint=1M", "preallocation=off", "preallocation=full",
               "subformat=fixed,preallocation=off,nocow=off,extent_size_hint=0")

VHDX_OPTIONS = ("subformat=dynamic", "subformat=fixed", "block_size=1M", "block_size=256M",
                "block_size=0", "block_size=1", "block_size=8388608", "block_size=512M",
                "block_size=8G",
                "log_size=4M", "log_size=1", "log_size=1.5M",
                "block_state_zero=on", "block_state_zero=off", "block_state_zero",
                "subformat=fixed,block_size=2M", "subformat=fixed,block_state_zero=off,log_size=2M",
                "nocow=off", "extent_size_hint=1M", "preallocation=off", "preallocation=falloc")

# Backing files, made by `furnish`: name and format.
BASES = (("base.qcow2", "qcow2"), ("base.raw", "raw"), ("odd.raw", "raw"), ("over.qcow2", "qcow2"),
         ("base.vmdk", "raw"))


def cases():
    """name, arguments"""
    for size in SIZES:
        yield f"raw of {size}", ["-f", "raw", "new", size]
        yield f"qcow2 of {size}", ["-f", "qcow2", "new", size]
    for size in ("2T", "64T"):
        yield f"qcow2 of {size} in large clusters", ["-f", "qcow2", "-o", "cluster_size=2M", "new",
                                                     size]
    yield "no format", ["new", "1M"]
    yield "size as an option", ["-f", "qcow2", "-o", "size=5M", "new"]
    yield "raw size as an option", ["-o", "size=3k", "new"]
    yield "quiet", ["-q", "-f", "qcow2", "new", "1M"]
    yield "two lists of options", ["-f", "qcow2", "-o", "cluster_size=4k", "-o", "refcount_bits=1",
                                   "new", "1M"]
    yield "options after the file", ["new", "-f", "qcow2", "1M", "-o", "cluster_size=4k"]
    yield "a name with a comma and a quote", ["-f", "qcow2", "new,'x", "1M"]
    yield "onto an existing raw image", ["-f", "qcow2", "old.raw", "1M"]
    yield "onto an existing qcow2 image", ["-f", "raw", "old.qcow2", "1M"]
    for options in QCOW2_OPTIONS:
        yield f"qcow2 -o {options}", ["-f", "qcow2", "-o", options, "new", "3M"]
    for size in ("1000", "65537", "100000"):
        for mode in ("falloc", "full"):
            yield f"qcow2 of {size} -o preallocation={mode}", [
                "-f", "qcow2", "-o", f"preallocation={mode}", "new", size]
    for options in RAW_OPTIONS:
        yield f"raw -o {options}", ["-o", options, "new", "100k"]
    for subformat in VMDK_SUBFORMATS:
        for size in ("0", "1", "512", "1000", "1000448", "33M", "5G"):
            yield f"vmdk {subformat} of {size}", ["-f", "vmdk", "-o", f"subformat={subformat}",
                                                  "new.vmdk", size]
    # The tables of a sparse extent are made whole: of 2T they take 256 MiB.
    yield "vmdk monolithicSparse of 100G", ["-f", "vmdk", "new.vmdk", "100G"]
    yield "vmdk monolithicFlat of 2T", ["-f", "vmdk", "-o", "subformat=monolithicFlat", "new.vmdk",
                                        "2T"]
    for options in VMDK_OPTIONS:
        yield f"vmdk -o {options}", ["-f", "vmdk", "-o", options, "new.vmdk", "3M"]
    yield "vmdk without options", ["-f", "vmdk", "new.vmdk", "1M"]
    yield "vmdk of a name without a suffix", ["-f", "vmdk", "-o", "subformat=monolithicFlat", "new",
                                              "1M"]
    yield "vmdk of a name of two suffixes", ["-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse",
                                             "new.1.vmdk", "1M"]
    for subformat in ("monolithicSparse", "twoGbMaxExtentSparse", "streamOptimized"):
        overlay = ["-f", "vmdk", "-o", f"subformat={subformat}", "-b", "parent.vmdk", "-F", "vmdk"]
        yield f"vmdk {subformat} over a parent", [*overlay, "new.vmdk", "5M"]
    yield "vmdk over a parent of its size", ["-f", "vmdk", "-b", "parent.vmdk", "-F", "vmdk",
                                             "new.vmdk"]
    yield "vmdk over an unchecked parent", ["-f", "vmdk", "-u", "-b", "parent.vmdk", "-F", "vmdk",
                                            "new.vmdk", "5M"]
    yield "vmdk over a parent of zeroed grains", ["-f", "vmdk", "-b", "parent.vmdk", "-F", "vmdk",
                                                  "-o", "zeroed_grain=on", "new.vmdk"]
    for size in ("0", "1", "512", "1000", "1000448", "1M", "33M", "1000000", "3G", "100G", "1.5T"):
        yield f"vpc of {size}", ["-f", "vpc", "new", size]
        yield f"vpc of {size}, size forced", ["-f", "vpc", "-o", "force_size=on", "new", size]
    for size in ("1", "1000448", "33M", "3G"):
        yield f"vpc fixed of {size}", ["-f", "vpc", "-o", "subformat=fixed", "new", size]
    for options in VPC_OPTIONS:
        yield f"vpc -o {options}", ["-f", "vpc", "-o", options, "new", "3M"]
    for size in ("0", "1", "512", "1000", "1M", "33M", "1000000", "3G", "2T", "64T"):
        yield f"vhdx of {size}", ["-f", "vhdx", "new", size]
    yield "vhdx of no size in large blocks", ["-f", "vhdx", "-o", "block_size=64M", "new", "0"]
    for options in VHDX_OPTIONS:
        yield f"vhdx -o {options}", ["-f", "vhdx", "-o", options, "new", "3M"]
    for base, form in BASES:
        overlay = ["-f", "qcow2", "-b", base, "-F", form]
        yield f"over {base}", [*overlay, "new"]
        yield f"over {base} larger", [*overlay, "new", "7M"]
        yield f"over {base} smaller", [*overlay, "new", "64k"]
    backed = ["-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2"]
    yield "over a base, version 2", [*backed, "-o", "compat=0.10", "new"]
    yield "over a base, small clusters", [*backed, "-o", "cluster_size=512", "new"]
    yield "over a base, subclusters and metadata", [
        *backed, "-o", "extended_l2=on,preallocation=metadata", "new"]
    yield "over a base, data file", [*backed, "-o", "data_file=new.data", "new"]
    yield "over a base by options", ["-f", "qcow2", "-o",
                                     "backing_file=base.qcow2,backing_fmt=qcow2", "new"]
    yield "a base by option and its format by -F", ["-f", "qcow2", "-o", "backing_file=base.qcow2",
                                                    "-F", "qcow2", "new"]
    yield "-b counts, not the option", ["-f", "qcow2", "-o", "backing_file=nowhere", "-b",
                                        "base.qcow2", "-F", "qcow2", "new"]
    yield "over a base in another folder", ["-f", "qcow2", "-b", "../base.qcow2", "-F", "qcow2",
                                            "folder/new"]
    yield "unchecked base", ["-f", "qcow2", "-u", "-b", "nowhere", "-F", "qcow2", "new", "1M"]
    yield "unchecked base with a comma", ["-f", "qcow2", "-u", "-b", "no,where", "-F", "raw", "new",
                                          "1M"]
    yield "unchecked without a base", ["-f", "qcow2", "-u", "new", "1M"]


# name -> arguments; the exit code is qemu-img's, and nothing is made
REFUSED = {
    "nothing": [],
    "three operands": ["new", "1M", "2M"],
    "no size": ["-f", "qcow2", "new"],
    "no size for raw": ["new"],
    "size twice": ["-f", "qcow2", "-o", "size=5M", "new", "6M"],
    "size of an unknown unit": ["new", "1q"],
    "size of nothing": ["new", ""],
    "size of words": ["new", "large"],
    "size of a fraction of bytes": ["new", "1.5"],
    "size beyond 8E": ["new", "9E"],
    "size of 8E": ["new", "8E"],
    "size of 20 digits": ["new", "99999999999999999999"],
    "size as an option of words": ["-o", "size=large", "new"],
    "qcow2 of 7E": ["-f", "qcow2", "new", "7E"],
    "qcow2 too large for its clusters": ["-f", "qcow2", "-o", "cluster_size=512", "new", "1T"],
    "unknown format": ["-f", "nonsense", "new", "1M"],
    "unknown option": ["-f", "qcow2", "-o", "frobnicate=1", "new", "1M"],
    "unknown option of raw": ["-o", "cluster_size=4k", "new", "1M"],
    "unknown flag": ["--frobnicate", "new", "1M"],
    "empty list of options": ["-o", "", "new", "1M"],
    "list of a comma": ["-o", ",", "new", "1M"],
    "cluster size of 3": ["-f", "qcow2", "-o", "cluster_size=3", "new", "1M"],
    "cluster size of 4M": ["-f", "qcow2", "-o", "cluster_size=4M", "new", "1M"],
    "cluster size of words": ["-f", "qcow2", "-o", "cluster_size=large", "new", "1M"],
    "refcounts of 3 bits": ["-f", "qcow2", "-o", "refcount_bits=3", "new", "1M"],
    "refcounts of words": ["-f", "qcow2", "-o", "refcount_bits=x", "new", "1M"],
    "narrow refcounts in version 2": ["-f", "qcow2", "-o", "compat=0.10,refcount_bits=8", "new",
                                      "1M"],
    "lazy refcounts in version 2": ["-f", "qcow2", "-o", "compat=v2,lazy_refcounts=on", "new", "1M"],
    "subclusters in small clusters": ["-f", "qcow2", "-o", "extended_l2=on,cluster_size=4k", "new",
                                      "1M"],
    "maybe": ["-f", "qcow2", "-o", "lazy_refcounts=maybe", "new", "1M"],
    "unknown compat": ["-f", "qcow2", "-o", "compat=2", "new", "1M"],
    "unknown compression": ["-f", "qcow2", "-o", "compression_type=lz4", "new", "1M"],
    "unknown preallocation": ["-f", "qcow2", "-o", "preallocation=x", "new", "1M"],
    "metadata of raw": ["-o", "preallocation=metadata", "new", "1M"],
    "raw data file without one": ["-f", "qcow2", "-o", "data_file_raw=on", "new", "1M"],
    "data file in version 2": ["-f", "qcow2", "-o", "compat=v2,data_file=new.data", "new", "1M"],
    "data file that is a directory": ["-f", "qcow2", "-o", "data_file=folder", "new", "1M"],
    "data file in a missing directory": ["-f", "qcow2", "-o", "data_file=missing/x", "new", "1M"],
    "data file that is the image": ["-f", "qcow2", "-o", "data_file=new", "new", "1M"],
    "vmdk of an unknown subformat": ["-f", "vmdk", "-o", "subformat=thick", "new", "1M"],
    "vmdk of an unknown adapter": ["-f", "vmdk", "-o", "adapter_type=nvme", "new", "1M"],
    "vmdk of two hardware versions": ["-f", "vmdk", "-o", "compat6=on,hwversion=7", "new", "1M"],
    "vmdk flat with zeroed grains": ["-f", "vmdk", "-o", "subformat=monolithicFlat,zeroed_grain=on",
                                     "new", "1M"],
    "vmdk flat over a parent": ["-f", "vmdk", "-o", "subformat=monolithicFlat", "-b", "parent.vmdk",
                                "-F", "vmdk", "new", "1M"],
    "vmdk over a qcow2": ["-f", "vmdk", "-b", "base.qcow2", "-F", "qcow2", "new"],
    "vmdk over an unchecked parent that is missing": ["-f", "vmdk", "-u", "-b", "missing", "-F",
                                                      "vmdk", "new", "1M"],
    "vmdk over a missing parent": ["-f", "vmdk", "-b", "missing", "-F", "vmdk", "new"],
    "vmdk over a parent without its format": ["-f", "vmdk", "-b", "parent.vmdk", "new"],
    "vmdk of compat6 of maybe": ["-f", "vmdk", "-o", "compat6=maybe", "new", "1M"],
    "vmdk of an option of qcow2": ["-f", "vmdk", "-o", "cluster_size=4k", "new", "1M"],
    "vmdk without a size": ["-f", "vmdk", "new"],
    "vmdk into a missing directory": ["-f", "vmdk", "missing/new", "1M"],
    "vpc of an unknown subformat": ["-f", "vpc", "-o", "subformat=differencing", "new", "1M"],
    "vpc of 3T": ["-f", "vpc", "new", "3T"],
    "vpc of 3T, size forced": ["-f", "vpc", "-o", "force_size=on", "new", "3T"],
    "vpc of force_size of maybe": ["-f", "vpc", "-o", "force_size=maybe", "new", "1M"],
    "vpc over a base": ["-f", "vpc", "-b", "base.qcow2", "-F", "qcow2", "new"],
    "vpc of an option of vhdx": ["-f", "vpc", "-o", "block_size=1M", "new", "1M"],
    "vpc without a size": ["-f", "vpc", "new"],
    "vhdx of an unknown subformat": ["-f", "vhdx", "-o", "subformat=differencing", "new", "1M"],
    "vhdx of 65T": ["-f", "vhdx", "new", "65T"],
    "vhdx of blocks of words": ["-f", "vhdx", "-o", "block_size=large", "new", "1M"],
    "vhdx of blocks of 3M": ["-f", "vhdx", "-o", "block_size=3M", "new", "1M"],
    "vhdx of no log": ["-f", "vhdx", "-o", "log_size=0", "new", "1M"],
    "vhdx of a log of 4G": ["-f", "vhdx", "-o", "log_size=4G", "new", "1M"],
    "vhdx of a log of words": ["-f", "vhdx", "-o", "log_size=large", "new", "1M"],
    "vhdx over a base": ["-f", "vhdx", "-b", "base.qcow2", "-F", "qcow2", "new"],
    "vhdx without a size": ["-f", "vhdx", "new"],
    "encryption": ["-f", "qcow2", "-o", "encryption=on", "new", "1M"],
    "encryption by luks": ["-f", "qcow2", "-o", "encrypt.format=luks", "new", "1M"],
    "onto a directory": ["-f", "qcow2", "folder", "1M"],
    "into a missing directory": ["-f", "qcow2", "missing/new", "1M"],
    "raw into a missing directory": ["missing/new", "1M"],
    "an empty name": ["-f", "qcow2", "", "1M"],
    "vhdx of no size in the largest blocks": ["-f", "vhdx", "-o", "block_size=256M", "new", "0"],
    "base without its format": ["-f", "qcow2", "-b", "base.qcow2", "new"],
    "base by option without its format": ["-f", "qcow2", "-o", "backing_file=base.qcow2", "new"],
    "format without a base": ["-f", "qcow2", "-F", "qcow2", "new", "1M"],
    "base of an unknown format": ["-f", "qcow2", "-b", "base.qcow2", "-F", "nonsense", "new"],
    "base of an empty format": ["-f", "qcow2", "-b", "base.qcow2", "-F", "", "new"],
    "base of the wrong format": ["-f", "qcow2", "-b", "base.raw", "-F", "qcow2", "new"],
    "missing base": ["-f", "qcow2", "-b", "missing", "-F", "qcow2", "new"],
    "missing base with a size": ["-f", "qcow2", "-b", "missing", "-F", "qcow2", "new", "1M"],
    "base that is a directory": ["-f", "qcow2", "-b", "folder", "-F", "qcow2", "new"],
    "base of an empty name": ["-f", "qcow2", "-b", "", "-F", "qcow2", "new", "1M"],
    "base that is the image": ["-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "base.qcow2"],
    "base of raw": ["-f", "raw", "-b", "base.qcow2", "-F", "qcow2", "new"],
    "base format of raw": ["-f", "raw", "-F", "qcow2", "new", "1M"],
    "unchecked base without a size": ["-f", "qcow2", "-u", "-b", "missing", "-F", "qcow2", "new"],
    "unchecked base without its format": ["-f", "qcow2", "-u", "-b", "missing", "new", "1M"],
    "base and preallocation": ["-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "-o",
                               "preallocation=metadata", "new"],
    "base in the wrong folder": ["-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "folder/new"],
}

# What differs on purpose.
OWN = {
    "base that is the image by another name": ["-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2",
                                               "./base.qcow2"],
    "vmdk divided into more files than an image may have": [
        "-f", "vmdk", "-o", "subformat=twoGbMaxExtentFlat", "new.vmdk", "2T"],
    "base of a broken chain": ["-f", "qcow2", "-b", "orphan.qcow2", "-F", "qcow2", "new"],
}


def furnish(t):
    template = t.dir / "template"
    template.mkdir()

    def qemu_img(*args):
        t.made_by_qemu_img(*args, cwd=template)

    qemu_img("create", "-q", "-f", "qcow2", "base.qcow2", "5M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "over.qcow2", "6M")
    qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", "gone", "-F", "qcow2", "orphan.qcow2", "1M")
    qemu_img("create", "-q", "-f", "vmdk", "base.vmdk", "1M")
    qemu_img("create", "-q", "-f", "vmdk", "parent.vmdk", "5M")
    qemu_img("create", "-q", "-f", "qcow2", "old.qcow2", "9M")
    (template / "base.raw").write_bytes(b"\x5a" * 100_352)
    (template / "odd.raw").write_bytes(b"\x5a" * 100_001)
    (template / "old.raw").write_bytes(b"\x5a" * 3_000_000)
    (template / "folder").mkdir()
    return template


def both(t, arguments):
    """The same command by both, each in a directory of its own."""
    outcomes = []
    for who, program, extra in (("theirs", t.qemu_img, []), ("ours", t.instar, [as_qemu(t)])):
        folder = t.dir / who
        remove_tree(folder)
        copied = run(["cp", "-a", t.fixture, folder])
        t.check(copied.code == 0, "cannot copy the furniture", copied)
        outcomes.append(program("create", *extra, *arguments, cwd=folder))
    return outcomes


def unreadable(t, name, form):
    """qemu-img does not read what it made itself (vmdk of no size); then ours reads it, and its own."""
    if t.qemu_img("info", "-f", form, name, cwd=t.dir / "theirs").code == 0:
        return False
    sizes = [json.loads(t.succeeded(t.instar("info", "--output=json", "-f", form, name,
                                             cwd=t.dir / who)).text)["virtual-size"]
             for who in ("ours", "theirs")]
    t.equal(sizes[0], sizes[1], "virtual size")
    return True


def same_image(t, name, form, got, whole=True):
    """`whole`: there is all that is needed to open it."""
    if form == "vmdk" and unreadable(t, name, form):
        return
    reports = []
    for who in ("ours", "theirs"):
        report = json.loads(t.made_by_qemu_img("info", "--output=json", "-f", form, name,
                                               cwd=t.dir / who).text)
        report.pop("actual-size")
        report.get("format-specific", {}).get("data", {}).pop("cid", None)  # a random number
        reports.append(report)
    differing = differing_fields(*reports)
    t.check(not differing, f"fields differ (got, want): {differing}", got)
    if form in ("qcow2", "vhdx", "vmdk") and whole:
        checked = t.qemu_img("check", "-f", form, name, cwd=t.dir / "ours")
        t.check(checked.code == 0, "qemu-img check finds fault", got, checked)
    # qemu-img walks block by block, which of terabytes takes minutes.
    if form not in ("raw", "qcow2") and reports[0]["virtual-size"] < 1 << 40:
        t.made_by_qemu_img("compare", "-q", "-f", form, "-F", form, f"ours/{name}",
                           f"theirs/{name}")
    cluster = reports[1].get("cluster-size", 1)
    not_larger(t, f"ours/{name}", f"theirs/{name}", cluster, preallocated=True)


def created(t, arguments):
    want, got = both(t, arguments)
    t.check(want.code == 0, "qemu-img refuses this: the row is wrong", want)
    t.succeeded(got)
    t.equal(got.text, want.text, "what is printed")
    before, after = tree(t.dir / "theirs"), tree(t.dir / "ours")
    t.equal(sorted(after), sorted(before), "files", got)
    for name in sorted(after.keys()):
        if "new" not in name and not name.startswith("old"):
            t.equal(after[name], before[name], f"{name} changed", got)
    for name in (a for a in arguments if a.split("/")[-1].startswith(("new", "old"))):
        form = arguments[arguments.index("-f") + 1] if "-f" in arguments else "raw"
        same_image(t, name, form, got, whole="-u" not in arguments or form == "vmdk")
    for extent in (name for name in after if name.startswith("new-") or "new.1-" in name):
        not_larger(t, f"ours/{extent}", f"theirs/{extent}")
    data = "new.data"
    if data in after:
        t.equal(after[data][1], before[data][1], "length of the data file", got)
        not_larger(t, f"ours/{data}", f"theirs/{data}", 4096)


def refused(t, arguments):
    want, got = both(t, arguments)
    t.check(want.code != 0, "qemu-img takes this: the row is wrong", want)
    same_refusal(t, got, want, tree(t.fixture), t.dir / "ours")
    t.check(got.text == want.text, "another line is printed", got, want)


def as_said(t, arguments):
    """For what may differ: the exit code and what is left."""
    want, got = both(t, arguments)
    t.equal(got.code, want.code, "exit code", got, want)


def help_lists_the_same(t, form, file):
    """Every option that qemu-img's -o help names is named by ours."""
    names = []
    for program in (t.qemu_img, t.instar):
        outcome = program("create", "-f", form, "-o", "help", *file)
        t.equal(outcome.code, 0, "exit code", outcome)
        names.append({line.split("=")[0].strip() for line in outcome.text.split("\n")
                      if line.startswith("  ")})
    missing = names[0] - names[1]
    t.check(not missing, f"options that are not listed: {missing}")


def groups():
    group = Group("create", furnish)
    for name, arguments in cases():
        group.add(name, created, arguments)
    for name, arguments in REFUSED.items():
        group.add(f"refused: {name}", refused, arguments)
    for name, arguments in OWN.items():
        group.add(f"own: {name}", as_said, arguments)
    for form in ("raw", "qcow2", "vmdk", "vpc", "vhdx"):
        group.add(f"-o help of {form}", help_lists_the_same, form, ())
        if form in ("raw", "qcow2"):
            group.add(f"-o help of {form} for a file", help_lists_the_same, form, ("new",))
    return [group]
