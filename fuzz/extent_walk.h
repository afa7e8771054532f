// Walks an image from end to end: the extents partition the disk, lie within the files, do not
// depend on where the walk starts, and what is compressed inflates or is damaged.
#ifndef FUZZ_EXTENT_WALK_H_
#define FUZZ_EXTENT_WALK_H_

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "extent_requirements.h"

namespace instar::fuzz {

inline void Inflate(const ImageReader& reader, const Extent& extent,
                    std::span<const std::byte> content) {
  std::vector<std::byte> compressed(extent.compressed_bytes);
  if (extent.file_offset < content.size()) {
    const auto tail = content.subspan(extent.file_offset);
    std::ranges::copy(tail.first(std::min(tail.size(), compressed.size())), compressed.begin());
  }
  std::vector<std::byte> unit(extent.unit_bytes);
  const Status status = reader.Decompress(extent, compressed, unit);
  Require(status || status.error().code == ErrorCode::kCorrupt, "a stream inflates or is damaged");
}

// Whether damage stopped the walk somewhere; nothing where a failing read ended it. Data may stand
// in files of up to `file_bytes`; compressed units stand in `content`.
inline std::optional<bool> WalkExtents(const ImageReader& reader, std::uint64_t file_bytes,
                                       std::span<const std::byte> content) {
  constexpr int kMaxExtents = 256;
  constexpr int kMaxInflated = 4;
  constexpr std::uint64_t kLargestInflated = 2 << 20;
  constexpr std::uint64_t kSectorBytes = 512;
  const auto cursor = reader.OpenCursor();
  const auto other = reader.OpenCursor();
  if (!cursor || !other) return std::nullopt;
  const std::uint64_t size = reader.virtual_size_bytes();
  const std::uint64_t step = std::max(reader.cluster_size_bytes(), kSectorBytes);
  int inflated = 0;
  bool damaged = false;
  std::uint64_t at = 0;
  for (int i = 0; i < kMaxExtents && at < size; ++i) {
    const auto extent = (*cursor)->Next(at, size - at);
    if (!extent) {
      const ErrorCode code = extent.error().code;
      if (code == ErrorCode::kIo) return std::nullopt;
      if (code == ErrorCode::kLimit) return damaged;  // the same tables again and again
      Require(code == ErrorCode::kCorrupt ||
                  (code == ErrorCode::kUnsupported && reader.format() != FormatId::kQcow2),
              "only damage and what is not accessible stop a walk");
      damaged = damaged || code == ErrorCode::kCorrupt;
      at = std::min(size, (at / step + 1) * step);
      continue;
    }
    CheckExtent(reader, *extent, at, file_bytes);
    const std::uint64_t middle = extent->length_bytes / 2;
    if (const auto part = (*other)->Next(at + middle, 1)) {
      Require(part->length_bytes == 1, "an extent is no longer than asked for");
      CheckAgreement(*extent, *part, middle);
    }
    if (extent->kind == ExtentKind::kCompressed && extent->unit_bytes <= kLargestInflated &&
        inflated++ < kMaxInflated) {
      Inflate(reader, *extent, content);
    }
    at += extent->length_bytes;
  }
  return damaged;
}

}  // namespace instar::fuzz

#endif  // FUZZ_EXTENT_WALK_H_
