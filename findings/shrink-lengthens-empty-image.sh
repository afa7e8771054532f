#!/bin/bash
# qemu-img resize --shrink (QEMU 7.2) of an empty qcow2 makes the file longer.
#
# Expected: an image that stores nothing has nothing to give up; the file stays or becomes shorter.
# Seen: what lies beyond the new end is discarded first, and for that each L2 table of that part is
# made, one after the other, and given back. From 2 TiB to 1 TiB that are 2048 tables, which takes
# seconds. Afterwards the image stores as little as before and the file is longer; the L1 table
# keeps its length as well.
# shellcheck disable=SC1091
. "$(dirname "$(readlink -f "$0")")/packages.sh"
fetch qemu-utils=1:7.2+dfsg-7+deb12u18+b3

qemu-img create -q -f qcow2 disk.qcow2 2T
before=$(stat -c %s disk.qcow2)
qemu-img resize -q --shrink disk.qcow2 1T
after=$(stat -c %s disk.qcow2)
qemu-img check -q disk.qcow2 || changed "the image is not clean"
qemu-img map disk.qcow2 | grep -q 0x && changed "the disk stores something"
[ "$after" -gt "$before" ] || changed "$before bytes became $after"
echo "the empty image had $before bytes and has $after"
