// Appends bits to a bitmap of 64-bit words, lowest bit of the first word first.
#ifndef LIBINSTAR_VMM_SRC_IO_BIT_WRITER_H_
#define LIBINSTAR_VMM_SRC_IO_BIT_WRITER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace instar::vmm {

// The bitmap may lie in memory that the guest changes meanwhile: it is written, never read. Bits
// beyond its end are dropped (callers have checked that all fit). Unused bits of the last word
// are 0.
class BitWriter {
 public:
  explicit BitWriter(std::span<std::byte> bitmap) : bitmap_(bitmap) {}
  ~BitWriter() {
    if (bits_ % 64 != 0) Store(bits_ / 64);
  }
  BitWriter(const BitWriter&) = delete;
  BitWriter& operator=(const BitWriter&) = delete;

  void Append(bool value, std::uint64_t count) {
    while (count > 0) {
      const std::uint64_t at = bits_ % 64;
      const std::uint64_t take = std::min(count, 64 - at);
      const std::uint64_t ones = take == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << take) - 1;
      if (value) word_ |= ones << at;
      bits_ += take;
      count -= take;
      if (bits_ % 64 == 0) {
        Store(bits_ / 64 - 1);
        word_ = 0;
      }
    }
  }

 private:
  void Store(std::uint64_t index) {
    if (index < bitmap_.size() / 8) std::memcpy(bitmap_.data() + index * 8, &word_, 8);
  }

  std::span<std::byte> bitmap_;
  std::uint64_t bits_ = 0;
  std::uint64_t word_ = 0;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_BIT_WRITER_H_
