// Any bytes as a VHDX. The structures of a VHDX lie a MiB apart, and every one of them is summed,
// so the input is what stands in those places, one after another, and the checksums are made right.
#ifndef FUZZ_VHDX_MAP_FUZZ_H_
#define FUZZ_VHDX_MAP_FUZZ_H_

#include <array>
#include <vector>

#include "budgeted_device.h"
#include "formats/base/crc32c.h"
#include "formats/base/endian.h"
#include "formats/open.h"
#include "formats/vhdx/constants.h"
#include "image_walk.h"

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

  explicit StretchedDevice(std::span<const std::byte> input) {
    for (std::size_t i = 0; i < kStretches.size(); ++i) {
      const auto part = input.first(std::min<std::uint64_t>(kStretches[i].bytes, input.size()));
      contents_[i].assign(part.begin(), part.end());
      contents_[i].resize(kStretches[i].bytes);
      input = input.subspan(part.size());
    }
    for (const std::size_t header : {1, 2}) Sum(header, 0, 4096);
    for (const std::size_t table : {3, 4}) Sum(table, 0, vhdx::kTableBytes);
    // Entries of the log that stand one after another in the stretch that may hold some.
    constexpr std::size_t kLog = 5;
    const std::span<const std::byte> log(contents_[kLog]);
    for (std::uint64_t at = 0; at < log.size();) {
      const std::uint64_t bytes = LoadLe32(log, at + 8);
      const bool whole = bytes != 0 && bytes % 4096 == 0 && bytes <= log.size() - at;
      if (whole && std::memcmp(log.data() + at, "loge", 4) == 0) Sum(kLog, at, bytes);
      at += whole ? bytes : 4096;
    }
  }

  [[nodiscard]] DeviceId id() const override { return DeviceId{1}; }
  [[nodiscard]] std::uint64_t size_bytes() const override { return kFileBytes; }
  Status Read(std::uint64_t offset, std::span<std::byte> out) const override {
    if (out.size() > budget_bytes_) return MakeError(ErrorCode::kIo, "budget exhausted");
    budget_bytes_ -= out.size();
    std::ranges::fill(out, std::byte{0});
    for (std::size_t i = 0; i < kStretches.size(); ++i) {
      const std::uint64_t first = std::max(offset, kStretches[i].offset);
      const std::uint64_t end =
          std::min(offset + out.size(), kStretches[i].offset + kStretches[i].bytes);
      if (first >= end) continue;
      std::memcpy(out.data() + (first - offset),
                  contents_[i].data() + (first - kStretches[i].offset), end - first);
    }
    return {};
  }
  Status Write(std::uint64_t, std::span<const std::byte>) override {
    Require(false, "a reader writes");
    return {};
  }

 private:
  // Of the structure of `bytes` that starts at `at` of the stretch and is zeros beyond it.
  void Sum(std::size_t stretch, std::uint64_t at, std::uint64_t bytes) {
    std::vector<std::byte> structure(contents_[stretch].begin() + static_cast<std::ptrdiff_t>(at),
                                     contents_[stretch].end());
    structure.resize(bytes);
    StoreLe32(contents_[stretch], at + 4, Crc32cWithout(structure, 4));
  }
  std::array<std::vector<std::byte>, kStretches.size()> contents_;
  mutable std::uint64_t budget_bytes_ = 4 << 20;
};

inline void FuzzVhdxMap(std::span<const std::byte> input) {
  const StretchedDevice file(input);
  const auto reader = OpenImage(file, FormatId::kVhdx);
  if (!reader) return;
  // A log may extend the file as far as it likes.
  WalkAndCheck(file, **reader, INT64_MAX, {});
}

}  // namespace instar::fuzz

#endif  // FUZZ_VHDX_MAP_FUZZ_H_
