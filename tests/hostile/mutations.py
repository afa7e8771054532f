"""Good images damaged at random (with fixed seeds) and cut off at every length.

Whatever comes out: exit 0 or 1, one clean line, no fault, nothing left behind; and where both Instar
and qemu-img still read the damaged image, they read the same.
"""

import random

from harness import Group
from hostile.generate import Qcow2, deflate
from hostile.structures import CONVERT, EITHER, examine

MUTATIONS_PER_BASE = 20

HANDWRITTEN = {
    "plain": lambda: Qcow2(cluster_bits=12, size=1 << 20).data(0).zero(1).data(70).data(255),
    "version 2": lambda: Qcow2(version=2, cluster_bits=12, size=1 << 20).data(0).data(9).data(70),
    "small clusters": lambda: Qcow2(cluster_bits=9, size=1 << 17).data(0).data(65).data(200),
    "compressed": lambda: Qcow2(cluster_bits=12, size=1 << 20).packed(
        0, deflate(b"disk" * 1024)).packed(3, deflate(bytes(range(256)) * 16)).data(4),
    "subclusters": lambda: Qcow2(cluster_bits=14, size=1 << 20, extended_l2=True).data(0).zero(2),
    "narrow refcounts": lambda: Qcow2(cluster_bits=12, size=1 << 20, refcount_order=0).data(0),
}

# Made by qemu-img: (options of create, commands of qemu-io, further commands of qemu-img)
GENERATED = {
    "snapshot": ("cluster_size=4k", ["write -P 1 0 64k"],
                 [["snapshot", "-c", "one", "x"], ["snapshot", "-c", "two", "x"]]),
    "bitmap": ("cluster_size=4k", ["write -P 1 0 64k"], [["bitmap", "--add", "x", "b0"]]),
    "zstd": ("cluster_size=4k,compression_type=zstd", ["write -c -P 3 0 4k", "write -P 4 8k 4k"],
             []),
    "wide refcounts": ("cluster_size=4k,refcount_bits=64", ["write -P 1 0 64k", "write -z 8k 8k"],
                       []),
}


def make_bases(t):
    bases = {name: bytes(make().build()) for name, make in HANDWRITTEN.items()}
    for name, (options, commands, further) in GENERATED.items():
        t.made_by_qemu_img("create", "-q", "-f", "qcow2", "-o", options, "x", "1M")
        t.qemu_io("x", *commands)
        for command in further:
            t.made_by_qemu_img(*command)
        bases[name] = (t.dir / "x").read_bytes()
    return bases


def mutate(image, seed):
    """Changes a few places, most of them in the header or where tables hold something."""
    chance = random.Random(seed)
    image = bytearray(image)
    filled = [at for at in range(0, len(image), 8) if any(image[at:at + 8])]
    for _ in range(chance.randint(1, 6)):
        place = chance.random()
        if place < 0.3:
            at = chance.randrange(112)
        elif place < 0.9:
            at = chance.choice(filled) + chance.randrange(8)
        else:
            at = chance.randrange(len(image))
        kind = chance.randrange(4)
        if kind == 0:
            image[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            image[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            image[at:at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff",
                                              chance.randbytes(4)))
        else:
            image[at:at + 8] = image[chance.choice(filled):][:8]
    return bytes(image)


def mutation(t, base, seed):
    examine(t, lambda: mutate(t.fixture[base], f"{base} {seed}"), EITHER)


def truncation(t, base, length):
    examine(t, lambda: t.fixture[base][:length], CONVERT if length < 104 else EITHER)


def groups():
    mutations = []
    for number, base in enumerate((*HANDWRITTEN, *GENERATED)):
        if number % 5 == 0:
            mutations.append(Group(f"mutations {number // 5 + 1}", make_bases))
        for seed in range(MUTATIONS_PER_BASE):
            mutations[-1].add(f"{base} {seed}", mutation, base, seed)
    truncations = Group("truncations", make_bases)
    for base in ("plain", "small clusters", "compressed"):
        length = len(HANDWRITTEN[base]().build())
        for cut in (1, 4, 8, 71, 72, 100, 103, 104, 111, *range(512, min(length, 24 << 10), 512)):
            truncations.add(f"{base} at {cut}", truncation, base, cut)
    return [*mutations, truncations]
