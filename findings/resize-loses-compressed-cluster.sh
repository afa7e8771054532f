#!/bin/bash
# qemu-img resize --preallocation (QEMU 7.2) of a qcow2 with extended L2 entries, whose disk ends
# inside a compressed cluster, loses what that cluster holds.
#
# Expected: growing a disk keeps its content; the last cluster is unpacked into the place that it
# gets, as without extended L2 entries.
# Seen: with metadata, falloc and full alike the new place is noted with an empty subcluster bitmap,
# so the old bytes read as zeros. Exit status 0, "Image resized.", and qemu-img check finds nothing.
# Without --preallocation, or without extended_l2, the content stays.
# shellcheck disable=SC1091
. "$(dirname "$(readlink -f "$0")")/packages.sh"
fetch qemu-utils=1:7.2+dfsg-7+deb12u18+b3

# Grows a disk of 100 KiB with the arguments given; whether its last 36 KiB, compressed, are kept.
keeps() {
  local option=$1
  shift
  rm -f disk.qcow2
  qemu-img create -q -f qcow2 -o "$option" disk.qcow2 100k
  qemu-io -f qcow2 -c "write -c -P 3 64k 36k" disk.qcow2 >/dev/null
  qemu-img resize -q "$@" disk.qcow2 200k
  qemu-img check -q disk.qcow2 || changed "check finds something"
  qemu-io -f qcow2 -c "read -P 3 64k 36k" disk.qcow2 >out 2>&1
  ! grep -q 'Pattern verification failed' out
}

for mode in metadata falloc full; do
  keeps extended_l2=off --preallocation=$mode || changed "$mode loses data without extended L2 entries"
  if keeps extended_l2=on --preallocation=$mode; then changed "$mode keeps the data"; fi
  echo "$mode: the compressed cluster is lost with extended L2 entries, and kept without"
done
keeps extended_l2=on || changed "lost without --preallocation"
