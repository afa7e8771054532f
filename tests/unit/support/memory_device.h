// A block device and target in memory, for tests.
#ifndef TESTS_UNIT_SUPPORT_MEMORY_DEVICE_H_
#define TESTS_UNIT_SUPPORT_MEMORY_DEVICE_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/endian.h"

namespace instar::test {

// Keeps the file's bytes in `bytes`, which a test may look at and change. Like a sparse file, a
// whole block of kBlock zeros counts as a hole.
class MemoryDevice final : public TargetDevice {
 public:
  static constexpr std::uint64_t kBlock = 4096;

  explicit MemoryDevice(std::uint64_t size = 0, DeviceId id = DeviceId{0}) : bytes(size), id_(id) {}

  [[nodiscard]] DeviceId id() const override { return id_; }
  [[nodiscard]] std::uint64_t size_bytes() const override { return bytes.size(); }

  Status Read(std::uint64_t offset, std::span<std::byte> out) const override {
    // From any worker.
    std::atomic_ref(reads).fetch_add(1, std::memory_order_relaxed);
    std::atomic_ref(bytes_read).fetch_add(out.size(), std::memory_order_relaxed);
    if (fail_reads_from <= offset) return MakeError(ErrorCode::kIo, "read failed");
    std::ranges::fill(out, std::byte{0});
    if (offset < bytes.size()) {
      const std::size_t n = std::min<std::uint64_t>(out.size(), bytes.size() - offset);
      if (n != 0) std::memcpy(out.data(), bytes.data() + offset, n);
    }
    return {};
  }
  Status Write(std::uint64_t offset, std::span<const std::byte> data) override {
    ++writes;
    if (data.empty()) return {};
    if (offset + data.size() > capacity) return MakeError(ErrorCode::kNoSpace, "no space left");
    if (offset + data.size() > bytes.size()) bytes.resize(offset + data.size());
    std::memcpy(bytes.data() + offset, data.data(), data.size());
    return {};
  }
  Result<std::size_t> NextRuns(std::uint64_t offset, std::uint64_t max_length,
                               std::span<FileRun> runs) const override {
    const std::uint64_t end = std::min<std::uint64_t>(bytes.size(), offset + max_length);
    const auto is_hole = [&](std::uint64_t block) {
      const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(block * kBlock);
      const auto last = bytes.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(
                                            bytes.size(), (block + 1) * kBlock));
      return std::all_of(first, last, [](std::byte b) { return b == std::byte{0}; });
    };
    const bool hole = is_hole(offset / kBlock);
    std::uint64_t at = (offset / kBlock + 1) * kBlock;
    while (at < end && is_hole(at / kBlock) == hole) at += kBlock;
    runs.front() = {.length_bytes = std::min(at, end) - offset, .hole = hole};
    return std::size_t{1};
  }
  Status Resize(std::uint64_t size, Preallocation) override {
    if (size > capacity) return MakeError(ErrorCode::kNoSpace, "no space left");
    bytes.resize(size);
    return {};
  }
  Status Flush() override {
    ++flushes;
    return {};
  }
  Status Zero(std::uint64_t offset, std::uint64_t length) override {
    return Write(offset, std::vector<std::byte>(length));
  }
  [[nodiscard]] bool fresh_reads_zero() const override { return reads_zero; }
  [[nodiscard]] bool has_fixed_length() const override { return fixed_length; }

  // Ways to build an image by hand.
  void PutBe16(std::uint64_t at, std::uint16_t v) {
    Grow(at, 2);
    StoreBe16(bytes, at, v);
  }
  void PutBe32(std::uint64_t at, std::uint32_t v) {
    Grow(at, 4);
    StoreBe32(bytes, at, v);
  }
  void PutBe64(std::uint64_t at, std::uint64_t v) {
    Grow(at, 8);
    StoreBe64(bytes, at, v);
  }
  void PutLe32(std::uint64_t at, std::uint32_t v) {
    Grow(at, 4);
    StoreLe32(bytes, at, v);
  }
  void PutText(std::uint64_t at, std::string_view text) {
    Grow(at, text.size());
    std::memcpy(bytes.data() + at, text.data(), text.size());
  }
  void Fill(std::uint64_t at, std::uint64_t length, std::uint8_t value) {
    Grow(at, length);
    std::memset(bytes.data() + at, value, length);
  }

  std::vector<std::byte> bytes;
  std::uint64_t capacity = std::uint64_t{1} << 40;    // Write and Resize fail beyond it
  std::uint64_t fail_reads_from = ~std::uint64_t{0};  // Read fails at and beyond this offset
  bool reads_zero = true;
  bool fixed_length = false;
  mutable std::uint64_t reads = 0, bytes_read = 0;
  std::uint64_t writes = 0, flushes = 0;

 private:
  void Grow(std::uint64_t at, std::uint64_t length) {
    if (at + length > bytes.size()) bytes.resize(at + length);
  }
  DeviceId id_;
};

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_MEMORY_DEVICE_H_
