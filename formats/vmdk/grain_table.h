// The one grain table that a writer fills at a time: it goes through the disk in ascending order.
#ifndef FORMATS_VMDK_GRAIN_TABLE_H_
#define FORMATS_VMDK_GRAIN_TABLE_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "formats/base/endian.h"
#include "formats/vmdk/layout.h"

namespace instar::vmdk {

class GrainTable {
 public:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};

  [[nodiscard]] std::uint64_t index() const { return index_; }  // kNone: nothing was set yet
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

  // Forgets the entries and becomes table `index`.
  void Become(std::uint64_t index) {
    index_ = index;
    std::ranges::fill(bytes_, std::byte{0});
  }
  // `grain` belongs to the table.
  void Set(std::uint64_t grain, std::uint32_t entry) {
    StoreLe32(bytes_, grain % kTableEntries * kEntryBytes, entry);
  }

 private:
  std::uint64_t index_ = kNone;
  std::array<std::byte, kTableEntries * kEntryBytes> bytes_{};
};

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_GRAIN_TABLE_H_
