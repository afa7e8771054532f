// Writes a dynamic VHD in one ascending pass: blocks follow one another in the file in the order of
// the virtual disk. Memory: the table, 4 MiB at most.
//
// The copy of the footer at the start and the footer itself are written last: until then nothing
// says that the file is a VHD.
#ifndef FORMATS_VPC_DYNAMIC_WRITER_H_
#define FORMATS_VPC_DYNAMIC_WRITER_H_

#include <cstdint>
#include <vector>

#include "formats/base/image_writer.h"
#include "formats/vpc/dynamic_layout.h"
#include "formats/vpc/writer_options.h"

namespace instar::vpc {

class DynamicWriter final : public ImageWriter {
 public:
  DynamicWriter(const WriterOptions& options, TargetDevice& target)
      : options_(options), layout_{.virtual_bytes = options.virtual_bytes}, target_(&target) {}

  [[nodiscard]] std::uint64_t unit_bytes() const override { return DynamicLayout::kBlockBytes; }
  [[nodiscard]] bool unplaced_reads_zero() const override { return true; }
  [[nodiscard]] bool placed_reads_zero() const override { return target_->fresh_reads_zero(); }
  void SetIdentity(const IdentitySeed& seed) override { options_.identity = seed; }
  Status Begin() override;
  Result<Placement> PlaceData(std::uint64_t offset, std::uint64_t length) override;
  Status PlaceZero(std::uint64_t offset, std::uint64_t length) override;
  Status Finish() override;

 private:
  Status OpenBlock(std::uint64_t block);
  // Writes the sector bitmaps of the blocks taken since the last call, all of them full.
  Status WriteBitmaps();
  [[nodiscard]] std::uint64_t FileEnd() const;

  WriterOptions options_;
  DynamicLayout layout_;
  TargetDevice* target_;
  std::vector<std::byte> table_;
  std::vector<std::uint64_t> bitmaps_;  // offsets of those still to be written
  std::uint64_t taken_ = 0;             // blocks that have their place
  std::uint64_t open_block_ = ~std::uint64_t{0};
};

}  // namespace instar::vpc

#endif  // FORMATS_VPC_DYNAMIC_WRITER_H_
