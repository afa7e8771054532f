#include "verbs/target_bound.h"

#include "formats/base/checked.h"
#include "formats/base/formats.h"

namespace instar::vmm {
namespace {

constexpr std::uint64_t kUnbounded = ~std::uint64_t{0};
constexpr std::uint64_t kSectorBytes = 512;

}  // namespace

std::uint64_t MostFileBytes(FormatId format, std::uint64_t virtual_bytes, bool bitmaps) {
  const FormatProperties properties = PropertiesOf(format);
  if (properties.is_bare_disk) return AlignUp(virtual_bytes, kSectorBytes).value_or(kUnbounded);
  constexpr std::uint64_t kDisksOfBitmaps = 16;
  const auto disks = CheckedMul(virtual_bytes, bitmaps ? 1 + kDisksOfBitmaps : 1);
  const auto tables = CheckedAdd(virtual_bytes / 16, properties.max_fixed_bytes);
  return disks && tables ? CheckedAdd(*disks, *tables).value_or(kUnbounded) : kUnbounded;
}

}  // namespace instar::vmm
