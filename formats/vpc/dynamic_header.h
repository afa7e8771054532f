// The header of a dynamic or differencing VHD, 1024 bytes, to which the footer points.
#ifndef FORMATS_VPC_DYNAMIC_HEADER_H_
#define FORMATS_VPC_DYNAMIC_HEADER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/base/checked.h"
#include "formats/base/disk_struct.h"
#include "formats/base/error.h"
#include "formats/vpc/footer.h"

namespace instar::vpc {

inline constexpr std::uint32_t kUnusedEntry = 0xFFFFFFFF;  // BAT: the block is not there
inline constexpr std::uint64_t kBatEntryBytes = 4;
inline constexpr std::uint32_t kDefaultBlockBytes = 2 << 20;

// Where a name of the parent stands in the file.
struct ParentLocator {
  std::uint32_t platform = 0;    // four characters: how the name is written
  std::uint32_t room_bytes = 0;  // some writers count it in sectors
  std::uint32_t name_bytes = 0;
  std::uint64_t name_offset = 0;
};

struct DynamicHeader {
  static constexpr std::size_t kBytes = 1024;
  static constexpr std::size_t kChecksumAt = 36;
  static constexpr std::size_t kParentNameBytes = 512;
  static constexpr std::size_t kParentLocators = 8;

  std::uint64_t table_offset = 0;
  std::uint32_t table_entries = 0;
  std::uint32_t block_bytes = kDefaultBlockBytes;
  std::array<std::byte, 16> parent_id{};
  std::uint32_t parent_timestamp = 0;
  std::array<std::byte, kParentNameBytes> parent_name{};  // UTF-16BE
  std::array<ParentLocator, kParentLocators> parent_locators{};

  // `bytes` holds kBytes. kCorrupt, kUnsupported. The numbers are not judged yet: see Validate.
  static Result<DynamicHeader> DecodeFrom(std::span<const std::byte> bytes);

  // Stores the fields and the checksum of `out`, kBytes, whose rest stays.
  void EncodeTo(std::span<std::byte> out) const;

  // Whether a disk of `virtual_sectors` in a file of `file_bytes` can be read with it. kCorrupt.
  [[nodiscard]] Status Validate(std::uint64_t virtual_sectors, std::uint64_t file_bytes) const;

  // Each block starts with a bitmap of its sectors, padded to whole sectors.
  [[nodiscard]] std::uint64_t bitmap_bytes() const {
    return DivideRoundUp(block_bytes / kSectorBytes, 8 * kSectorBytes) * kSectorBytes;
  }
};

// "Dynamic Disk Header Format".
inline constexpr DiskStruct kParentLocatorFields{
    Field<Be32, 0, &ParentLocator::platform>{"Platform Code"},
    Field<Be32, 4, &ParentLocator::room_bytes>{"Platform Data Space"},
    Field<Be32, 8, &ParentLocator::name_bytes>{"Platform Data Length"},
    Field<Be64, 16, &ParentLocator::name_offset>{"Platform Data Offset"},
};
inline constexpr DiskStruct kDynamicHeaderFields{
    Constant<Be64, 0, NumberOf("cxsparse")>{"Cookie"},
    Constant<Be64, 8, kNoOffset>{"Data Offset"},
    Field<Be64, 16, &DynamicHeader::table_offset>{"Table Offset"},
    Constant<Be32, 24, 0x00010000>{"Header Version"},
    Field<Be32, 28, &DynamicHeader::table_entries>{"Max Table Entries"},
    Field<Be32, 32, &DynamicHeader::block_bytes>{"Block Size"},
    Field<RawBytes, 40, &DynamicHeader::parent_id>{"Parent Unique ID"},
    Field<Be32, 56, &DynamicHeader::parent_timestamp>{"Parent Time Stamp"},
    Field<RawBytes, 64, &DynamicHeader::parent_name>{"Parent Unicode Name"},
    Field<Nested<kParentLocatorFields>, 576, &DynamicHeader::parent_locators>{
        "Parent Locator Entry 1 to 8"},
};

}  // namespace instar::vpc

#endif  // FORMATS_VPC_DYNAMIC_HEADER_H_
