"""The table of images: every one is made by qemu-img and qemu-io in a moment, a few MiB at most.

A family is a loop over one axis (cluster sizes, refcount widths, chains, ...). The table as a whole
is what `images()` returns.
"""

import dataclasses
import os
import random
import struct
from typing import Callable

from hostile import generate

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

CLUSTER_SIZES = [512 << shift for shift in range(13)]  # 512 bytes to 2 MiB
REFCOUNT_BITS = [1, 2, 4, 8, 16, 32, 64]


@dataclasses.dataclass
class Image:
    """One row: how to make it and what the checks must know of it."""

    name: str
    make: Callable  # (Maker) -> None, leaves `file` in the directory
    file: str = "x.qcow2"
    format: str = ""  # given as -f when stated
    size: int = 4 * MIB
    snapshots: tuple = ()  # what -l takes
    backing: tuple = ()  # (file, format) of the image directly below
    chain: bool = False  # info --backing-chain too
    bitmaps: bool = False

    @property
    def big(self):
        return self.size > 64 * MIB

    @property
    def format_options(self):
        return ["-f", self.format] if self.format else []


def size_name(count):
    for unit, letter in ((MIB, "m"), (KIB, "k")):
        if count % unit == 0:
            return f"{count // unit}{letter}"
    return str(count)


def noise(seed, count):
    return random.Random(seed).randbytes(count)


def prose(seed, count):
    """Compresses to about a third, as text does."""
    words = [noise(i, 5).hex().encode() for i in range(256)]
    picked = random.Random(seed)
    return b" ".join(picked.choice(words) for _ in range(count // 11 + 1))[:count]


class Maker:
    """Makes files in one directory."""

    def __init__(self, t):
        self.t = t

    def path(self, name):
        return self.t.dir / name

    def qemu_img(self, *args):
        self.t.made_by_qemu_img(*args)

    def create(self, name="x.qcow2", size=4 * MIB, backing=None, backing_format=None, **options):
        argv = ["create", "-q", "-f", "qcow2"]
        if options:
            argv += ["-o", ",".join(f"{k}={v}" for k, v in options.items())]
        if backing:
            argv += ["-b", backing, "-F", backing_format]
        self.qemu_img(*argv, name, *([str(size)] if size is not None else []))

    def io(self, *commands, file="x.qcow2", **kwargs):
        self.t.qemu_io(file, *commands, **kwargs)

    def file(self, name, content):
        self.path(name).write_bytes(content)

    def sparse(self, name, size, *pieces):
        """A raw file with holes; pieces are (offset, bytes)."""
        with open(self.path(name), "wb") as file:
            file.truncate(size)
            for offset, content in pieces:
                file.seek(offset)
                file.write(content)

    def patch(self, change, file="x.qcow2"):
        """change(bytearray of the whole file)."""
        image = bytearray(self.path(file).read_bytes())
        change(image)
        self.file(file, image)

    def mixed(self, cluster, span, file="x.qcow2", zero_clusters=True, source=None):
        """Whole, partial, unaligned, zero, random and discarded clusters over `span` bytes."""
        self.file("noise.bin", source or noise(cluster, max(512, min(cluster, 64 * KIB))))
        commands = [
            f"write -P 0x11 0 {cluster}",
            f"write -P 0x22 {2 * cluster + cluster // 2} {cluster}",
            f"write -P 0 {4 * cluster} {cluster}",
            f"write -P 0x33 {5 * cluster} 512",
            f"write -s noise.bin {8 * cluster} {min(cluster, 64 * KIB)}",
            f"write -P 0x44 {9 * cluster + 77} 33",
            f"write -P 0x55 {10 * cluster} {cluster}",
            f"discard {10 * cluster} {cluster}",
            f"write -P 0x66 {span - 512} 512",
        ]
        if zero_clusters:
            commands.append(f"write -z {6 * cluster} {cluster}")
            commands.append(f"write -z -u {7 * cluster} {cluster // 2}")
        self.io(*commands, file=file)


def span_of(cluster):
    """A virtual size that needs several L2 tables at small clusters, and ends within a cluster."""
    return max(12 * cluster, 256 * KIB) + 1536


def geometry():
    for cluster in CLUSTER_SIZES:
        for compat in ("0.10", "1.1"):
            span = span_of(cluster)

            def make(m, cluster=cluster, compat=compat, span=span):
                m.create(size=span, cluster_size=cluster, compat=compat)
                m.mixed(cluster, span, zero_clusters=compat == "1.1")

            yield Image(f"geometry-v{compat}-{size_name(cluster)}", make, size=span)


def refcounts():
    for bits in REFCOUNT_BITS:
        for cluster in (512, 4 * KIB, 64 * KIB):
            span = span_of(cluster)

            def make(m, bits=bits, cluster=cluster, span=span):
                m.create(size=span, cluster_size=cluster, refcount_bits=bits)
                m.mixed(cluster, span)
                if bits > 1:
                    m.qemu_img("snapshot", "-c", "before", "x.qcow2")
                    m.io(f"write -P 0x77 0 {3 * cluster}")

            yield Image(f"refcount-{bits}-{size_name(cluster)}", make, size=span,
                        snapshots=("before",) if bits > 1 else ())


def compression():
    for kind in ("zlib", "zstd"):
        for cluster in (512, 4 * KIB, 32 * KIB, 64 * KIB, 256 * KIB, 2 * MIB):

            def make(m, kind=kind, cluster=cluster):
                m.file("content", prose(cluster, 700 * KIB) + bytes(300 * KIB) +
                       noise(cluster, 150 * KIB) + prose(1, 400 * KIB + 512))
                m.qemu_img("convert", "-c", "-O", "qcow2", "-f", "raw", "-o",
                           f"cluster_size={cluster},compression_type={kind}", "content", "x.qcow2")

            yield Image(f"compressed-{kind}-{size_name(cluster)}", make, size=1550 * KIB + 512)

        def rewritten(m, kind=kind):
            m.create(size=3 * MIB, compression_type=kind)
            m.io("write -c -P 1 0 64k", "write -c -P 2 64k 128k", "write -P 3 1M 100k",
                 "write -P 4 70000 3000", "write -z 2M 64k", "discard 64k 64k")

        yield Image(f"compressed-{kind}-partly-rewritten", rewritten, size=3 * MIB)

    def version_2(m):
        m.file("content", prose(9, 900 * KIB) + bytes(200 * KIB) + noise(3, 100 * KIB))
        m.qemu_img("convert", "-c", "-O", "qcow2", "-o", "compat=0.10", "-f", "raw", "content",
                   "x.qcow2")

    yield Image("compressed-v0.10", version_2, size=1200 * KIB)

    def snapshotted(m):
        m.file("content", prose(4, 1 * MIB))
        m.qemu_img("convert", "-c", "-O", "qcow2", "-f", "raw", "content", "x.qcow2")
        m.qemu_img("snapshot", "-c", "packed", "x.qcow2")
        m.io("write -P 9 0 300k", "write -z 512k 64k")

    yield Image("compressed-with-snapshot", snapshotted, size=1 * MIB, snapshots=("packed",))


def extended_l2():
    for cluster in (16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB, 512 * KIB, 2 * MIB):
        span = span_of(cluster)

        def make(m, cluster=cluster, span=span):
            m.create(size=span, cluster_size=cluster, extended_l2="on")
            m.mixed(cluster, span)
            sub = cluster // 32
            m.io(f"write -P 0x81 {cluster + 3 * sub} {2 * sub}",
                 f"write -z {cluster + 9 * sub} {4 * sub}",
                 f"write -z {5 * sub} {sub}")

        yield Image(f"subclusters-{size_name(cluster)}", make, size=span)

    for bits in (1, 8, 64):

        def narrow(m, bits=bits):
            m.create(size=2 * MIB, cluster_size=16 * KIB, extended_l2="on", refcount_bits=bits)
            m.mixed(16 * KIB, 2 * MIB)

        yield Image(f"subclusters-refcount-{bits}", narrow, size=2 * MIB)

    def over_backing(m):
        m.sparse("base.raw", 2 * MIB, (0, prose(1, 600 * KIB)), (MIB, noise(2, 200 * KIB)))
        m.create(size=2 * MIB, backing="base.raw", backing_format="raw", extended_l2="on")
        m.io("write -P 1 2k 2k", "write -z 8k 6k", "write -P 2 1M 3k", "write -z 1100k 64k",
             "discard 1030k 4k")

    yield Image("subclusters-over-raw", over_backing, size=2 * MIB, chain=True,
                backing=("base.raw", "raw"))

    def over_qcow2(m):
        m.create("base.qcow2", size=2 * MIB, cluster_size=4 * KIB)
        m.mixed(4 * KIB, 2 * MIB, file="base.qcow2")
        m.create(size=2 * MIB, backing="base.qcow2", backing_format="qcow2", extended_l2="on",
                 cluster_size=128 * KIB)
        m.io("write -P 1 4k 4k", "write -z 12k 4k", "write -P 5 130k 1k")

    yield Image("subclusters-over-qcow2", over_qcow2, size=2 * MIB, chain=True,
                backing=("base.qcow2", "qcow2"))

    for kind in ("zlib", "zstd"):

        def packed(m, kind=kind):
            m.create(size=2 * MIB, extended_l2="on", compression_type=kind)
            m.file("prose.bin", prose(6, 64 * KIB))
            m.io("write -c -s prose.bin 0 64k", "write -c -P 7 192k 64k", "write -P 3 256k 2k",
                 "write -P 4 4k 1k")

        yield Image(f"subclusters-{kind}", packed, size=2 * MIB)

    def snapshotted(m):
        m.create(size=2 * MIB, extended_l2="on")
        m.io("write -P 1 0 100k", "write -z 128k 10k")
        m.qemu_img("snapshot", "-c", "one", "x.qcow2")
        m.io("write -P 2 6k 2k", "write -z 20k 2k")

    yield Image("subclusters-with-snapshot", snapshotted, size=2 * MIB, snapshots=("one",))


def snapshots():
    for compat in ("0.10", "1.1"):

        def three(m, compat=compat):
            m.create(size=3 * MIB, compat=compat)
            for step, name in enumerate(("first", "second one", "third")):
                m.io(f"write -P {step + 1} {step * 300}k 400k")
                m.qemu_img("snapshot", "-c", name, "x.qcow2")
            m.io("write -P 9 1M 64k")

        yield Image(f"snapshots-three-v{compat}", three, size=3 * MIB,
                    snapshots=("first", "2", "third"))

        def resized(m, compat=compat):
            m.create(size=1 * MIB, compat=compat)
            m.io("write -P 1 0 1M")
            m.qemu_img("snapshot", "-c", "small", "x.qcow2")
            m.qemu_img("snapshot", "-d", "small", "x.qcow2")
            m.qemu_img("resize", "-q", "x.qcow2", "3M")
            m.io("write -P 2 2M 64k")
            m.qemu_img("snapshot", "-c", "grown", "x.qcow2")

        yield Image(f"snapshots-after-resize-v{compat}", resized, size=3 * MIB,
                    snapshots=("grown",))

    def smaller(m):
        m.create(size=1 * MIB)
        m.io("write -P 1 0 1M")
        m.qemu_img("snapshot", "-c", "small", "x.qcow2")
        m.qemu_img("resize", "-q", "x.qcow2", "3M")
        m.io("write -P 2 2M 64k")

    yield Image("snapshots-smaller-than-the-disk", smaller, size=3 * MIB, snapshots=("small",))

    def many(m):
        m.create(size=1 * MIB, cluster_size=4096)
        for step in range(20):
            m.io(f"write -P {step + 1} {step * 8}k 12k")
            m.qemu_img("snapshot", "-c", f"number {step} " + "x" * step, "x.qcow2")

    yield Image("snapshots-twenty", many, size=1 * MIB, snapshots=("7", "number 19 " + "x" * 19))

    def deleted(m):
        m.create(size=1 * MIB)
        for step, name in enumerate("abc"):
            m.io(f"write -P {step + 1} 0 200k")
            m.qemu_img("snapshot", "-c", name, "x.qcow2")
        m.qemu_img("snapshot", "-d", "b", "x.qcow2")
        m.io("write -P 7 100k 10k")
        m.qemu_img("snapshot", "-a", "a", "x.qcow2")

    yield Image("snapshots-deleted-and-applied", deleted, size=1 * MIB, snapshots=("a", "c", "3"))

    def name_is_an_id(m):
        m.create(size=1 * MIB)
        for step, name in enumerate(("2", "1")):
            m.io(f"write -P {step + 1} 0 200k")
            m.qemu_img("snapshot", "-c", name, "x.qcow2")
        m.io("write -P 7 0 200k")

    yield Image("snapshots-named-like-ids", name_is_an_id, size=1 * MIB, snapshots=("1", "2"))

    def utf8(m):
        m.create(size=1 * MIB)
        m.io("write -P 1 0 64k")
        m.qemu_img("snapshot", "-c", "vor dem Größerwerden", "x.qcow2")

    yield Image("snapshots-utf8-name", utf8, size=1 * MIB, snapshots=("1",))

    def vm_state(m):
        m.create(size=1 * MIB)
        m.io("write -P 1 0 64k", "write -b -P 5 0 150016")
        m.qemu_img("snapshot", "-c", "running", "x.qcow2")
        m.io("write -P 2 0 64k")

    yield Image("snapshots-vm-state-area", vm_state, size=1 * MIB, snapshots=("running",))

    def over_backing(m):
        m.sparse("base.raw", 2 * MIB, (0, prose(1, 900 * KIB)))
        m.create(size=2 * MIB, backing="base.raw", backing_format="raw")
        m.io("write -P 1 0 64k")
        m.qemu_img("snapshot", "-c", "early", "x.qcow2")
        m.io("write -P 2 0 128k", "write -z 256k 128k")

    yield Image("snapshots-over-raw", over_backing, size=2 * MIB, chain=True, snapshots=("early",),
                backing=("base.raw", "raw"))


def chains():
    sizes = {"shorter": 1 * MIB + 7 * 512, "equal": 2 * MIB, "longer": 3 * MIB}
    for relation, base_size in sizes.items():
        for compat in ("0.10", "1.1"):

            def over_raw(m, base_size=base_size, compat=compat):
                m.sparse("base.raw", base_size, (0, prose(base_size, 500 * KIB)),
                         (base_size - 70000, noise(1, 70000)))
                m.create(size=2 * MIB, backing="base.raw", backing_format="raw", compat=compat)
                m.io("write -P 1 100k 70k", "write -P 2 1M 1k", "write -P 0 200k 64k")

            yield Image(f"chain-raw-{relation}-v{compat}", over_raw, size=2 * MIB, chain=True,
                        backing=("base.raw", "raw"))

            def over_qcow2(m, base_size=base_size, compat=compat):
                m.create("base.qcow2", size=base_size, compat=compat)
                m.io("write -P 7 0 500k", f"write -P 8 {base_size - 90000} 90000",
                     "write -c -P 9 640k 64k", file="base.qcow2")
                m.create(size=2 * MIB, backing="base.qcow2", backing_format="qcow2",
                         compat=compat)
                m.io("write -P 1 100k 70k", "write -P 2 1M 1k", "write -P 0 200k 64k",
                     "discard 400k 64k")

            yield Image(f"chain-qcow2-{relation}-v{compat}", over_qcow2, size=2 * MIB, chain=True,
                        backing=("base.qcow2", "qcow2"))

    pairs = [(512, 64 * KIB), (64 * KIB, 512), (4 * KIB, 2 * MIB), (2 * MIB, 4 * KIB),
             (1 * MIB, 32 * KIB)]
    for top, below in pairs:

        def clusters_differ(m, top=top, below=below):
            m.create("base.qcow2", size=4 * MIB, cluster_size=below)
            m.io("write -P 3 0 300k", "write -z 100k 64k", "write -P 4 3M 100k", file="base.qcow2")
            m.create(size=4 * MIB, backing="base.qcow2", backing_format="qcow2", cluster_size=top)
            m.io("write -P 5 30k 1k", "write -z 8k 64k", "write -P 6 3100k 512")

        yield Image(f"chain-clusters-{size_name(top)}-over-{size_name(below)}", clusters_differ,
                    chain=True, backing=("base.qcow2", "qcow2"))

    for depth in (2, 3):
        for bottom in ("raw", "qcow2"):
            for relation in ("same", "growing", "shrinking"):

                def deep(m, depth=depth, bottom=bottom, relation=relation):
                    step = {"same": 0, "growing": 512 * KIB, "shrinking": -300 * KIB}[relation]
                    size = 2 * MIB
                    if bottom == "raw":
                        m.sparse("l0.raw", size, (0, prose(8, 1200 * KIB)),
                                 (size - 5000, noise(4, 5000)))
                    else:
                        m.create("l0.qcow2", size=size, cluster_size=16 * KIB)
                        m.io("write -P 1 0 1200k", "write -P 2 2000k 48k", file="l0.qcow2")
                    below, form = f"l0.{bottom}", bottom
                    for level in range(1, depth + 1):
                        size += step
                        name = "x.qcow2" if level == depth else f"l{level}.qcow2"
                        m.create(name, size=size, backing=below, backing_format=form)
                        m.io(f"write -P {level + 2} {level * 100}k 150k",
                             f"write -z {level * 300}k 64k",
                             f"write -P {level + 5} {size - 4096} 4k", file=name)
                        below, form = name, "qcow2"

                top_size = 2 * MIB + depth * {"same": 0, "growing": 512, "shrinking": -300}[
                    relation] * KIB
                below = ("l1.qcow2" if depth == 2 else "l2.qcow2", "qcow2")
                yield Image(f"chain-{depth}-deep-{bottom}-{relation}", deep, size=top_size,
                            chain=True, backing=below)

    def subdirectory(m):
        os.mkdir(m.path("below"))
        m.sparse("below/base.raw", MIB, (0, prose(2, 300 * KIB)))
        m.create(size=MIB, backing="below/base.raw", backing_format="raw")
        m.io("write -P 1 64k 64k")

    yield Image("chain-in-a-subdirectory", subdirectory, size=MIB, chain=True,
                backing=("below/base.raw", "raw"))

    def absolute(m):
        m.sparse("base.raw", MIB, (0, prose(2, 300 * KIB)))
        m.create(size=MIB, backing=str(m.path("base.raw")), backing_format="raw")
        m.io("write -P 1 64k 64k")

    yield Image("chain-named-absolutely", absolute, size=MIB, chain=True,
                backing=("base.raw", "raw"))

    def unstated(m, base, form):
        m.create(size=2 * MIB, backing=base, backing_format=form)
        m.io("write -P 1 64k 64k")
        m.patch(drop_backing_format)

    def unstated_qcow2(m):
        m.create("base.qcow2", size=2 * MIB)
        m.io("write -P 7 0 500k", file="base.qcow2")
        unstated(m, "base.qcow2", "qcow2")

    yield Image("chain-format-unstated-qcow2", unstated_qcow2, size=2 * MIB, chain=True)

    def unstated_raw(m):
        m.sparse("base.raw", 2 * MIB, (0, prose(2, 300 * KIB)))
        unstated(m, "base.raw", "raw")

    yield Image("chain-format-unstated-raw", unstated_raw, size=2 * MIB, chain=True)

    def odd_base(m):
        m.sparse("base.raw", MIB + 77, (0, noise(2, 3000)), (MIB - 100, noise(5, 177)))
        m.create(size=2 * MIB, backing="base.raw", backing_format="raw")
        m.io("write -P 1 64k 64k")

    yield Image("chain-raw-of-odd-length", odd_base, size=2 * MIB, chain=True,
                backing=("base.raw", "raw"))

    def zeros_hide(m):
        m.sparse("base.raw", 2 * MIB, (0, noise(2, 2 * MIB)))
        m.create(size=2 * MIB, backing="base.raw", backing_format="raw")
        m.io("write -z 0 64k", "write -z -u 128k 64k", "write -P 1 256k 64k", "write -z 256k 64k",
             "write -z 1M 512k")

    yield Image("chain-zero-clusters-hide-the-base", zeros_hide, size=2 * MIB, chain=True,
                backing=("base.raw", "raw"))


def drop_backing_format(image):
    """Turns the backing format extension, qemu-img's first, into one that nobody knows."""
    at = generate.get(image, "header_length")
    assert struct.unpack_from(">I", image, at)[0] == generate.EXTENSION_BACKING_FORMAT
    struct.pack_into(">I", image, at, 0x6E6F6E65)


def data_files():
    for raw in ("off", "on"):
        for cluster in (4 * KIB, 64 * KIB, 1 * MIB):
            span = span_of(cluster)

            def make(m, raw=raw, cluster=cluster, span=span):
                m.create(size=span, cluster_size=cluster, data_file="x.data", data_file_raw=raw)
                m.mixed(cluster, span)

            yield Image(f"data-file-raw-{raw}-{size_name(cluster)}", make, size=span)

    def extended(m):
        m.create(size=2 * MIB, data_file="x.data", extended_l2="on")
        m.io("write -P 1 2k 4k", "write -P 2 1M 100k", "write -z 1M 4k")

    yield Image("data-file-subclusters", extended, size=2 * MIB)

    def over_backing(m):
        m.sparse("base.raw", 2 * MIB, (0, prose(4, MIB)))
        m.create(size=2 * MIB, data_file="x.data", backing="base.raw", backing_format="raw")
        m.io("write -P 1 2k 4k", "write -P 2 1M 100k", "write -z 512k 64k")

    yield Image("data-file-over-raw", over_backing, size=2 * MIB, chain=True,
                backing=("base.raw", "raw"))

    def as_backing(m):
        m.create("base.qcow2", size=2 * MIB, data_file="base.data")
        m.io("write -P 1 2k 4k", "write -P 2 1M 100k", file="base.qcow2")
        m.create(size=2 * MIB, backing="base.qcow2", backing_format="qcow2")
        m.io("write -P 3 64k 64k")

    yield Image("data-file-below-an-overlay", as_backing, size=2 * MIB, chain=True,
                backing=("base.qcow2", "qcow2"))


def raw_files():
    for size in (0, 1, 511, 512, 513, 4095, 65535, 65537, MIB + 1, MIB + 511):

        def make(m, size=size):
            m.file("x.raw", noise(size, size))

        yield Image(f"raw-of-{size}-bytes", make, file="x.raw", format="raw", size=size)

    def probed(m):
        m.file("x.raw", prose(1, 700 * KIB))

    yield Image("raw-probed", probed, file="x.raw", size=700 * KIB)

    patterns = {
        "all-hole": [],
        "data-first": [(0, noise(1, 100 * KIB))],
        "data-last": [(3 * MIB - 512, noise(2, 512))],
        "every-other-4k": [(i * 8 * KIB, noise(i, 4 * KIB)) for i in range(100)],
        "zeros-within-data": [(0, b"".join(noise(i, 4 * KIB) + bytes(4 * KIB)
                                           for i in range(60)))],
        "small-zero-runs": [(0, b"".join(noise(i, 512) + bytes(512) for i in range(500)))],
        "holes-of-64k": [(i * 128 * KIB, prose(i, 64 * KIB)) for i in range(20)],
        "lone-bytes": [(i * 65536 + i, b"\x01") for i in range(40)],
    }
    for name, pieces in patterns.items():

        def sparse(m, pieces=pieces):
            m.sparse("x.raw", 3 * MIB, *pieces)

        yield Image(f"raw-{name}", sparse, file="x.raw", format="raw", size=3 * MIB)

    def terabyte(m):
        m.sparse("x.raw", TIB, (0, noise(1, 5000)), (TIB // 2, noise(2, 70000)),
                 (TIB - 512, noise(3, 512)))

    yield Image("raw-sparse-1t", terabyte, file="x.raw", format="raw", size=TIB)

    def mbr(m):
        boot = bytearray(512)
        boot[446:462] = struct.pack("<8B2I", 0x80, 0, 2, 0, 0x83, 0, 0, 0, 63, 2000)
        boot[510:512] = b"\x55\xaa"
        m.sparse("x.raw", 2 * MIB, (0, bytes(boot)), (63 * 512, prose(3, 90000)))

    yield Image("raw-with-mbr", mbr, file="x.raw", size=2 * MIB)

    def holds_qcow2(m):
        m.create("x.raw", size=MIB)
        m.io("write -P 1 0 64k", file="x.raw", format="qcow2")

    yield Image("raw-that-holds-a-qcow2", holds_qcow2, file="x.raw", format="raw", size=MIB)


def large_and_odd():
    for size, cluster in ((10 * GIB, 4 * KIB), (1 * TIB, 64 * KIB), (8 * TIB, 2 * MIB)):

        def sparse(m, size=size, cluster=cluster):
            m.create(size=size, cluster_size=cluster)
            m.io("write -P 1 0 64k", f"write -P 2 {size // 3} 100k", f"write -z {size // 2} 1M",
                 f"write -P 3 {size - 4096} 4k")

        yield Image(f"virtual-{size // GIB}g-{size_name(cluster)}", sparse, size=size)

    for size in (0, 512, 513, 65535, 65536 * 3 + 512, 1000448):

        def small(m, size=size):
            m.create(size=size)
            if size >= 512:
                m.io(f"write -P 1 0 {size // 512 * 512}")

        yield Image(f"virtual-{size}-bytes", small, size=size)

    for size in (1000, 100001):

        def unaligned(m, size=size):
            m.create(size=128 * KIB)
            m.io("write -P 1 0 128k")
            m.patch(lambda image: generate.put(image, "size", size))

        yield Image(f"virtual-{size}-bytes-by-header", unaligned, size=size)


def zero_clusters():
    for cluster in (512, 64 * KIB, 2 * MIB):

        def make(m, cluster=cluster):
            m.create(size=12 * cluster, cluster_size=cluster)
            m.io(f"write -P 1 0 {6 * cluster}", f"write -z {cluster} {cluster}",
                 f"write -z -u {3 * cluster} {cluster}", f"discard {5 * cluster} {cluster}",
                 f"write -z {8 * cluster} {3 * cluster}")

        yield Image(f"zero-clusters-{size_name(cluster)}", make, size=12 * cluster)

    def all_zero(m):
        m.create(size=2 * MIB)
        m.io("write -z 0 2M")

    yield Image("zero-clusters-only", all_zero, size=2 * MIB)

    def nothing(m):
        m.create(size=2 * MIB)

    yield Image("nothing-written", nothing, size=2 * MIB)


def bitmaps():
    def one(m):
        m.create(size=2 * MIB)
        m.qemu_img("bitmap", "--add", "x.qcow2", "b0")
        m.io("write -P 1 0 100k")

    yield Image("bitmap-one", one, size=2 * MIB, bitmaps=True)

    def several(m):
        m.create(size=2 * MIB)
        m.qemu_img("bitmap", "--add", "x.qcow2", "daily")
        m.qemu_img("bitmap", "--add", "-g", "4k", "x.qcow2", "fine")
        m.qemu_img("bitmap", "--add", "--disable", "-g", "1M", "x.qcow2", "coarse")
        m.io("write -P 1 0 100k", "write -P 2 1M 4k")

    yield Image("bitmap-several", several, size=2 * MIB, bitmaps=True)

    def in_use(m):
        m.create(size=2 * MIB)
        m.qemu_img("bitmap", "--add", "x.qcow2", "b0")
        m.io("write -P 1 0 100k", "flush", "sigraise 9", expect=-9)

    yield Image("bitmap-in-use", in_use, size=2 * MIB)

    def over_backing(m):
        m.sparse("base.raw", 2 * MIB, (0, prose(4, MIB)))
        m.create(size=2 * MIB, backing="base.raw", backing_format="raw")
        m.qemu_img("bitmap", "--add", "x.qcow2", "since")
        m.io("write -P 1 0 100k")

    yield Image("bitmap-over-raw", over_backing, size=2 * MIB, chain=True, bitmaps=True,
                backing=("base.raw", "raw"))

    def small_clusters(m):
        m.create(size=2 * MIB, cluster_size=4096)
        m.qemu_img("bitmap", "--add", "-g", "512", "x.qcow2", "b0")
        m.io("write -P 1 0 100k", "write -P 1 1M 512")

    yield Image("bitmap-512-granularity", small_clusters, size=2 * MIB, bitmaps=True)


def preallocation():
    for mode in ("metadata", "falloc", "full"):
        for cluster in (4 * KIB, 64 * KIB):

            def make(m, mode=mode, cluster=cluster):
                m.create(size=2 * MIB, cluster_size=cluster, preallocation=mode)
                m.io("write -P 1 100k 100k")

            yield Image(f"preallocated-{mode}-{size_name(cluster)}", make, size=2 * MIB)

    def subclusters(m):
        m.create(size=2 * MIB, extended_l2="on", preallocation="metadata")
        m.io("write -P 1 100k 100k")

    yield Image("preallocated-subclusters", subclusters, size=2 * MIB)


def states():
    """Header bits and extensions that a reader must live with."""

    def lazy(m):
        m.create(size=2 * MIB, lazy_refcounts="on")
        m.io("write -P 1 0 100k")

    yield Image("lazy-refcounts", lazy, size=2 * MIB)

    for cluster in (4 * KIB, 64 * KIB):

        def dirty(m, cluster=cluster):
            m.create(size=2 * MIB, lazy_refcounts="on", cluster_size=cluster)
            m.io("write -P 1 0 100k", "flush", "sigraise 9", expect=-9)

        yield Image(f"dirty-{size_name(cluster)}", dirty, size=2 * MIB)

    def corrupt(m):
        m.create(size=2 * MIB)
        m.io("write -P 1 0 100k")
        m.patch(lambda image: generate.put(
            image, "incompatible_features", generate.INCOMPATIBLE_CORRUPT))

    yield Image("marked-corrupt", corrupt, size=2 * MIB)

    def short_header(m):
        m.file("x.qcow2", generate.Qcow2().data(0).data(9).build())

    yield Image("header-of-104-bytes", short_header)

    def long_header(m):
        m.file("x.qcow2", generate.Qcow2(header_length=160).data(0).build())

    yield Image("header-of-160-bytes", long_header)

    def unknown_extension(m):
        image = generate.Qcow2().data(0)
        image.extensions.append(generate.extension(0x12345678, b"whatever this is"))
        m.file("x.qcow2", image.build())

    yield Image("unknown-extension", unknown_extension)

    def unknown_compatible(m):
        image = generate.Qcow2().data(0).build()
        generate.put(image, "compatible_features", 0xF0)
        generate.put(image, "autoclear_features", 0xF0)
        m.file("x.qcow2", image)

    yield Image("unknown-compatible-and-autoclear-bits", unknown_compatible)

    def cut_short(m):
        image = generate.Qcow2().data(0).data(7).build()
        m.file("x.qcow2", image[:-60000])

    yield Image("last-data-cluster-cut-short", cut_short)

    def version_2(m):
        m.file("x.qcow2", generate.Qcow2(version=2, cluster_bits=9, size=30000).data(0).data(
            40).build())

    yield Image("handwritten-v2", version_2, size=30000)

    def entries_beyond_the_end(m):
        image = generate.Qcow2(size=4 << 20).data(0).data(30).build()
        generate.put(image, "size", 1 << 20)
        m.file("x.qcow2", image)

    yield Image("l2-entries-beyond-the-virtual-size", entries_beyond_the_end, size=MIB)


FAMILIES = (geometry, refcounts, compression, extended_l2, snapshots, chains, data_files, raw_files,
            large_and_odd, zero_clusters, bitmaps, preallocation, states)


def images():
    return [image for family in FAMILIES for image in family()]
