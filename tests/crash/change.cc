#include "crash/change.h"

namespace instar::crash {

OpenFiles::OpenFiles(const ImageFiles& files, Recording& recording)
    : format_(files.format),
      image_(files.image, kImageId, recording, files.fixed_length),
      backing_file_(files.backing) {
  if (files.data_file) data_file_.emplace(*files.data_file, kDataFileId, recording);
  if (backing_file_) backing_.emplace(*backing_file_, kBackingId);
}

std::optional<std::uint64_t> OpenFiles::backing_bytes() const {
  if (!backing_) return std::nullopt;
  return backing_->size_bytes();
}

void OpenFiles::StoreIn(ImageFiles& files) const {
  files.image = image_.file();
  if (data_file_) files.data_file = data_file_->file();
}

Status OpenFiles::Content::Read(std::uint64_t offset, std::span<std::byte> out) {
  return ReadDisk(files_.image_, files_.data_file(), files_.backing(), files_.format_, offset, out);
}

}  // namespace instar::crash
