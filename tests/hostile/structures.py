"""Images with structures that lie: each must be refused, or read as qemu-img reads it, within bounds.

Bounds are a guard against hanging and swallowing the machine, not a measurement.
"""

import json
import resource
import struct
import zlib

from harness import Group, first_difference, run
from hostile import generate
from hostile.generate import COMPRESSED, COPIED, Qcow2, deflate, extension, put, word
from hostile.metadata_verbs import examine_changes, examine_metadata_verbs

MAX_SECONDS = 10
MAX_RSS_KIB = 300 * 1024
MAX_FILE_BYTES = 1 << 30  # qemu-img and Instar alike write no more than this here

BOTH, INFO, CONVERT, EITHER = ("refused", "refused by info", "refused by convert",
                               "refused or as qemu-img")


def bounded(t, *arguments, **kwargs):
    outcome = t.instar(*arguments, deadline=MAX_SECONDS, **kwargs)
    t.check(not outcome.timed_out, f"ran for more than {MAX_SECONDS} s", outcome)
    t.check(outcome.max_rss_kib < MAX_RSS_KIB, f"used {outcome.max_rss_kib} KiB", outcome)
    t.check(outcome.code in (0, 1), "exit code", outcome)
    t.clean(outcome)
    if outcome.code == 1:
        t.refused(outcome)
    return outcome


def agrees_with_qemu_img(t, image, got):
    """Where qemu-img converts it too, the bytes are the same."""
    want = run([t.tools.need("qemu-img"), "convert", "-f", "qcow2", "-O", "raw", image, "want"],
               cwd=t.dir, deadline=5, limits={resource.RLIMIT_FSIZE: MAX_FILE_BYTES})
    if want.code == 0:
        difference = first_difference(t.dir / got, t.dir / "want")
        t.check(difference is None, f"not what qemu-img reads: {difference}", want)
    (t.dir / "want").unlink(missing_ok=True)


def new_images(t):
    """What only calculates from the image, or makes an image over it, is bounded as well."""
    bounded(t, "measure", "-f", "qcow2", "-O", "qcow2", "x.qcow2")
    over = bounded(t, "create", "-q", "-f", "qcow2", "-b", "x.qcow2", "-F", "qcow2", "over.qcow2",
                   limits={resource.RLIMIT_FSIZE: MAX_FILE_BYTES})
    t.check(over.code == 0 or not (t.dir / "over.qcow2").exists(), "an overlay is left", over)
    (t.dir / "over.qcow2").unlink(missing_ok=True)


def examine(t, make, expectation):
    content = make()
    (t.dir / "x.qcow2").write_bytes(content)
    outcomes = {
        "info": bounded(t, "info", "--output=json", "-f", "qcow2", "x.qcow2"),
        "info, human": bounded(t, "info", "-f", "qcow2", "x.qcow2"),
        "info, probed": bounded(t, "info", "x.qcow2"),
    }
    (t.dir / "out").unlink(missing_ok=True)
    new_images(t)
    convert = bounded(t, "convert", "-f", "qcow2", "-O", "raw", "x.qcow2", "out",
                      limits={resource.RLIMIT_FSIZE: MAX_FILE_BYTES})
    examine_metadata_verbs(t, "x.qcow2")
    examine_changes(t, "x.qcow2")
    t.check((t.dir / "x.qcow2").read_bytes() == content, "the source changed")
    t.check(convert.code == 0 or not (t.dir / "out").exists(), "a partial target is left", convert)
    if outcomes["info"].code == 0:
        json.loads(outcomes["info"].text)
    if expectation == BOTH:
        for outcome in (*outcomes.values(), convert):
            t.check(outcome.code == 1, "should be refused", outcome)
    elif expectation == INFO:
        t.check(outcomes["info"].code == 1, "should be refused", outcomes["info"])
    elif expectation == CONVERT:
        t.check(convert.code == 1, "should be refused", convert)
    elif convert.code == 0:
        agrees_with_qemu_img(t, "x.qcow2", "out")


def base():
    return Qcow2(cluster_bits=16, size=1 << 20).data(0).zero(1).data(5).build()


def field(name, value, size=None):
    def make():
        image = base()
        put(image, name, value)
        if size is not None:
            put(image, "size", size)
        return image

    return make


def fields(**values):
    def make():
        image = base()
        for name, value in values.items():
            put(image, name, value)
        return image

    return make


def header_cases():
    for bits in (0, 1, 8, 22, 31, 32, 63, 64, 255, 0xFFFFFFFF):
        yield f"cluster bits {bits}", field("cluster_bits", bits), BOTH
    for order in (7, 31, 32, 63, 64, 0xFFFFFFFF):
        yield f"refcount order {order}", field("refcount_order", order), BOTH
    for version in (0, 1, 4, 0xFFFFFFFF):
        yield f"version {version}", field("version", version), BOTH
    for length in (0, 72, 100, 103):
        yield f"header length {length}", field("header_length", length), BOTH
    for length in (105, 65529, 65536):
        yield f"header length {length}", field("header_length", length), EITHER
    for length in (65537, 1 << 20, 0xFFFFFFFF):
        yield f"header length {length}", field("header_length", length), BOTH
    for method in (1, 2):
        yield f"encryption {method}", field("crypt_method", method), CONVERT
    for method in (3, 0xFFFFFFFF):
        yield f"encryption {method}", field("crypt_method", method), BOTH
    for bit in (5, 17, 63):
        yield f"unknown incompatible bit {bit}", field("incompatible_features", 1 << bit), BOTH
    yield "all incompatible bits", field("incompatible_features", (1 << 64) - 1), BOTH
    yield "compression type without its bit", field("compression_type", 1), EITHER
    yield "compression bit of an old header", field("incompatible_features", 8), BOTH

    def compression(kind):
        def make():
            image = Qcow2(header_length=112).data(0)
            image.incompatible |= generate.INCOMPATIBLE_COMPRESSION
            built = image.build()
            put(built, "compression_type", kind)
            return built

        return make

    for kind in (0, 2, 255):
        yield f"compression type {kind} with its bit", compression(kind), BOTH

    def subclusters_too_small():
        image = Qcow2(cluster_bits=13, size=1 << 20, extended_l2=True).data(0)
        return image.build()

    yield "subclusters in clusters of 8k", subclusters_too_small, EITHER


def size_cases():
    for size in (1 << 63, (1 << 64) - 1, (1 << 63) - 1, (1 << 63) - 512, 1 << 62, 1 << 56):
        yield f"virtual size {size:#x} with a small L1", field("size", size), BOTH
    yield "virtual size beyond the L1 table", field("size", (512 << 20) + 512), BOTH

    def exbibyte():
        image = Qcow2(cluster_bits=21, size=1 << 20).build()
        put(image, "size", 1 << 60)
        put(image, "l1_size", 1 << 21)
        image.extend(bytes((3 << 21) + (16 << 20) - len(image)))
        return image

    yield "virtual size of 1 EiB", exbibyte, CONVERT


def table_cases():
    for entries in (0xFFFFFFFF, 0x80000000, (32 << 20) // 8 + 1):
        yield f"L1 of {entries} entries", field("l1_size", entries), BOTH
    yield "L1 of no entries", field("l1_size", 0), BOTH
    yield "L1 of 32 MiB beyond the end", fields(l1_size=(32 << 20) // 8,
                                                 l1_table_offset=1 << 30), CONVERT
    for offset in (3 * 65536 + 8, 1, 511):
        yield f"L1 at the unaligned offset {offset}", field("l1_table_offset", offset), BOTH
    for offset in (1 << 40, 1 << 56, 1 << 63, (1 << 64) - 65536):
        yield f"L1 at {offset:#x}", field("l1_table_offset", offset), CONVERT
    yield "L1 over the header", field("l1_table_offset", 0), EITHER
    for count in (0xFFFFFFFF, 0x10000, (8 << 20) // 65536 + 1):
        yield f"refcount table of {count} clusters", field("refcount_table_clusters", count), BOTH
    yield "refcount table of no clusters", field("refcount_table_clusters", 0), EITHER
    for offset in (65537, 1 << 40, 1 << 63, (1 << 64) - 1, 0):
        yield f"refcount table at {offset:#x}", field("refcount_table_offset", offset), EITHER
    for count in (65537, 0xFFFFFFFF, 0x80000000):
        yield (f"{count} snapshots", fields(nb_snapshots=count, snapshots_offset=4 * 65536), BOTH)
    for offset in (1 << 40, 1 << 63, (1 << 64) - 65536, 65537):
        yield (f"snapshot table at {offset:#x}", fields(nb_snapshots=1, snapshots_offset=offset),
               INFO)
    yield ("65536 snapshots of nothing", fields(nb_snapshots=65536, snapshots_offset=1 << 20),
           EITHER)
    yield "snapshot table over the header", fields(nb_snapshots=1, snapshots_offset=0), EITHER

    def snapshots(table, count=1):
        return lambda: Qcow2(size=1 << 20).data(0).add_snapshots(table, count).build()

    entry = generate.snapshot_entry
    yield "snapshot with a long id", snapshots(entry(id_length=65535)), EITHER
    yield "snapshot with a long name", snapshots(entry(name_length=65535)), EITHER
    yield "snapshot with 4 GiB of extra data", snapshots(entry(extra_length=0xFFFFFFFF)), INFO
    yield "snapshot with 1 MiB of extra data", snapshots(entry(extra_length=1 << 20)), INFO
    yield "snapshot with no extra data", snapshots(entry(extra=b"", l1_offset=3 << 16, l1_size=1)
                                                   ), EITHER
    yield "snapshot with a huge L1", snapshots(entry(l1_offset=3 << 16, l1_size=0xFFFFFFFF)), EITHER
    yield "snapshot with an unaligned L1", snapshots(entry(l1_offset=77, l1_size=1)), EITHER
    yield "snapshot with a huge disk", snapshots(
        entry(l1_offset=3 << 16, l1_size=1, disk_size=1 << 63)), EITHER
    yield "2000 snapshots that share all", snapshots(
        b"".join(entry(str(i).encode(), b"n" * 200, 3 << 16, 1, disk_size=1 << 20)
                 for i in range(2000)), 2000), EITHER


def entry_cases():
    def l1(value):
        def make():
            image = Qcow2(size=1 << 20).data(0)
            built = image.build()
            word(built, image.l1_offset, value)
            return built

        return make

    yield "L2 table beyond the end", l1(1 << 40 | COPIED), CONVERT
    yield "L2 table at the end of the world", l1(0x00FFFFFFFFFF0000 | COPIED), CONVERT
    yield "L2 table unaligned", l1(4 * 65536 + 512 | COPIED), CONVERT
    yield "L2 table that is the L1 table", l1(3 * 65536 | COPIED), EITHER
    yield "L1 entry with reserved bits", l1(4 * 65536 | COPIED | 0x1FF), EITHER
    yield "L1 entry with the compressed bit", l1(4 * 65536 | COPIED | COMPRESSED), EITHER

    def l2(value, **options):
        return lambda: Qcow2(size=1 << 20, **options).data(0).entry(1, value).build()

    yield "data cluster beyond the end", l2(1 << 40 | COPIED), EITHER
    yield "data cluster at the end of the world", l2(0x00FFFFFFFFFF0000 | COPIED), EITHER
    yield "data cluster unaligned", l2(5 * 65536 + 512 | COPIED), CONVERT
    yield "data cluster that is the header", l2(0 | COPIED), EITHER
    yield "data cluster that is the L2 table", l2(4 * 65536 | COPIED), EITHER
    yield "zero cluster unaligned", l2(5 * 65536 + 513), EITHER
    yield "zero flag in version 2", l2(1, version=2), EITHER
    yield "L2 entry with all bits", l2((1 << 64) - 1), EITHER
    yield "compressed beyond the end", l2(COMPRESSED | 1 << 40), CONVERT
    yield "compressed of all sectors", l2(COMPRESSED | 0xFF << 54 | 5 * 65536), CONVERT
    yield "compressed at zero", l2(COMPRESSED), CONVERT
    yield "compressed of the L2 table itself", l2(COMPRESSED | 4 * 65536), CONVERT

    def subclusters(bitmap, value=None):
        def make():
            image = Qcow2(size=1 << 20, extended_l2=True).data(0)
            built = image.build()
            if value is not None:
                word(built, image.l2_offsets[0], value)
            word(built, image.l2_offsets[0] + 8, bitmap)
            return built

        return make

    yield "subcluster both allocated and zero", subclusters(1 << 32 | 1), EITHER
    yield "all subclusters both", subclusters((1 << 64) - 1), EITHER
    yield "subclusters allocated without a cluster", subclusters(0xFFFF, 0), EITHER
    yield "compressed cluster with a subcluster bitmap", subclusters(
        0xFF, COMPRESSED | 5 * 65536), EITHER


def stream_cases():
    def packed(stream, bits=16, kind=0):
        def make():
            image = Qcow2(cluster_bits=bits, size=1 << 22, header_length=112).packed(0, stream)
            if kind:
                image.incompatible |= generate.INCOMPATIBLE_COMPRESSION
            built = image.build()
            put(built, "compression_type", kind)
            return built

        return make

    good = deflate(b"0123456789abcdef" * 4096)
    yield "deflate of a whole cluster", packed(good), EITHER
    yield "deflate cut in the middle", packed(good[:len(good) // 2] + b"\xff" * 400), EITHER
    yield "deflate of too little", packed(deflate(b"short" * 100)), EITHER
    yield "deflate of nothing", packed(deflate(b"")), EITHER
    yield "deflate of twice a cluster", packed(deflate(b"0123456789abcdef" * 8192)), EITHER
    yield "deflate with a zlib header", packed(zlib.compress(b"x" * 65536)), EITHER
    yield "deflate of garbage", packed(bytes((i * 77 + 13) % 256 for i in range(5000))), CONVERT
    yield "deflate that looks back before its start", packed(b"\x4b\x04\x12\x00\xff\xff"), EITHER
    yield "a bomb of 100 MiB in one cluster", packed(deflate(bytes(100 << 20))), EITHER
    yield "a bomb of 100 MiB in one cluster of 2 MiB", packed(deflate(bytes(100 << 20)), 21), EITHER
    yield "zstd of garbage", packed(bytes((i * 77 + 13) % 256 for i in range(5000)), kind=1), CONVERT
    # Frame header: magic, no content size, window descriptor of 2 TiB; then a raw block.
    window = b"\x28\xb5\x2f\xfd\x00\xf8" + b"\x01\x00\x00"
    yield "zstd with a window of terabytes", packed(window, kind=1), CONVERT
    # Single segment, 8-byte content size of 1 EiB.
    size = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 1 << 60) + b"\x01\x00\x00"
    yield "zstd that promises an exbibyte", packed(size, kind=1), CONVERT
    # A run-length block of 64 KiB of one byte, then more of them than fit.
    blocks = b"".join(struct.pack("<I", (65536 << 3) | 2)[:3] + b"z" for _ in range(1000))
    yield "zstd of 64 MiB in one cluster", packed(b"\x28\xb5\x2f\xfd\x00\x58" + blocks, kind=1), EITHER


def name_cases():
    def back(name, form=b"raw", bits=16, **lies):
        def make():
            image = Qcow2(cluster_bits=bits, size=1 << 20).back(name, form).build()
            for key, value in lies.items():
                put(image, key, value)
            return image

        return make

    yield "backing name of 1023 bytes", back(b"n" * 1023), CONVERT
    yield "backing name of 1024 bytes", back(b"n" * 1024), BOTH
    yield "backing name of 65535 bytes", back(b"n", backing_file_size=65535), BOTH
    yield "backing name of 4 GiB", back(b"n", backing_file_size=0xFFFFFFFF), BOTH
    yield "backing name of no bytes", back(b""), EITHER
    yield "backing name beyond the header cluster", back(b"n" * 400, None, 9,
                                                          backing_file_offset=300), BOTH
    yield "backing name beyond the end", back(b"n", backing_file_offset=1 << 40), BOTH
    yield "backing name at the end of the world", back(b"n", backing_file_offset=(1 << 64) - 1), BOTH
    yield "backing name over the header", back(b"name", backing_file_offset=4), EITHER
    yield "backing name in no encoding", back(b"\xff\xfe\xc3\x28"), CONVERT
    yield "backing format of 16 bytes", back(b"base", b"f" * 16), CONVERT
    yield "backing format of no bytes", back(b"base", b""), CONVERT


def extension_cases():
    def with_extensions(*extensions, bits=16, **values):
        def make():
            image = Qcow2(cluster_bits=bits, size=1 << 20).data(0)
            image.extensions.extend(extensions)
            built = image.build()
            for name, value in values.items():
                put(built, name, value)
            return built

        return make

    def bitmaps(count, size, offset, reserved=0):
        return extension(generate.EXTENSION_BITMAPS,
                         struct.pack(">IIQQ", count, reserved, size, offset))

    yield "extension of 4 GiB", with_extensions(extension(0x11111111, b"", 0xFFFFFFFF)), BOTH
    yield "extension up to the cluster's end", with_extensions(
        extension(0x11111111, b"", 65536 - 112)), EITHER
    yield "extension beyond the cluster", with_extensions(extension(0x11111111, b"", 65536)), BOTH
    yield "a thousand extensions", with_extensions(
        *(extension(0x11111111 + i, b"12345678") for i in range(1000))), EITHER
    yield "extensions without an end", with_extensions(
        extension(0x22222222, bytes(400)), bits=9), EITHER
    yield "feature names of garbage", with_extensions(
        extension(generate.EXTENSION_FEATURE_NAMES, bytes(range(256)) * 10)), EITHER
    yield "feature names cut short", with_extensions(
        extension(generate.EXTENSION_FEATURE_NAMES, b"\0\1abc")), EITHER
    yield "a thousand feature names", with_extensions(extension(
        generate.EXTENSION_FEATURE_NAMES,
        b"".join(generate.feature_name(255, 255, b"x" * 46) for _ in range(1000)))), EITHER
    yield "an unknown feature with a hostile name", with_extensions(
        extension(generate.EXTENSION_FEATURE_NAMES,
                  generate.feature_name(0, 9, b"\x1b[2J\x1b]0;owned\x07\nfine: yes")),
        incompatible_features=1 << 9), BOTH
    for count, size, offset in ((0, 0, 0), (65536, 1 << 20, 1 << 20), (1, 1 << 40, 1 << 16),
                                (1, 64, 1 << 40), (1, 64, 77), (0xFFFFFFFF, 0xFFFFFFFF, 1 << 63),
                                (65535, 65535 * 24, 1 << 16)):
        yield (f"{count} bitmaps in {size} bytes at {offset:#x}",
               with_extensions(bitmaps(count, size, offset), autoclear_features=1), EITHER)
    yield "bitmaps extension of 8 bytes", with_extensions(
        extension(generate.EXTENSION_BITMAPS, bytes(8)), autoclear_features=1), EITHER
    yield "encryption extension without encryption", with_extensions(
        extension(generate.EXTENSION_CRYPTO, struct.pack(">QQ", 1 << 40, 1 << 40))), EITHER
    yield "data file name without the feature bit", with_extensions(
        extension(generate.EXTENSION_DATA_FILE, b"/etc/passwd")), EITHER
    yield "data file bit without a name", with_extensions(
        incompatible_features=generate.INCOMPATIBLE_DATA_FILE), CONVERT


FAMILIES = {"header": header_cases, "sizes": size_cases, "tables": table_cases,
            "entries": entry_cases, "streams": stream_cases, "names": name_cases,
            "extensions": extension_cases}


# -- text for the terminal ------------------------------------------------------------------------

HOSTILE_TEXT = {
    "an escape sequence": b"a\x1b[2J\x1b]0;owned\x07b",
    "a line break": b"a\nfile format: fake\rb",
    "C1 controls": "a\x9b2Jb".encode(),
    "a backspace": b"a\x08\x08\x7fb",
    "no encoding": b"a\xff\xc3(\xed\xa0\x80b",
    "quotes": b'a"\\{}\'%s%n`$(id)b',
}


def text_image(where, text):
    image = Qcow2(size=1 << 20).data(0)
    if where == "backing name":
        image.back(text, b"raw")
    elif where == "backing format":
        image.back(b"base", text[:15])
    elif where == "snapshot name":
        image.add_snapshots(generate.snapshot_entry(
            b"1", text, 3 << 16, 1, disk_size=1 << 20), 1)
    elif where == "snapshot id":
        image.add_snapshots(generate.snapshot_entry(
            text, b"name", 3 << 16, 1, disk_size=1 << 20), 1)
    elif where == "data file name":
        return generate.with_data_file(text)
    return image.build()


def safe_text(t, where, text):
    content = text_image(where, text)
    (t.dir / "x.qcow2").write_bytes(content)
    human = t.succeeded(bounded(t, "info", "x.qcow2"))
    t.check(b"file format: fake" not in human.out.split(b"\n"), "a name forged a line", human)
    machine = t.succeeded(bounded(t, "info", "--output=json", "x.qcow2"))
    json.loads(machine.out.decode("utf-8"))
    if where in ("backing name", "data file name"):
        bounded(t, "info", "--backing-chain", "x.qcow2")
        t.refused(bounded(t, "convert", "-O", "raw", "x.qcow2", "out"))


def safe_file_name(t, text):
    """The file's own name, which the user typed or a shell's * did."""
    # Behind "./", for a word and a colon at the start of a name are a protocol.
    name = b"./" + text.replace(b"/", b"")
    content = text_image("", b"")
    with open(bytes(t.dir) + b"/" + name, "wb") as file:
        file.write(content)
    human = t.succeeded(bounded(t, "info", name))
    t.check(b"file format: fake" not in human.out.split(b"\n"), "a name forged a line", human)
    machine = t.succeeded(bounded(t, "info", "--output=json", name))
    json.loads(machine.out.decode("utf-8"))
    t.refused(bounded(t, "info", name + b"missing"))


# -- outputs without bounds -----------------------------------------------------------------------


def shared_bomb(t, options):
    """One packed cluster of 2 MiB, named 512 times: a gigabyte. The file may not grow so far."""
    image = Qcow2(cluster_bits=21, size=1 << 30).packed(0, deflate(b"\xaa" * (2 << 20)))
    built = image.build()
    first = struct.unpack_from(">Q", built, image.l2_offsets[0])[0]
    for guest in range(512):
        word(built, image.l2_offsets[0] + 8 * guest, first)
    (t.dir / "bomb.qcow2").write_bytes(built)
    limits = {} if options else {resource.RLIMIT_FSIZE: 16 << 20}
    outcome = bounded(t, "convert", *options, "-O", "raw", "bomb.qcow2", "out", limits=limits)
    t.refused(outcome)
    t.check(not (t.dir / "out").exists(), "a partial target is left", outcome)


def sparse_giant(t):
    """64 TiB of nothing: bounded, and not written out."""
    with open(t.dir / "x.qcow2", "wb") as file:
        image = Qcow2(cluster_bits=16, size=1 << 20).data(0).build()
        put(image, "size", 64 << 40)
        put(image, "l1_size", (64 << 40) // (512 << 20))
        put(image, "l1_table_offset", 1 << 30)
        file.write(image)
        file.truncate((1 << 30) + (1 << 20))
    bounded(t, "info", "x.qcow2")
    outcome = bounded(t, "convert", "-O", "qcow2", "x.qcow2", "out")
    t.succeeded(outcome)


def large_l1_of_holes(t):
    """The largest L1 that is allowed, all of it a hole in the file."""
    with open(t.dir / "x.qcow2", "wb") as file:
        image = Qcow2(cluster_bits=16, size=1 << 20).data(0).build()
        put(image, "l1_size", (32 << 20) // 8)
        put(image, "l1_table_offset", 1 << 30)
        file.write(image)
        file.truncate((1 << 30) + (32 << 20))
    bounded(t, "info", "x.qcow2")
    t.succeeded(bounded(t, "convert", "-O", "raw", "x.qcow2", "out"))
    t.equal((t.dir / "out").stat().st_size, 1 << 20, "size")


def shared_table(t, verb, codes):
    """A petabyte of zeros and holes in turn, out of one table: half a billion pieces."""
    cluster = 2 << 20
    tables = 2048
    with open(t.dir / "x.qcow2", "wb") as file:
        built = Qcow2(cluster_bits=21, size=1 << 20).build()
        put(built, "size", tables << 39)
        put(built, "l1_size", tables)
        put(built, "l1_table_offset", len(built))
        file.write(built)
        place = len(built) + cluster
        file.write(struct.pack(">Q", place) * tables)
        file.seek(place)
        file.write(struct.pack(">QQ", 1, 0) * (cluster // 16))
    outcome = t.instar(*verb, deadline=MAX_SECONDS)
    t.check(not outcome.timed_out, f"ran for more than {MAX_SECONDS} s", outcome)
    t.check(outcome.code in codes, "exit code", outcome)
    t.equal(len(t.complaint(outcome)), 1, "lines on stderr", outcome)
    t.check("again and again" in outcome.err_text, "should say why", outcome)
    t.check(not (t.dir / "out").exists(), "a partial target is left", outcome)


def groups():
    found = []
    for family, cases in FAMILIES.items():
        group = Group(f"structures/{family}")
        for name, make, expectation in cases():
            group.add(name, examine, make, expectation)
        found.append(group)
    text = Group("hostile text")
    for what, content in HOSTILE_TEXT.items():
        for where in ("backing name", "backing format", "snapshot name", "snapshot id",
                      "data file name"):
            text.add(f"{what} in the {where}", safe_text, where, content)
        text.add(f"{what} in the file's own name", safe_file_name, content)
    bounds = Group("bounds")
    bounds.add("a shared packed cluster meets the limit of file sizes", shared_bomb, [])
    bounds.add("a shared packed cluster meets --max-output-size", shared_bomb, ["--max-output-size=16M"])
    for verb, codes in ((["map"], (1,)), (["measure", "-O", "qcow2"], (1,)),
                        (["compare", "x.qcow2"], (3,)), (["convert", "-O", "qcow2"], (1,))):
        files = ["x.qcow2"] + (["out"] if verb[0] == "convert" else [])
        bounds.add(f"one table for all of the disk, {verb[0]}", shared_table, [*verb, *files],
                   codes)
    bounds.case("64 TiB of nothing")(sparse_giant)
    bounds.case("the largest L1 table, as a hole")(large_l1_of_holes)
    return [*found, text, bounds]
