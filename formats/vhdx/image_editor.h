// Writes into a VHDX that exists (convert -n), dynamic or fixed. New blocks go to the end of the
// file, at whole MiB.
//
// Before anything changes, the headers get new identifiers of what the file and the disk hold
// ([MS-VHDX] 2.2.2), so that a child made upon the disk as it was is known not to fit any more. An
// image whose log is not empty is refused: what it holds belongs into the tables first. Entries of
// the table are changed in place, without the log: each is written once, after the file has room
// for its block.
#ifndef FORMATS_VHDX_IMAGE_EDITOR_H_
#define FORMATS_VHDX_IMAGE_EDITOR_H_

#include <cstdint>
#include <memory>

#include "formats/base/block_image_editor.h"
#include "formats/base/table_piece.h"
#include "formats/create.h"
#include "formats/vhdx/image.h"

namespace instar::vhdx {

class ImageEditor final : public BlockImageEditor {
 public:
  // Opens the image on options.target and reads its whole table; changes nothing. kCorrupt,
  // kUnsupported, kNoSpace.
  static Result<std::unique_ptr<ImageWriter>> Open(const CreateOptions& options);

  void SetIdentity(const IdentitySeed& seed) override { identity_ = seed; }
  Status Begin() override;
  Status Finish() override;

 private:
  ImageEditor(Image image, TargetDevice& target, const Geometry& geometry);

  Result<Block> Find(std::uint64_t block) override;
  Result<std::uint64_t> Allocate(std::uint64_t block) override;
  // Where the entry of `block` is in the piece of the table, which is made the one at hand.
  Result<std::size_t> SelectEntry(std::uint64_t block);

  Image image_;
  IdentitySeed identity_{};
  TablePiece table_;
  std::uint64_t end_;  // of the file, where the next block goes
};

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_IMAGE_EDITOR_H_
