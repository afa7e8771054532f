// Writes fresh VMDK images: monolithicSparse, and the kinds whose disk is divided into extents of
// their own (flat or sparse). Stream-optimized ones are stream_writer.h's.
//
// The header of the named file, or the descriptor that it is, is written last.
#ifndef FORMATS_VMDK_WRITER_H_
#define FORMATS_VMDK_WRITER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "formats/base/image_writer.h"
#include "formats/create.h"
#include "formats/vmdk/sparse_extent_writer.h"
#include "formats/vmdk/writer_options.h"

namespace instar::vmdk {

// The writer for the subformat that `options` ask for. Checks them; writes nothing.
Result<std::unique_ptr<ImageWriter>> CreateWriter(const CreateOptions& options);

class Writer final : public ImageWriter {
 public:
  // `extents` are the files that options.extent_count() tells of.
  Writer(WriterOptions options, TargetDevice& target, std::span<TargetDevice* const> extents);

  [[nodiscard]] std::uint64_t unit_bytes() const override { return SparseLayout::kGrainBytes; }
  [[nodiscard]] bool unplaced_reads_zero() const override { return !options_.has_backing(); }
  [[nodiscard]] bool placed_reads_zero() const override;
  [[nodiscard]] bool compresses(bool) const override { return false; }
  void SetIdentity(const IdentitySeed& seed) override { options_.identity = seed; }
  Status Begin() override;
  Result<Placement> PlaceData(std::uint64_t offset, std::uint64_t length) override;
  Status PlaceZero(std::uint64_t offset, std::uint64_t length) override;
  Status Finish() override;

 private:
  // An extent that holds virtual byte `offset`, and where in it.
  struct Position {
    std::size_t extent = 0;
    std::uint64_t offset = 0;
    std::uint64_t left_bytes = 0;
  };
  [[nodiscard]] Position Find(std::uint64_t offset) const;
  Status CheckRange(std::uint64_t offset, std::uint64_t length) const;

  WriterOptions options_;
  TargetDevice* target_;
  std::vector<TargetDevice*> extents_;
  std::vector<SparseExtentWriter> sparse_;  // one an extent, unless they are flat
};

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_WRITER_H_
