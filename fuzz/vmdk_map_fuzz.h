// Any bytes as a VMDK image, walked and checked: the extents partition the disk exactly, stay
// within the files they name, and do not depend on where the walk starts.
#ifndef FUZZ_VMDK_MAP_FUZZ_H_
#define FUZZ_VMDK_MAP_FUZZ_H_

#include <vector>

#include "budgeted_device.h"
#include "formats/check.h"
#include "formats/registry.h"

namespace instar::fuzz {

inline void CheckVmdkExtent(const Extent& extent, std::uint64_t at, std::uint64_t size,
                            std::uint64_t largest_grain, std::uint64_t file_bytes) {
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
      Require(extent.unit_bytes <= largest_grain, "a unit is no larger than the largest grain");
      Require(extent.unit_offset <= at, "an extent lies in its unit");
      Require(at + extent.length_bytes <= extent.unit_offset + extent.unit_bytes,
              "an extent ends with its unit");
      Require(extent.file_offset < file_bytes, "a compressed grain begins within its file");
      Require(extent.compressed_bytes >= 1 && extent.compressed_bytes <= 2 * largest_grain + 512,
              "a compressed grain is at most two grains long");
      return;
  }
  Require(false, "an extent has a kind");
}

inline void WalkVmdk(const ImageReader& reader, std::span<const std::byte> input) {
  constexpr int kMaxExtents = 256;
  constexpr int kMaxInflated = 4;
  constexpr std::uint64_t kLargestInflated = 1 << 20;
  const auto cursor = reader.OpenCursor();
  const auto other = reader.OpenCursor();
  if (!cursor || !other) return;
  const std::uint64_t size = reader.virtual_size_bytes();
  const std::uint64_t grain = reader.cluster_size_bytes();
  int inflated = 0;
  std::uint64_t at = 0;
  for (int i = 0; i < kMaxExtents && at < size; ++i) {
    const auto extent = (*cursor)->Next(at, size - at);
    if (!extent) {
      if (extent.error().code == ErrorCode::kIo) return;
      Require(extent.error().code == ErrorCode::kCorrupt ||
                  extent.error().code == ErrorCode::kUnsupported,
              "only damage and what is not accessible stop a walk");
      at = std::min(size, at + std::max<std::uint64_t>(grain, 512));
      continue;
    }
    CheckVmdkExtent(*extent, at, size, grain, input.size());
    const std::uint64_t middle = extent->length_bytes / 2;
    if (const auto part = (*other)->Next(at + middle, 1)) {
      Require(part->length_bytes == 1, "an extent is no longer than asked for");
      Require(part->kind == extent->kind && part->has_offset == extent->has_offset,
              "the kind does not depend on where a walk starts");
      if (extent->kind == ExtentKind::kData) {
        Require(part->device == extent->device && part->file_offset == extent->file_offset + middle,
                "the place does not depend on where a walk starts");
      }
    }
    if (extent->kind == ExtentKind::kCompressed && extent->unit_bytes <= kLargestInflated &&
        inflated++ < kMaxInflated) {
      std::vector<std::byte> compressed(extent->compressed_bytes);
      const auto tail = input.subspan(extent->file_offset);
      std::ranges::copy(tail.first(std::min(tail.size(), compressed.size())), compressed.begin());
      std::vector<std::byte> unit(extent->unit_bytes);
      const Status status = reader.Decompress(*extent, compressed, unit);
      Require(status || status.error().code == ErrorCode::kCorrupt,
              "a stream inflates or is damaged");
    }
    at += extent->length_bytes;
  }
}

class CountingFindings final : public FindingSink {
 public:
  void Add(const Finding& finding) override {
    Require(finding.message != nullptr, "a finding says something");
    ++count_;
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  std::uint64_t count_ = 0;
};

inline void FuzzVmdkMap(std::span<const std::byte> input) {
  constexpr std::uint64_t kBudgetBytes = 8 << 20;
  const BudgetedDevice file(input, DeviceId{1}, kBudgetBytes);
  const BudgetedDevice extent(input, DeviceId{2}, kBudgetBytes);
  const auto reader = OpenImage(file, FormatId::kVmdk);
  if (!reader) return;
  const std::span<const Reference> references = (*reader)->references();
  for (std::size_t i = 0; i < references.size(); ++i) {
    if (references[i].role != ReferenceRole::kExtent) continue;
    if (!(*reader)->Attach(i, extent)) return;
  }
  WalkVmdk(**reader, input);
  CountingFindings findings;
  const auto counts = CheckImage({.device = &file, .reader = reader->get(), .findings = &findings});
  if (!counts) return;
  Require(counts->corruptions + counts->check_errors >= findings.count(),
          "what is told is counted");
}

}  // namespace instar::fuzz

#endif  // FUZZ_VMDK_MAP_FUZZ_H_
