#include "formats/vpc/fixed_writer.h"

#include <algorithm>
#include <array>

#include "formats/base/checked.h"

namespace instar::vpc {

Status FixedWriter::Begin() {
  if (keep_ || target_->appends_only()) return {};
  const std::uint64_t file_bytes = options_.virtual_bytes + Footer::kBytes;
  if (!target_->fresh_reads_zero()) {
    if (target_->size_bytes() == file_bytes) return {};
    return InvalidArgument(
        "a fixed VHD of this disk has {0} bytes and ends with its footer, so the target of {1} "
        "bytes cannot hold it",
        file_bytes, target_->size_bytes());
  }
  // A size that the target cannot have is found out before what it holds is gone.
  INSTAR_TRY(target_->Resize(file_bytes, Preallocation::kOff));
  INSTAR_TRY(target_->Resize(0, Preallocation::kOff));
  return target_->Resize(file_bytes, options_.preallocation);
}

Result<Placement> FixedWriter::PlaceData(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(CheckOnDisk(offset, length, options_.virtual_bytes));
  placed_bytes_ = std::max(placed_bytes_, offset + length);
  return Placement{.device = target_->id(), .file_offset = offset, .length_bytes = length};
}

Status FixedWriter::PlaceZero(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(PlaceData(offset, length));
  if (reads_zero()) return {};
  return target_->Zero(offset, length);
}

Status FixedWriter::Finish() {
  if (keep_) return target_->Flush();
  // The geometry may have made the disk longer than what there was to write.
  if (!target_->fresh_reads_zero() && placed_bytes_ < options_.virtual_bytes) {
    INSTAR_TRY(target_->Zero(placed_bytes_, options_.virtual_bytes - placed_bytes_));
  }
  INSTAR_TRY(target_->Flush());
  std::array<std::byte, Footer::kBytes> footer{};
  options_.MakeFooter().EncodeTo(footer);
  INSTAR_TRY(target_->Write(options_.virtual_bytes, footer));
  return target_->Flush();
}

}  // namespace instar::vpc
