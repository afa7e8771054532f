// The region table of a VHDX ([MS-VHDX] 2.2.3): where the block allocation table and the metadata
// are. There are two equal copies.
#ifndef FORMATS_VHDX_REGION_TABLE_H_
#define FORMATS_VHDX_REGION_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/base/block_device.h"
#include "formats/base/disk_struct.h"
#include "formats/base/error.h"
#include "formats/vhdx/constants.h"
#include "formats/vhdx/header.h"

namespace instar::vhdx {

struct Region {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

// [MS-VHDX] 2.2.3.1: the table's header.
struct RegionTableHeader {
  std::uint32_t entries = 0;
};
inline constexpr DiskStruct kRegionTableFields{
    Constant<Be32, 0, NumberOf("regi")>{"Signature"},
    Field<Le32, 8, &RegionTableHeader::entries>{"EntryCount"},
};

// [MS-VHDX] 2.2.3.2.
struct RegionEntry {
  Guid id{};
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
  std::uint32_t flags = 0;
};
inline constexpr DiskStruct kRegionEntryFields{
    Field<RawBytes, 0, &RegionEntry::id>{"Guid"},
    Field<Le64, 16, &RegionEntry::offset>{"FileOffset"},
    Field<Le32, 24, &RegionEntry::bytes>{"Length"},
    Field<Le32, 28, &RegionEntry::flags>{"Required"},
};

struct RegionTable {
  Region bat;
  Region metadata;

  // From the first copy that has its signature and checksum. Regions must be whole MiB within the
  // file, and overlap neither one another nor the log; unknown ones must not be required. kCorrupt,
  // kUnsupported, kIo.
  static Result<RegionTable> ReadFrom(const BlockDevice& device, const Header& header);

  // Whether `bytes`, kTableBytes, are a copy that a reader would take.
  static bool IsValid(std::span<const std::byte> bytes);

  // Stores the fields and the checksum of `out`, kTableBytes of zeros.
  void EncodeTo(std::span<std::byte> out) const;
};

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_REGION_TABLE_H_
