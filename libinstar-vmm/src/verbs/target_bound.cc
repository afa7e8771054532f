#include "verbs/target_bound.h"

#include "formats/base/checked.h"

namespace instar::vmm {
namespace {

constexpr std::uint64_t kUnbounded = ~std::uint64_t{0};
constexpr std::uint64_t kSectorBytes = 512;
constexpr std::uint64_t kTableBytes = std::uint64_t{64} << 20;
// The block allocation table of a disk of size 0 grows with the blocks, up to 1 GiB.
constexpr std::uint64_t kVhdxTableBytes = (std::uint64_t{1} << 30) + (std::uint64_t{512} << 20);

}  // namespace

std::uint64_t MostFileBytes(FormatId format, std::uint64_t virtual_bytes, bool bitmaps) {
  if (format == FormatId::kRaw) return AlignUp(virtual_bytes, kSectorBytes).value_or(kUnbounded);
  const std::uint64_t once = format == FormatId::kVhdx ? kVhdxTableBytes : kTableBytes;
  constexpr std::uint64_t kDisksOfBitmaps = 16;
  const auto disks = CheckedMul(virtual_bytes, bitmaps ? 1 + kDisksOfBitmaps : 1);
  const auto tables = CheckedAdd(virtual_bytes / 16, once);
  return disks && tables ? CheckedAdd(*disks, *tables).value_or(kUnbounded) : kUnbounded;
}

}  // namespace instar::vmm
