// Walks the block allocation table and, in a differencing disk, the sector bitmaps.
#ifndef FORMATS_VPC_MAP_CURSOR_H_
#define FORMATS_VPC_MAP_CURSOR_H_

#include <cstdint>

#include "formats/base/image_reader.h"
#include "formats/base/read_window.h"
#include "formats/base/run_cache.h"
#include "formats/base/sector_bits.h"
#include "formats/vpc/image.h"

namespace instar::vpc {

// Of a fixed disk: all of it is data.
class FixedCursor final : public MapCursor {
 public:
  FixedCursor(const BlockDevice& device, const Layout& layout) : device_(device), layout_(layout) {}
  Result<Extent> Next(std::uint64_t offset, std::uint64_t max_length) override;

 private:
  const BlockDevice& device_;
  const Layout& layout_;
  RunCache runs_;
};

class BlockCursor final : public MapCursor {
 public:
  BlockCursor(const BlockDevice& device, const Layout& layout);
  Result<Extent> Next(std::uint64_t offset, std::uint64_t max_length) override;

 private:
  Result<Extent> InBlock(std::uint64_t offset, std::uint64_t max_length, std::uint32_t entry);

  const BlockDevice& device_;
  const Layout& layout_;
  ReadWindow table_;
  SectorBits bits_;
};

}  // namespace instar::vpc

#endif  // FORMATS_VPC_MAP_CURSOR_H_
