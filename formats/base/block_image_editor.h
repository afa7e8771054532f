// Writes into the disk of an image that exists (convert -n) whose disk is cut into blocks that a
// table gives their places: VHD and VHDX, sparse extents of VMDK.
//
// A block that is stored is overwritten where it stands. One that is not gets a place at the end of
// the file; zeros need none, unless a parent would show. The tables are changed piece by piece, and
// data is not waited for: a run that dies leaves a sound image with a mixture of old and new
// content. The image is checked before anything of it is changed (CheckSound), so that no two
// blocks share a place, and none stands on the tables.
#ifndef FORMATS_BASE_BLOCK_IMAGE_EDITOR_H_
#define FORMATS_BASE_BLOCK_IMAGE_EDITOR_H_

#include <cstdint>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/image_writer.h"
#include "formats/check.h"

namespace instar {

// OK if `check`, a format's, finds nothing wrong with the image (leaks are nothing wrong).
Status CheckSound(Result<CheckCounts> (*check)(const CheckOptions&), const BlockDevice& device,
                  const ImageReader* reader = nullptr);

class BlockImageEditor : public ImageWriter {
 public:
  [[nodiscard]] std::uint64_t unit_bytes() const override;
  [[nodiscard]] bool unplaced_reads_zero() const override { return false; }
  [[nodiscard]] bool placed_reads_zero() const override { return false; }
  Result<Placement> PlaceData(std::uint64_t offset, std::uint64_t length) override;
  Status PlaceZero(std::uint64_t offset, std::uint64_t length) override;

 protected:
  struct Geometry {
    std::uint64_t block_bytes = 0;   // a power of two
    std::uint64_t disk_bytes = 0;    // of the image's disk
    std::uint64_t source_bytes = 0;  // of what is written; what follows keeps its content
    bool has_parent = false;         // shows where a block is missing
  };
  struct Block {
    enum class Kind : std::uint8_t {
      kMissing,
      kZero,    // the table says so
      kStored,  // at `file_offset`
    };
    Kind kind = Kind::kMissing;
    std::uint64_t file_offset = 0;
  };

  BlockImageEditor(TargetDevice& target, const Geometry& geometry)
      : target_(&target), geometry_(geometry) {}

  // What can be told from the sizes. kNoSpace, kUnsupported.
  [[nodiscard]] static Status CheckSizes(const Geometry& geometry);

  // What the table says of block `block`. Blocks come in ascending order.
  virtual Result<Block> Find(std::uint64_t block) = 0;
  // A place at the end of the file for the block, which Find was asked for last, noted in the
  // table. kLimit.
  virtual Result<std::uint64_t> Allocate(std::uint64_t block) = 0;

  [[nodiscard]] TargetDevice& target() const { return *target_; }
  [[nodiscard]] const Geometry& geometry() const { return geometry_; }

 private:
  static constexpr std::uint64_t kNoBlock = ~std::uint64_t{0};

  Status CheckRange(std::uint64_t offset, std::uint64_t length);
  // A place of its own for a block that has none, zeros if not `all_written`.
  Status Provide(std::uint64_t block, bool all_written);
  Status Look(std::uint64_t block);

  TargetDevice* target_;
  Geometry geometry_;
  std::uint64_t placed_bytes_ = 0;
  std::uint64_t open_block_ = kNoBlock;  // what Find said of it last, or Provide did for it
  Block open_;
};

}  // namespace instar

#endif  // FORMATS_BASE_BLOCK_IMAGE_EDITOR_H_
