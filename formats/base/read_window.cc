#include "formats/base/read_window.h"

#include <algorithm>

namespace instar {

Result<std::span<const std::byte>> ReadWindow::View(std::uint64_t offset, std::size_t length,
                                                    std::size_t fill_bytes) {
  if (length > capacity_bytes_) __builtin_trap();
  if (Holds(offset, length)) {
    return std::span<const std::byte>(buffer_).subspan(offset - start_, length);
  }
  const std::size_t wanted = std::clamp(fill_bytes, length, capacity_bytes_);
  if (buffer_.size() < wanted) buffer_.resize(wanted);
  filled_ = 0;  // in case the read fails half way
  INSTAR_TRY(device_->Read(offset, std::span(buffer_).first(wanted)));
  start_ = offset;
  filled_ = wanted;
  return std::span<const std::byte>(buffer_).first(length);
}

}  // namespace instar
