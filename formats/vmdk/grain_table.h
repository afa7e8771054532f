// The one grain table that a writer fills at a time: it goes through the disk in ascending order.
#ifndef FORMATS_VMDK_GRAIN_TABLE_H_
#define FORMATS_VMDK_GRAIN_TABLE_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "formats/base/endian.h"
#include "formats/base/error.h"
#include "formats/vmdk/constants.h"

namespace instar::vmdk {

class GrainTable {
 public:
  [[nodiscard]] bool is_none() const { return index_ == kNone; }  // nothing was set yet
  [[nodiscard]] std::uint64_t index() const { return index_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

  // Becomes table `index`, empty, after `flush` has written what it was; nothing if it is that
  // table. kInvalidArgument for a table before it.
  template <typename Flush>
  Status Select(std::uint64_t index, Flush flush) {
    if (index_ == index) return {};
    if (index_ != kNone && index < index_) {
      return InvalidArgument("grain table {0} comes after table {1}", index, index_);
    }
    INSTAR_TRY(flush());
    index_ = index;
    std::ranges::fill(bytes_, std::byte{0});
    return {};
  }
  // `grain` belongs to the table.
  void Set(std::uint64_t grain, std::uint32_t entry) {
    StoreLe32(bytes_, grain % kTableEntries * kEntryBytes, entry);
  }

 private:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};

  std::uint64_t index_ = kNone;
  std::array<std::byte, kTableEntries * kEntryBytes> bytes_{};
};

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_GRAIN_TABLE_H_
