// Any bytes as a qcow2 image, walked: the extents partition the disk exactly, stay within the files
// they name, and do not depend on where the walk starts.
#ifndef FUZZ_QCOW2_MAP_FUZZ_H_
#define FUZZ_QCOW2_MAP_FUZZ_H_

#include <vector>

#include "budgeted_device.h"
#include "formats/registry.h"

namespace instar::fuzz {

// One extent at `at` of a disk of `size` bytes, clusters of `cluster` bytes, over files of
// `file_bytes`.
inline void CheckExtent(const Extent& extent, std::uint64_t at, std::uint64_t size,
                        std::uint64_t cluster, std::uint64_t file_bytes) {
  Require(extent.length_bytes >= 1, "an extent is not empty");
  Require(extent.length_bytes <= size - at, "an extent ends within the disk");
  switch (extent.kind) {
    case ExtentKind::kData:
      Require(extent.device != kNoDevice, "data stands on a device");
      Require(extent.file_offset <= file_bytes &&
                  extent.length_bytes <= file_bytes - extent.file_offset,
              "data stands within its file");
      return;
    case ExtentKind::kZero:
      Require(!extent.has_offset || extent.device != kNoDevice, "storage stands on a device");
      return;
    case ExtentKind::kUnallocated:
      Require(!extent.has_offset, "what is unallocated has no storage");
      return;
    case ExtentKind::kCompressed:
      Require(extent.unit_bytes == cluster, "a unit is a cluster");
      Require(extent.unit_offset <= at && extent.unit_offset % cluster == 0,
              "an extent lies in its unit");
      Require(at + extent.length_bytes <= extent.unit_offset + cluster,
              "an extent ends with its unit");
      Require(extent.compressed_bytes >= 1 && extent.compressed_bytes <= 2 * cluster,
              "a compressed cluster is at most two clusters long");
      return;
  }
  Require(false, "an extent has a kind");
}

// Whether `part`, found at `skipped` bytes into `whole`, says the same.
inline void CheckAgreement(const Extent& whole, const Extent& part, std::uint64_t skipped) {
  Require(part.kind == whole.kind && part.has_offset == whole.has_offset,
          "the kind does not depend on where a walk starts");
  if (whole.kind == ExtentKind::kData || whole.has_offset) {
    Require(part.device == whole.device && part.file_offset == whole.file_offset + skipped,
            "the place does not depend on where a walk starts");
  }
}

inline void Walk(const ImageReader& reader, std::span<const std::byte> input) {
  constexpr int kMaxExtents = 256;
  constexpr int kMaxInflated = 4;
  const auto cursor = reader.OpenCursor();
  const auto other = reader.OpenCursor();
  if (!cursor || !other) return;
  const std::uint64_t size = reader.virtual_size_bytes();
  const std::uint64_t cluster = reader.cluster_size_bytes();
  int inflated = 0;
  std::uint64_t at = 0;
  for (int i = 0; i < kMaxExtents && at < size; ++i) {
    const auto extent = (*cursor)->Next(at, size - at);
    if (!extent) {
      Require(extent.error().code == ErrorCode::kCorrupt || extent.error().code == ErrorCode::kIo,
              "only damage and failing reads stop a walk");
      if (extent.error().code == ErrorCode::kIo) return;
      at = std::min(size, (at / cluster + 1) * cluster);
      continue;
    }
    CheckExtent(*extent, at, size, cluster, input.size());
    const std::uint64_t middle = extent->length_bytes / 2;
    if (const auto part = (*other)->Next(at + middle, 1)) {
      Require(part->length_bytes == 1, "an extent is no longer than asked for");
      CheckAgreement(*extent, *part, middle);
    }
    if (extent->kind == ExtentKind::kCompressed && inflated++ < kMaxInflated) {
      std::vector<std::byte> compressed(extent->compressed_bytes);
      if (extent->file_offset < input.size()) {
        const auto tail = input.subspan(extent->file_offset);
        std::ranges::copy(tail.first(std::min(tail.size(), compressed.size())), compressed.begin());
      }
      std::vector<std::byte> unit(extent->unit_bytes);
      const Status status = reader.Decompress(*extent, compressed, unit);
      Require(status || status.error().code == ErrorCode::kCorrupt,
              "a stream inflates or is damaged");
    }
    at += extent->length_bytes;
  }
}

inline void FuzzQcow2Map(std::span<const std::byte> input) {
  constexpr std::uint64_t kBudgetBytes = 8 << 20;
  for (const bool snapshot : {false, true}) {
    const BudgetedDevice file(input, DeviceId{1}, kBudgetBytes);
    const BudgetedDevice data(input, DeviceId{2}, kBudgetBytes);
    const auto reader = OpenImage(file, FormatId::kQcow2);
    if (!reader) return;
    const std::span<const Reference> references = (*reader)->references();
    for (std::size_t i = 0; i < references.size(); ++i) {
      if (references[i].role != ReferenceRole::kDataFile) continue;
      Require((*reader)->Attach(i, data).has_value(), "a data file can be attached");
    }
    if (snapshot && !(*reader)->SelectSnapshot("1")) return;
    Walk(**reader, input);
  }
}

}  // namespace instar::fuzz

#endif  // FUZZ_QCOW2_MAP_FUZZ_H_
