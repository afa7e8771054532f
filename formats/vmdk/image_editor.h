// Writes into a VMDK image that exists (convert -n) whose one extent is sparse and stands in the
// file with its descriptor (monolithicSparse). New grains go to the end of the file and into both
// grain directories' tables, which must all be there, as everybody makes them.
//
// The descriptor gets a new content ID before anything changes, so that a child made upon the disk
// as it was is known not to fit any more.
#ifndef FORMATS_VMDK_IMAGE_EDITOR_H_
#define FORMATS_VMDK_IMAGE_EDITOR_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "formats/base/block_image_editor.h"
#include "formats/base/read_window.h"
#include "formats/base/table_piece.h"
#include "formats/create.h"
#include "formats/vmdk/sparse_header.h"

namespace instar::vmdk {

class ImageEditor final : public BlockImageEditor {
 public:
  // Opens the image on options.target and reads all of its tables; changes nothing. kCorrupt,
  // kUnsupported, kNoSpace.
  static Result<std::unique_ptr<ImageWriter>> Open(const CreateOptions& options);

  void SetIdentity(const IdentitySeed& seed) override { identity_ = seed; }
  Status Begin() override;
  Status Finish() override;

 private:
  ImageEditor(const SparseHeader& header, std::uint32_t content_id, std::vector<char> descriptor,
              TargetDevice& target, const Geometry& geometry);

  // Whether each directory has a table for all that is written.
  Status CheckTables();
  // File offset of the table of `grain` that the directory at `directory_sector` names.
  Result<std::uint64_t> TableOf(ReadWindow& directory, std::uint64_t directory_sector,
                                std::uint64_t grain);
  Status Select(std::uint64_t grain);
  Result<Block> Find(std::uint64_t grain) override;
  Result<std::uint64_t> Allocate(std::uint64_t grain) override;

  SparseHeader header_;
  std::uint32_t content_id_;  // as it was found
  IdentitySeed identity_{};
  std::vector<char> descriptor_;  // as long as its room
  ReadWindow directory_;
  ReadWindow redundant_directory_;
  TablePiece table_;
  TablePiece redundant_table_;
  std::uint64_t end_sector_;  // where the next grain goes
};

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_IMAGE_EDITOR_H_
