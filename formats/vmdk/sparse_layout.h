// Where everything stands in a fresh sparse extent: header, descriptor, the redundant grain
// directory with its tables, the grain directory with its tables, then grains in the order in which
// they came. All tables have their place from the start; a table without grains is a hole.
#ifndef FORMATS_VMDK_SPARSE_LAYOUT_H_
#define FORMATS_VMDK_SPARSE_LAYOUT_H_

#include <cstdint>

#include "formats/base/checked.h"
#include "formats/vmdk/constants.h"
#include "formats/vmdk/descriptor_text.h"
#include "formats/vmdk/sparse_header.h"

namespace instar::vmdk {

struct SparseLayout {
  static constexpr std::uint64_t kGrainSectors = 128;
  static constexpr std::uint64_t kGrainBytes = kGrainSectors * kSectorBytes;
  static constexpr std::uint64_t kTableBytes = kTableEntries * kEntryBytes;
  static constexpr std::uint64_t kTableSectors = kTableBytes / kSectorBytes;
  static constexpr std::uint64_t kTableCoversBytes = kTableEntries * kGrainBytes;
  static constexpr std::uint64_t kDescriptorSector = 1;
  // Entries of tables are sectors in 32 bits.
  static constexpr std::uint64_t kMaxFileSectors = std::uint64_t{1} << 32;

  std::uint64_t capacity_bytes = 0;

  [[nodiscard]] std::uint64_t grains() const { return DivideRoundUp(capacity_bytes, kGrainBytes); }
  [[nodiscard]] std::uint64_t tables() const { return DivideRoundUp(grains(), kTableEntries); }
  [[nodiscard]] std::uint64_t directory_sectors() const {
    return DivideRoundUp(tables() * kEntryBytes, kSectorBytes);
  }
  [[nodiscard]] std::uint64_t redundant_directory_sector() const {
    return kDescriptorSector + kEmbeddedDescriptorSectors;
  }
  [[nodiscard]] std::uint64_t directory_sector() const {
    return redundant_directory_sector() + directory_sectors() + tables() * kTableSectors;
  }
  // Of table `index` of the directory that stands at `directory`.
  [[nodiscard]] std::uint64_t table_sector(std::uint64_t directory, std::uint64_t index) const {
    return directory + directory_sectors() + index * kTableSectors;
  }
  // The first grain's.
  [[nodiscard]] std::uint64_t overhead_sectors() const {
    const std::uint64_t end = directory_sector() + directory_sectors() + tables() * kTableSectors;
    return DivideRoundUp(end, kGrainSectors) * kGrainSectors;
  }

  [[nodiscard]] SparseHeader Header(bool zeroed_grain) const {
    return {.version = zeroed_grain ? 2u : 1u,
            .flags = kFlagNewlines | kFlagRedundantTable | (zeroed_grain ? kFlagZeroedGrain : 0),
            .capacity_sectors = capacity_bytes / kSectorBytes,
            .grain_sectors = kGrainSectors,
            .descriptor_sector = kDescriptorSector,
            .descriptor_sectors = kEmbeddedDescriptorSectors,
            .table_entries = kTableEntries,
            .redundant_directory_sector = redundant_directory_sector(),
            .directory_sector = directory_sector(),
            .overhead_sectors = overhead_sectors()};
  }
};

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_SPARSE_LAYOUT_H_
