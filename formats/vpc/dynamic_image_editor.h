// Writes into a dynamic VHD that exists (convert -n). New blocks go where the footer stands, which
// comes behind them when all is done; until then its copy at the start counts.
#ifndef FORMATS_VPC_DYNAMIC_IMAGE_EDITOR_H_
#define FORMATS_VPC_DYNAMIC_IMAGE_EDITOR_H_

#include <cstdint>
#include <memory>

#include "formats/base/block_image_editor.h"
#include "formats/base/table_piece.h"
#include "formats/vpc/image.h"

namespace instar::vpc {

class DynamicImageEditor final : public BlockImageEditor {
 public:
  // `layout` was read from `target`. Reads the whole table; changes nothing. kCorrupt, kNoSpace.
  static Result<std::unique_ptr<ImageWriter>> Create(const Layout& layout, TargetDevice& target,
                                                     std::uint64_t source_bytes);

  Status Begin() override;
  Status Finish() override;

 private:
  DynamicImageEditor(const Layout& layout, TargetDevice& target, const Geometry& geometry);

  Result<Block> Find(std::uint64_t block) override;
  Result<std::uint64_t> Allocate(std::uint64_t block) override;
  // Where the entry of `block` is in the piece of the table, which is made the one at hand.
  Result<std::size_t> SelectEntry(std::uint64_t block);
  // Says that all sectors of the block that begins at `offset` are there.
  Status FillBitmap(std::uint64_t offset);

  Layout layout_;
  TablePiece table_;
  std::uint64_t end_;  // of the data, where the footer belongs
  bool grown_ = false;
};

}  // namespace instar::vpc

#endif  // FORMATS_VPC_DYNAMIC_IMAGE_EDITOR_H_
