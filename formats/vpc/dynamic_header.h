// The header of a dynamic or differencing VHD, 1024 bytes, to which the footer points.
#ifndef FORMATS_VPC_DYNAMIC_HEADER_H_
#define FORMATS_VPC_DYNAMIC_HEADER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/base/checked.h"
#include "formats/base/error.h"
#include "formats/vpc/footer.h"

namespace instar::vpc {

inline constexpr std::uint32_t kUnusedEntry = 0xFFFFFFFF;  // BAT: the block is not there
inline constexpr std::uint64_t kBatEntryBytes = 4;
inline constexpr std::uint32_t kDefaultBlockBytes = 2 << 20;

// Where a name of the parent stands in the file.
struct ParentLocator {
  std::uint32_t platform = 0;  // four characters: how the name is written
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

  // Stores kBytes.
  void EncodeTo(std::span<std::byte> out) const;

  // Whether a disk of `virtual_sectors` in a file of `file_bytes` can be read with it. kCorrupt.
  [[nodiscard]] Status Validate(std::uint64_t virtual_sectors, std::uint64_t file_bytes) const;

  // Each block starts with a bitmap of its sectors, padded to whole sectors.
  [[nodiscard]] std::uint64_t bitmap_bytes() const {
    return DivideRoundUp(block_bytes / kSectorBytes, 8 * kSectorBytes) * kSectorBytes;
  }
};

}  // namespace instar::vpc

#endif  // FORMATS_VPC_DYNAMIC_HEADER_H_
