// A qcow2 image in memory that is changed in place, and what is demanded of any change.
#ifndef FUZZ_CHANGED_FILE_H_
#define FUZZ_CHANGED_FILE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "budgeted_device.h"
#include "counting_sink.h"
#include "formats/base/endian.h"
#include "formats/qcow2/check/check.h"
#include "formats/resize.h"

namespace instar::fuzz {

// What an input is made of: the first bytes say which change is asked for.
struct WishedChange {
  std::uint64_t wish = 0;
  std::span<const std::byte> image;

  // A number below `most`; each takes its part of the wish.
  std::uint64_t Next(std::uint64_t most) {
    const std::uint64_t drawn = wish % most;
    wish /= most;
    return drawn;
  }
};

// A file in memory that may grow a little.
class FileInMemory final : public TargetDevice {
 public:
  static constexpr std::uint64_t kMostBytes = 4 << 20;

  explicit FileInMemory(std::span<const std::byte> bytes, DeviceId id = DeviceId{1})
      : bytes_(bytes.begin(), bytes.end()), id_(id) {}

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] bool flipped() const { return flipped_; }
  [[nodiscard]] DeviceId id() const override { return id_; }
  [[nodiscard]] std::uint64_t size_bytes() const override { return bytes_.size(); }
  Status Read(std::uint64_t offset, std::span<std::byte> out) const override {
    return BudgetedDevice(bytes_, id(), SpendBudget(out.size())).Read(offset, out);
  }
  Status Write(std::uint64_t offset, std::span<const std::byte> data) override {
    if (offset > kMostBytes || data.size() > kMostBytes - offset) return Full();
    if (offset + data.size() > bytes_.size()) bytes_.resize(offset + data.size());
    std::ranges::copy(data, bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  Status Resize(std::uint64_t size_bytes, Preallocation) override {
    if (size_bytes > kMostBytes) return Full();
    bytes_.resize(size_bytes);
    return {};
  }
  Status Flush() override { return {}; }
  Status Zero(std::uint64_t offset, std::uint64_t length) override {
    if (offset > kMostBytes || length > kMostBytes - offset) return Full();
    return Write(offset, std::vector<std::byte>(length));
  }
  Status WriteRoot(std::uint64_t offset, std::span<const std::byte> data) override {
    flipped_ = true;
    return Write(offset, data);
  }
  [[nodiscard]] bool fresh_reads_zero() const override { return true; }

 private:
  static Status Full() { return MakeError(ErrorCode::kNoSpace, "the file is full"); }
  std::uint64_t SpendBudget(std::uint64_t bytes) const {
    const std::uint64_t left = budget_bytes_;
    budget_bytes_ -= std::min(budget_bytes_, bytes);
    return left;
  }

  std::vector<std::byte> bytes_;
  const DeviceId id_;
  bool flipped_ = false;
  mutable std::uint64_t budget_bytes_ = 32 << 20;
};

// Shows a pattern, whatever the image does.
class SomeContent final : public DiskContent {
 public:
  Status Read(std::uint64_t, std::span<std::byte> out) override {
    std::ranges::fill(out, std::byte{7});
    return {};
  }
};

inline Result<CheckCounts> Counts(std::span<const std::byte> image) {
  constexpr std::uint64_t kBudgetBytes = 32 << 20;
  const BudgetedDevice file(image, DeviceId{1}, kBudgetBytes);
  CountingSink sink;
  return qcow2::Check({.device = &file, .findings = &sink});
}

// What the old header reaches stays until the header is written, an image that is refused is as it
// was, and one that was `changed` has nothing counted too low and no more leaks than `image`, the
// old one.
inline void RequireOldOrSound(const FileInMemory& file, std::span<const std::byte> image,
                              const Status& changed) {
  if (!file.flipped()) {
    Require(file.bytes().size() >= std::min<std::size_t>(image.size(), 512), "the header is there");
    Require(std::ranges::equal(file.bytes().first(512), image.first(512)), "the header is the old");
  }
  if (!changed) return;
  // Counts of clusters behind the end of the file are none of a check's business until the file is
  // longer.
  std::vector<std::byte> old(image.begin(), image.end());
  old.resize(std::max(old.size(), file.bytes().size()));
  const auto before = Counts(old);
  // Where only numbers in the header change, nobody looks at the rest.
  if (!before || before->corruptions != 0 || before->check_errors != 0) return;
  const auto after = Counts(file.bytes());
  if (!after) {
    Require(after.error().code == ErrorCode::kIo || after.error().code == ErrorCode::kLimit,
            "what was changed can be checked");
    return;
  }
  Require(after->corruptions == 0 && after->check_errors == 0, "nothing has become corrupt");
  Require(after->leaks <= before->leaks, "nothing leaks that did not");
}

// Nothing for an input that is too short or too long.
inline std::optional<WishedChange> SplitInput(std::span<const std::byte> input) {
  constexpr std::size_t kWishBytes = 8;
  if (input.size() < kWishBytes + 512 || input.size() > FileInMemory::kMostBytes / 2) return {};
  return WishedChange{.wish = LoadLe64(input, 0), .image = input.subspan(kWishBytes)};
}

}  // namespace instar::fuzz

#endif  // FUZZ_CHANGED_FILE_H_
