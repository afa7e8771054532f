"""What docs/divergences.md says of differences that no other table meets: each shown once.

Every case here differs from qemu-img on purpose, and divergences.toml says why. Ours must do what is
stated here, so that a difference of another kind is not taken for the intended one.
"""

import dataclasses
import os
import struct

from conformance.compare import spoil
from conformance.comparing import as_qemu
from conformance.images import GIB, KIB, MIB, Maker, noise, prose
from harness import Failure, Group, remove_tree, run, tree
from hostile import vhd_images
from hostile.vmdk import text

FEATURES, AUTOCLEAR = 72, 88


@dataclasses.dataclass
class Case:
    arguments: tuple
    code: int = 1  # ours
    says: str = ""  # somewhere in what ours prints
    default_version: bool = False


# name -> what both are told to do, in a directory of their own
CASES = {
    # what an image may do
    "a base outside of the directory": Case(("convert", "-O", "raw", "sub/outside.qcow2", "out"),
                                            says="--allow-path"),
    "a base by a protocol": Case(("convert", "-O", "raw", "json.qcow2", "out")),
    "a hidden base": Case(("convert", "-O", "raw", "hidden.qcow2", "out"), says="begins with a dot"),
    "a data file beside the image": Case(
        ("create", "-q", "-f", "qcow2", "-o", "data_file=new.data", "sub/new.qcow2", "1M"), code=0),
    "a format that is not read": Case(("info", "disk.vdi"), says="vdi"),
    "a forged header at the start of a fixed VHD": Case(
        ("info", "-f", "vpc", "--output=json", "forged.vhd"), code=0, says='"virtual-size": 4194304'),
    "a creator of a VHD that is not known": Case(
        ("info", "-f", "vpc", "--output=json", "creator.vhd"), code=0, says='"virtual-size": 4194304'),
    "a table beyond the end": Case(("convert", "-O", "raw", "cut.qcow2", "out"),
                                   says="beyond the end"),
    "a table for all of the disk": Case(("measure", "-O", "qcow2", "shared.qcow2"),
                                        says="again and again"),
    "a VMDK extent marked RDONLY": Case(("info", "--output=json", "rdonly.vmdk"), code=0,
                                        says='"virtual-size": 65536'),
    "a VMDK extent of zeros": Case(("info", "--output=json", "zeros.vmdk"), code=0,
                                   says='"virtual-size": 98304'),
    "a VMDK child that does not name its parent": Case(
        ("convert", "-f", "vmdk", "-O", "raw", "orphan.vmdk", "out"), says="does not name it"),
    "a monolithicSparse image of no size": Case(("info", "--output=json", "none.vmdk"), code=0,
                                                says='"virtual-size": 0'),
    "a VHDX whose log is not empty": Case(("info", "--output=json", "dirty.vhdx"), code=0,
                                          says='"dirty-flag": true'),
    # options
    "encryption": Case(("create", "-f", "qcow2", "--object", "secret,id=s,data=x", "-o",
                        "encrypt.format=aes,encrypt.key-secret=s", "new", "1M")),
    "a format described below another": Case(
        ("map", "--image-opts", "driver=raw,file.driver=raw,file.file.filename=zeros.raw"),
        says="not supported"),
    "a driver that is no format": Case(("info", "--image-opts", "driver=null-co"), says="Unknown driver"),
    "a chosen data file": Case(
        ("info", "--image-opts", "driver=qcow2,file.filename=plain.qcow2,data-file.driver=file,"
         "data-file.filename=x"), says="data-file"),
    "a secret for an image that is not encrypted": Case(
        ("check", "--image-opts", "driver=qcow2,file.filename=plain.qcow2,encrypt.key-secret=x"),
        says="encrypt"),
    "-U over an option that says otherwise": Case(
        ("info", "-U", "--image-opts", "driver=qcow2,file.filename=plain.qcow2,force-share=off"),
        code=0),
    "the size of a cache that is not there": Case(
        ("info", "--image-opts", "driver=qcow2,file.filename=plain.qcow2,l2-cache-entry-size=1000"),
        code=0),
    "a number for a driver": Case(
        ("info", 'json:{"driver": 1, "file.filename": "plain.qcow2"}'), says="must be a string"),
    "a file as a device": Case(
        ("map", "--image-opts", "driver=raw,file.driver=host_device,file.filename=zeros.raw"), code=0),
    "a base chosen for a target": Case(
        ("convert", "-n", "--target-image-opts", "plain.qcow2",
         "driver=qcow2,file.filename=empty.qcow2,backing="), says="cannot be chosen"),
    "a target whose driver is not stated": Case(
        ("convert", "-n", "--target-image-opts", "plain.qcow2", "file.filename=zeros.raw"),
        says="must be stated"),
    "a base named with its protocol": Case(
        ("create", "-q", "-f", "qcow2", "-b", "file:plain.qcow2", "-F", "qcow2", "new", "1M"),
        says="without 'file:'"),
    "a sparse VMDK of more than 1 PiB": Case(("create", "-q", "-f", "vmdk", "new", "2P"),
                                             says="1125899906842624"),
    "the last block of a fixed VHDX": Case(
        ("convert", "-f", "raw", "-O", "vhdx", "-o", "subformat=fixed,block_state_zero=off",
         "prose.raw", "out"), code=0),
    "the options of a format that is measured for": Case(
        ("measure", "--size", "1M", "-o", "help"), code=0, says="preallocation"),
    "the figure of a disk that cannot be made": Case(
        ("measure", "--size", "9223372036854775807"), says="too large"),
    "a map up to the largest number": Case(
        ("map", "-f", "raw", "-s", "512", "-l", "9223372036854775807", "zeros.raw"), code=0,
        says="0x200"),
    "a verb that is not there": Case(("bench", "plain.qcow2"), says="bench"),
    "dd of zeros": Case(("dd", "if=zeros.raw", "of=out"), code=0),
    # output
    "the newest qemu-img's output": Case(("info", "plain.qcow2"), code=0, says="Child node",
                                         default_version=True),
    "what was opened for an image": Case(
        ("info", "--backing-chain", "--output=json", "mixed.qcow2"), code=0,
        says='"opened-references"'),
    "a partial target": Case(("convert", "-O", "raw", "damaged.qcow2", "out")),
    "a character device": Case(("info", "/dev/null")),
    "a file of qcow2's signature and no version": Case(("info", "short.qcow2")),
    "a data file that no feature bit tells of": Case(("info", "--output=json", "unused-data.qcow2"),
                                                     code=0),
    "a raw data file that is not there": Case(("info", "raw-without-data.qcow2")),
    "a block beyond the end of a VHDX": Case(("info", "-f", "vhdx", "--output=json", "cut.vhdx"), code=0,
                                             says='"virtual-size": 524288'),
    "check without the backing file": Case(("check", "no-base.qcow2"), code=0, says="No errors"),
    "check without the data file": Case(("check", "no-data.qcow2"), code=0, says="No errors"),
    # images written
    "-n with --bitmaps": Case(
        ("convert", "-n", "--bitmaps", "-O", "qcow2", "bitmap.qcow2", "empty.qcow2")),
    "-n into a divided VMDK image": Case(
        ("convert", "-n", "-O", "vmdk", "plain.qcow2", "divided.vmdk"), says="monolithicSparse"),
    "standard output as the target": Case(("convert", "-f", "raw", "-O", "raw", "none.raw", "-"), code=0),
}


def furnish(t):
    m = Maker(t)
    template = t.dir / "template"
    (template / "sub").mkdir(parents=True)

    def qemu_img(*args):
        t.made_by_qemu_img(*args, cwd=template)

    def create(name, *options, size="1M"):
        qemu_img("create", "-q", "-f", "qcow2", *options, name, size)

    def patched(name, change, source="plain.qcow2"):
        image = bytearray((template / source).read_bytes())
        change(image)
        (template / name).write_bytes(image)

    create("plain.qcow2")
    t.qemu_io("template/plain.qcow2", "write -P 1 100k 300k")
    create("sub/outside.qcow2", "-b", "../plain.qcow2", "-F", "qcow2")
    create(".hidden.qcow2")
    create("hidden.qcow2", "-b", ".hidden.qcow2", "-F", "qcow2")
    create("json.qcow2", "-b", 'json:{"driver":"qcow2","file.filename":"plain.qcow2"}', "-F", "qcow2")
    qemu_img("create", "-q", "-f", "vdi", "disk.vdi", "1M")
    vhds(template)
    vmdks(m, template, qemu_img)
    vhd_images.write(template / "dirty.vhdx", dirty_vhdx())
    (template / "zeros.raw").write_bytes(bytes(MIB))
    (template / "none.raw").write_bytes(b"")
    (template / "short.qcow2").write_bytes(b"QFI\xfb")

    patched("cut.qcow2", lambda image: image.__delitem__(slice(4 * 64 * KIB, None)))
    create("one-table.qcow2", "-o", "cluster_size=2M", size="8T")
    t.qemu_io("template/one-table.qcow2", "write -z 0 2M")
    patched("shared.qcow2", share_table, "one-table.qcow2")
    (template / "one-table.qcow2").unlink()
    (template / "prose.raw").write_bytes(prose(1, 512 * KIB))
    qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", "prose.raw", "packed.qcow2")
    patched("damaged.qcow2", spoil, "packed.qcow2")
    qemu_img("convert", "-f", "raw", "-O", "vhdx", "-o", "block_size=1M", "prose.raw", "whole.vhdx")
    patched("cut.vhdx", lambda image: image.__delitem__(slice(-600_000, None)), "whole.vhdx")
    create("with-data.qcow2", "-o", "data_file=with.data")
    create("no-data.qcow2", "-o", "data_file=gone.data")
    patched("unused-data.qcow2", lambda image: clear_bit(image, FEATURES, 4), "with-data.qcow2")
    (template / "gone.data").unlink()
    patched("raw-without-data.qcow2", lambda image: set_bit(image, AUTOCLEAR, 2))
    create("no-base.qcow2", "-u", "-b", "gone", "-F", "qcow2")
    create("bitmap.qcow2")
    qemu_img("bitmap", "--add", "bitmap.qcow2", "b0")
    create("empty.qcow2")
    qemu_img("create", "-q", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", "divided.vmdk", "1M")
    qemu_img("convert", "-f", "raw", "-O", "vmdk", "prose.raw", "base.vmdk")
    create("mixed.qcow2", "-b", "base.vmdk", "-F", "vmdk")
    return template


def share_table(image):
    entries, place = struct.unpack_from(">IQ", image, 36)
    table, = struct.unpack_from(">Q", image, place)
    image[place: place + 8 * entries] = struct.pack(">Q", table & ~(1 << 63)) * entries


def set_bit(image, at, bit):
    struct.pack_into(">Q", image, at, struct.unpack_from(">Q", image, at)[0] | bit)


def clear_bit(image, at, bit):
    struct.pack_into(">Q", image, at, struct.unpack_from(">Q", image, at)[0] & ~bit)


def vhds(template):
    content = bytearray(noise(1, 4 * MIB))
    # The guest wrote the start of a dynamic disk of 1 GiB into its first sectors.
    content[:512] = vhd_images.vhd_footer(GIB)
    content[512:1536] = vhd_images.vhd_header(entries=512, block=2 * MIB)
    content[2048:4096] = b"\xff" * 2048
    vhd_images.write(template / "forged.vhd", vhd_images.fixed_vhd(bytes(content)))
    vhd_images.write(template / "creator.vhd", vhd_images.Vhd(sectors=4 * MIB // 512,
                                                              block=2 * MIB).build())
    image = bytearray((template / "creator.vhd").read_bytes())
    for footer in (0, len(image) - 512):
        image[footer + 28:footer + 32] = b"what"
        struct.pack_into(">I", image, footer + 64, vhd_images.vhd_sum(image[footer:footer + 512], 64))
    (template / "creator.vhd").write_bytes(image)


def vmdks(m, template, qemu_img):
    (template / "part.bin").write_bytes(b"\x11" * 32 * KIB)
    for name, line in (("rdonly", 'RDONLY 64 FLAT "part.bin" 0'), ("zeros", "RW 64 ZERO")):
        last = [] if name == "rdonly" else ['RW 64 FLAT "part.bin" 0']
        (template / f"{name}.vmdk").write_bytes(
            text('RW 64 FLAT "part.bin" 0', line, *last, kind="custom"
                 if name == "zeros" else "twoGbMaxExtentFlat"))
    qemu_img("create", "-q", "-f", "vmdk", "orphan.vmdk", "1M")
    image = (template / "orphan.vmdk").read_bytes()
    (template / "orphan.vmdk").write_bytes(image.replace(b"parentCID=ffffffff",
                                                         b"parentCID=12345678"))
    qemu_img("create", "-q", "-f", "vmdk", "none.vmdk", "0")


def dirty_vhdx():
    image = vhd_images.Vhdx().dirty()
    image.log[0] = vhd_images.log_entry(7, [(vhd_images.BAT, bytes(4096))])
    return image.build()


def differs(t, case):
    """Ours does what is stated. That qemu-img does something else is the failure that is registered."""
    folders, outcomes = [], []
    for who, program in (("ours", t.instar), ("theirs", t.qemu_img)):
        folder = t.dir / who
        remove_tree(folder)
        copied = run(["cp", "-a", t.fixture, folder])
        t.check(copied.code == 0, "cannot copy the furniture", copied)
        verb, *rest = case.arguments
        version = [as_qemu(t)] if who == "ours" and not case.default_version else []
        outcomes.append(program(verb, *version, *rest, cwd=folder))
        folders.append(folder)
    got, want = outcomes
    t.clean(got)
    t.equal(got.code, case.code, "what ours should end with", got)
    t.check(case.says in got.text + got.err_text, f"should say {case.says!r}", got)
    kept = [{name: what[1] for name, what in tree(folder).items()} for folder in folders]
    stored = [sum(os.stat(path).st_blocks for path in folder.rglob("out")) for folder in folders]
    for what, ours, theirs in (("exit code", got.code, want.code),
                               ("files", sorted(kept[0]), sorted(kept[1])),
                               ("output", got.out, want.out), ("storage", *stored)):
        if ours != theirs:
            raise Failure(f"not as qemu-img: {what}\n  ours: {ours}\n  its:  {theirs}")


def groups():
    group = Group("divergences", furnish)
    for name, case in CASES.items():
        group.add(name, differs, case)
    return [group]
