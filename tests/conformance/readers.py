"""Second opinions: readers that share no code with qemu-img read what Instar writes.

7-Zip extracts the disk; libqcow, libvhdi and libvmdk are asked through their Python modules. What they
cannot read for a reason of their own:

- 7-Zip and libqcow: zstd clusters, subclusters and external data files of qcow2 are newer than they
  know. 7-Zip follows no parent.
- libvmdk and libqcow do not look for a parent themselves, so it is given to them.
"""

import functools
import shutil
import sys
from pathlib import Path

from conformance.images import KIB, MIB, Maker, noise, prose
from conformance.matrix import remove_image
from harness import Group, Skip, first_difference, run

READER = Path(__file__).with_name("libyal_reader.py")

CONTENTS = {
    "disk.raw": (1200 * KIB, ((0, prose(1, 500 * KIB)), (800 * KIB, noise(2, 400 * KIB)))),
    # Two grain tables of a vmdk image, several L2 tables of small clusters, blocks of a VHD.
    "tables.raw": (33 * MIB, ((0, b"a" * 5000), (32 * MIB - 512, noise(5, KIB)),
                              (5 * MIB, prose(6, 200_000)), (33 * MIB - 1, b"z"))),
}

# What all readers of the format read: name -> (format, options of convert).
WRITTEN = {
    "qcow2": ("qcow2", ()),
    "qcow2 version 2": ("qcow2", ("-o", "compat=0.10")),
    "qcow2 compressed": ("qcow2", ("-c",)),
    "qcow2 compressed version 2": ("qcow2", ("-c", "-o", "compat=0.10")),
    "qcow2 in 512-byte clusters": ("qcow2", ("-o", "cluster_size=512")),
    "qcow2 in 4k clusters": ("qcow2", ("-o", "cluster_size=4k")),
    "qcow2 in 2M clusters": ("qcow2", ("-o", "cluster_size=2M")),
    "qcow2 compressed in 2M clusters": ("qcow2", ("-c", "-o", "cluster_size=2M")),
    "qcow2 with refcounts of 1 bit": ("qcow2", ("-o", "refcount_bits=1")),
    "qcow2 with refcounts of 64 bits": ("qcow2", ("-o", "refcount_bits=64")),
    "qcow2 with lazy refcounts": ("qcow2", ("-o", "lazy_refcounts=on")),
    "qcow2 preallocated": ("qcow2", ("-o", "preallocation=metadata")),
    "qcow2 fully preallocated": ("qcow2", ("-o", "preallocation=full")),
    **{f"vmdk {subformat}": ("vmdk", ("-o", f"subformat={subformat}"))
       for subformat in ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse",
                         "twoGbMaxExtentFlat", "streamOptimized")},
    "vmdk zeroed grains": ("vmdk", ("-o", "zeroed_grain=on")),
    "vmdk compat6": ("vmdk", ("-o", "compat6=on,adapter_type=lsilogic")),
    **{f"vpc {options}": ("vpc", ("-o", options))
       for options in ("subformat=dynamic", "subformat=fixed", "force_size=on",
                       "subformat=fixed,force_size=on", "azure=on")},
    **{f"vhdx {options}": ("vhdx", ("-o", options))
       for options in ("subformat=dynamic", "subformat=fixed", "block_size=1M", "block_size=32M",
                       "block_state_zero=off", "log_size=3M", "logical_sector_size=4096")},
}


def make(t):
    for name, (size, pieces) in CONTENTS.items():
        Maker(t).sparse(name, size, *pieces)


def written(t, form, options, source):
    # 7-Zip goes by the name.
    name = f"written.{'vhd' if form == 'vpc' else form}"
    t.succeeded(t.instar("convert", "-f", "raw", "-O", form, *options, source, name))
    return name


def clear(t):
    remove_image(t, "written")
    remove_image(t, "parent.")
    shutil.rmtree(t.dir / "extracted", ignore_errors=True)


def same_bytes(t, got, want):
    """Equal as far as `want` goes; what the format rounded the size up by is zeros."""
    size = want.stat().st_size
    with open(got, "rb+") as file:
        file.seek(size)
        t.check(not any(file.read()), "what the size was rounded up by is not zero")
        file.truncate(size)
    difference = first_difference(got, want)
    t.check(difference is None, f"7z reads other bytes: {difference}")


def read_by_7z(t, form, options, source):
    program = t.tools.need("7z")
    try:
        name = written(t, form, options, source)
        outcome = run([program, "x", "-y", "-oextracted", name], cwd=t.dir)
        t.check(outcome.code == 0 and b"Everything is Ok" in outcome.out, "7z finds fault", outcome)
        files = list((t.dir / "extracted").iterdir())
        t.equal(len(files), 1, "extracted files", outcome)
        same_bytes(t, files[0], t.dir / source)
    finally:
        clear(t)


@functools.cache
def python_with(form):
    """The Python that has the module for the format: its packages are the distribution's."""
    for program in (sys.executable, "/usr/bin/python3"):
        if Path(program).exists() and run([program, READER, "--has", form]).code == 0:
            return program
    return None


def agrees(t, form, *files):
    program = python_with(form)
    if program is None:
        raise Skip(f"no Python has the libyal module for {form}")
    outcome = run([program, READER, form, *files], cwd=t.dir)
    t.check(outcome.code == 0, "the library finds fault", outcome)
    t.equal(outcome.text.strip(), "same", "what the library reads", outcome)


def read_by_libyal(t, form, options, source):
    try:
        agrees(t, form, written(t, form, options, source), source)
    finally:
        clear(t)


CHILDREN = {
    "vmdk monolithicSparse": ("vmdk", ("-o", "subformat=monolithicSparse")),
    "vmdk twoGbMaxExtentSparse": ("vmdk", ("-o", "subformat=twoGbMaxExtentSparse")),
    "qcow2": ("qcow2", ()),
    "qcow2 compressed": ("qcow2", ("-c",)),
}


def child_read_by_libyal(t, form, options):
    """An overlay, and its parent, both written by Instar."""
    try:
        Maker(t).sparse("parent.raw", 1200 * KIB, (0, prose(1, 500 * KIB)))
        t.succeeded(t.instar("convert", "-f", "raw", "-O", form, "parent.raw", f"parent.{form}"))
        t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-b", f"parent.{form}", "-F", form,
                           "overlay.qcow2")
        t.qemu_io("overlay.qcow2", "write -P 7 64k 192k", "write -P 9 1M 64k")
        t.made_by_qemu_img("convert", "-O", "raw", "overlay.qcow2", "whole.raw")
        name = f"written.{form}"
        t.succeeded(t.instar("convert", "-O", form, *options, "-B", f"parent.{form}", "-F", form,
                             "overlay.qcow2", name))
        agrees(t, form, name, "whole.raw", f"parent.{form}")
    finally:
        clear(t)
        remove_image(t, "overlay")
        remove_image(t, "whole")


LIBRARIES = {"qcow2": "libqcow", "vmdk": "libvmdk", "vpc": "libvhdi", "vhdx": "libvhdi"}


def groups():
    group = Group("readers", make)
    for name, (form, options) in WRITTEN.items():
        for source in CONTENTS:
            # Of other contents qcow2 has no more tables, and fixed disks have none.
            if source == "tables.raw" and (form == "vhdx" or "lat" in name or "fixed" in name
                                           or "prealloc" in name):
                continue
            disk = source.removesuffix(".raw")
            group.add(f"7z {name} {disk}", read_by_7z, form, options, source)
            group.add(f"{LIBRARIES[form]} {name} {disk}", read_by_libyal, form, options, source)
    for name, (form, options) in CHILDREN.items():
        group.add(f"{LIBRARIES[form]} child {name}", child_read_by_libyal, form, options)
    return [group]
