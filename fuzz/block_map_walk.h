// Walks an image of blocks, and checks it: the extents partition the disk, lie within the file and
// do not depend on where the walk starts; a check ends, and finds corruptions where the walk did.
#ifndef FUZZ_BLOCK_MAP_WALK_H_
#define FUZZ_BLOCK_MAP_WALK_H_

#include "counting_sink.h"
#include "extent_requirements.h"
#include "formats/check.h"
#include "formats/registry.h"

namespace instar::fuzz {

// `file_bytes` is the length of the file as the image sees it: a log may extend it.
inline void WalkBlocks(const BlockDevice& file, FormatId format, std::uint64_t file_bytes) {
  constexpr int kMaxExtents = 256;
  const auto reader = OpenImage(file, format);
  if (!reader) return;
  const auto cursor = (*reader)->OpenCursor();
  const auto other = (*reader)->OpenCursor();
  if (!cursor || !other) return;
  const std::uint64_t size = (*reader)->virtual_size_bytes();
  const std::uint64_t cluster = (*reader)->cluster_size_bytes();
  bool corrupt = false;
  std::uint64_t at = 0;
  for (int i = 0; i < kMaxExtents && at < size; ++i) {
    const auto extent = (*cursor)->Next(at, size - at);
    if (!extent) {
      const ErrorCode code = extent.error().code;
      if (code == ErrorCode::kIo) return;
      Require(code == ErrorCode::kCorrupt || code == ErrorCode::kUnsupported,
              "only damage and failing reads stop a walk");
      corrupt = corrupt || code == ErrorCode::kCorrupt;
      at = cluster == 0 ? size : std::min(size, (at / cluster + 1) * cluster);
      continue;
    }
    CheckExtent(*extent, at, size, cluster, file_bytes);
    Require(extent->kind != ExtentKind::kCompressed, "nothing is compressed");
    Require((*reader)->references().size() == 1 || extent->kind != ExtentKind::kUnallocated,
            "only what has a parent leaves anything open");
    const std::uint64_t middle = extent->length_bytes / 2;
    if (const auto part = (*other)->Next(at + middle, 1)) {
      Require(part->length_bytes == 1, "an extent is no longer than asked for");
      CheckAgreement(*extent, *part, middle);
    }
    at += extent->length_bytes;
  }
  CountingSink findings;
  const auto counts = CheckImage({.device = &file, .reader = reader->get(), .findings = &findings});
  if (!counts) {
    Require(counts.error().code == ErrorCode::kIo, "what opens can be checked");
    return;
  }
  Require(counts->corruptions == findings.of(FindingKind::kCorruption), "each corruption is told");
  Require(!corrupt || counts->corruptions != 0, "what stops a walk is found by a check");
}

}  // namespace instar::fuzz

#endif  // FUZZ_BLOCK_MAP_WALK_H_
