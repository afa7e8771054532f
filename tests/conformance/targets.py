"""The ways to convert: option sets for `convert`, dealt out over the images in turn so that every
one of them meets many images."""

import collections
import dataclasses
import random
from typing import Callable


@dataclasses.dataclass
class Target:
    """One set of options. `{out}` stands for the target's file name, the other names in braces for
    what the image offers."""

    options: tuple
    format: str = "qcow2"
    fits: Callable = lambda image: True
    create: tuple = None  # options of `qemu-img create` for a target that exists beforehand
    second_input: bool = False
    # What is written depends on the order in which workers finish, so bytes may differ by run.
    ordered: bool = True

    @property
    def name(self):
        words = [*self.options, *(["onto-existing", *self.create] if self.create is not None else []),
                 *(["two-inputs"] if self.second_input else [])]
        return f"{self.format} {' '.join(words)}".strip()

    def arguments(self, image, out, snapshot=None):
        below, below_format = image.backing or ("", "")
        values = {"out": out, "backing": below, "backing_format": below_format,
                  "snapshot": snapshot or ""}
        return ["-O", self.format, *(option.format(**values) for option in self.options)]


def small(image):
    return not image.big


def with_backing(image):
    return bool(image.backing)


def with_snapshot(image):
    return bool(image.snapshots)


def with_numbered_snapshot(image):
    return small(image) and bool(image.snapshots) and not image.snapshots[0].isdigit()


def with_bitmaps(image):
    return image.bitmaps


def not_empty(image):
    return small(image) and image.size > 0


def qcow2_targets():
    def o(*settings, **kwargs):
        return Target(("-o", ",".join(settings)), **kwargs)

    def c(*settings, **kwargs):
        return Target(("-c", "-o", ",".join(settings)), **kwargs)

    yield Target(())
    yield o("compat=0.10")
    yield o("compat=1.1")
    for name in ("512", "1k", "2k", "4k", "8k", "16k", "32k"):
        yield o(f"cluster_size={name}", fits=small)
    for name in ("128k", "256k", "512k", "1M", "2M"):
        yield o(f"cluster_size={name}")
    for bits in (1, 2, 4, 8, 32, 64):
        yield o(f"refcount_bits={bits}")
    yield o("refcount_bits=64", "cluster_size=512", fits=small)
    yield o("refcount_bits=1", "cluster_size=2M")
    yield Target(("-c",))
    yield c("compression_type=zstd")
    yield c("compat=0.10")
    yield c("cluster_size=512", fits=small)
    yield c("cluster_size=4k", "compression_type=zstd", fits=small)
    yield c("cluster_size=256k")
    yield c("cluster_size=2M", "compression_type=zstd")
    yield c("refcount_bits=1", fits=small)
    yield c("refcount_bits=2", "cluster_size=4k", fits=small)
    yield c("extended_l2=on")
    yield c("extended_l2=on", "compression_type=zstd", "cluster_size=16k", fits=small)
    yield o("compression_type=zstd")
    yield o("extended_l2=on")
    yield o("extended_l2=on", "cluster_size=16k", fits=small)
    yield o("extended_l2=on", "cluster_size=2M")
    yield o("lazy_refcounts=on")
    yield o("lazy_refcounts=on", "extended_l2=on", "refcount_bits=8")
    for mode in ("metadata", "falloc", "full"):
        yield o(f"preallocation={mode}", fits=small)
    yield o("preallocation=metadata", "cluster_size=4k", fits=small)
    yield o("preallocation=metadata", "extended_l2=on", fits=small)
    yield o("preallocation=full", "compat=0.10", fits=small)
    yield o("data_file={out}.data")
    yield o("data_file={out}.data", "data_file_raw=on", fits=small)
    yield o("data_file={out}.data", "cluster_size=4k", fits=small)
    yield o("data_file={out}.data", "extended_l2=on")
    for sparse in ("0", "4k", "64k", "1M", "512"):
        yield Target(("-S", sparse), fits=small)
    yield Target(("-S", "0", "-o", "cluster_size=4k"), fits=small)
    yield Target(("-S", "64k", "-c"), fits=small)
    yield Target(("-m", "1"))
    yield Target(("-m", "16"))
    yield Target(("-m", "8", "-W"), ordered=False)
    yield Target(("-W", "-o", "cluster_size=4k"), fits=small, ordered=False)
    yield Target(("-m", "2", "-c"))
    yield Target(("-B", "{backing}", "-F", "{backing_format}"), fits=with_backing)
    yield Target(("-c", "-B", "{backing}", "-F", "{backing_format}"), fits=with_backing)
    yield Target(("-B", "{backing}", "-F", "{backing_format}", "-o", "extended_l2=on"),
                 fits=with_backing)
    yield Target(("-B", "{backing}", "-F", "{backing_format}", "-o", "compat=0.10,cluster_size=4k"),
                 fits=with_backing)
    yield Target(("-o", "backing_file={backing},backing_fmt={backing_format}"), fits=with_backing)
    yield Target(("-l", "{snapshot}"), fits=with_snapshot)
    yield Target(("-l", "snapshot.name={snapshot}"), fits=with_numbered_snapshot)
    yield Target(("-l", "snapshot.id=1", "-c"), fits=with_snapshot)
    yield Target(("-l", "{snapshot}", "-o", "cluster_size=4k"), fits=with_snapshot)
    yield Target(("--bitmaps",), fits=with_bitmaps)
    yield Target(("--bitmaps", "-o", "cluster_size=4k,refcount_bits=8"), fits=with_bitmaps)
    yield Target(("-t", "writeback", "-T", "writeback"))
    yield Target(("-t", "writethrough", "-T", "none"))
    yield Target(("-t", "none", "-T", "directsync"), fits=small)
    yield Target(("-r", "900M"))
    yield Target(("-U", "-q"))
    yield Target(("--salvage",))
    yield Target((), second_input=True, fits=small)
    yield Target(("-c",), second_input=True, fits=small)
    yield Target(("-n",), create=(), fits=not_empty)
    yield Target(("-n",), create=("-o", "cluster_size=4k,refcount_bits=8"), fits=not_empty)
    yield Target(("-n", "--target-is-zero"), create=("-o", "extended_l2=on"), fits=not_empty)
    yield Target(("-n", "-c"), create=("-o", "compression_type=zstd"), fits=not_empty)


def raw_targets():
    for options in (("-S", "0"), ("-S", "64k"), ("-S", "512"), ("-o", "preallocation=full"),
                    ("-o", "preallocation=falloc")):
        yield Target(options, format="raw", fits=small)
    yield Target(("-m", "16"), format="raw")
    yield Target(("-m", "8", "-W"), format="raw")
    yield Target(("-T", "none"), format="raw")
    yield Target((), format="raw", second_input=True, fits=small)
    yield Target(("-n",), format="raw", create=(), fits=not_empty)
    yield Target(("-n", "--target-is-zero"), format="raw", create=(), fits=not_empty)
    yield Target(("-p",), format="raw")


class Dealer:
    """Hands each image the targets that waited longest among those that fit it. They start in a
    shuffled order, always the same, so that neighbours in the list meet different images."""

    def __init__(self, targets):
        shuffled = list(targets)
        random.Random(20).shuffle(shuffled)
        self.waiting = collections.deque(shuffled)

    def deal(self, image, count):
        chosen = [target for target in self.waiting if target.fits(image)][:count]
        for target in chosen:
            self.waiting.remove(target)
            self.waiting.append(target)
        return chosen
