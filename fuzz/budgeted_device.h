// A file in memory that gives up after so many bytes, so that one input cannot stall the fuzzer: an
// L1 table may legally be 32 MiB of a file that holds nothing.
#ifndef FUZZ_BUDGETED_DEVICE_H_
#define FUZZ_BUDGETED_DEVICE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

#include "formats/base/block_device.h"

namespace instar::fuzz {

// Ends the program with a message if `condition` does not hold.
inline void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "requirement violated: %s\n", what);
  std::abort();
}

class BudgetedDevice final : public BlockDevice {
 public:
  BudgetedDevice(std::span<const std::byte> bytes, DeviceId id, std::uint64_t budget_bytes)
      : bytes_(bytes), id_(id), budget_bytes_(budget_bytes) {}

  [[nodiscard]] DeviceId id() const override { return id_; }
  [[nodiscard]] std::uint64_t size_bytes() const override { return bytes_.size(); }
  Status Read(std::uint64_t offset, std::span<std::byte> out) const override {
    if (out.size() > budget_bytes_) return MakeError(ErrorCode::kIo, "budget exhausted");
    budget_bytes_ -= out.size();
    std::ranges::fill(out, std::byte{0});
    if (!out.empty() && offset < bytes_.size()) {
      std::memcpy(out.data(), bytes_.data() + offset,
                  std::min<std::uint64_t>(out.size(), bytes_.size() - offset));
    }
    return {};
  }
  Status Write(std::uint64_t, std::span<const std::byte>) override {
    Require(false, "a reader writes");
    return {};
  }

 private:
  std::span<const std::byte> bytes_;
  DeviceId id_;
  mutable std::uint64_t budget_bytes_;
};

}  // namespace instar::fuzz

#endif  // FUZZ_BUDGETED_DEVICE_H_
