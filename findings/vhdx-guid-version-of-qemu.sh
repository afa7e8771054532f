#!/bin/bash
# A VHDX holds GUIDs in the byte order of Windows: the first three fields little-endian ([MS-DTYP]
# 2.3.4.2). qemu-img 7.2 draws random GUIDs of version 4 and stores them as they are, in the byte
# order of RFC 4122.
#
# Expected: what Windows and Hyper-V show of such a disk is a GUID of version 4,
# xxxxxxxx-xxxx-4xxx-..., as of every other random GUID.
# Seen: FileWriteGuid, DataWriteGuid and the disk's own identifier (page 83) have the 4 in byte 6,
# so the third group that Windows shows is xx4x, of a random "version". A reader must not take the
# version for a sign of a damaged or foreign GUID.
# shellcheck disable=SC1091
. "$(dirname "$(readlink -f "$0")")/packages.sh"
fetch qemu-utils=1:7.2+dfsg-7+deb12u18+b3

for i in $(seq 12); do qemu-img create -q -f vhdx "$i.vhdx" 4M; done
python3 - <<'P' || changed "the version stands elsewhere"
import struct, uuid
versions = []
for i in range(1, 13):
    data = open(f"{i}.vhdx", "rb").read()
    header = max((data[at:at + 80] for at in (0x10000, 0x20000)),
                 key=lambda h: struct.unpack_from("<Q", h, 8)[0])
    entry = data.index(uuid.UUID("beca12ab-b2e6-4523-93ef-c309e000c746").bytes_le)
    offset = 0x300000 + struct.unpack_from("<I", data, entry + 16)[0]
    for guid in (header[32:48], data[offset:offset + 16]):
        assert guid[6] >> 4 == 4, guid.hex()  # the place in the order of RFC 4122
        versions.append(uuid.UUID(bytes_le=guid).version or str(uuid.UUID(bytes_le=guid))[14])
print("read as Windows does, the version is", versions)
assert len(set(map(str, versions))) > 3
P
