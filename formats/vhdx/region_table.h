// The region table of a VHDX ([MS-VHDX] 2.2.3): where the block allocation table and the metadata
// are. There are two equal copies.
#ifndef FORMATS_VHDX_REGION_TABLE_H_
#define FORMATS_VHDX_REGION_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/vhdx/constants.h"
#include "formats/vhdx/header.h"

namespace instar::vhdx {

struct Region {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

struct RegionTable {
  Region bat;
  Region metadata;

  // From the first copy that has its signature and checksum. Regions must be whole MiB within the
  // file, and overlap neither one another nor the log; unknown ones must not be required. kCorrupt,
  // kUnsupported, kIo.
  static Result<RegionTable> ReadFrom(const BlockDevice& device, const Header& header);

  // Stores kTableBytes.
  void EncodeTo(std::span<std::byte> out) const;
};

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_REGION_TABLE_H_
