#include "formats/raw/writer.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "formats/base/checked.h"
#include "formats/raw/window.h"

namespace instar::raw {
namespace {

constexpr std::uint64_t kSectorBytes = 512;
constexpr std::uint64_t kMaxVirtualBytes = (std::uint64_t{1} << 63) - kSectorBytes;

Result<std::uint64_t> DiskBytes(const CreateOptions& options) {
  if (options.virtual_size_bytes > kMaxVirtualBytes) {
    return OverLimit("a virtual disk of {0} bytes is too large; the most is {1}",
                     options.virtual_size_bytes, kMaxVirtualBytes);
  }
  return DivideRoundUp(options.virtual_size_bytes, kSectorBytes) * kSectorBytes;
}

Status CheckHolds(std::uint64_t target_bytes, std::uint64_t bytes) {
  if (target_bytes >= bytes) return {};
  return MakeError(ErrorCode::kNoSpace, "the target has {0} bytes, but the disk needs {1}",
                   target_bytes, bytes);
}

}  // namespace

Result<std::unique_ptr<ImageWriter>> Writer::Create(const CreateOptions& options) {
  if (SettingText(options.options, "preallocation") == "metadata") {
    return InvalidArgument("raw images have no metadata to preallocate");
  }
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t bytes, DiskBytes(options));
  if (!options.backing_name.empty()) {
    return InvalidArgument("raw images have no backing file");
  }
  if (options.compress) return InvalidArgument("raw images cannot be compressed");
  return std::unique_ptr<ImageWriter>(
      new Writer(*options.target, bytes, PreallocationOf(options.options)));
}

Result<std::unique_ptr<ImageWriter>> Writer::Overwrite(const CreateOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t bytes, DiskBytes(options));
  if (options.compress) return InvalidArgument("raw images cannot be compressed");
  INSTAR_ASSIGN_OR_RETURN(const Stretch stretch,
                          PlaceWindow(options.window, options.target->size_bytes()));
  INSTAR_TRY(CheckHolds(stretch.file_bytes, options.virtual_size_bytes));
  std::unique_ptr<Writer> writer(new Writer(*options.target, bytes, Preallocation::kOff));
  writer->keep_ = true;
  writer->start_bytes_ = stretch.start_bytes;
  return writer;
}

Status Writer::Begin() {
  if (keep_ || target_->appends_only()) return {};
  if (!target_->fresh_reads_zero()) return BeginOnDevice();
  if (target_->size_bytes() != 0) {
    // A size that the target cannot have is found out before what it holds is gone.
    INSTAR_TRY(target_->Resize(size_bytes_, Preallocation::kOff));
    INSTAR_TRY(target_->Resize(0, Preallocation::kOff));
  }
  return target_->Resize(size_bytes_, preallocation_);
}

Status Writer::BeginOnDevice() {
  if (preallocation_ != Preallocation::kOff) {
    return Unsupported("the storage of a device cannot be preallocated");
  }
  const std::uint64_t device_bytes = target_->size_bytes();
  INSTAR_TRY(CheckHolds(device_bytes, size_bytes_));
  // What stood there before must not decide what the disk is taken for: formats are known by the
  // first sector, and a fixed VHD by the last.
  INSTAR_TRY(target_->Zero(0, std::min(size_bytes_, kSectorBytes)));
  constexpr std::string_view kVhdFooter = "conectix";
  if (device_bytes < kSectorBytes) return {};
  std::array<std::byte, kVhdFooter.size()> last{};
  INSTAR_TRY(target_->Read(device_bytes - kSectorBytes, last));
  if (std::ranges::equal(last, std::as_bytes(std::span(kVhdFooter)))) {
    return target_->Zero(device_bytes - kSectorBytes, kSectorBytes);
  }
  return {};
}

Result<Placement> Writer::PlaceData(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(CheckOnDisk(offset, length, size_bytes_));
  return Placement{
      .device = target_->id(), .file_offset = start_bytes_ + offset, .length_bytes = length};
}

Status Writer::PlaceZero(std::uint64_t offset, std::uint64_t length) {
  INSTAR_ASSIGN_OR_RETURN(const Placement place, PlaceData(offset, length));
  if (target_->fresh_reads_zero()) return {};
  return target_->Zero(place.file_offset, length);
}

Status Writer::Finish() {
  if (target_->appends_only()) INSTAR_TRY(target_->Resize(size_bytes_, Preallocation::kOff));
  return target_->Flush();
}

}  // namespace instar::raw
