"""vmdk, vpc and vhdx under the verbs that look at a disk, alone and in chains across formats: info, map,
compare, measure and convert tell what qemu-img tells."""

from conformance import compare
from conformance.checks import convert_raw, info_human, info_json
from conformance.comparing import same_output
from conformance.images import KIB, MIB, Image, Maker, noise, prose
from conformance.map import map_covers_the_disk, map_human, map_json
from conformance.matrix import KINDS
from harness import Group

FOREIGN = [kind for kind, (form, _) in KINDS.items() if form in ("vmdk", "vpc", "vhdx")]
SIZE = 6 * MIB


def base(m, kind, name="base", size=SIZE):
    """A disk with data in places that no format's unit divides evenly."""
    form, options = KINDS[kind]
    m.sparse(f"{name}.raw", size, (0, prose(1, 70_000)), (2 * MIB - 512, noise(2, 200 * KIB)),
             (size - 4 * KIB, noise(3, 4 * KIB)))
    m.qemu_img("convert", "-f", "raw", "-O", form, *options, f"{name}.raw", f"{name}.{form}")
    m.path(f"{name}.raw").unlink()
    return f"{name}.{form}", form


def alone():
    for kind in FOREIGN:
        form, _ = KINDS[kind]

        def make(m, kind=kind):
            base(m, kind, "x")

        yield Image(f"{kind}", make, file=f"x.{form}", format=form, size=SIZE)


def below_qcow2():
    for kind in FOREIGN:
        form, _ = KINDS[kind]

        def make(m, kind=kind):
            name, form = base(m, kind)
            m.create(size=8 * MIB, backing=name, backing_format=form)
            m.io("write -P 1 100k 70k", "write -z 2M 64k", "write -P 2 7M 4k")

        yield Image(f"qcow2 over {kind}", make, size=8 * MIB, chain=True,
                    backing=(f"base.{form}", form))


def deep():
    def four(m):
        name, form = base(m, "vmdk-twoGbMaxExtentSparse")
        m.qemu_img("create", "-q", "-f", "vmdk", "-b", name, "-F", form, "child.vmdk")
        m.io("write -P 3 1M 64k", file="child.vmdk", format="vmdk")
        m.create("mid.qcow2", size=SIZE, backing="child.vmdk", backing_format="vmdk",
                 cluster_size=4 * KIB)
        m.io("write -P 4 3M 10k", "write -z 1M 4k", file="mid.qcow2")
        m.create(size=SIZE, backing="mid.qcow2", backing_format="qcow2", extended_l2="on")
        m.io("write -P 5 3M 2k", "write -P 6 0 4k")

    yield Image("qcow2 over qcow2 over vmdk over vmdk", four, size=SIZE, chain=True,
                backing=("mid.qcow2", "qcow2"))

    for relation, size in (("shorter", 3 * MIB), ("longer", 9 * MIB)):
        def other_size(m, size=size):
            name, form = base(m, "vhdx-1m", size=size)
            m.create(size=SIZE, backing=name, backing_format=form)
            m.io("write -P 1 2900k 300k")

        yield Image(f"qcow2 over a {relation} vhdx", other_size, size=SIZE, chain=True,
                    backing=("base.vhdx", "vhdx"))

    def snapshots(m):
        name, form = base(m, "vpc-forced")
        m.create(size=SIZE, backing=name, backing_format=form)
        m.io("write -P 1 100k 70k")
        m.qemu_img("snapshot", "-c", "early", "x.qcow2")
        m.io("write -P 2 3M 64k", "write -z 100k 20k")

    yield Image("qcow2 with a snapshot over vpc", snapshots, size=SIZE, chain=True,
                snapshots=("early",), backing=("base.vpc", "vpc"))


def measured(t, image, *options):
    same_output(t, "measure", *options, *image.format_options, image.file)
    same_output(t, "measure", "--output=json", *options, *image.format_options, image.file)


def group_of(image):
    group = Group(f"mixed/{image.name}", lambda t: image.make(Maker(t)))
    group.add("info json", info_json, image)
    group.add("info human", info_human, image)
    if image.chain:
        group.add("info chain json", info_json, image, "--backing-chain")
        group.add("info chain human", info_human, image, "--backing-chain")
    group.add("map json", map_json, image)
    group.add("map human", map_human, image)
    group.add("map of a window", map_json, image, "-s", "1000000", "-l", "2000000")
    group.add("map covers the disk", map_covers_the_disk, image)
    group.add("compare", compare.with_its_content, image)
    group.add("measure raw", measured, image)
    group.add("measure qcow2", measured, image, "-O", "qcow2")
    group.add("measure qcow2 in small clusters", measured, image, "-O", "qcow2", "-o",
              "cluster_size=4k")
    group.add("convert", convert_raw, image)
    for snapshot in image.snapshots:
        group.add("measure of the snapshot", measured, image, "-O", "qcow2", "-l", snapshot)
        group.add("convert of the snapshot", convert_raw, image, ("-l", snapshot))
    return group


def groups():
    return [group_of(image) for family in (alone, below_qcow2, deep) for image in family()]
