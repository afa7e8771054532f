"""Verbs that change an image in place beside qemu-img: the same words, exit codes and effects.

Each case is a list of steps. It is carried out twice, in a directory each, with qemu-img as the
program and with ours under qemu-img's name. What the steps record must be equal.
"""

import hashlib
import json
import re
import shutil
import struct

from harness import run
from maps import without_places

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

DIRTY = 1
IN_USE = 1
BITMAPS_EXTENSION = struct.pack(">I", 0x23852875)
NODE_NAME = re.compile("#block[0-9]+")  # numbers that change from run to run


def bitmap_directory(image):
    """Where the directory of bitmaps stands in the bytes of an image, and how many there are."""
    extension = image.index(BITMAPS_EXTENSION)
    count, = struct.unpack_from(">I", image, extension + 8)
    return struct.unpack_from(">Q", image, extension + 24)[0], count


class Side:
    """One of the two runs: its directory, its program, and what was recorded."""

    def __init__(self, t, name):
        self.t = t
        self.dir = t.dir / name
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir()
        self.qemu = t.tools.need("qemu-img")
        self.program = self.qemu
        self.environment = {}
        self.records = []
        if name == "ours":
            folder = t.dir / "as-qemu-img"
            folder.mkdir(exist_ok=True)
            self.program = folder / "qemu-img"
            if not self.program.exists():
                self.program.symlink_to(t.tools.instar)
            self.environment = {"INSTAR_QEMU_VERSION": t.tools.qemu_version}

    def path(self, name):
        return self.dir / name

    # ---- making

    def img(self, *arguments):
        self.t.made_by_qemu_img(*arguments, cwd=self.dir)

    def create(self, *arguments):
        self.img("create", "-q", "-f", "qcow2", *arguments)

    def io(self, name, *commands, form="qcow2"):
        argv = [self.t.tools.need("qemu-io"), "-f", form]
        for command in commands:
            argv += ["-c", command]
        outcome = run([*argv, name], cwd=self.dir)
        self.t.check(outcome.code == 0, "the generator failed", outcome)

    def raw(self, name, length):
        with open(self.path(name), "ab") as file:
            file.truncate(length)

    def patch(self, name, offset, value, form):
        with open(self.path(name), "r+b") as file:
            file.seek(offset)
            file.write(struct.pack(form, value))

    # ---- what is compared

    def verb(self, verb, *arguments):
        outcome = run([self.program, verb, *arguments], cwd=self.dir, env=self.environment)
        self.records.append((" ".join([verb, *arguments]), outcome.code, outcome.text,
                             NODE_NAME.sub("#blockN", outcome.err_text)))

    def length(self, name):
        self.records.append((f"length of {name}", self.path(name).stat().st_size))

    def size(self, name):
        told = run([self.qemu, "info", "--output=json", name], cwd=self.dir)
        self.records.append((f"size of {name}", json.loads(told.text)["virtual-size"]))

    def map(self, name, holes=True):
        """Where the disk has data, without where in the file that is, nor, without `holes`, whether the
        file stores it."""
        told = run([self.qemu, "map", "--output=json", name], cwd=self.dir)
        pieces = json.loads(told.text)
        runs = [{k: v for k, v in piece.items() if k != "offset"} for piece in pieces]
        self.records.append((f"map of {name}", runs if holes else without_places(pieces)))

    def content(self, name, form="qcow2"):
        run([self.qemu, "convert", "-f", form, "-O", "raw", name, "content"], cwd=self.dir)
        digest = hashlib.sha256(self.path("content").read_bytes()).hexdigest()
        self.path("content").unlink()
        self.records.append((f"content of {name}", digest))

    def sound(self, name):
        told = run([self.qemu, "check", "-q", name], cwd=self.dir)
        self.records.append((f"check of {name}", told.code, told.err_text))

    def value(self, what, value):
        self.records.append((what, value))


def beside_qemu_img(t, steps, kind=Side):
    sides = [kind(t, "theirs"), kind(t, "ours")]
    for side in sides:
        steps(side)
    theirs, ours = (side.records for side in sides)
    differences = [(got, want) for got, want in zip(ours, theirs, strict=True) if got != want]
    t.check(not differences, "\n".join(f"ours:   {got}\ntheirs: {want}" for got, want in differences))
