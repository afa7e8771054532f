"""The dirty bitmaps of a qcow2 file, read without any of the programs under test.

docs/interop/qcow2 of QEMU, "Bitmaps": the extension leads to the directory, each entry of that to a table,
and each entry of a table to a cluster of bits, or says that all of its bits are 0 or 1.
"""

import struct

EXTENSION = 0x23852875
ALL_ONES = 1
OFFSET_MASK = 0x00fffffffffffe00
ENTRY = struct.Struct(">QIIBBHI")


def extension_data(data, wanted):
    at, = struct.unpack_from(">I", data, 100)
    while at + 8 <= len(data):
        kind, length = struct.unpack_from(">II", data, at)
        if kind == 0:
            return None
        if kind == wanted:
            return data[at + 8:at + 8 + length]
        at += 8 + (length + 7) // 8 * 8
    return None


def read_bits(file, table_offset, table_entries, cluster_bytes):
    """The indices of the bits that are set."""
    file.seek(table_offset)
    table = struct.unpack(f">{table_entries}Q", file.read(8 * table_entries))
    found = set()
    for index, entry in enumerate(table):
        if entry & OFFSET_MASK:
            file.seek(entry & OFFSET_MASK)
            content = file.read(cluster_bytes).ljust(cluster_bytes, b"\0")
        else:
            content = (b"\xff" if entry & ALL_ONES else b"\0") * cluster_bytes
        value = int.from_bytes(content, "little")
        first = index * cluster_bytes * 8
        while value:
            low = value & -value
            found.add(first + low.bit_length() - 1)
            value ^= low
    return found


def stored_bitmaps(path):
    """{name: (flags, bits of the granularity, indices of set bits)}; nothing for other files."""
    with open(path, "rb") as file:
        head = file.read(1 << 16)
        if head[:4] != b"QFI\xfb" or struct.unpack_from(">I", head, 4)[0] < 3:
            return {}
        if not struct.unpack_from(">Q", head, 88)[0] & 1:
            return {}
        cluster_bytes = 1 << struct.unpack_from(">I", head, 20)[0]
        disk_bytes, = struct.unpack_from(">Q", head, 24)
        data = extension_data(head[:max(cluster_bytes, 512)], EXTENSION)
        if data is None:
            return {}
        count, _, size, offset = struct.unpack(">IIQQ", data[:24])
        file.seek(offset)
        directory = file.read(size)
        found = {}
        at = 0
        for _ in range(count):
            table, entries, flags, _, granularity, name_bytes, extra = ENTRY.unpack_from(directory, at)
            name_at = at + ENTRY.size + extra
            name = directory[name_at:name_at + name_bytes].decode("utf-8", "replace")
            bits = read_bits(file, table, entries, cluster_bytes)
            end = (disk_bytes + (1 << granularity) - 1) >> granularity
            found[name] = (flags, granularity, sorted(bit for bit in bits if bit < end))
            at = (name_at + name_bytes + 7) // 8 * 8
        return found
