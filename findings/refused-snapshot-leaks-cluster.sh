#!/bin/bash
# qemu-img snapshot -c (QEMU 7.2) that is refused leaves a leaked cluster in the image.
#
# Expected: a command that fails because refcounts cannot hold a second reference changes nothing.
# Seen: with refcount_bits=1 no snapshot can be taken ("Invalid argument", exit status 1), but the
# L1 table of the snapshot was written before that was noticed: the file is longer, and a check
# finds a cluster that nothing refers to. Each further try leaks one more.
# shellcheck disable=SC1091
. "$(dirname "$(readlink -f "$0")")/packages.sh"
fetch qemu-utils=1:7.2+dfsg-7+deb12u18+b3

qemu-img create -q -f qcow2 -o refcount_bits=1 disk.qcow2 1M
qemu-io -f qcow2 -c "write -P 5 0 64k" disk.qcow2 >/dev/null
qemu-img check -q disk.qcow2 || changed "the image was not clean before"
for leaks in 1 2; do
  qemu-img snapshot -c s disk.qcow2 2>/dev/null && changed "the snapshot is taken"
  qemu-img check --output=json disk.qcow2 2>/dev/null >out || true
  grep -q "\"leaks\": $leaks" out || changed "$leaks refused snapshots leak: $(grep leaks out || echo nothing)"
done
[ "$(qemu-img snapshot -l disk.qcow2 | wc -l)" -eq 0 ] || changed "there is a snapshot"
echo "two refused snapshots have leaked two clusters"
