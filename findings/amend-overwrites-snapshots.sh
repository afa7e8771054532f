#!/bin/bash
# qemu-img amend -o compat=0.10 (QEMU 7.2) of a qcow2 with internal snapshots loses data of snapshots.
#
# Expected: the version of the format is the disk's affair; what a snapshot holds stays.
# Seen: version 2 has no clusters of zeros, so each becomes one that holds zeros. Where a guest has
# zeroed a cluster, its entry keeps the old place, which a snapshot may share, and the place is
# filled with zeros: the snapshot reads zeros. With compression_type=zstd, clusters that only a
# snapshot has are not looked for, the image becomes one of zlib, and they cannot be read any more.
# Exit status 0 both times.
# shellcheck disable=SC1091
. "$(dirname "$(readlink -f "$0")")/packages.sh"
fetch qemu-utils=1:7.2+dfsg-7+deb12u18+b3

# Whether the first 64 KiB of the snapshot hold 5s after the downgrade. First what is written before
# and after the snapshot is taken, then the options of the image.
keeps() {
  rm -f disk.qcow2
  qemu-img create -q -f qcow2 "${@:3}" disk.qcow2 1M
  qemu-io -f qcow2 -c "$1" disk.qcow2 >/dev/null
  qemu-img snapshot -c s disk.qcow2
  qemu-io -f qcow2 -c "$2" disk.qcow2 >/dev/null
  qemu-img amend -o compat=0.10 disk.qcow2 || changed "the downgrade is refused"
  qemu-img snapshot -a s disk.qcow2
  qemu-io -f qcow2 -c "read -P 5 0 64k" disk.qcow2 >out 2>&1
  ! grep -qE 'Pattern verification failed|read failed' out
}

keeps "write -P 5 0 64k" "write -P 6 0 64k" || changed "lost where the disk has other data"
if keeps "write -P 5 0 64k" "write -z 0 64k"; then changed "kept where the disk has zeros"; fi
echo "the snapshot reads zeros where the disk was zeroed, and is kept where it was written"
zstd=(-o compression_type=zstd)
if keeps "write -c -P 5 0 64k" "write -P 6 0 64k" "${zstd[@]}"; then changed "zstd is kept"; fi
echo "clusters of the snapshot that zstd has compressed cannot be read any more"
