#!/bin/bash
# libqcow 20201213 and libvmdk 20200926, with which forensic programs read images, do not know the
# marks for "this part is zeros": the zero flag of a qcow2 L2 entry (bit 0, version 3) and the grain
# table entry 1 of a VMDK whose header allows zeroed grains. They open such images without a word.
#
# Expected: zeros, or a refusal; version 3 and the flags of the header say that the marks may occur.
# Seen: libqcow returns what the cluster held before it was zeroed, and, where the cluster never had
# storage, the beginning of the image file ("QFI\xfb") as content of the disk. libvmdk takes the mark
# for sector 1 of the file and returns the text of the descriptor. So zeros that a guest asked for
# come back as deleted data or as the image's own structures, with success.
# shellcheck disable=SC1091
. "$(dirname "$(readlink -f "$0")")/packages.sh"
fetch qemu-utils=1:7.2+dfsg-7+deb12u18+b3 python3-libqcow=20201213-1+b2 libqcow1=20201213-1+b2 \
  python3-libvmdk=20200926-2+b2 libvmdk1=20200926-2+b2

qemu-img create -q -f qcow2 zeroed.qcow2 1M
qemu-io -c 'write -P 5 0 256k' -c 'write -z 0 64k' -c 'write -z 512k 64k' zeroed.qcow2 >/dev/null
qemu-img create -q -f vmdk -o zeroed_grain=on zeroed.vmdk 1M
qemu-io -c 'write -P 5 0 256k' -c 'write -z 0 64k' zeroed.vmdk >/dev/null
for image in zeroed.qcow2 zeroed.vmdk; do
  qemu-io -r -c 'read -P 0 0 64k' $image | grep -q failed && changed "qemu reads no zeros of $image"
done
PYTHONPATH=$ROOT/usr/lib/python3/dist-packages /usr/bin/python3 - <<'P' || changed "it reads something else"
import pyqcow
import pyvmdk
image = pyqcow.file()
image.open("zeroed.qcow2")
disk = image.read_buffer_at_offset(1 << 20, 0)
print("qcow2, data that was zeroed:", disk[:4].hex(), " never written:", disk[512 << 10:][:4])
assert disk[:65536] == b"\x05" * 65536 and disk[512 << 10:].startswith(b"QFI\xfb")
image = pyvmdk.handle()
image.open("zeroed.vmdk")
image.open_extent_data_files()
disk = image.read_buffer_at_offset(65536, 0)
print("vmdk, data that was zeroed:", disk[:21])
assert disk.startswith(b"# Disk DescriptorFile")
P
