#!/usr/bin/env python3
"""Images of every format, damaged at random with fixed seeds, through every verb that reads.

    tests/hostile/mutate.py --seed 1 --count 3000        a whole run
    tests/hostile/mutate.py --seed 1 --case 1234         one case again, with what it ran
    tests/hostile/mutate.py --seed 1 --case 1234 --keep DIR   and its files

What must hold of each case: no crash, no hang over 5 s, no silent failure (an exit code without a
message, or exit 0 with a part of the result), nothing left of a failed target, the source unchanged;
what two verbs say of one image agrees; and where qemu-img reads the image too, it reads the same.

Registered differences (docs/divergences.md) are no failures. `registered` decides them by looking at
the image, each rule for itself.
"""

import argparse
import concurrent.futures
import functools
import json
import os
import random
import re
import resource
import shutil
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import Context, Failure, Group, Tools, first_difference, run  # noqa: E402
from hostile import vhd_images  # noqa: E402

SECONDS = 5
SUITE_SECONDS = 20    # of the slice in the suite, beside which other tests run
SLICE = 36            # cases of it
MAX_RSS_KIB = 300 * 1024
MAX_FILE_BYTES = 1 << 30
MIB = 1 << 20
FILL = bytes([0xD7]) * 8

QCOW2 = {
    "qcow2": "cluster_size=4k",
    "qcow2 v2": "compat=0.10,cluster_size=512",
    "qcow2 subclusters": "cluster_size=16k,extended_l2=on",
    "qcow2 narrow refcounts": "cluster_size=4k,refcount_bits=1",
    "qcow2 wide refcounts": "cluster_size=64k,refcount_bits=64",
    "qcow2 preallocated": "cluster_size=4k,preallocation=metadata",
}
QCOW2_COMPRESSED = {"qcow2 deflate": "cluster_size=4k",
                    "qcow2 zstd": "cluster_size=4k,compression_type=zstd"}
VMDK = {f"vmdk {kind}": f"subformat={kind}" for kind in
        ("monolithicSparse", "streamOptimized", "twoGbMaxExtentSparse", "monolithicFlat",
         "twoGbMaxExtentFlat")}
VPC = {"vpc dynamic": "subformat=dynamic,force_size=on",
       "vpc fixed": "subformat=fixed,force_size=on"}
VHDX = {"vhdx dynamic": "subformat=dynamic,block_size=1M", "vhdx fixed": "subformat=fixed"}


class Base:
    """A sound image: its format and its files, the named one first."""

    def __init__(self, name, form, files):
        self.name, self.form, self.files = name, form, files

    @property
    def main(self):
        return next(iter(self.files))


def read_files(folder, stem):
    names = sorted((p.name for p in folder.iterdir() if p.name.startswith(stem)), key=len)
    return {name: (folder / name).read_bytes() for name in names}


def make_bases(t):
    """All of them hold the same disk of 1 MiB: data that is easily told from tables, and holes."""
    chance = random.Random(7)
    disk = bytearray(MIB)
    for start, length in ((0, 8192), (20480, 4096), (70000, 1000), (131072, 4096), (MIB - 4096, 4096)):
        disk[start:start + length] = FILL * (length // 8)
    disk[300 << 10:301 << 10] = chance.randbytes(1024)
    source = t.dir / "disk.raw"
    source.write_bytes(disk)
    bases = []
    options = {**QCOW2, **QCOW2_COMPRESSED, **VMDK, **VPC, **VHDX}
    for number, (name, given) in enumerate(options.items()):
        form = name.split()[0]
        stem = f"b{number}."
        image = stem + ("vmdk" if form == "vmdk" else "img")
        compress = ["-c"] if name in QCOW2_COMPRESSED else []
        t.made_by_qemu_img("convert", *compress, "-f", "raw", "-O", form, "-o", given, "disk.raw", image)
        if name == "qcow2":
            t.made_by_qemu_img("snapshot", "-c", "one", image)
            t.made_by_qemu_img("bitmap", "--add", image, "b0")
        if form == "qcow2" and "v2" not in name and name not in QCOW2_COMPRESSED:
            t.qemu_io(image, "write -z 512k 64k")
        bases.append(Base(name, form, read_files(t.dir, f"b{number}")))
        for made in bases[-1].files:
            (t.dir / made).unlink()
    bases.append(Base("raw", "raw", {"x.raw": bytes(disk[:64 << 10])}))
    source.unlink()
    return bases


def hot_places(content):
    """Where tables and headers hold something: words that are neither zeros nor the disk's data."""
    return [at for at in range(0, len(content) - 7, 8)
            if content[at:at + 8] != FILL and any(content[at:at + 8])]


def change(chance, content, hot):
    """Changes a few places, most of them where tables or headers hold something."""
    content = bytearray(content)
    if not content:
        return content
    for _ in range(chance.randint(1, 5)):
        at = min(chance.choice(hot) + chance.randrange(8) if hot and chance.random() < 0.93 else
                 chance.randrange(len(content)), len(content) - 1)
        kind = chance.randrange(6)
        if kind == 0:
            content[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            content[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, ord("9"), ord("\n")))
        elif kind == 2:
            new = chance.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", chance.randbytes(4)))
            content[at:at + 4] = new[:len(content) - at]
        elif kind == 3:
            start = chance.choice(hot) if hot else 0
            new = content[start:start + 8]
            content[at:at + len(new)] = new[:len(content) - at]
        elif kind == 4:
            span = chance.choice((8, 64, 512, 4096))
            content[at:at + span] = bytes(min(span, len(content) - at))
        else:
            number = int.from_bytes(content[at:at + 4], "little") + chance.choice((-1, 1, 8, 128))
            content[at:at + 4] = (number % (1 << 32)).to_bytes(4, "little")[:len(content) - at]
    if chance.random() < 0.08:
        del content[chance.randrange(1, len(content) + 1):]
    elif chance.random() < 0.05:
        content += bytes(chance.choice((1, 511, 512, 4096, 65536)))
    return content


def sum_again(form, content):
    """Gives headers that carry a checksum the right one, so that what they say is believed."""
    if form == "vpc":
        for at, field, length in ((0, 64, 512), (len(content) - 512, 64, 512), (512, 36, 1024)):
            if at < 0 or at + length > len(content) or content[at:at + 2] not in (b"co", b"cx"):
                continue
            content[at + field:at + field + 4] = bytes(4)
            total = ~sum(content[at:at + length]) & 0xFFFFFFFF
            struct.pack_into(">I", content, at + field, total)
    if form == "vhdx":
        for at, length, mark in ((65536, 4096, b"head"), (131072, 4096, b"head"),
                                 (196608, 65536, b"regi"), (262144, 65536, b"regi")):
            if content[at:at + 4] != mark or at + length > len(content):
                continue
            content[at + 4:at + 8] = bytes(4)
            struct.pack_into("<I", content, at + 4, vhd_images.crc32c(bytes(content[at:at + length])))
    return content


@functools.lru_cache(maxsize=None)
def hot_places_of(content):
    return hot_places(content)


def mutated(bases, seed, number):
    """The base of case `number` and the files that it has there."""
    chance = random.Random(f"{seed} {number}")
    base = bases[number % len(bases)]
    files = dict(base.files)
    names = list(files)
    name = names[0] if len(names) == 1 or chance.random() < 0.5 else chance.choice(names[1:])
    content = change(chance, files[name], hot_places_of(files[name]))
    if chance.random() < 0.7:
        content = sum_again(base.form, content)
    files[name] = bytes(content)
    return base, files


# --- what may differ from qemu-img, each decided by the image alone

KNOWN_CREATORS = (b"vpc ", b"vs  ", b"qemu", b"qem2", b"d2v ", b"tap\0", b"CTXS")


def vpc_size_by_creator(base, files):
    """Of creators that it does not know qemu-img 7.2 takes the geometry for the size."""
    content = files[base.main]
    for at in (len(content) - 512, len(content) - 511, 0):
        if at >= 0 and content[at:at + 8] == b"conectix":
            return content[at + 28:at + 32] not in KNOWN_CREATORS
    return False


def vpc_header_in_first_sector(base, files):
    """The footer at the end counts; qemu-img believes the copy in the first sector."""
    content = files[base.main]
    ends = content[-512:-504] == b"conectix" or content[-511:-503] == b"conectix"
    return content[:8] == b"conectix" and not (ends and content[:512] == content[-512:])


def vmdk_extents(base, files):
    for name, content in files.items():
        for line in re.findall(rb"^(?:RW|RDONLY|NOACCESS) [^\n]*", content, re.M):
            yield name, line


def vmdk_extents_left_out(base, files):
    """qemu-img leaves extents out that are not marked RW or are of zeros."""
    return any(not line.startswith(b"RW ") or b" ZERO" in line
               for _, line in vmdk_extents(base, files))


REGISTERED = {
    "vpc": (vpc_size_by_creator, vpc_header_in_first_sector),
    "vmdk": (vmdk_extents_left_out,),
}


def registered(base, files):
    """The rule under which what is read may differ from what qemu-img reads; None without one."""
    return next((rule.__name__ for rule in REGISTERED.get(base.form, ()) if rule(base, files)), None)


class Case:
    """One mutated image in a directory of its own, put through every verb."""

    def __init__(self, t, base, files, seconds):
        self.t, self.base, self.files, self.seconds = t, base, files, seconds
        self.image = base.main
        self.rule = None
        self.both_read = False

    def ran(self, *arguments, codes, says=True):
        outcome = self.t.instar(*arguments, deadline=self.seconds,
                                limits={resource.RLIMIT_FSIZE: MAX_FILE_BYTES})
        t = self.t
        t.check(not outcome.timed_out, f"ran for more than {self.seconds} s", outcome)
        t.check(outcome.code in codes, "exit code", outcome)
        t.check(outcome.max_rss_kib < MAX_RSS_KIB, f"used {outcome.max_rss_kib} KiB", outcome)
        t.clean(outcome)
        if outcome.code != 0:
            t.check(outcome.err_lines or (says and outcome.out.strip()), "failed silently", outcome)
        return outcome

    def fresh(self, name):
        (self.t.dir / name).unlink(missing_ok=True)
        return name

    def written(self, outcome, name):
        t = self.t
        t.check((outcome.code == 0) == (t.dir / name).exists(), "a partial target, or none", outcome)

    def examine(self):
        t, form, image = self.t, self.base.form, self.image
        for name, content in self.files.items():
            (t.dir / name).write_bytes(content)
        info = self.ran("info", "--output=json", "-f", form, image, codes=(0, 1))
        size = None
        if info.code == 0:
            told = json.loads(info.text)
            t.equal(told["format"], form, "the format that was asked for", info)
            size = told["virtual-size"]
        self.ran("info", image, codes=(0, 1))
        self.ran("check", "--output=json", "-f", form, image, codes=(0, 1, 2, 3, 63))
        mapped = self.ran("map", "--output=json", "-f", form, image, codes=(0, 1))
        measured = self.ran("measure", "--output=json", "-O", "qcow2", "-f", form, image, codes=(0, 1))
        if measured.code == 0:
            json.loads(measured.text)
        self.fresh("out")
        limit = "--max-virtual-size=1T"
        converted = self.ran("convert", limit, "-f", form, "-O", "raw", image, "out", codes=(0, 1))
        self.written(converted, "out")
        self.fresh("dd")
        copied = self.ran("dd", limit, "-f", form, "-O", "raw", "bs=64k", f"if={image}", "of=dd",
                          codes=(0, 1))
        self.written(copied, "dd")
        self.agree(info, size, mapped, converted, copied)
        if converted.code == 0:
            compared = self.ran("compare", "-f", form, "-F", "raw", image, "out",
                                codes=(0, 1, 2, 3, 4))
            t.equal(compared.code, 0, "the image and its copy compare", compared, converted)
            self.compare_with_qemu_img(converted)
        else:
            self.ran("compare", "-f", form, "-F", form, image, image, codes=(0, 2, 3, 4))
        for name, content in self.files.items():
            t.check((t.dir / name).read_bytes() == content, "the source changed")

    def agree(self, info, size, mapped, converted, copied):
        """What the verbs say of one image. A whole result of one is no failure of another, but where
        data cannot be read, which map does not look at."""
        t = self.t
        if mapped.code == 0:
            at = 0
            for entry in json.loads(mapped.text):
                t.equal(entry["start"], at, "a gap in the map", mapped)
                at += entry["length"]
            # info may fail alone: it describes more than where the disk stands, as bitmaps are.
            size = at if size is None else size
            t.equal(at, size, "map does not cover the disk", mapped, info)
        if converted.code == 0:
            t.check(mapped.code == 0, "converted, but not mapped", converted, mapped)
            t.equal((t.dir / "out").stat().st_size, size, "a part of the disk", converted, info)
        t.equal(copied.code, converted.code, "dd and convert", copied, converted)
        if converted.code == 0:
            difference = first_difference(t.dir / "out", t.dir / "dd")
            t.check(difference is None, f"dd and convert: {difference}", copied)

    def compare_with_qemu_img(self, converted):
        t = self.t
        want = run([t.tools.need("qemu-img"), "convert", "-f", self.base.form, "-O", "raw", self.image,
                    self.fresh("want")], cwd=t.dir, deadline=self.seconds,
                   limits={resource.RLIMIT_FSIZE: MAX_FILE_BYTES})
        if want.code != 0:
            return
        self.both_read = True
        difference = first_difference(t.dir / "out", t.dir / "want")
        if difference is None:
            return
        self.rule = registered(self.base, self.files)
        t.check(self.rule is not None, f"not what qemu-img reads: {difference}", converted, want)


def examine_case(t, bases, seed, number, seconds):
    base, files = mutated(bases, seed, number)
    case = Case(t, base, files, seconds)
    case.examine()
    return case


def groups():
    """The slice in the suite: two cases of each base."""
    group = Group("mutations of every format", make_bases)
    for number in range(SLICE):
        group.add(f"case {number}",
                  lambda t, number=number: examine_case(t, t.fixture, 1, number, SUITE_SECONDS))
    return [group]


class Runner:
    def __init__(self, tools, seed, work):
        self.tools, self.seed, self.work = tools, seed, work
        self.lock = threading.Lock()
        self.counts = {"failed": 0, "read by both": 0, "differ as registered": 0}
        folder = work / "bases"
        folder.mkdir()
        self.bases = make_bases(Context(tools, folder))

    def run(self, number, keep=None):
        folder = Path(keep) if keep else Path(tempfile.mkdtemp(dir=self.work))
        folder.mkdir(exist_ok=True)
        try:
            case = examine_case(Context(self.tools, folder), self.bases, self.seed, number, SECONDS)
        except Failure as failure:
            with self.lock:
                self.counts["failed"] += 1
                base = self.bases[number % len(self.bases)]
                print(f"FAILED seed {self.seed} case {number} ({base.name})\n{failure}", flush=True)
        else:
            with self.lock:
                self.counts["read by both"] += case.both_read
                self.counts["differ as registered"] += case.rule is not None
        finally:
            if not keep:
                shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--case", type=int, help="run this case alone")
    parser.add_argument("--keep", help="a folder for the files of --case")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    tools = Tools(Path(options.build, "bin", "instar"), jobs=options.jobs)
    numbers = ([options.case] if options.case is not None else
               range(options.first, options.first + options.count))
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="instar-mutate-") as work:
        runner = Runner(tools, options.seed, Path(work))
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(lambda number: runner.run(number, options.keep), numbers))
    told = ", ".join(f"{count} {what}" for what, count in runner.counts.items())
    print(f"seed {options.seed}, {len(numbers)} cases of {len(runner.bases)} images: {told}; "
          f"{time.monotonic() - begun:.0f} s")
    return 1 if runner.counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
