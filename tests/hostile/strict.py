"""The strict profile refuses what is not one whole image in one file: a crafted file for each
reason, refused with exactly that code."""

import json
import struct
import zlib

from harness import Group
from hostile import generate, vhd_images, vmdk
from hostile.generate import Qcow2, put, word
from hostile.vhd_images import KIB, MIB, Vhd, Vhdx

FAR = 1 << 40  # beyond the end of every file here


def written(pieces):
    """The bytes of a file of pieces."""
    end = max(offset + len(content) for offset, content in pieces.items())
    image = bytearray(end)
    for offset, content in pieces.items():
        image[offset:offset + len(content)] = content
    return image


def qcow2(change=None, image=None, **fields):
    image = image or Qcow2().data(0).data(3)
    built = bytearray(image.build())
    for field, value in fields.items():
        put(built, field, value)
    if change:
        change(built, image)
    return bytes(built)


def qcow2_rows():
    yield "a backing file", qcow2(image=Qcow2().back(b"/etc/passwd", b"raw")), ["backing-file"]
    yield "a data file", qcow2(image=data_file()), ["data-file"]
    yield "a data file that is named only", qcow2(image=extended(
        generate.EXTENSION_DATA_FILE, b"/etc/passwd")), ["data-file"]
    for bit in (5, 17, 63):
        yield f"incompatible feature {bit}", qcow2(incompatible_features=1 << bit), [
            "unknown-feature"]
    yield "a compatible feature", qcow2(compatible_features=2), ["unknown-feature"]
    yield "an autoclear feature", qcow2(autoclear_features=4), ["unknown-feature"]
    yield "a header extension", qcow2(image=extended(0x12345678, b"x" * 8)), ["unknown-feature"]
    yield "version 4", qcow2(version=4), ["unknown-feature"]
    yield "a compression type", qcow2(
        image=Qcow2(header_length=112), incompatible_features=8, compression_type=9), [
            "unknown-feature"]
    yield "a longer header", qcow2(lambda b, i: word(b, 112, 7), Qcow2(header_length=120)), [
        "unknown-feature"]
    for method in (1, 2, 7):
        yield f"encryption method {method}", qcow2(crypt_method=method), ["encrypted"]
    yield "a dirty bit", qcow2(incompatible_features=1), ["dirty"]
    yield "a corrupt bit", qcow2(incompatible_features=2), ["corrupt"]
    yield "both of them", qcow2(incompatible_features=3), ["dirty", "corrupt"]
    yield "all that can be said", qcow2(
        image=Qcow2().back(b"x"), incompatible_features=0x27, crypt_method=1,
        compatible_features=2), ["backing-file", "encrypted", "dirty", "corrupt", "data-file",
                                 "unknown-feature", "unknown-feature"]
    yield "an L1 table", qcow2(l1_table_offset=FAR), ["beyond-end-of-file"]
    yield "a refcount table", qcow2(refcount_table_offset=FAR), ["beyond-end-of-file"]
    yield "a snapshot table", qcow2(nb_snapshots=1, snapshots_offset=FAR), ["beyond-end-of-file"]
    yield "an L2 table", qcow2(lambda b, i: word(b, i.l1_offset, FAR)), ["beyond-end-of-file"]
    yield "a refcount block", qcow2(lambda b, i: word(b, i.refcount_table_offset, FAR)), [
        "beyond-end-of-file"]
    yield "a cluster", qcow2(image=Qcow2().entry(0, FAR | generate.COPIED)), ["beyond-end-of-file"]
    yield "a cluster of zeros", qcow2(image=Qcow2().entry(0, FAR | generate.ZERO)), [
        "beyond-end-of-file"]
    yield "a compressed cluster", qcow2(image=Qcow2().entry(0, FAR | generate.COMPRESSED)), [
        "beyond-end-of-file"]
    yield "a snapshot's L1 table", qcow2(snapshot(FAR)), ["beyond-end-of-file"]
    yield "a snapshot's L2 table", qcow2(snapshot(None)), ["beyond-end-of-file"]
    yield "a bitmap directory", qcow2(image=bitmaps(FAR), autoclear_features=1), [
        "beyond-end-of-file"]
    yield "a cut file", qcow2()[:150 * KIB], ["beyond-end-of-file"] * 2
    yield "an L2 table off its cluster", qcow2(
        lambda b, i: word(b, i.l1_offset, i.cluster + 512)), ["malformed"]
    yield "a cluster off its place", qcow2(image=Qcow2().entry(0, 512)), ["malformed"]
    yield "clusters of 8 bytes", qcow2(cluster_bits=3), ["malformed"]
    yield "an L1 table that is too short", qcow2(size=1 << 50), ["malformed"]
    yield "an L1 table of 64 MiB", qcow2(l1_size=8 << 20), ["over-limit"]
    yield "a huge disk", qcow2(image=Qcow2(cluster_bits=21, size=1 << 45), size=(1 << 50) + 512), [
        "virtual-size", "malformed"]
    yield "a VHD at its end", qcow2() + vhd_images.vhd_footer(1 << 20, 2), ["polyglot"]
    yield "a VHD at its end, without a sum", qcow2() + b"conectix".ljust(512, b"\0"), ["polyglot"]
    yield "half a VHD at its end", qcow2() + vhd_images.vhd_footer(1 << 20, 2)[:511], ["polyglot"]
    yield "an Apple image at its end", qcow2() + dmg_trailer(), ["polyglot"]
    yield "a VDI in its header", qcow2(snapshots_offset=0x7F10DABE << 32), ["polyglot"]
    for name, offset, content in DISK_STRUCTURES:
        if offset >= 510 and offset != 4096:
            yield f"{name} in its bytes", qcow2(lambda b, i, o=offset, c=content:
                                                b.__setitem__(slice(o, o + len(c)), c)), ["polyglot"]


DISK_STRUCTURES = (("a boot sector", 510, b"\x55\xAA"), ("a GPT", 512, b"EFI PART"),
                   ("a GPT of 4 KiB sectors", 4096, b"EFI PART"),
                   ("an ISO 9660 image", 32769, b"CD001"), ("a UDF image", 32769, b"BEA01"),
                   ("an older UDF image", 32769, b"NSR02"))


def data_file():
    image = extended(generate.EXTENSION_DATA_FILE, b"/etc/passwd")
    image.incompatible |= generate.INCOMPATIBLE_DATA_FILE
    return image


def extended(kind, content):
    image = Qcow2().data(0)
    image.extensions.append(generate.extension(kind, content))
    return image


def bitmaps(offset):
    return extended(generate.EXTENSION_BITMAPS, struct.pack(">IIQQ", 1, 0, 32, offset))


def snapshot(l1_offset):
    """Adds a snapshot whose L1 table is there, or in the file with an L2 table that is not."""
    def change(built, image):
        place = -(-len(built) // image.cluster) * image.cluster
        built.extend(bytes(place + 2 * image.cluster - len(built)))
        entry = generate.snapshot_entry(
            l1_offset=place + image.cluster if l1_offset is None else l1_offset, l1_size=1,
            disk_size=image.size)
        built[place:place + len(entry)] = entry
        word(built, place + image.cluster, FAR)
        put(built, "nb_snapshots", 1)
        put(built, "snapshots_offset", place)

    return change


def dmg_trailer():
    return struct.pack(">4sII", b"koly", 4, 512).ljust(512, b"\0")


def embedded(kind="monolithicSparse", extents=('RW 64 SPARSE "x.vmdk"',), more="", parent="ffffffff",
             **fields):
    """A sparse file with this descriptor."""
    built = bytearray(vmdk.sparse(**fields))
    text = (f'# Disk DescriptorFile\nversion=1\nCID=1\nparentCID={parent}\ncreateType="{kind}"\n'
            + more + "\n".join(extents) + "\n").encode()
    built[512:1024] = text.ljust(512, b"\0")
    return bytes(built)


def vmdk_rows():
    flat = 'RW 64 FLAT "/etc/passwd" 0'
    yield "a flat extent", vmdk.text(flat), ["external-extent"]
    yield "a sparse extent", vmdk.text('RW 64 SPARSE "y.vmdk"', kind="twoGbMaxExtentSparse"), [
        "external-extent"]
    yield "many extents", vmdk.text(*[flat] * 9, kind="twoGbMaxExtentFlat"), ["external-extent"]
    yield "a device", vmdk.text('RW 64 FLAT "/dev/sda" 0', kind="fullDevice"), [
        "unknown-feature", "external-extent"]
    yield "a flat extent in an embedded descriptor", embedded(extents=(flat,)), ["external-extent"]
    yield "two extents in an embedded descriptor", embedded(
        extents=('RW 64 SPARSE "x.vmdk"', flat)), ["external-extent"]
    yield "an embedded descriptor of another type", embedded(kind="monolithicFlat"), [
        "external-extent"]
    yield "a descriptor in the shape of an extent", embedded(
        kind="monolithicFlat", extents=(flat,), capacity=0), ["external-extent"]
    yield "a flat extent in an extent of no size", embedded(extents=(flat,), capacity=0), [
        "external-extent"]
    yield "a parent", embedded(more='parentFileNameHint="/etc/passwd"\n', parent="12345678"), [
        "backing-file"]
    yield "a parent in a comment", embedded(more='# parentFileNameHint="/etc/passwd"\n'), [
        "backing-file"]
    yield "a descriptor without an end", embedded(more="#" * 402 + "\n"), ["ambiguous"]
    yield "a parent without a name", embedded(parent="12345678"), ["backing-file"]
    yield "encryption", embedded(more='encryptionKeys="vmware:key"\n'), ["encrypted"]
    yield "a file of changed blocks", embedded(more='changeTrackPath="/etc/passwd"\n'), ["data-file"]
    for flag in (8, 1 << 18, 1 << 31):
        yield f"flag {flag:#x}", embedded(flags=3 | flag), ["unknown-feature"]
    yield "version 4", embedded(version=4), ["unknown-feature"]
    yield "another compression", embedded(algorithm=2), ["unknown-feature"]
    yield "the ESX kind COWD", b"COWD".ljust(4 * MIB, b"\0"), ["unknown-feature"]
    yield "the ESX kind seSparse", struct.pack("<Q", 0xCAFEBABE).ljust(4096, b"\0"), [
        "unknown-feature"]
    unclean = bytearray(embedded())
    unclean[72] = 1
    yield "an unclean shutdown", bytes(unclean), ["dirty"]
    yield "a smaller disk in its descriptor", embedded(extents=('RW 8 SPARSE "x.vmdk"',)), [
        "ambiguous"]
    yield "a larger disk in its descriptor", embedded(extents=('RW 6400 SPARSE "x.vmdk"',)), [
        "ambiguous"]
    yield "a grain directory", embedded(directory=1 << 20), ["beyond-end-of-file"]
    yield "a grain table", embedded(directory_entry=1 << 20), ["beyond-end-of-file"]
    yield "a grain", embedded(grains=(1 << 20,)), ["beyond-end-of-file"]
    yield "a descriptor", embedded(descriptor=1 << 20), ["beyond-end-of-file"]
    yield "a redundant directory", embedded(redundant=1 << 20), ["beyond-end-of-file"]
    yield "a redundant table", embedded(redundant=3, grains=(1 << 20,)), [
        "beyond-end-of-file"] * 2
    yield "grains of 3 sectors", embedded(grain=3), ["malformed"]
    yield "no descriptor", embedded(descriptor=0), ["malformed"]
    yield "a damaged newline", embedded()[:73] + b"x" + embedded()[74:], ["malformed"]
    yield "a huge disk", embedded(extents=(f'RW {1 << 42} SPARSE "x.vmdk"',), capacity=1 << 42,
                                  grain=1 << 15), ["virtual-size", "beyond-end-of-file"]
    yield "a VHD at its end", embedded() + vhd_images.vhd_footer(1 << 20, 2), ["polyglot"]
    yield "an Apple image at its end", embedded() + dmg_trailer(), ["polyglot"]
    yield "a boot sector in its bytes", embedded()[:510] + b"\x55\xAA" + embedded()[512:], [
        "polyglot"]
    iso = bytearray(embedded().ljust(64 * KIB, b"\0"))
    iso[32769:32774] = b"CD001"
    yield "an ISO 9660 image in its bytes", bytes(iso), ["polyglot"]


def vhd(change=None, image=None):
    image = image or Vhd().data(0, b"data").data(3, b"more")
    built = written(image.build())
    if change:
        change(built)
    return bytes(built)


def both_footers(at, value, form=">I"):
    """Changes a field of the footer and of its copy, with good sums."""
    def change(built):
        for start in (0, len(built) - 512):
            footer = bytearray(built[start:start + 512])
            struct.pack_into(form, footer, at, value)
            struct.pack_into(">I", footer, 64, vhd_images.vhd_sum(footer, 64))
            built[start:start + 512] = footer

    return change


def changed_header(at, value, form=">I"):
    def change(built):
        header = bytearray(built[512:1536])
        struct.pack_into(form, header, at, value)
        struct.pack_into(">I", header, 36, vhd_images.vhd_sum(header, 36))
        built[512:1536] = header

    return change


def fixed(content=b"disk".ljust(64 * KIB, b"\0"), **lies):
    return bytes(written(vhd_images.fixed_vhd(content, **lies)))


def vpc_rows():
    child = Vhd(kind=vhd_images.DIFFERENCING).data(0, b"data")
    child.parent(b"W2ru", "..\\secret.vhd")
    yield "a parent", vhd(image=child), ["backing-file"]
    yield "feature bits", vhd(both_footers(8, 0x12)), ["unknown-feature"]
    yield "version 2", vhd(both_footers(12, 0x20000)), ["unknown-feature"]
    yield "disk type 7", vhd(both_footers(60, 7)), ["unknown-feature"]
    yield "a version of its header", vhd(changed_header(24, 0x20000)), ["unknown-feature"]
    yield "a saved state", vhd(both_footers(84, 1, ">B")), ["dirty"]
    yield "a copy that differs", vhd(lambda b: struct.pack_into(">I", b, 24, 99)), ["ambiguous"]
    yield "a copy of another disk", vhd(
        lambda b: b.__setitem__(slice(0, 512), vhd_images.vhd_footer(1 << 30))), ["ambiguous"]
    yield "a block", vhd(image=Vhd().entry(0, 1 << 20)), ["beyond-end-of-file"]
    yield "a table", vhd(changed_header(16, FAR, ">Q")), ["beyond-end-of-file"]
    yield "a header", vhd(both_footers(16, FAR, ">Q")), ["beyond-end-of-file"]
    yield "a fixed disk", fixed(current=1 << 30), ["beyond-end-of-file"]
    yield "more than a fixed disk", fixed(current=32 * KIB), ["malformed"]
    yield "a block on its header", vhd(image=Vhd().entry(0, 1)), ["malformed"]
    yield "a damaged sum", vhd(lambda b: b.__setitem__(len(b) - 512 + 40, 9)), [
        "malformed"]
    yield "blocks of 3 sectors", vhd(changed_header(32, 1536)), ["malformed"]
    yield "no footer at the end", vhd()[:-512], ["malformed"]
    yield "a huge disk", vhd(both_footers(48, 1 << 51, ">Q")), ["virtual-size", "over-limit"]
    yield "a second footer in a fixed disk", fixed(
        vhd_images.vhd_footer(1 << 30).ljust(64 * KIB, b"\0")), ["polyglot"]
    yield "a qcow2 in a fixed disk", fixed(qcow2()), ["polyglot"]
    yield "a VMDK in a fixed disk", fixed(embedded()), ["polyglot"]
    yield "an ISO 9660 image around a dynamic disk", vhd(
        lambda b: b.__setitem__(slice(32769, 32774), b"CD001"),
        Vhd(sectors=256).data(9, b"x" * 4096).data(20, bytes(4096)).data(30, bytes(4096)).data(
            31, bytes(4096)).data(29, bytes(4096)).data(28, bytes(4096))), ["polyglot"]
    yield "a boot sector around a dynamic disk", vhd(
        lambda b: [b.__setitem__(slice(s + 510, s + 512), b"\x55\xAA") for s in (0, len(b) - 512)]
        + [both_footers(200, 0)(b)]), ["polyglot"]


def vhdx(image=None, change=None):
    image = image or Vhdx().data(0, b"data")
    if change:
        image.change = change
    return bytes(written(image.build()))


def vhdx_with(**fields):
    image = Vhdx().data(0, b"data")
    for name, value in fields.items():
        setattr(image, name, value)
    return image


def vhdx_rows():
    regions = Vhdx().regions
    unknown = bytes(range(16))
    yield "a parent", vhdx(Vhdx().over(("relative_path", "..\\secret.vhdx"))), ["backing-file"]
    yield "a region", vhdx(vhdx_with(regions=[*regions, (unknown, 8 * MIB, MIB, 1)]),
                           lambda p: p.update({9 * MIB: b"\0"})), ["unknown-feature"]
    yield "a metadata item", vhdx(vhdx_with(
        items=[*Vhdx().standard_items(), (unknown, b"x" * 8, 4)])), ["unknown-feature"]
    yield "file parameters", vhdx(vhdx_with(flags=0x40)), ["unknown-feature"]
    yield "version 2", vhdx(vhdx_with(header={"version": 2})), ["unknown-feature"]
    log = vhdx_with(log={0: vhd_images.log_entry(
        1, [(vhd_images.BLOCKS, b"new".ljust(4096, b"\0"))])})
    log.dirty()
    yield "a log", vhdx(log), ["dirty"]
    yield "region tables that differ", vhdx(change=lambda p: p.update({
        256 * KIB: vhd_images.region_table(regions[:1] + [(unknown, 3 * MIB, MIB, 0)])})), [
            "ambiguous"]
    for table in (192, 256):
        yield f"a damaged region table at {table} KiB", vhdx(change=lambda p, t=table: p.update(
            {t * KIB + 9: b"x"})), ["malformed"]
    yield "a block", vhdx(Vhdx().entry(1, FAR | 6)), ["beyond-end-of-file"]
    yield "a log beyond it", vhdx(vhdx_with(header={"log_offset": FAR})), ["beyond-end-of-file"]
    yield "a region beyond it", vhdx(vhdx_with(regions=[
        (vhd_images.REGION_BAT, FAR, MIB, 1), regions[1]])), ["beyond-end-of-file"]
    yield "a block on the log", vhdx(Vhdx().entry(1, MIB | 6)), ["malformed"]
    yield "a state", vhdx(Vhdx().entry(1, 5)), ["malformed"]
    yield "a block that is partly there", vhdx(Vhdx().entry(1, 4 * MIB | 7)), ["malformed"]
    yield "blocks of 3 MiB", vhdx(vhdx_with(items=[
        (vhd_images.ITEM_PARAMETERS, struct.pack("<II", 3 * MIB, 0), 4),
        *Vhdx().standard_items()[1:]])), ["malformed"]
    yield "a huge disk", vhdx(vhdx_with(items=[
        *Vhdx().standard_items()[:1], (vhd_images.ITEM_SIZE, struct.pack("<Q", 1 << 51), 6),
        *Vhdx().standard_items()[2:]])), ["over-limit"]
    yield "a VHD at its end", vhdx() + vhd_images.vhd_footer(1 << 20, 2), ["polyglot"]
    yield "an Apple image at its end", vhdx() + dmg_trailer(), ["polyglot"]
    yield "a boot sector in its bytes", vhdx(change=lambda p: p.update({510: b"\x55\xAA"})), [
        "polyglot"]
    yield "an ISO 9660 image in its bytes", vhdx(change=lambda p: p.update({32769: b"CD001"})), [
        "polyglot"]


OTHER_FORMATS = {
    "luks": b"LUKS\xBA\xBE\0\x01", "qed": b"QED\0", "qcow": b"QFI\xFB\0\0\0\x01",
    "parallels": b"WithoutFreeSpace", "bochs": b"Bochs Virtual HD Image\0",
    "cloop": b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop ", "vdi": bytes(64) + b"\x7F\x10\xDA\xBE",
}


def raw_rows():
    mismatch = ["format-mismatch"]
    yield "a qcow2", qcow2(), mismatch
    yield "four bytes of a qcow2", b"QFI\xFB".ljust(MIB, b"\0"), mismatch
    yield "nothing but the signature of a qcow2", b"QFI\xFB", mismatch
    yield "a VMDK", embedded(), mismatch
    yield "a VMDK descriptor", vmdk.text('RW 64 FLAT "/etc/passwd" 0'), mismatch
    yield "a VMDK descriptor without its title", b"# x\n\nversion=1\n" + bytes(512), mismatch
    yield "a COWD", b"COWD".ljust(4096, b"\0"), mismatch
    yield "a VHD", vhd(), mismatch * 2
    yield "a fixed VHD", fixed(), mismatch
    yield "a fixed VHD of 511 bytes at its end", fixed()[:-1], mismatch
    yield "a VHD's cookie in its last sector", bytes(4096) + b"conectix".ljust(512, b"\0"), mismatch
    yield "a VHD's footer in a started sector", bytes(4096) + vhd_images.vhd_footer(
        1 << 20, 2)[:100], mismatch
    yield "a VHDX", vhdx(), mismatch
    yield "an Apple image", bytes(4096) + dmg_trailer(), mismatch
    yield "an Apple image off its sector", bytes(4100) + dmg_trailer() + bytes(50), mismatch
    for name, content in OTHER_FORMATS.items():
        yield f"a {name}", content.ljust(4096, b"\0"), mismatch
    yield "two of them", OTHER_FORMATS["vdi"].ljust(4096, b"\0") + dmg_trailer(), mismatch * 2


def other_rows():
    for name, content in OTHER_FORMATS.items():
        code = "encrypted" if name == "luks" else "unsupported-format"
        yield name, f"a {name}", content.ljust(4096, b"\0"), [code]
    yield "dmg", "a dmg", bytes(4096) + dmg_trailer(), ["unsupported-format"]
    for form in ("qcow2", "vmdk", "vpc", "vhdx", "luks", "vdi"):
        yield form, f"zeros as {form}", bytes(64 * KIB), ["format-mismatch"]
    yield "qcow2", "a VMDK as qcow2", embedded(), ["format-mismatch"] * 2
    yield "vmdk", "a qcow2 as vmdk", qcow2(), ["format-mismatch"] * 2
    yield "qcow2", "version 1 as qcow2", OTHER_FORMATS["qcow"].ljust(4096, b"\0"), [
        "format-mismatch"] * 2


def rows():
    for form, made in (("qcow2", qcow2_rows), ("vmdk", vmdk_rows), ("vpc", vpc_rows),
                       ("vhdx", vhdx_rows), ("raw", raw_rows)):
        for name, content, codes in made():
            yield form, name, content, codes
    yield from other_rows()


def judge(t, form, *options):
    outcome = t.instar("info", "--strict", "--output=json", "-f", form, *options, "x")
    t.equal(outcome.code, 2, "exit code", outcome)
    t.check(not t.complaint(outcome), "refused is a verdict, no error", outcome)
    verdict = json.loads(outcome.text)
    t.equal(sorted(verdict), ["format", "reasons", "verdict"], "members", outcome)
    t.equal((verdict["verdict"], verdict["format"]), ("refused", form), "verdict", outcome)
    for reason in verdict["reasons"]:
        t.equal(sorted(reason), ["code", "message", "offset"], "members of a reason", outcome)
        t.check(0 <= reason["offset"] <= (t.dir / "x").stat().st_size, "offset in the file", outcome)
        t.check(reason["message"] and "{" not in reason["message"], "a message", outcome)
    return outcome, [reason["code"] for reason in verdict["reasons"]]


def refused(t, form, packed, codes):
    (t.dir / "x").write_bytes(zlib.decompress(packed))
    outcome, found = judge(t, form)
    t.equal(found, codes, "codes", outcome)


def sound(t, form, content):
    """The generators' own images pass, so that each row fails for what was changed in it."""
    (t.dir / "x").write_bytes(content)
    outcome = t.instar("info", "--strict", "-f", form, "x")
    t.succeeded(outcome)


def too_large(t, form, content):
    (t.dir / "x").write_bytes(content)
    outcome, found = judge(t, form, "--max-virtual-size=1k")
    t.equal(found, ["virtual-size"], "codes", outcome)


def holes(t):
    """A small file whose tables are holes: terabytes to look through, in no time refused."""
    image = Qcow2(cluster_bits=21, size=1 << 55)
    built = bytearray(image.build())
    tables = 1 << 16
    place = -(-len(built) // image.cluster) * image.cluster
    put(built, "l1_size", tables)
    put(built, "l1_table_offset", place)
    with open(t.dir / "x", "wb") as file:
        file.write(built)
        file.seek(place)
        first = place + image.cluster
        file.write(b"".join(struct.pack(">Q", first + i * image.cluster) for i in range(tables)))
        file.truncate(first + tables * image.cluster)
    outcome, found = judge(t, "qcow2", "--max-virtual-size=64P")
    t.equal(found, ["over-limit"], "codes", outcome)


SOUND = {"qcow2": qcow2, "vmdk": embedded, "vpc": vhd, "vhdx": vhdx, "raw": lambda: bytes(MIB)}


def groups():
    group = Group("hostile/strict")
    for form, make in SOUND.items():
        group.add(f"the {form} that rows change passes", sound, form, make())
        group.add(f"{form}: a disk beyond --max-virtual-size is refused", too_large, form, make())
    for form, name, content, codes in rows():
        # Packed: all together take so much memory that runs' own could not be told from it.
        group.add(f"{form}: {name} is refused as {', '.join(codes)}", refused, form,
                  zlib.compress(content, 1), codes)
    group.add("qcow2: tables in holes are refused in bounded time", holes)
    return [group]
