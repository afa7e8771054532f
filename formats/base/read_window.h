// Reads a table of a file in pieces: a fixed buffer over part of a device that moves to where it is
// looked through. Keeps memory independent of what the image claims and calls to the host few.
#ifndef FORMATS_BASE_READ_WINDOW_H_
#define FORMATS_BASE_READ_WINDOW_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"

namespace instar {

class ReadWindow {
 public:
  // Holds `capacity_bytes` once it is first looked through. `device` must outlive the window.
  ReadWindow(const BlockDevice& device, std::size_t capacity_bytes)
      : device_(&device), capacity_bytes_(capacity_bytes) {}

  // The `length` bytes at `offset`; zeros beyond the end of the file. Valid until the next call.
  // `length` must not exceed the capacity. At a miss the window moves to start at `offset` and
  // reads `fill_bytes` (at least `length`, cut to the capacity; by default all of it). kIo.
  Result<std::span<const std::byte>> View(std::uint64_t offset, std::size_t length,
                                          std::size_t fill_bytes = SIZE_MAX);

  // Whether View would read nothing.
  [[nodiscard]] bool Holds(std::uint64_t offset, std::size_t length) const {
    return offset >= start_ && offset - start_ <= filled_ && filled_ - (offset - start_) >= length;
  }

  // How much of a table to read at a time that has some `table_bytes`: few calls for a long one,
  // little memory for a short one.
  [[nodiscard]] static std::size_t PieceOf(std::uint64_t table_bytes) {
    return static_cast<std::size_t>(std::clamp<std::uint64_t>(table_bytes, 4 << 10, 64 << 10));
  }

 private:
  const BlockDevice* device_;
  std::size_t capacity_bytes_;
  std::uint64_t start_ = 0;
  std::size_t filled_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace instar

#endif  // FORMATS_BASE_READ_WINDOW_H_
