#!/bin/bash
# 7-Zip 26.02 opens VMDK images, monolithicSparse, twoGbMaxExtentSparse and flat ones of qemu-img
# 7.2 among them, and streamOptimized ones of others. streamOptimized of qemu-img it does not open.
#
# Expected: it reads them; qemu-img's streamOptimized is what people import elsewhere.
# Seen: "Cannot open the file as [VMDK] archive", exit 2, for any content. Such a file states in its
# header where the grain directory is (not "at the end") and has no footer and no end-of-stream
# marker, though its flags announce markers.
# shellcheck disable=SC1091
. "$(dirname "$(readlink -f "$0")")/packages.sh"
fetch 7zip=22.01+really26.02+dfsg-0+deb12u1 qemu-utils=1:7.2+dfsg-7+deb12u18+b3

head -c 3145728 /dev/urandom >disk
for subformat in monolithicSparse twoGbMaxExtentSparse monolithicFlat streamOptimized; do
  mkdir $subformat
  qemu-img convert -O vmdk -o subformat=$subformat disk $subformat/a.vmdk
  status=0
  7z t $subformat/a.vmdk >out 2>&1 || status=$?
  echo "$subformat: 7z t exits $status"
  case $subformat in
  streamOptimized)
    if [ "$status" != 2 ] || ! grep -q 'Cannot open the file as \[VMDK\] archive' out; then
      changed "7z opens it"
    fi
    ;;
  *) [ "$status" = 0 ] || changed "7z does not open it" ;;
  esac
done
python3 - streamOptimized/a.vmdk <<'P' || changed "the header or the end of the file is another"
import struct, sys
data = open(sys.argv[1], "rb").read()
flags, directory = struct.unpack_from("<I", data, 8)[0], struct.unpack_from("<Q", data, 56)[0]
assert flags & 0x20000 and directory < 2**63, (hex(flags), directory)
assert b"KDMV" not in data[512:]
P
