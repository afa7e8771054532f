"""Images that say two things: extents whose header and descriptor disagree, and files that both their
first sector and their footer claim."""

import json
import struct

from harness import Group
from hostile.generate import Qcow2
from hostile.vhd_images import DYNAMIC, FIXED, vhd_footer

MIB = 1 << 20
SECTORS = 2048 * 2  # of 2 MiB
GRAIN = 128


def format_of(t, name, *options):
    return json.loads(t.succeeded(t.instar("info", "--output=json", *options, name)).text)["format"]


def divided(t, capacity, sectors=SECTORS):
    """A divided image of one sparse extent, whose header states another capacity than its line."""
    t.made_by_qemu_img("create", "-q", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", "d.vmdk",
                       f"{SECTORS * 512}")
    text = (t.dir / "d.vmdk").read_bytes()
    (t.dir / "d.vmdk").write_bytes(text.replace(b"RW %d " % SECTORS, b"RW %d " % sectors))
    extent = bytearray((t.dir / "d-s001.vmdk").read_bytes())
    struct.pack_into("<Q", extent, 12, capacity)
    (t.dir / "d-s001.vmdk").write_bytes(extent)
    return "d.vmdk", "d-s001.vmdk"


def embedded(t, capacity, sectors=SECTORS):
    """The same of one file."""
    t.made_by_qemu_img("create", "-q", "-f", "vmdk", "m.vmdk", f"{SECTORS * 512}")
    image = bytearray((t.dir / "m.vmdk").read_bytes())
    image = image.replace(b"RW %d " % SECTORS, b"RW %d " % sectors)
    struct.pack_into("<Q", image, 12, capacity)
    (t.dir / "m.vmdk").write_bytes(image)
    return "m.vmdk", "m.vmdk"


# capacity in the header, sectors in the line: the two must be told
DISAGREE = ((SECTORS + 1, SECTORS), (SECTORS + GRAIN, SECTORS), (SECTORS * 2, SECTORS),
            (SECTORS - 1, SECTORS), (SECTORS - GRAIN, SECTORS), (SECTORS, SECTORS - GRAIN))
AGREE = ((SECTORS, SECTORS), (SECTORS, SECTORS - 1), (SECTORS, SECTORS - GRAIN + 1))


def disagreement_is_refused(t, make, capacity, sectors):
    image, extent = make(t, capacity, sectors)
    for verb in (["info"], ["check"], ["map"], ["convert", "-O", "raw"]):
        outcome = t.instar(verb[0], "-f", "vmdk", *verb[1:], image, *(["out"] if verb[1:] else []))
        t.refused(outcome, says=(str(capacity), str(sectors), extent))


def rounding_is_read(t, make, capacity, sectors):
    """A header may count the last grain whole."""
    image, _ = make(t, capacity, sectors)
    told = json.loads(t.succeeded(t.instar("info", "--output=json", image)).text)
    size = (sectors if make is divided else capacity) * 512
    t.equal(told["virtual-size"], size, "size")
    t.succeeded(t.instar("check", image))


def fixed(t, content, name="f.vhd", **lies):
    lies = {"current": len(content), "kind": FIXED, **lies}
    (t.dir / name).write_bytes(content + vhd_footer(len(content), **lies))
    return name


def guest_header_does_not_count(t, form):
    """A header that the guest wrote into the first sector of a fixed VHD."""
    t.made_by_qemu_img("create", "-q", "-f", form, "g.img", "64M")
    content = (t.dir / "g.img").read_bytes()[:4 * MIB].ljust(4 * MIB, b"\0")
    name = fixed(t, content)
    t.equal(format_of(t, name), "vpc", "format")
    t.succeeded(t.instar("convert", "-O", "raw", name, "out"))
    t.check((t.dir / "out").read_bytes() == content, "not the disk of the VHD")
    t.equal(format_of(t, name, "-f", form), form, "what -f says is final")


UNFIT = {
    "of a larger disk": {"current": 8 * MIB},
    "of a smaller disk": {"current": MIB // 2},
    "of 2^64 bytes": {"current": (1 << 64) - 1},
    "of a dynamic disk": {"kind": DYNAMIC},
    "with a wrong checksum": {"checksum": 5},
}


def unfit_footer_is_raw(t, lies):
    name = fixed(t, b"disk" * (MIB // 4), **lies)
    whole = (t.dir / name).read_bytes()
    verbs = {
        "info": ["info", name], "map": ["map", name], "measure": ["measure", "-O", "qcow2", name],
        "compare": ["compare", name, name, ], "convert": ["convert", "-O", "raw", name, "out"],
        "dd": ["dd", "-O", "raw", f"if={name}", "of=out2"], "check": ["check", name],
    }
    for verb, words in verbs.items():
        outcome = t.instar(*words)
        t.equal(outcome.code, 63 if verb == "check" else 0, "exit code", outcome)
        said = [line for line in t.complaint(outcome) if "VHD footer that does not fit" in line]
        t.equal(len(said), 2 if verb == "compare" else 1, "warnings", outcome)
        t.check(said[0].startswith("instar: warning: ") and name in said[0], "warning", outcome)
        quiet = t.instar(words[0], "-f", "raw", *(["-F", "raw"] if verb == "compare" else []),
                         *words[1:])
        t.check(not any("footer" in line for line in t.complaint(quiet)), "-f raw is final", quiet)
    for copy in ("out", "out2"):
        t.check((t.dir / copy).read_bytes() == whole, "not all of the raw disk")
    told = json.loads(t.instar("info", "--output=json", name).text)
    t.equal((told["format"], told["virtual-size"]), ("raw", len(whole)), "info")
    t.check("unfit-footer" not in told, "a member of no image")


def reference_without_a_format(t):
    """A raw file that ends with a footer is as little a backing file without a format as any raw one;
    a fixed VHD is one."""
    over = Qcow2(size=MIB)
    over.back(b"f.vhd")
    (t.dir / "over.qcow2").write_bytes(over.build())
    fixed(t, bytes(MIB), current=8 * MIB)
    t.refused(t.instar("convert", "-O", "raw", "over.qcow2", "out"), says="does not state the format")
    fixed(t, b"base" * (MIB // 4))
    t.succeeded(t.instar("convert", "-O", "raw", "over.qcow2", "out"))
    t.check((t.dir / "out").read_bytes() == b"base" * (MIB // 4), "not what the VHD holds")


def groups():
    sizes = Group("extent sizes")
    for make in (divided, embedded):
        for capacity, sectors in DISAGREE:
            sizes.add(f"{make.__name__}: header {capacity}, descriptor {sectors}",
                      disagreement_is_refused, make, capacity, sectors)
        for capacity, sectors in AGREE:
            sizes.add(f"{make.__name__}: rounding {sectors} up to {capacity}", rounding_is_read, make,
                      capacity, sectors)
    footers = Group("footers")
    for form in ("qcow2", "vmdk", "vhdx", "vpc"):
        footers.add(f"a {form} header of the guest does not count", guest_header_does_not_count, form)
    for name, lies in UNFIT.items():
        footers.add(f"a footer {name} makes no VHD", unfit_footer_is_raw, lies)
    footers.case("of a backing file whose format is not stated")(reference_without_a_format)
    return [sizes, footers]
