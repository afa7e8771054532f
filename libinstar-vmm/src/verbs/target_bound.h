// How long a file can get that holds a virtual disk.
#ifndef LIBINSTAR_VMM_SRC_VERBS_TARGET_BOUND_H_
#define LIBINSTAR_VMM_SRC_VERBS_TARGET_BOUND_H_

#include <cstdint>

#include "formats/base/ids.h"

namespace instar::vmm {

// The most bytes that an honest image of a disk of `virtual_bytes` can need, whatever its options.
// The host lets no target become longer, so that a guest that was taken over cannot fill the disk
// under a small --max-virtual-size. Raw: the disk, in whole sectors. The other formats add tables
// and round the disk up to whole blocks:
//
//            for each byte of the disk                        once
//   qcow2    1/64 (L2) + 1/64 (refcounts) + their tables,     16 clusters of 2 MiB
//            with clusters of 512 bytes and 64-bit refcounts
//   vmdk     1/128, compressed grains that did not become     descriptor, tables, a grain: 4 MiB
//            smaller, in whole sectors
//   vpc      1/4096 (sector bitmaps) + 1/2^19 (table)         a block of 2 MiB, geometry 2 MiB
//   vhdx     1/4096 (sector bitmaps) + 1/2^17 (table)         a block of 256 MiB, regions 16 MiB
//
// The bound is one sixteenth of the disk and 64 MiB more than the disk, and 1.5 GiB for vhdx.
// `bitmaps`: the image is given those of its source. qcow2 has room for 65,535, of a bit for 512
// bytes each, which is sixteen times the disk.
[[nodiscard]] std::uint64_t MostFileBytes(FormatId format, std::uint64_t virtual_bytes,
                                          bool bitmaps = false);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_TARGET_BOUND_H_
