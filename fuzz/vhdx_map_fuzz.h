// Any bytes as a VHDX. The structures of a VHDX lie a MiB apart, and every one of them is summed,
// so the input is what stands in those places, one after another, and the checksums are made right.
#ifndef FUZZ_VHDX_MAP_FUZZ_H_
#define FUZZ_VHDX_MAP_FUZZ_H_

#include <array>
#include <vector>

#include "block_map_walk.h"
#include "formats/base/crc32c.h"
#include "formats/base/endian.h"
#include "formats/vhdx/layout.h"

namespace instar::fuzz {

// A file of which only some stretches hold anything.
class StretchedDevice final : public BlockDevice {
 public:
  struct Stretch {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  static constexpr std::uint64_t kFileBytes = 8 << 20;
  // Identifier, headers, region table, log, table, metadata and its items, sector bitmap.
  static constexpr std::array<Stretch, 10> kStretches = {{{0, 16},
                                                          {64 << 10, 128},
                                                          {128 << 10, 128},
                                                          {192 << 10, 256},
                                                          {256 << 10, 128},
                                                          {1 << 20, 16 << 10},
                                                          {2 << 20, 1024},
                                                          {3 << 20, 512},
                                                          {(3 << 20) + (64 << 10), 1024},
                                                          {5 << 20, 512}}};

  explicit StretchedDevice(std::span<const std::byte> input) : file_(kFileBytes) {
    for (const Stretch& stretch : kStretches) {
      const auto part = input.first(std::min<std::uint64_t>(stretch.bytes, input.size()));
      std::ranges::copy(part, file_.begin() + static_cast<std::ptrdiff_t>(stretch.offset));
      input = input.subspan(part.size());
    }
    Sum(vhdx::kHeader1Offset, 4096);
    Sum(vhdx::kHeader2Offset, 4096);
    Sum(vhdx::kRegionTable1Offset, vhdx::kTableBytes);
    Sum(vhdx::kRegionTable2Offset, vhdx::kTableBytes);
    // Entries of the log that stand one after another in the stretch that may hold some.
    for (std::uint64_t at = 1 << 20; at < (1 << 20) + (16 << 10);) {
      const std::uint64_t bytes = LoadLe32(file_, at + 8);
      const bool whole = bytes != 0 && bytes % 4096 == 0 && bytes <= (16 << 10);
      if (whole && std::memcmp(file_.data() + at, "loge", 4) == 0) Sum(at, bytes);
      at += whole ? bytes : 4096;
    }
  }

  [[nodiscard]] DeviceId id() const override { return DeviceId{1}; }
  [[nodiscard]] std::uint64_t size_bytes() const override { return kFileBytes; }
  Status Read(std::uint64_t offset, std::span<std::byte> out) const override {
    if (out.size() > budget_bytes_) return MakeError(ErrorCode::kIo, "budget exhausted");
    budget_bytes_ -= out.size();
    std::ranges::fill(out, std::byte{0});
    if (offset < file_.size()) {
      std::memcpy(out.data(), file_.data() + offset,
                  std::min<std::uint64_t>(out.size(), file_.size() - offset));
    }
    return {};
  }
  Status Write(std::uint64_t, std::span<const std::byte>) override {
    Require(false, "a reader writes");
    return {};
  }

 private:
  void Sum(std::uint64_t at, std::uint64_t bytes) {
    const auto structure = std::span(file_).subspan(at, bytes);
    StoreLe32(structure, 4, Crc32cWithout(structure, 4));
  }
  std::vector<std::byte> file_;
  mutable std::uint64_t budget_bytes_ = 64 << 20;
};

inline void FuzzVhdxMap(std::span<const std::byte> input) {
  // A log may extend the file as far as it likes.
  WalkBlocks(StretchedDevice(input), FormatId::kVhdx, INT64_MAX);
}

}  // namespace instar::fuzz

#endif  // FUZZ_VHDX_MAP_FUZZ_H_
