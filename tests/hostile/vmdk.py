"""VMDK that lies: extents outside of the image's directory (2022-47951), division by zero, overflows,
tables out of range, descriptors and disks beyond reason, extents in circles."""

import json
import os
import resource
import struct
import zlib

from harness import Group
from hostile import metadata_verbs, tracing
from hostile.references import SECRET, furnish
from hostile.structures import BOTH, CONVERT, EITHER, MAX_FILE_BYTES, bounded

SECTOR = 512


def sparse(grains=(6,), tail=b"", **fields):
    """A file of one sparse extent: header, descriptor, grain directory (sector 2), table (3)."""
    values = {"version": 1, "flags": 3, "capacity": 64, "grain": 8, "descriptor": 1,
              "descriptor_sectors": 1, "entries": 512, "redundant": 0, "directory": 2,
              "overhead": 7, "algorithm": 0, "directory_entry": 3, **fields}
    header = struct.pack("<4sIIQQQQIQQQB4sH", b"KDMV", values["version"], values["flags"],
                         values["capacity"], values["grain"], values["descriptor"],
                         values["descriptor_sectors"], values["entries"], values["redundant"],
                         values["directory"], values["overhead"], 0, b"\n \r\n",
                         values["algorithm"])
    text = b'# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType="monolithicSparse"\n'
    directory = struct.pack("<I", values["directory_entry"] & 0xFFFFFFFF)
    table = b"".join(struct.pack("<I", grain & 0xFFFFFFFF) for grain in grains)
    return b"".join((header.ljust(SECTOR, b"\0"), text.ljust(SECTOR, b"\0"),
                     directory.ljust(SECTOR, b"\0"), table.ljust(4 * SECTOR, b"\0"),
                     b"\x11" * (8 * SECTOR), tail))


def compressed(marker_length=None, stream=None):
    stream = zlib.compress(bytes(4096)) if stream is None else stream
    length = len(stream) if marker_length is None else marker_length
    grain = struct.pack("<QI", 0, length & 0xFFFFFFFF) + stream
    image = sparse(grains=(7,), flags=0x30001, version=3, algorithm=1)
    return image[:7 * SECTOR] + grain.ljust(8 * SECTOR, b"\0")


def text(*extents, kind="monolithicFlat", more=""):
    return ('# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n'
            f'createType="{kind}"\n{more}' + "\n".join(extents) + "\n").encode()


def lies():
    for grain in (0, 3, 24, 1 << 15 << 1, 1 << 32, 1 << 63, (1 << 64) - 1):
        yield f"grain of {grain:#x} sectors", sparse(grain=grain), BOTH
    for entries in (0, 513, 1 << 31, (1 << 32) - 1):
        yield f"grain tables of {entries} entries", sparse(entries=entries), BOTH
    for capacity in (1 << 40, 1 << 54, 1 << 55, (1 << 64) - 1):
        yield f"disk of {capacity:#x} sectors", sparse(capacity=capacity), BOTH
    for directory in (0, 100, 1 << 40, 1 << 55, (1 << 64) - 2):
        yield f"directory at sector {directory:#x}", sparse(directory=directory), BOTH
    yield "directory at the end without a footer", sparse(directory=(1 << 64) - 1), BOTH
    for table in (20, 1 << 20, (1 << 32) - 1):
        yield f"table at sector {table:#x}", sparse(directory_entry=table), CONVERT
    yield "table on the header", sparse(directory_entry=0x100000000), EITHER
    for grain in (1, 2, 1 << 20, (1 << 32) - 1):
        yield f"grain at sector {grain:#x}", sparse(grains=(grain,)), EITHER
    for version in (0, 4, 1 << 31):
        yield f"version {version}", sparse(version=version), BOTH
    for algorithm in (2, 65535):
        yield f"compression {algorithm}", sparse(algorithm=algorithm), BOTH
    for sectors in (0, 2049, 1 << 40, (1 << 64) - 1):
        yield (f"descriptor of {sectors:#x} sectors", sparse(descriptor_sectors=sectors),
               EITHER if sectors == 0 else BOTH)
    for sector in (1 << 20, 1 << 60, (1 << 64) - 1):
        yield f"descriptor at sector {sector:#x}", sparse(descriptor=sector), BOTH

    yield "grain that inflates to too much", compressed(stream=zlib.compress(bytes(1 << 20))), CONVERT
    yield "grain that inflates to too little", compressed(stream=zlib.compress(b"x")), CONVERT
    yield "grain without an end", compressed(stream=zlib.compress(bytes(4096))[:-6]), CONVERT
    yield "grain with a wrong checksum", compressed(
        stream=zlib.compress(bytes(4096))[:-1] + b"\xff"), CONVERT
    for length in (0, 1, 6, 1 << 20, (1 << 32) - 1):
        yield f"grain of {length:#x} bytes", compressed(marker_length=length), CONVERT

    yield "descriptor of 2 MiB", text("RW 1 ZERO") + b"#" * (2 << 20), BOTH
    yield "descriptor of a million lines", text("RW 1 ZERO") + b"\n" * 1_000_000, EITHER
    yield "10,000 extents", text(*["RW 1 ZERO"] * 10_000), BOTH
    yield "4096 extents of zeros", text(*["RW 1 ZERO"] * 4096), EITHER
    for sectors in (0, -1, 1 << 54, 1 << 63, 1 << 64, 10 ** 30, "x"):
        yield f"extent of {sectors} sectors", text(f"RW {sectors} ZERO"), BOTH
    yield "extents that are too large together", text(*[f"RW {1 << 53} ZERO"] * 3), BOTH
    for offset in (-1, 1 << 55, 1 << 64, "x"):
        yield f"flat extent at {offset}", text(f'RW 8 FLAT "x.img" {offset}'), BOTH
    yield "flat extent far beyond its file", text(f'RW 8 FLAT "y" {1 << 40}'), EITHER
    yield "extent without a name", text('RW 8 FLAT "" 0'), BOTH
    yield "extent with an open name", text('RW 8 FLAT "x'), BOTH
    yield "extent with a long name", text('RW 8 FLAT "' + "x" * 5000 + '" 0'), BOTH
    yield "flat extent that is the descriptor", text('RW 8 FLAT "x.img" 0'), EITHER
    yield "sparse extent that is the descriptor", text(
        'RW 8 SPARSE "x.img"', kind="twoGbMaxExtentSparse"), BOTH
    yield "extent that is not there", text('RW 8 FLAT "missing" 0'), BOTH
    yield "extent of ESX", text('RW 8 VMFSSPARSE "y"', kind="vmfsSparse"), BOTH
    yield "whole disks", text('RW 8 FLAT "/dev/sda" 0', kind="fullDevice"), BOTH
    yield "extent that may not be read", text('NOACCESS 8 FLAT "y" 0'), CONVERT
    yield "parent that is itself", text("RW 8 ZERO", more='parentFileNameHint="x.img"\n'), CONVERT
    yield "child that does not name its parent", text("RW 8 ZERO").replace(
        b"parentCID=ffffffff", b"parentCID=5"), CONVERT


def examine(t, content, expectation):
    (t.dir / "x.img").write_bytes(content)
    (t.dir / "y").write_bytes(b"y" * 4096)
    (t.dir / "out").unlink(missing_ok=True)
    info = bounded(t, "info", "--output=json", "-f", "vmdk", "x.img")
    convert = bounded(t, "convert", "-f", "vmdk", "-O", "raw", "x.img", "out",
                      limits={resource.RLIMIT_FSIZE: MAX_FILE_BYTES})
    metadata_verbs.bounded(t, "check", "-f", "vmdk", "x.img", codes=(0, 1, 2, 3))
    t.check((t.dir / "x.img").read_bytes() == content, "the source changed")
    t.check(convert.code == 0 or not (t.dir / "out").exists(), "a partial target is left", convert)
    if info.code == 0:
        json.loads(info.text)
    if expectation == BOTH:
        t.check(info.code == 1, "info should be refused", info)
    if expectation in (BOTH, CONVERT):
        t.check(convert.code == 1, "should be refused", convert)


# Names of extents: as 2022-47951 has it, and around.
OUTSIDE = {
    "an absolute path": "/etc/passwd",
    "a path above": f"../outside/{SECRET}.raw",
    "a path down and above": f"sub/../../outside/{SECRET}.raw",
    "an absolute path beside": f"{{outside}}/{SECRET}.raw",
    "an nbd:// name": f"nbd://127.0.0.1:1/{SECRET}",
    "a file: name": f"file:{{outside}}/{SECRET}.raw",
    "a json: name": "json:{{}}",
    "a path in /proc": "/proc/self/environ",
    "a device": "/dev/zero",
    "a symbolic link out": f"link-{SECRET}",
}
VERBS = (["info", "x.vmdk"], ["info", "--output=json", "x.vmdk"],
         ["convert", "-O", "raw", "x.vmdk", "out"], ["check", "x.vmdk"], ["map", "x.vmdk"],
         ["measure", "-O", "qcow2", "x.vmdk"],
         ["create", "-f", "qcow2", "-b", "x.vmdk", "-F", "vmdk", "out"],
         ["create", "-f", "vmdk", "-u", "-b", "x.vmdk", "-F", "vmdk", "out", "1M"])


def outside(t, row, kind):
    images = furnish(t)
    os.symlink(f"../outside/{SECRET}.raw", images / f"link-{SECRET}")
    name = OUTSIDE[row].format(outside=t.dir / "outside")
    line = f'RW 8 {kind} "{name}"' + (" 0" if kind == "FLAT" else "")
    create = "monolithicFlat" if kind == "FLAT" else "twoGbMaxExtentSparse"
    (images / "x.vmdk").write_bytes(text(line, kind=create))
    for arguments in VERBS:
        outcome, calls = tracing.trace(t, tracing.PATH_CALLS, *arguments, cwd=images)
        t.refused(outcome)
        t.check("the secret" not in outcome.text, "told the content", outcome)
        t.check(not (images / "out").exists(), "a target is left", outcome)
        if "link" in name:
            continue  # it may be looked at, which the gate does without following it
        word = SECRET if SECRET in name else name.split("/")[-1]
        if word != "json:{}":
            tracing.demand_untouched(calls, word)


def inside(t):
    images = furnish(t)
    (images / "sub").mkdir()
    (images / "sub" / "data.raw").write_bytes(b"data" * 1024)
    (images / "x.vmdk").write_bytes(text('RW 8 FLAT "sub/data.raw" 0'))
    t.succeeded(t.instar("convert", "-O", "raw", "x.vmdk", "out", cwd=images))
    t.equal((images / "out").read_bytes(), b"data" * 1024, "content")


def closed(t):
    images = furnish(t)
    (images / "data.raw").write_bytes(b"data" * 1024)
    (images / "x.vmdk").write_bytes(text('RW 8 FLAT "data.raw" 0'))
    t.refused(t.instar("convert", "--no-references", "-O", "raw", "x.vmdk", "out", cwd=images))


def groups():
    group = Group("hostile/vmdk", lambda t: None)
    for name, content, expectation in lies():
        group.add(name, examine, content, expectation)
    gate = Group("hostile/vmdk extents", lambda t: None)
    for row in OUTSIDE:
        for kind in ("FLAT", "SPARSE"):
            gate.add(f"{kind}: {row} is refused, and never opened", outside, row, kind)
    gate.add("an extent below the image's directory is read", inside)
    gate.add("--no-references closes extents too", closed)
    return [group, gate]
