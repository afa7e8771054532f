#!/usr/bin/env python3
"""Writes qcow2 structures byte by byte, right or wrong, and says where it put them.

The layout is fixed and small: cluster 0 the header with its extensions and the backing file name,
then the refcount table, one refcount block, the L1 table, its L2 tables, the snapshot table if there
is one, and the data. Whatever a test wants wrong it changes afterwards with put() and word().

As a program it writes one named sample:  generate.py NAME FILE   (without arguments: the names).
"""

import struct
import sys
import zlib

MAGIC = 0x514649FB

# name -> (offset, struct format), as the specification's header table has them
FIELDS = {
    "magic": (0, ">I"), "version": (4, ">I"),
    "backing_file_offset": (8, ">Q"), "backing_file_size": (16, ">I"),
    "cluster_bits": (20, ">I"), "size": (24, ">Q"), "crypt_method": (32, ">I"),
    "l1_size": (36, ">I"), "l1_table_offset": (40, ">Q"),
    "refcount_table_offset": (48, ">Q"), "refcount_table_clusters": (56, ">I"),
    "nb_snapshots": (60, ">I"), "snapshots_offset": (64, ">Q"),
    "incompatible_features": (72, ">Q"), "compatible_features": (80, ">Q"),
    "autoclear_features": (88, ">Q"), "refcount_order": (96, ">I"), "header_length": (100, ">I"),
    "compression_type": (104, ">B"),
}

EXTENSION_END = 0x00000000
EXTENSION_BACKING_FORMAT = 0xE2792ACA
EXTENSION_FEATURE_NAMES = 0x6803F857
EXTENSION_BITMAPS = 0x23852875
EXTENSION_CRYPTO = 0x0537BE77
EXTENSION_DATA_FILE = 0x44415441

INCOMPATIBLE_DIRTY = 1 << 0
INCOMPATIBLE_CORRUPT = 1 << 1
INCOMPATIBLE_DATA_FILE = 1 << 2
INCOMPATIBLE_COMPRESSION = 1 << 3
INCOMPATIBLE_EXTENDED_L2 = 1 << 4

COPIED = 1 << 63
COMPRESSED = 1 << 62
ZERO = 1 << 0


def put(image, field, value):
    offset, form = FIELDS[field]
    struct.pack_into(form, image, offset, value)


def get(image, field):
    offset, form = FIELDS[field]
    return struct.unpack_from(form, image, offset)[0]


def word(image, offset, value, form=">Q"):
    """Sets one big-endian word anywhere."""
    struct.pack_into(form, image, offset, value)


def extension(kind, content, length=None):
    """A header extension; `length` lies about the content's when given."""
    body = content + bytes(-len(content) % 8)
    return struct.pack(">II", kind, len(content) if length is None else length) + body


def feature_name(kind, bit, name):
    return struct.pack(">BB46s", kind, bit, name)


def deflate(content, level=9):
    """Raw deflate, as compressed clusters hold it."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -12)
    return packer.compress(content) + packer.flush()


def snapshot_entry(identifier=b"1", name=b"snap", l1_offset=0, l1_size=0, extra=None,
                   disk_size=0, icount=0, **lies):
    if extra is None:
        extra = struct.pack(">QQQ", 0, disk_size, icount)
    entry = struct.pack(
        ">QIHHIIQII", l1_offset, l1_size, lies.get("id_length", len(identifier)),
        lies.get("name_length", len(name)), 1_600_000_000, 0, 0, 0,
        lies.get("extra_length", len(extra)))
    entry += extra + identifier + name
    return entry + bytes(-len(entry) % 8)


class Qcow2:
    """Describes an image; build() gives its bytes and fills in the offsets below."""

    def __init__(self, version=3, cluster_bits=16, size=4 << 20, refcount_order=4,
                 header_length=104, extended_l2=False):
        self.version = version
        self.cluster_bits = cluster_bits
        self.cluster = 1 << cluster_bits
        self.size = size
        self.refcount_order = refcount_order
        self.header_length = header_length
        self.extended_l2 = extended_l2
        self.incompatible = INCOMPATIBLE_EXTENDED_L2 if extended_l2 else 0
        self.backing = None
        self.extensions = []
        self.guest = {}  # guest cluster -> ("data", bytes) | ("zero",) | ("packed", bytes) | ("raw", entry)
        self.snapshots = b""
        self.snapshot_count = 0
        self.refcount_table_offset = self.cluster
        self.refcount_block_offset = 2 * self.cluster
        self.l1_offset = 3 * self.cluster
        self.l2_offsets = {}
        self.data_offsets = {}
        self.snapshots_offset = 0

    def data(self, index, content=None):
        self.guest[index] = ("data", content if content is not None else
                             bytes([index % 255 + 1]) * self.cluster)
        return self

    def zero(self, index):
        self.guest[index] = ("zero",)
        return self

    def packed(self, index, stream):
        self.guest[index] = ("packed", stream)
        return self

    def entry(self, index, value):
        """An L2 entry of this exact value."""
        self.guest[index] = ("raw", value)
        return self

    def back(self, name, form=None):
        self.backing = name
        if form is not None:
            self.extensions.append(extension(EXTENSION_BACKING_FORMAT, form))
        return self

    def add_snapshots(self, table, count):
        self.snapshots, self.snapshot_count = table, count
        return self

    def build(self):
        entry_size = 16 if self.extended_l2 else 8
        per_l2 = self.cluster // entry_size
        clusters = -(-self.size // self.cluster)
        l1_size = max(1, -(-clusters // per_l2))
        l1_clusters = max(1, -(-l1_size * 8 // self.cluster))
        following = 3 + l1_clusters
        image = bytearray(following * self.cluster)

        def allocate(content):
            nonlocal following
            at = following * self.cluster
            content = content + bytes(-len(content) % self.cluster)
            image.extend(content)
            following += len(content) // self.cluster
            return at

        for index in sorted({g // per_l2 for g in self.guest}):
            self.l2_offsets[index] = allocate(bytes(self.cluster))
            word(image, self.l1_offset + 8 * index, self.l2_offsets[index] | COPIED)
        for guest, what in sorted(self.guest.items()):
            slot = self.l2_offsets[guest // per_l2] + entry_size * (guest % per_l2)
            bitmap = 0
            if what[0] == "data":
                self.data_offsets[guest] = allocate(what[1])
                value, bitmap = self.data_offsets[guest] | COPIED, 0xFFFFFFFF
            elif what[0] == "packed":
                self.data_offsets[guest] = at = allocate(what[1])
                shift = 62 - (self.cluster_bits - 8)
                sectors = (at % 512 + len(what[1]) - 1) // 512
                value = COMPRESSED | (sectors << shift) | at
            elif what[0] == "zero":
                value, bitmap = (0, 0xFFFFFFFF << 32) if self.extended_l2 else (ZERO, 0)
            else:
                value = what[1]
            word(image, slot, value)
            if self.extended_l2:
                word(image, slot + 8, bitmap)
        if self.snapshots:
            self.snapshots_offset = allocate(self.snapshots)

        word(image, self.refcount_table_offset, self.refcount_block_offset)
        self._count(image, following)
        self._header(image, l1_size)
        return image

    def _count(self, image, used):
        bits = 1 << self.refcount_order
        for index in range(min(used, self.cluster * 8 // bits)):
            if bits >= 8:
                width = bits // 8
                at = self.refcount_block_offset + index * width
                image[at:at + width] = (1).to_bytes(width, "big")
            else:
                at = self.refcount_block_offset + index * bits // 8
                image[at] |= 1 << (index * bits % 8)

    def _header(self, image, l1_size):
        put(image, "magic", MAGIC)
        put(image, "version", self.version)
        put(image, "cluster_bits", self.cluster_bits)
        put(image, "size", self.size)
        put(image, "l1_size", l1_size)
        put(image, "l1_table_offset", self.l1_offset)
        put(image, "refcount_table_offset", self.refcount_table_offset)
        put(image, "refcount_table_clusters", 1)
        put(image, "nb_snapshots", self.snapshot_count)
        put(image, "snapshots_offset", self.snapshots_offset)
        at = 72
        if self.version >= 3:
            put(image, "incompatible_features", self.incompatible)
            put(image, "refcount_order", self.refcount_order)
            put(image, "header_length", self.header_length)
            at = self.header_length
        for content in [*self.extensions, extension(EXTENSION_END, b"")]:
            image[at:at + len(content)] = content
            at += len(content)
        if self.backing is not None:
            put(image, "backing_file_offset", at)
            put(image, "backing_file_size", len(self.backing))
            image[at:at + len(self.backing)] = self.backing


def with_data_file(name, raw=True, size=1 << 20):
    """A qcow2 whose guest data lies in the file `name`."""
    described = Qcow2(size=size)
    described.incompatible |= INCOMPATIBLE_DATA_FILE
    described.extensions.append(extension(EXTENSION_DATA_FILE, name))
    for index in range(size >> described.cluster_bits):
        described.entry(index, index << described.cluster_bits | COPIED)
    image = described.build()
    if raw:
        put(image, "autoclear_features", 1 << 1)
    return image


SAMPLES = {
    "plain": lambda: Qcow2().data(0).zero(1).data(5).build(),
    "version-2": lambda: Qcow2(version=2).data(0).data(5).build(),
    "compressed": lambda: Qcow2().packed(0, deflate(b"disk" * 16384)).build(),
    "extended-l2": lambda: Qcow2(extended_l2=True).data(0).zero(1).build(),
    "backing-passwd": lambda: Qcow2().back(b"/etc/passwd", b"raw").build(),
    "data-file-passwd": lambda: with_data_file(b"/etc/passwd"),
}


def main(arguments):
    if len(arguments) != 2 or arguments[0] not in SAMPLES:
        print("\n".join(SAMPLES))
        return 0 if not arguments else 2
    with open(arguments[1], "wb") as file:
        file.write(SAMPLES[arguments[0]]())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
