#!/bin/bash
# bximage 2.7 of Bochs writes VHD and VMDK images.
#
# Expected: each VHD has a unique identifier of its own, as the format's name for the field says; the
# VMDK's descriptor names its extent so that it is found beside the descriptor.
# Seen: the unique identifier of every VHD is 16 zero bytes, so all disks of bximage are one disk to
# a program that knows disks by it. The VMDK's descriptor names the extent by the path that was
# typed: of dir/disk.img "dir/disk.img", which is relative to the descriptor and would be
# dir/dir/disk.img. QEMU reads it, because it takes a monolithicSparse extent from the file itself;
# libvmdk 20200926 follows the name and fails. A reader must not follow it.
# shellcheck disable=SC1091
. "$(dirname "$(readlink -f "$0")")/packages.sh"
fetch bximage=2.7+dfsg-4+deb12u1 qemu-utils=1:7.2+dfsg-7+deb12u18+b3 \
  python3-libvmdk=20200926-2+b2 libvmdk1=20200926-2+b2

mkdir dir
for name in one two; do
  bximage -func=create -hd=10M -imgmode=vpc -q dir/$name.vhd >/dev/null 2>&1
  qemu-img info dir/$name.vhd | grep -q 'file format: vpc' || changed "no VHD for qemu-img"
done
bximage -func=create -hd=10M -imgmode=vmware4 -q dir/disk.img >/dev/null 2>&1
qemu-img check dir/disk.img >/dev/null || changed "no VMDK for qemu-img"
PYTHONPATH=$ROOT/usr/lib/python3/dist-packages /usr/bin/python3 - <<'P' || changed "it is otherwise"
import re
import pyvmdk
for name in ("one", "two"):
    footer = open(f"dir/{name}.vhd", "rb").read()[-512:]
    print(name, "unique identifier", footer[68:84].hex())
    assert footer.startswith(b"conectix") and footer[68:84] == bytes(16)
extent = re.search(rb'RW \d+ SPARSE "([^"]*)"', open("dir/disk.img", "rb").read()).group(1)
print("extent", extent)
assert extent == b"dir/disk.img"
image = pyvmdk.handle()
image.open("dir/disk.img")
try:
    image.open_extent_data_files()
except OSError:
    print("libvmdk does not find the extent")
else:
    raise SystemExit("libvmdk finds the extent")
P
