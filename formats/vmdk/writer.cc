#include "formats/vmdk/writer.h"

#include <algorithm>
#include <utility>

#include "formats/base/checked.h"
#include "formats/vmdk/descriptor_text.h"
#include "formats/vmdk/stream_writer.h"

namespace instar::vmdk {
namespace {

Status CheckFiles(const WriterOptions& parsed, const CreateOptions& options,
                  const std::vector<char>& descriptor) {
  if (options.extents.size() != parsed.extent_count()) {
    return InvalidArgument("the image takes {0} files for its extents, but {1} are open",
                           parsed.extent_count(), options.extents.size());
  }
  if (parsed.has_backing() && options.backing == nullptr) {
    return InvalidArgument("the parent must be there: the image notes its content ID");
  }
  const std::uint64_t room =
      parsed.divided() ? kMaxDescriptorBytes : kEmbeddedDescriptorSectors * kSectorBytes;
  if (descriptor.size() > room) {
    return InvalidArgument("the descriptor has {0} bytes, more than {1}", descriptor.size(), room);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<ImageWriter>> CreateWriter(const CreateOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(WriterOptions parsed, WriterOptions::From(options));
  if (options.compress && parsed.flat()) {
    return InvalidArgument("flat extents cannot be compressed");
  }
  INSTAR_TRY(CheckFiles(parsed, options, DescriptorText(parsed)));
  if (parsed.streamed()) {
    INSTAR_ASSIGN_OR_RETURN(auto writer, StreamWriter::Create(std::move(parsed), options));
    return writer;
  }
  return std::make_unique<Writer>(std::move(parsed), *options.target, options.extents);
}

Writer::Writer(WriterOptions options, TargetDevice& target, std::span<TargetDevice* const> extents)
    : options_(std::move(options)), target_(&target), extents_(extents.begin(), extents.end()) {
  if (options_.flat()) return;
  if (!options_.divided()) {
    sparse_.emplace_back(target, options_.virtual_size_bytes, options_.zeroed_grain);
    return;
  }
  sparse_.reserve(extents_.size());
  for (std::size_t i = 0; i < extents_.size(); ++i) {
    sparse_.emplace_back(*extents_[i], options_.extent_bytes(i), options_.zeroed_grain);
  }
}

bool Writer::placed_reads_zero() const {
  if (!options_.divided()) return target_->fresh_reads_zero();
  return std::ranges::all_of(extents_, [](const TargetDevice* e) { return e->fresh_reads_zero(); });
}

Status Writer::Begin() {
  for (SparseExtentWriter& extent : sparse_) INSTAR_TRY(extent.Begin());
  if (!options_.divided()) return {};
  if (target_->fresh_reads_zero()) INSTAR_TRY(target_->Resize(0, Preallocation::kOff));
  for (std::size_t i = 0; options_.flat() && i < extents_.size(); ++i) {
    INSTAR_TRY(extents_[i]->Resize(0, Preallocation::kOff));
    INSTAR_TRY(extents_[i]->Resize(options_.extent_bytes(i), options_.preallocation));
  }
  return {};
}

Writer::Position Writer::Find(std::uint64_t offset) const {
  const std::size_t extent =
      options_.divided() ? static_cast<std::size_t>(offset / options_.extent_bytes(0)) : 0;
  const std::uint64_t start = extent * (options_.divided() ? options_.extent_bytes(0) : 0);
  const std::uint64_t bytes =
      options_.divided() ? options_.extent_bytes(extent) : options_.virtual_size_bytes;
  return {.extent = extent, .offset = offset - start, .left_bytes = start + bytes - offset};
}

Status Writer::CheckRange(std::uint64_t offset, std::uint64_t length) const {
  if (length == 0 || !RangeFits(offset, length, options_.virtual_size_bytes) ||
      offset % SparseLayout::kGrainBytes != 0) {
    return InvalidArgument("{1} bytes at {0} are not on a virtual disk of {2}", offset, length,
                           options_.virtual_size_bytes);
  }
  return {};
}

Result<Placement> Writer::PlaceData(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(CheckRange(offset, length));
  const Position at = Find(offset);
  length = std::min(length, at.left_bytes);
  if (options_.flat()) {
    return Placement{
        .device = extents_[at.extent]->id(), .file_offset = at.offset, .length_bytes = length};
  }
  const auto place = sparse_[at.extent].Place(at.offset, length);
  if (!place && options_.divided()) {
    return std::unexpected(place.error().On(extents_[at.extent]->id()));
  }
  return place;
}

Status Writer::PlaceZero(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(CheckRange(offset, length));
  // Without a parent, what has no place reads as zeros.
  if (!options_.has_backing()) return {};
  while (length != 0) {
    const Position at = Find(offset);
    const std::uint64_t part = std::min(length, at.left_bytes);
    INSTAR_TRY(sparse_[at.extent].PlaceZero(at.offset, part));
    offset += part;
    length -= part;
  }
  return {};
}

Status Writer::Finish() {
  const std::vector<char> descriptor = DescriptorText(options_);
  if (!options_.divided()) return sparse_.front().Finish(descriptor);
  for (SparseExtentWriter& extent : sparse_) INSTAR_TRY(extent.Finish({}));
  for (std::size_t i = 0; options_.flat() && i < extents_.size(); ++i) {
    INSTAR_TRY(extents_[i]->Flush());
  }
  INSTAR_TRY(target_->Write(0, std::as_bytes(std::span(descriptor))));
  if (target_->fresh_reads_zero()) {
    INSTAR_TRY(target_->Resize(descriptor.size(), Preallocation::kOff));
  }
  return target_->Flush();
}

}  // namespace instar::vmdk
