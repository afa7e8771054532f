"""Second opinions: readers that share no code with qemu-img read what Instar writes."""

import re
import shutil

from harness import Group, run
from conformance.images import KIB, noise, prose

SIZE = 1200 * KIB

# What 7-Zip and libqcow both read: no zstd, no subclusters, no external data.
WRITTEN = {
    "plain": (),
    "version 2": ("-o", "compat=0.10"),
    "compressed": ("-c",),
    "compressed version 2": ("-c", "-o", "compat=0.10"),
    "4k clusters": ("-o", "cluster_size=4k"),
    "2M clusters": ("-o", "cluster_size=2M"),
    "refcounts of 64 bits": ("-o", "refcount_bits=64"),
    "preallocated": ("-o", "preallocation=metadata"),
}


def make(t):
    (t.dir / "disk.raw").write_bytes(prose(1, 500 * KIB) + bytes(300 * KIB) + noise(2, 400 * KIB))


def written(t, options):
    t.succeeded(t.instar("convert", "-f", "raw", "-O", "qcow2", *options, "disk.raw", "disk.qcow2"))
    return "disk.qcow2"


def read_by_7z(t, options):
    program = t.tools.need("7z")
    name = written(t, options)
    shutil.rmtree(t.dir / "extracted", ignore_errors=True)
    outcome = run([program, "x", "-y", "-oextracted", name], cwd=t.dir)
    t.check(outcome.code == 0 and b"Everything is Ok" in outcome.out, "7z finds fault", outcome)
    files = list((t.dir / "extracted").iterdir())
    t.equal(len(files), 1, "extracted files", outcome)
    t.check(files[0].read_bytes() == (t.dir / "disk.raw").read_bytes(), "7z reads other bytes",
            outcome)


def read_by_libqcow(t, options):
    program = t.tools.need("qcowinfo")
    outcome = run([program, written(t, options)], cwd=t.dir)
    t.check(outcome.code == 0, "qcowinfo finds fault", outcome)
    size = re.search(rb"Media size\s*:.*\((\d+) bytes\)", outcome.out)
    t.check(size and int(size.group(1)) == SIZE, "media size", outcome)
    version = b"2" if "compat=0.10" in options else b"3"
    t.check(re.search(rb"Format version\s*: " + version, outcome.out), "format version", outcome)


def groups():
    group = Group("readers", make)
    for name, options in WRITTEN.items():
        group.add(f"7z {name}", read_by_7z, options)
        group.add(f"libqcow {name}", read_by_libqcow, options)
    return [group]
