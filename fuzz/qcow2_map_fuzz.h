// Any bytes as a qcow2 image, walked: the extents partition the disk exactly, stay within the files
// they name, and do not depend on where the walk starts.
#ifndef FUZZ_QCOW2_MAP_FUZZ_H_
#define FUZZ_QCOW2_MAP_FUZZ_H_

#include <vector>

#include "budgeted_device.h"
#include "extent_requirements.h"
#include "formats/registry.h"

namespace instar::fuzz {

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
