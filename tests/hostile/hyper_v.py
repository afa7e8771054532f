"""VHD and VHDX that lie: division by zero, overflows, tables out of range or on themselves, counts
beyond reason, logs that loop (the rows 2014-0142 to -0148, -0222 and -0223 for these formats), and
parents outside of the image's directory."""

import functools
import json
import os
import resource
import struct

from harness import Group
from hostile import tracing
from hostile import vhd_images as v
from hostile.references import SECRET, furnish
from hostile.structures import BOTH, CONVERT, EITHER, MAX_FILE_BYTES, bounded
from hostile.vhd_images import BAT, BLOCKS, DIFFERENCING, KIB, LOG, METADATA, MIB, Vhd, Vhdx


# Refused where the format is stated. By itself the file is raw: its footer does not fit it.
STATED = "refused as stated"


def examine(t, form, make, expectation):
    v.write(t.dir / "x.img", make())
    before = (t.dir / "x.img").read_bytes() if (t.dir / "x.img").stat().st_size < 64 * MIB else None
    infos = [bounded(t, "info", "--output=json", *options, "x.img") for options in (["-f", form], [])]
    (t.dir / "out").unlink(missing_ok=True)
    convert = bounded(t, "convert", "-f", form, "-O", "raw", "x.img", "out",
                      limits={resource.RLIMIT_FSIZE: MAX_FILE_BYTES})
    t.check(before is None or (t.dir / "x.img").read_bytes() == before, "the source changed")
    t.check(convert.code == 0 or not (t.dir / "out").exists(), "a partial target is left", convert)
    if infos[0].code == 0:
        json.loads(infos[0].text)
    if expectation == BOTH:
        for outcome in (*infos, convert):
            t.check(outcome.code == 1, "should be refused", outcome)
    elif expectation == STATED:
        for outcome in (infos[0], convert):
            t.check(outcome.code == 1, "should be refused", outcome)
        t.equal(json.loads(infos[1].text)["format"], "raw", "what it is by itself", infos[1])
        t.check("footer that does not fit" in infos[1].err_text, "no warning", infos[1])
    elif expectation == CONVERT:
        t.check(convert.code == 1, "should be refused", convert)


# -- VHD ------------------------------------------------------------------------------------------


def vhd(footer=None, header=None, **options):
    image = Vhd(**options).data(0, b"\x11" * 4096)
    image.footer, image.header = footer or {}, header or {}
    return image.build


def vpc_cases():
    for block in (0, 1, 2, 256, 511, 513, 4097, (1 << 32) - 1):
        yield f"block of {block} bytes", vhd(header={"block": block}), BOTH
    for entries in (0, 1, 7):
        yield f"table of {entries} entries for 8 blocks", vhd(header={"entries": entries}), BOTH
    yield "table of all the entries there can be", vhd(header={"entries": (1 << 32) - 1}), EITHER
    for offset in (1 << 63, (1 << 64) - 1, (1 << 64) - 16, 1 << 40):
        yield f"table at {offset:#x}", vhd(header={"table_offset": offset}), BOTH
    for offset in (0, 512, 1536):
        yield f"table at {offset:#x}, on other structures", vhd(header={"table_offset": offset}), CONVERT
    for offset in (0, 4096, 1 << 40, (1 << 64) - 1, (1 << 64) - 512):
        yield f"dynamic header at {offset:#x}", vhd(footer={"data_offset": offset}), BOTH
    for current in (1 << 63, (1 << 64) - 1, 2041 << 30):
        yield f"disk of {current:#x} bytes", vhd(footer={"current": current}), BOTH
    yield "2040 GiB with a table for 32 KiB", vhd(footer={"current": 2040 << 30}), BOTH
    for geometry in ((0, 0, 0), (65535, 16, 255), (65535, 255, 255)):
        yield f"geometry {geometry} of Virtual PC", vhd(
            footer={"creator": b"vpc ", "geometry": geometry}), EITHER
    for version in (0, 0x20000, 0xFFFFFFFF):
        yield f"footer version {version:#x}", vhd(footer={"version": version}), BOTH
        yield f"header version {version:#x}", vhd(header={"version": version}), BOTH
    yield "wrong checksum of the footer", vhd(footer={"checksum": 1}), BOTH
    yield "wrong checksum of the header", vhd(header={"checksum": 1}), BOTH
    for kind in (0, 1, 5, 6, 0xFFFFFFFF):
        yield f"disk type {kind}", vhd(kind=kind), BOTH
    for entry in (0, 1, 2, 3, 4, 0x100, 0x7FFFFFFF, 0xFFFFFFFE):
        yield f"block at sector {entry:#x}", Vhd().entry(3, entry).build, CONVERT
    yield "a block on the table itself", Vhd().entry(0, 4).build, CONVERT
    yield "two entries of one block", Vhd().data(0, b"\x11" * 4096).entry(1, 16).build, EITHER
    yield "a fixed disk longer than its file", functools.partial(
        v.fixed_vhd, bytes(4096), current=1 << 40), STATED
    yield "a fixed disk of 2^64 bytes", functools.partial(
        v.fixed_vhd, bytes(4096), current=(1 << 64) - 1), STATED
    yield "no parent's name", Vhd(kind=DIFFERENCING).build, BOTH
    for what, name in (("odd", b"abc"), ("a lone surrogate", b"\x00\xd8a\0"), ("empty", b"")):
        yield f"a parent's name that is {what}", Vhd(kind=DIFFERENCING).parent(b"W2ru", name).build, BOTH
    yield "a parent's name of 4 GiB", vhd(kind=DIFFERENCING, header={
        "locators": [(b"W2ru", 4096, (1 << 32) - 1)]}), BOTH
    yield "a parent's name beyond the file", vhd(kind=DIFFERENCING, header={
        "locators": [(b"W2ru", (1 << 64) - 8, 16)]}), BOTH
    yield "a file of one footer's start", lambda: {0: b"conectix"}, BOTH
    yield "a file of zeros behind the cookie", lambda: {0: b"conectix".ljust(4096, b"\0")}, BOTH


# -- VHDX -----------------------------------------------------------------------------------------


def vhdx(**fields):
    def make():
        image = Vhdx().data(0, b"\x11" * MIB)
        for name, value in fields.items():
            setattr(image, name, value)
        return image.build()

    return make


def patched(offset, content):
    def make():
        pieces = Vhdx().data(0, b"\x11" * MIB).build()
        for start, piece in pieces.items():
            if start <= offset and offset + len(content) <= start + len(piece):
                pieces[start] = piece[:offset - start] + content + piece[offset - start + len(content):]
                break
        else:
            pieces[offset] = content
        return pieces

    return make


def regions_cases():
    standard = {v.REGION_BAT: (BAT, MIB), v.REGION_METADATA: (METADATA, MIB)}
    for what, identifier in (("table", v.REGION_BAT), ("metadata", v.REGION_METADATA)):
        other = v.REGION_METADATA if identifier == v.REGION_BAT else v.REGION_BAT
        for offset, length in ((0, MIB), (512, MIB), (BAT + 512, MIB), (1 << 63, MIB),
                               ((1 << 64) - MIB, MIB), (LOG, MIB), standard[other], (BLOCKS, 0),
                               (BLOCKS, (1 << 32) - MIB), (BLOCKS, 4096)):
            yield f"{what} region of {length} at {offset:#x}", vhdx(
                regions=[(identifier, offset, length, 1), (other, *standard[other], 1)]), BOTH
        yield f"no {what} region", vhdx(regions=[(other, *standard[other], 1)]), BOTH
        yield f"two {what} regions", vhdx(regions=[
            (v.REGION_BAT, BAT, MIB, 1), (v.REGION_METADATA, METADATA, MIB, 1),
            (identifier, BLOCKS, MIB, 1)]), BOTH
    yield "an unknown region that is required", vhdx(regions=[
        (v.REGION_BAT, BAT, MIB, 1), (v.REGION_METADATA, METADATA, MIB, 1),
        (b"u" * 16, BLOCKS, MIB, 1)]), BOTH
    for count in (0, 1, 2048, 0xFFFFFFFF):
        table = v.region_table([(v.REGION_BAT, BAT, MIB, 1), (v.REGION_METADATA, METADATA, MIB, 1)],
                               count)
        yield f"{count} regions", vhdx(change=lambda p, table=table: p.update(
            {192 * KIB: table, 256 * KIB: table})), BOTH


def items_cases():
    for block in (0, 1, 512 * KIB, MIB + 512, 3 * MIB, 512 * MIB, 1 << 31, (1 << 32) - 1):
        yield f"block of {block} bytes", patched(METADATA + 64 * KIB, struct.pack("<I", block)), BOTH
    for size in (1, 513, (64 << 40) + 512, 1 << 63, (1 << 64) - 512, (1 << 64) - 1):
        yield f"disk of {size:#x} bytes", patched(METADATA + 64 * KIB + 8, struct.pack("<Q", size)), BOTH
    yield "64 TiB with a table of 1 MiB", patched(
        METADATA + 64 * KIB + 8, struct.pack("<Q", 64 << 40)), BOTH
    for sector in (0, 1, 511, 1024, 8192, 1 << 31):
        yield f"sectors of {sector} bytes", patched(
            METADATA + 64 * KIB + 32, struct.pack("<I", sector)), BOTH
    for count in (0, 4, 2048, 65535):
        yield f"{count} items", patched(METADATA + 10, struct.pack("<H", count)), BOTH
    for offset, length in ((0, 8), (64 * KIB - 1, 8), (MIB, 8), ((1 << 32) - 4, 8), (64 * KIB, 0),
                           (64 * KIB, 7), (64 * KIB, (1 << 32) - 1)):
        yield f"an item of {length} at {offset:#x}", patched(
            METADATA + 32 + 16, struct.pack("<II", offset, length)), BOTH
    yield "an unknown item that is required", patched(METADATA + 32, b"u" * 16), BOTH
    yield "an item twice", patched(METADATA + 64, v.ITEM_PARAMETERS), BOTH
    yield "a parent, but no locator", patched(METADATA + 64 * KIB + 4, struct.pack("<I", 2)), BOTH


def entries_cases():
    for offset in (0, LOG, BAT, METADATA, 64 * MIB, 1 << 40, 1 << 63, ((1 << 64) - 1) >> 20 << 20):
        yield f"block at {offset:#x}", Vhdx().entry(1, offset | 6).build, CONVERT
    for state in (4, 5):
        yield f"block of state {state}", Vhdx().data(0, b"x", state).build, CONVERT
    yield "a partial block without a parent", Vhdx().data(0, b"x", 7).build, CONVERT
    yield "two entries of one block", Vhdx().data(0, b"x").entry(1, BLOCKS | 6).build, EITHER


def headers_cases():
    for offset, length in ((0, MIB), (512, MIB), (64 * MIB, MIB), ((1 << 64) - MIB, MIB),
                           (BAT, MIB), (LOG, 512), (LOG, (1 << 32) - MIB)):
        yield f"log of {length} at {offset:#x}", vhdx(
            header={"log_offset": offset, "log_length": length}), BOTH
    for version in (0, 2, 65535):
        yield f"version {version}", vhdx(header={"version": version}), BOTH
    yield "no valid header", vhdx(change=lambda p: p.update(
        {64 * KIB: bytes(4096), 128 * KIB: bytes(4096)})), BOTH
    yield "no valid region table", vhdx(change=lambda p: p.update(
        {192 * KIB: bytes(64 * KIB), 256 * KIB: bytes(64 * KIB)})), BOTH
    yield "nothing but the signature", lambda: {0: b"vhdxfile"}, BOTH
    yield "the signature and zeros", lambda: {0: b"vhdxfile", 8 * MIB: b"\0"}, BOTH


def dirty(log):
    def make():
        image = Vhdx().dirty()
        image.log = dict(log)
        return image.build()

    return make


def logs_cases():
    zero = (BAT, None, 4096)
    entry = v.log_entry
    yield "said to hold changes, and empty", dirty({}), BOTH
    yield "of another log", dirty({0: entry(7, [zero], log_id=b"o" * 16)}), BOTH
    yield "a tail that is not there", dirty({0: entry(7, [zero], tail=8192)}), BOTH
    yield "a tail beyond the log", dirty({0: entry(7, [zero], tail=1 << 31)}), BOTH
    yield "a loop of entries", dirty({n * 4096: entry(n + 1, [zero]) for n in range(256)}), EITHER
    yield "entries that all say to be the first", dirty(
        {n * 4096: entry(7, [zero]) for n in range(256)}), EITHER
    yield "an entry of the whole log at each sector", dirty(
        {n * 4096: v.log_entry(7, [zero], length=MIB)[:64] for n in range(256)}), BOTH
    for length in (0, 512, 4097, MIB + 4096, (1 << 32) - 4096):
        yield f"an entry of {length} bytes", dirty({0: v.summed(
            entry(7, [zero], length=length), 4096)}), BOTH
    yield "more descriptors than fit", dirty({0: v.summed(
        entry(7, [zero])[:24] + struct.pack("<I", 0xFFFFFFFF) + entry(7, [zero])[28:], 4096)}), BOTH
    yield "a change of the log", dirty({0: entry(7, [(LOG, None, 4096)])}), BOTH
    yield "a change of everything", dirty({0: entry(7, [(0, None, 1 << 62)])}), BOTH
    yield "a change beyond all files", dirty({0: entry(7, [((1 << 64) - 4096, None, 8192)])}), BOTH
    yield "a change that is not of whole sectors", dirty({0: entry(7, [(BAT + 512, None, 4096)])}), BOTH
    yield "a change of the metadata to zeros", dirty({0: entry(7, [(METADATA, None, 64 * KIB)])}), BOTH
    yield "a file that has been cut off", dirty({0: entry(7, [zero], flushed=1 << 40)}), BOTH
    yield "a file of 2^64 bytes", dirty({0: entry(7, [zero], last=(1 << 64) - 1)}), BOTH
    table = struct.pack("<Q", (1 << 62) | 6).ljust(4096, b"\0")
    yield "a table with a block far beyond a file of 2^62 bytes", dirty(
        {0: entry(7, [(BAT, table)], last=1 << 62)}), EITHER


# -- parents --------------------------------------------------------------------------------------

PARENTS = {
    "an absolute path": "/etc/passwd",
    "a path above": f"..\\outside\\{SECRET}.raw",
    "a path down and above": f".\\sub\\..\\..\\outside\\{SECRET}.raw",
    "a path above with slashes": f"../outside/{SECRET}.qcow2",
    "a json: name": '{{"driver":"raw"}}'.replace("{{", "json:{").replace("}}", "}"),
    "an nbd name": f"nbd://127.0.0.1:1/{SECRET}",
    "a device": "/dev/zero",
    "a long way up": "..\\" * 100 + "etc\\passwd",
    "itself": "x.img",
}


def child(form, name):
    if form == "vpc":
        return Vhd(kind=DIFFERENCING).parent(b"W2ru", name).build()
    return Vhdx().over(("relative_path", name)).build()


def parent_is_refused(t, form, name):
    images = furnish(t)
    v.write(images / "x.img", child(form, name))
    for arguments in (["info", "--backing-chain", "x.img"], ["convert", "-O", "raw", "x.img", "out"]):
        outcome, calls = tracing.trace(t, tracing.PATH_CALLS, *arguments, cwd=images)
        t.refused(outcome)
        t.check(not (images / "out").exists(), "a target is left", outcome)
        if SECRET in name:
            tracing.demand_untouched(calls, SECRET)
    t.succeeded(t.instar("info", "x.img", cwd=images))


def windows_path_stays_here(t, form):
    """Of C:\\... the file name counts, so the parent is looked for beside the image."""
    images = furnish(t)
    if form == "vpc":
        content = Vhd(kind=DIFFERENCING).parent(b"W2ku", "C:\\vm\\base.img").build()
    else:
        content = Vhdx().over(("parent_linkage", v.guid_text(b"d" * 16)),
                              ("absolute_win32_path", "C:\\vm\\base.img")).build()
    v.write(images / "x.img", content)
    t.refused(t.instar("convert", "-O", "raw", "x.img", "out", cwd=images))
    v.write(images / "base.img", v.fixed_vhd(b"\x42" * 32768) if form == "vpc" else
            Vhdx().data(0, b"\x42" * MIB).build())
    t.succeeded(t.instar("convert", "-O", "raw", "x.img", "out", cwd=images))
    t.equal((images / "out").read_bytes()[:4], b"\x42" * 4, "the parent's content")


def raw_is_not_a_parent(t, form):
    images = furnish(t)
    v.write(images / "x.img", child(form, "base.img"))
    (images / "base.img").write_bytes(b"the secret " * 1000)
    outcome = t.refused(t.instar("convert", "-O", "raw", "x.img", "out", cwd=images))
    t.check("the secret" not in outcome.err_text, "told the content", outcome)


def text_of_a_parent(t, form):
    """What an image calls its parent reaches the terminal escaped."""
    for name in ("a\x1b[2Jb", "a\nfile format: fake", "a\x9b2J", "a\u202eb"):
        v.write(t.dir / "x.img", child(form, name))
        t.clean(t.succeeded(t.instar("info", "x.img")))
        report = json.loads(t.succeeded(t.instar("info", "--output=json", "x.img")).text)
        t.equal(report["backing-filename"], name, "name")
        t.clean(t.refused(t.instar("info", "--backing-chain", "x.img")))
    os.unlink(t.dir / "x.img")


def groups():
    found = []
    for form, families in (("vpc", {"vpc": vpc_cases}), ("vhdx", {
            "regions": regions_cases, "items": items_cases, "entries": entries_cases,
            "headers": headers_cases, "logs": logs_cases})):
        for family, cases in families.items():
            group = Group(f"structures/{form}/{family}")
            for name, make, expectation in cases():
                group.add(name, examine, form, make, expectation)
            found.append(group)
        parents = Group(f"parents/{form}")
        for row, name in PARENTS.items():
            parents.add(row, parent_is_refused, form, name)
        parents.add("a path of Windows", windows_path_stays_here, form)
        parents.add("a file without a signature", raw_is_not_a_parent, form)
        parents.add("text for the terminal", text_of_a_parent, form)
        found.append(parents)
    return found
