// Writes a raw image: the virtual disk, byte for byte.
#ifndef FORMATS_RAW_WRITER_H_
#define FORMATS_RAW_WRITER_H_

#include <cstdint>
#include <memory>

#include "formats/base/image_writer.h"
#include "formats/create.h"

namespace instar::raw {

class Writer final : public ImageWriter {
 public:
  // Checks the options; writes nothing.
  static Result<std::unique_ptr<ImageWriter>> Create(const CreateOptions& options);

  // A writer into options.window of the target, that leaves the target's size and content as they
  // are but for what is placed. kNoSpace if the window is smaller than the virtual disk; as
  // PlaceWindow.
  static Result<std::unique_ptr<ImageWriter>> Overwrite(const CreateOptions& options);

  [[nodiscard]] std::uint64_t unit_bytes() const override { return 512; }
  [[nodiscard]] bool unplaced_reads_zero() const override { return target_->fresh_reads_zero(); }
  [[nodiscard]] bool placed_reads_zero() const override { return target_->fresh_reads_zero(); }
  Status Begin() override;
  Result<Placement> PlaceData(std::uint64_t offset, std::uint64_t length) override;
  Status PlaceZero(std::uint64_t offset, std::uint64_t length) override;
  Status Finish() override;

 private:
  Status BeginOnDevice();
  Writer(TargetDevice& target, std::uint64_t size_bytes, Preallocation preallocation)
      : target_(&target), size_bytes_(size_bytes), preallocation_(preallocation) {}

  TargetDevice* target_;
  std::uint64_t size_bytes_;
  Preallocation preallocation_;
  bool keep_ = false;              // the target is overwritten in place
  std::uint64_t start_bytes_ = 0;  // where in the file the disk begins
};

}  // namespace instar::raw

#endif  // FORMATS_RAW_WRITER_H_
