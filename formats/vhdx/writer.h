// Writes fresh VHDX images, dynamic and fixed, in one ascending pass: the blocks follow one another
// in the file in the order of the virtual disk; of a fixed disk all of them are there. Memory: a
// piece of the block allocation table.
//
// Headers, region tables and the signature at the start are written last: until then nothing says
// that the file is a VHDX.
#ifndef FORMATS_VHDX_WRITER_H_
#define FORMATS_VHDX_WRITER_H_

#include <cstdint>
#include <memory>

#include "formats/base/image_writer.h"
#include "formats/create.h"
#include "formats/vhdx/bat_writer.h"
#include "formats/vhdx/writer_options.h"

namespace instar::vhdx {

class Writer final : public ImageWriter {
 public:
  // Checks the options; writes nothing.
  static Result<std::unique_ptr<ImageWriter>> Create(const CreateOptions& options);

  // A part of a block, where blocks are large: the first part that is placed takes the block.
  [[nodiscard]] std::uint64_t unit_bytes() const override;
  [[nodiscard]] bool unplaced_reads_zero() const override { return true; }
  [[nodiscard]] bool placed_reads_zero() const override { return target_->fresh_reads_zero(); }
  void SetIdentity(const IdentitySeed& seed) override;
  Status Begin() override;
  Result<Placement> PlaceData(std::uint64_t offset, std::uint64_t length) override;
  Status PlaceZero(std::uint64_t offset, std::uint64_t length) override;
  Status Finish() override;

 private:
  Writer(const WriterOptions& options, TargetDevice& target);

  // Takes the next place in the file for `block`.
  Status TakeBlock(std::uint64_t block);
  // Makes `block` the one that was taken last; of a fixed disk, with all that come before it.
  Status OpenBlock(std::uint64_t block);
  Status WriteMetadata();
  Status WriteHeaderSection();

  WriterOptions options_;
  Guid file_write_id_{};
  Guid data_write_id_{};
  Guid disk_id_{};
  TargetDevice* target_;
  BatWriter bat_;
  std::uint64_t taken_ = 0;  // blocks that have their place
  std::uint64_t open_block_ = ~std::uint64_t{0};
};

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_WRITER_H_
