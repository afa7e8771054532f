// A VHDX as it was found in a file: header, log, regions, metadata. What the reader and the checker
// start from.
#ifndef FORMATS_VHDX_IMAGE_H_
#define FORMATS_VHDX_IMAGE_H_

#include <cstdint>
#include <memory>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/vhdx/bat.h"
#include "formats/vhdx/header.h"
#include "formats/vhdx/metadata.h"
#include "formats/vhdx/region_table.h"
#include "formats/vhdx/replayed_device.h"

namespace instar::vhdx {

struct Image {
  Header header;
  std::unique_ptr<ReplayedDevice> file;  // what all structures but the header are read from
  RegionTable regions;
  Metadata metadata;
  BatLayout bat;

  // `device` must outlive the image. kCorrupt, kUnsupported, kLimit, kIo.
  static Result<Image> Open(const BlockDevice& device);

  // File offset of BAT entry `index`.
  [[nodiscard]] std::uint64_t BatEntryOffset(std::uint64_t index) const {
    return regions.bat.offset + index * kBatEntryBytes;
  }
  // Whether a block of `bytes` may stand at `offset`. kCorrupt if it is not within the file or lies
  // on other structures.
  [[nodiscard]] Status CheckBlock(std::uint64_t offset, std::uint64_t bytes) const;
};

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_IMAGE_H_
