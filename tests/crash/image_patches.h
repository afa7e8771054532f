// Ways to change a qcow2 image that qemu-img has not: what killed machines and other programs
// leave. They are for images with one refcount block.
#ifndef TESTS_CRASH_IMAGE_PATCHES_H_
#define TESTS_CRASH_IMAGE_PATCHES_H_

#include <cstdint>

#include "crash/sparse_file.h"
#include "formats/qcow2/structures/header.h"

namespace instar::crash {

qcow2::Header HeaderOf(const SparseFile& image);
void StoreHeader(SparseFile& image, const qcow2::Header& header);
// Clusters of the file; the last may be there in part.
std::uint64_t ClustersOf(const SparseFile& image);

void SetRefcount(SparseFile& image, std::uint64_t cluster, std::uint64_t count);
// Adds an unknown header extension with `bytes` bytes of data; the backing name moves behind it.
void AddExtension(SparseFile& image, std::uint32_t type, std::uint64_t bytes);
// Marks the first bitmap as one that was not stored completely.
void SetBitmapInUse(SparseFile& image);

// Stores the snapshots without their extra data, as old programs did.
void DropSnapshotExtraData(SparseFile& image);

}  // namespace instar::crash

#endif  // TESTS_CRASH_IMAGE_PATCHES_H_
