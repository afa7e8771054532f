"""Writes VHD and VHDX structures byte by byte, right or wrong.

What qemu-img cannot make comes from here: differencing disks, and VHDX with a log to be replayed.
Files are described as pieces, {offset: bytes}, and written sparse.
"""

import struct

KIB, MIB = 1 << 10, 1 << 20

FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4
UNUSED = 0xFFFFFFFF


def write(path, pieces, length=None):
    """The pieces, later ones over earlier ones, in a file of at least that length."""
    with open(path, "wb") as file:
        for offset, content in pieces.items():
            file.seek(offset)
            file.write(content)
        file.seek(0, 2)
        if length is not None and file.tell() < length:
            file.truncate(length)


# -- VHD ------------------------------------------------------------------------------------------


def vhd_sum(content, at):
    return ~(sum(content) - sum(content[at:at + 4])) & 0xFFFFFFFF


def vhd_footer(size, kind=DYNAMIC, creator=b"win ", data_offset=512, geometry=(1, 4, 17),
               version=0x10000, current=None, checksum=None, identifier=bytes(16)):
    content = bytearray(struct.pack(
        ">8sIIQI4sI4sQQHBBII16s", b"conectix", 2, version,
        data_offset if kind != FIXED else (1 << 64) - 1, 0, creator, 0, b"Wi2k", size,
        size if current is None else current, *geometry, kind, 0, identifier)).ljust(512, b"\0")
    struct.pack_into(">I", content, 64, vhd_sum(content, 64) if checksum is None else checksum)
    return bytes(content)


def vhd_header(table_offset=2048, entries=1, block=4096, version=0x10000, locators=(), name="",
               parent_id=bytes(16), checksum=None):
    content = bytearray(struct.pack(">8sQQIII", b"cxsparse", (1 << 64) - 1, table_offset, version,
                                    entries & 0xFFFFFFFF, block)).ljust(1024, b"\0")
    content[40:56] = parent_id
    wide = name.encode("utf-16-be")[:512]
    content[64:64 + len(wide)] = wide
    for index, (platform, offset, length) in enumerate(locators):
        struct.pack_into(">4sIIIQ", content, 576 + 24 * index, platform, -(-length // 512) & 0xFFFFFFFF,
                         length, 0, offset)
    struct.pack_into(">I", content, 36, vhd_sum(content, 36) if checksum is None else checksum)
    return bytes(content)


class Vhd:
    """A dynamic or differencing VHD of `sectors`. build() gives the pieces of the file."""

    def __init__(self, sectors=64, block=4096, kind=DYNAMIC):
        self.sectors, self.block, self.kind = sectors, block, kind
        self.entries = {}  # block -> ("data", bytes, bitmap) | ("raw", value)
        self.names = []  # (platform, text)
        self.name = ""
        self.footer, self.header = {}, {}  # fields that lie

    def data(self, index, content, bitmap=None):
        self.entries[index] = ("data", content, bitmap)
        return self

    def entry(self, index, value):
        self.entries[index] = ("raw", value)
        return self

    def parent(self, platform, name):
        self.names.append((platform, name))
        return self

    def build(self):
        pieces, locators, at = {}, [], 4096
        for platform, text in self.names:
            wide = text if isinstance(text, bytes) else text.encode("utf-16-le")
            pieces[at] = wide
            locators.append((platform, at, len(wide)))
            at += -(-max(len(wide), 1) // 512) * 512
        count = -(-self.sectors * 512 // self.block)
        table = [UNUSED] * count
        at = max(8192, -(-at // 512) * 512)
        bitmap_bytes = max(512, -(-(self.block // 512) // 4096) * 512)
        for index, what in sorted(self.entries.items()):
            if what[0] == "raw":
                table[index] = what[1]
                continue
            _, content, bitmap = what
            table[index] = at // 512
            pieces[at] = (bitmap or b"\xff" * bitmap_bytes).ljust(bitmap_bytes, b"\0")
            pieces[at + bitmap_bytes] = content.ljust(self.block, b"\0")
            at += bitmap_bytes + self.block
        footer = vhd_footer(self.sectors * 512, self.kind, **self.footer)
        pieces[0] = footer
        pieces[512] = vhd_header(**{"entries": count, "block": self.block, "locators": locators,
                                    "name": self.name, **self.header})
        if count:
            pieces[2048] = struct.pack(f">{min(count, 500)}I", *table[:500])
        pieces[at] = footer
        return pieces


def fixed_vhd(content, **lies):
    return {0: content, len(content): vhd_footer(len(content), FIXED, **lies)}


# -- VHDX -----------------------------------------------------------------------------------------

LOG, BAT, METADATA, BLOCKS = MIB, 2 * MIB, 3 * MIB, 4 * MIB
LOG_ID = bytes(range(1, 17))


def guid(text):
    a, b, c, d, e = text.split("-")
    return struct.pack("<IHH", int(a, 16), int(b, 16), int(c, 16)) + bytes.fromhex(d + e)


REGION_BAT = guid("2DC27766-F623-4200-9D64-115E9BFD4A08")
REGION_METADATA = guid("8B7CA206-4790-4B9A-B8FE-575F050F886E")
ITEM_PARAMETERS = guid("CAA16737-FA36-4D43-B3B6-33F0AA44E76B")
ITEM_SIZE = guid("2FA54224-CD1B-4876-B211-5DBED83BF4B8")
ITEM_ID = guid("BECA12AB-B2E6-4523-93EF-C309E000C746")
ITEM_LOGICAL = guid("8141BF1D-A96F-4709-BA47-F233A8FAAB5F")
ITEM_PHYSICAL = guid("CDA348C7-445D-4471-9CC9-E9885251C556")
ITEM_PARENT = guid("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C")
PARENT_KIND = guid("B04AEFB7-D19E-4A81-B789-25B8E9445913")

_TABLE = []
for _value in range(256):
    for _ in range(8):
        _value = _value >> 1 ^ (0x82F63B78 if _value & 1 else 0)
    _TABLE.append(_value)


def crc32c(content):
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return ~crc & 0xFFFFFFFF


def summed(content, length, at=4):
    """The structure padded to its length, with its checksum."""
    content = bytearray(content.ljust(length, b"\0"))
    content[at:at + 4] = bytes(4)
    struct.pack_into("<I", content, at, crc32c(content))
    return bytes(content)


def vhdx_header(sequence=5, log_id=bytes(16), version=1, log_length=MIB, log_offset=LOG):
    return summed(struct.pack("<4sIQ16s16s16sHHIQ", b"head", 0, sequence, b"w" * 16, b"d" * 16,
                              log_id, 0, version, log_length, log_offset), 4096)


def region_table(regions, count=None):
    content = struct.pack("<4sIII", b"regi", 0, len(regions) if count is None else count, 0)
    for identifier, offset, length, required in regions:
        content += struct.pack("<16sQII", identifier, offset, length, required)
    return summed(content, 64 * KIB)


def metadata(items, count=None):
    """items: (identifier, content, flags[, offset[, length]]); the last two lie."""
    table = struct.pack("<8sHH20s", b"metadata", 0, len(items) if count is None else count, b"")
    body, pieces = 64 * KIB, b""
    for identifier, content, flags, *lies in items:
        offset = lies[0] if lies else body + len(pieces)
        length = lies[1] if len(lies) > 1 else len(content)
        table += struct.pack("<16sIIII", identifier, offset, length, flags, 0)
        pieces += content
    return table.ljust(64 * KIB, b"\0") + pieces


def guid_text(content):
    """As the linkage of a parent locator names it."""
    a, b, c = struct.unpack("<IHH", content[:8])
    return f"{{{a:08x}-{b:04x}-{c:04x}-{content[8:10].hex()}-{content[10:16].hex()}}}"


def parent_locator(entries, kind=PARENT_KIND):
    texts = b""
    content = kind + struct.pack("<HH", 0, len(entries))
    start = 20 + 12 * len(entries)
    for key, value in entries:
        key, value = key.encode("utf-16-le"), value.encode("utf-16-le")
        content += struct.pack("<IIHH", start + len(texts), start + len(texts) + len(key), len(key),
                               len(value))
        texts += key + value
    return content + texts


def log_entry(sequence, changes, tail=0, log_id=LOG_ID, flushed=BLOCKS, last=BLOCKS, length=None):
    """changes: (file offset, 4096 bytes) or (file offset, None, length of zeros)."""
    descriptors, sectors = b"", b""
    for offset, content, *zeros in changes:
        if content is None:
            descriptors += struct.pack("<4sIQQQ", b"zero", 0, zeros[0], offset, sequence)
            continue
        descriptors += struct.pack("<4s4s8sQQ", b"desc", content[4092:], content[:8], offset, sequence)
        sectors += (b"data" + struct.pack("<I", sequence >> 32) + content[8:4092] +
                    struct.pack("<I", sequence & 0xFFFFFFFF))
    area = -(-(64 + len(descriptors)) // 4096) * 4096
    total = area + len(sectors)
    head = struct.pack("<4sIIIQII16sQQ", b"loge", 0, total if length is None else length, tail,
                       sequence, len(changes), 0, log_id, flushed, last)
    return summed((head + descriptors).ljust(area, b"\0") + sectors, total)


class Vhdx:
    """A VHDX of `size` bytes. build() gives the pieces of the file."""

    def __init__(self, size=4 * MIB, block=MIB, sector=512):
        self.size, self.block, self.sector = size, block, sector
        self.blocks = {}  # block -> (state, content or None)
        self.bitmaps = {}  # chunk -> bytes
        self.entries = {}  # index in the table -> value
        self.parent = None
        self.log = {}  # position -> bytes
        self.header, self.flags = {}, 0
        self.regions = [(REGION_BAT, BAT, MIB, 1), (REGION_METADATA, METADATA, MIB, 1)]
        self.items = None
        self.change = lambda pieces: None

    @property
    def ratio(self):
        return 8 * MIB * self.sector // self.block

    def data(self, index, content, state=6):
        self.blocks[index] = (state, content)
        return self

    def bitmap(self, chunk, content):
        self.bitmaps[chunk] = content
        return self

    def entry(self, index, value):
        self.entries[index] = value
        return self

    def over(self, *entries):
        self.parent = parent_locator(entries)
        return self

    def dirty(self, **log):
        self.header["log_id"] = LOG_ID
        return self

    def standard_items(self):
        flags = self.flags | (2 if self.parent else 0)
        items = [(ITEM_PARAMETERS, struct.pack("<II", self.block & 0xFFFFFFFF, flags), 4),
                 (ITEM_SIZE, struct.pack("<Q", self.size), 6), (ITEM_ID, b"i" * 16, 6),
                 (ITEM_LOGICAL, struct.pack("<I", self.sector), 6),
                 (ITEM_PHYSICAL, struct.pack("<I", self.sector), 6)]
        return items + ([(ITEM_PARENT, self.parent, 4)] if self.parent else [])

    def build(self):
        pieces = {0: b"vhdxfile".ljust(4096, b"\0")}
        pieces[64 * KIB] = vhdx_header(**self.header)
        pieces[128 * KIB] = vhdx_header(**{**self.header, "sequence": 4})
        table = region_table(self.regions)
        pieces[192 * KIB] = pieces[256 * KIB] = table
        pieces[METADATA] = metadata(self.standard_items() if self.items is None else self.items)
        for position, content in self.log.items():
            pieces[LOG + position] = content
        at = BLOCKS
        for index, (state, content) in sorted(self.blocks.items()):
            pieces[BAT + 8 * (index + index // self.ratio)] = struct.pack("<Q", at | state)
            pieces[at] = content.ljust(self.block, b"\0")
            at += self.block
        for chunk, content in self.bitmaps.items():
            slot = chunk * (self.ratio + 1) + self.ratio
            pieces[BAT + 8 * slot] = struct.pack("<Q", at | 6)
            pieces[at] = content.ljust(MIB, b"\0")
            at += MIB
        for index, value in self.entries.items():
            pieces[BAT + 8 * index] = struct.pack("<Q", value)
        pieces.setdefault(BLOCKS - 1, b"\0")
        self.change(pieces)
        return pieces
