// Writes a fixed VHD: the disk, byte for byte, and a footer. Or writes into the disk of one that is
// there, whose footer stays.
#ifndef FORMATS_VPC_FIXED_WRITER_H_
#define FORMATS_VPC_FIXED_WRITER_H_

#include <cstdint>

#include "formats/base/image_writer.h"
#include "formats/vpc/writer_options.h"

namespace instar::vpc {

class FixedWriter final : public ImageWriter {
 public:
  FixedWriter(const WriterOptions& options, TargetDevice& target, bool keep)
      : options_(options), target_(&target), keep_(keep) {}

  [[nodiscard]] std::uint64_t unit_bytes() const override { return kSectorBytes; }
  [[nodiscard]] bool unplaced_reads_zero() const override { return reads_zero(); }
  [[nodiscard]] bool placed_reads_zero() const override { return reads_zero(); }
  void SetIdentity(const IdentitySeed& seed) override { options_.identity = seed; }
  Status Begin() override;
  Result<Placement> PlaceData(std::uint64_t offset, std::uint64_t length) override;
  Status PlaceZero(std::uint64_t offset, std::uint64_t length) override;
  Status Finish() override;

 private:
  [[nodiscard]] bool reads_zero() const { return !keep_ && target_->fresh_reads_zero(); }

  WriterOptions options_;
  TargetDevice* target_;
  bool keep_;                       // the target is overwritten in place
  std::uint64_t placed_bytes_ = 0;  // of the disk; what follows has its content still to be told
};

}  // namespace instar::vpc

#endif  // FORMATS_VPC_FIXED_WRITER_H_
