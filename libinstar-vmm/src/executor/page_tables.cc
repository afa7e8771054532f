#include "executor/page_tables.h"

#include <cstring>

namespace instar::vmm {
namespace {

constexpr std::uint64_t kPresent = 1;
constexpr std::uint64_t kWritable = 2;
constexpr std::uint64_t kUser = 4;
constexpr std::uint64_t kAccessed = 0x20;
constexpr std::uint64_t kDirty = 0x40;
constexpr std::uint64_t kLarge = 0x80;
constexpr std::uint64_t kNoExecute = std::uint64_t{1} << 63;
constexpr std::uint64_t kAddressMask = 0x000FFFFFFFFFF000;

constexpr std::uint64_t kFirstFreeTable = 0x5000;  // after PML4, PDPT and the TSS
constexpr std::uint64_t kTablesEnd = INSTAR_IMAGE_BASE - INSTAR_GUEST_BASE;

class Builder {
 public:
  explicit Builder(std::span<std::byte> memory) : memory_(memory) {}

  bool MapSmall(std::uint64_t virtual_address, std::uint64_t flags) {
    std::uint64_t* directory = Directory(virtual_address);
    if (directory == nullptr) return false;
    std::uint64_t* table = Next(directory, (virtual_address >> 21) & 511);
    if (table == nullptr) return false;
    table[(virtual_address >> 12) & 511] =
        (virtual_address - INSTAR_GUEST_BASE) | kPresent | kAccessed | kDirty | flags;
    return true;
  }

  bool MapLarge(std::uint64_t virtual_address, std::uint64_t flags) {
    std::uint64_t* directory = Directory(virtual_address);
    if (directory == nullptr) return false;
    directory[(virtual_address >> 21) & 511] =
        (virtual_address - INSTAR_GUEST_BASE) | kPresent | kAccessed | kDirty | kLarge | flags;
    return true;
  }

 private:
  std::uint64_t* Table(std::uint64_t physical) {
    return reinterpret_cast<std::uint64_t*>(memory_.data() + physical);
  }
  // The table that entry `index` of `table` points at, made if there is none. Rights are decided at
  // the leaves.
  std::uint64_t* Next(std::uint64_t* table, std::uint64_t index) {
    if (table[index] == 0) {
      if (next_free_ >= kTablesEnd) return nullptr;
      table[index] = next_free_ | kPresent | kWritable | kUser | kAccessed;
      next_free_ += kSmallPage;
    }
    return Table(table[index] & kAddressMask);
  }
  std::uint64_t* Directory(std::uint64_t virtual_address) {
    std::uint64_t* pml4 = Table(0);
    if (pml4[0] == 0) pml4[0] = 0x1000 | kPresent | kWritable | kUser | kAccessed;
    return Next(Table(0x1000), (virtual_address >> 30) & 511);
  }

  std::span<std::byte> memory_;
  std::uint64_t next_free_ = kFirstFreeTable;
};
static_assert(INSTAR_GUEST_BASE >> 39 == 0, "the guest lies under the first PML4 entry");

void BuildTss(std::span<std::byte> memory) {
  std::byte* tss = memory.data() + kTssPhysical;
  const std::uint16_t bitmap_offset = 0x68;
  std::memcpy(tss + 0x66, &bitmap_offset, sizeof bitmap_offset);
  std::memset(tss + bitmap_offset, 0xFF, kTssLimit + 1 - bitmap_offset);
  tss[bitmap_offset + INSTAR_DOORBELL_PORT / 8] &= ~std::byte{1 << (INSTAR_DOORBELL_PORT % 8)};
}

}  // namespace

bool BuildPageTables(const GuestLayout& layout, std::span<std::byte> memory) {
  Builder builder(memory);
  BuildTss(memory);
  for (std::uint64_t page = 0; page <= kTssLimit / kSmallPage; ++page) {
    if (!builder.MapSmall(kTssVirtual + page * kSmallPage, kNoExecute)) return false;
  }
  for (const GuestRegion& region : layout.Regions()) {
    const std::uint64_t flags =
        kUser | (region.writable ? kWritable : 0) | (region.executable ? 0 : kNoExecute);
    for (std::uint64_t at = 0; at < region.bytes; at += kSmallPage) {
      if (!builder.MapSmall(region.address + at, flags)) return false;
    }
  }
  for (std::uint64_t at = layout.fine_end; at < layout.end; at += kLargePage) {
    if (!builder.MapLarge(at, kUser | kWritable | kNoExecute)) return false;
  }
  return true;
}

}  // namespace instar::vmm
