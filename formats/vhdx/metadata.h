// The metadata of a VHDX ([MS-VHDX] 2.6): what kind of disk it is. Items are found through the
// table at the start of the region, never at fixed places.
#ifndef FORMATS_VHDX_METADATA_H_
#define FORMATS_VHDX_METADATA_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/vhdx/constants.h"
#include "formats/vhdx/region_table.h"

namespace instar::vhdx {

struct Metadata {
  // What EncodeTo stores: the table, then the items.
  static constexpr std::size_t kEncodedBytes = kTableBytes + 40;

  std::uint32_t block_bytes = 0;
  bool fixed = false;  // blocks are to stay allocated
  bool has_parent = false;
  std::uint32_t unknown_flags = 0;  // of the file parameters; a reader ignores them
  std::uint64_t virtual_bytes = 0;
  Guid disk_id{};
  std::uint32_t logical_sector_bytes = 512;
  std::uint32_t physical_sector_bytes = 512;
  std::vector<std::byte> parent_locator;  // the item as it stands, if has_parent

  // Reads and checks all items; those unknown must not be required. kCorrupt, kUnsupported,
  // kLimit, kIo.
  static Result<Metadata> ReadFrom(const BlockDevice& device, const Region& region);

  // Stores kEncodedBytes: metadata of a disk without a parent.
  void EncodeTo(std::span<std::byte> out) const;
};

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_METADATA_H_
