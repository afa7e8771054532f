#include "disk/source_disk.h"

#include <algorithm>
#include <utility>

#include "formats/base/checked.h"
#include "formats/base/formats.h"

namespace instar::disk {

Result<std::unique_ptr<SourceDisk>> SourceDisk::Open(Host& host, const ConvertRequest& request,
                                                     bool inherit) {
  auto disk = std::make_unique<SourceDisk>();
  disk->inherit_ = inherit;
  disk->sources_.reserve(request.sources.size());
  for (const ImageSource& image : request.sources) {
    const DeviceId id = image.device;
    const ChainOptions options{.image = image,
                               .snapshot = request.snapshot,
                               .max_depth = request.max_chain_depth,
                               .references = References::kAll};
    Source source;
    INSTAR_ASSIGN_OR_RETURN(source.chain, Chain::Open(host, options));
    source.start = disk->size_bytes_;
    const auto rounded = AlignUp(source.chain->virtual_size_bytes(), kSectorBytes);
    const auto end = rounded ? CheckedAdd(source.start, *rounded) : std::nullopt;
    if (!end) {
      Error error = OverLimit("the sources together are larger than any disk can be").error();
      return std::unexpected(error.On(id));
    }
    source.end = disk->size_bytes_ = *end;
    const auto& layers = source.chain->layers();
    source.bare_raw = layers.size() == 1 && IsBareDisk(source.chain->top().format());
    for (const Layer& layer : layers) {
      disk->direct_ |= layer.device->info().direct;
      for (const auto& attached : layer.attached) disk->direct_ |= attached->info().direct;
      disk->largest_cluster_bytes_ =
          std::max(disk->largest_cluster_bytes_, layer.reader->compressed_unit_bytes());
      const std::uint64_t cluster_bytes = layer.reader->cluster_size_bytes();
      if (cluster_bytes == 0) continue;
      source.smallest_cluster_bytes = std::min(source.smallest_cluster_bytes, cluster_bytes);
    }
    disk->sources_.push_back(std::move(source));
  }
  disk->CutToWindow(request.window_start, request.window_end);
  return disk;
}

void SourceDisk::CutToWindow(std::uint64_t start, std::uint64_t end) {
  end = std::min(end, size_bytes_);
  window_beyond_end_ = start > end;
  window_start_ = std::min(start, end);
  window_bytes_ = end - window_start_;
  size_bytes_ = DivideRoundUp(window_bytes_, kSectorBytes) * kSectorBytes;
}

std::size_t SourceDisk::SourceAt(std::uint64_t offset) const {
  const auto after = std::upper_bound(
      sources_.begin(), sources_.end(), offset,
      [](std::uint64_t value, const Source& source) { return value < source.end; });
  return static_cast<std::size_t>(after - sources_.begin());
}

std::uint64_t SourceDisk::DeviceBytes(const Layer& layer, DeviceId id) {
  if (layer.device->id() == id) return layer.device->size_bytes();
  for (const auto& attached : layer.attached) {
    if (attached->id() == id) return attached->size_bytes();
  }
  return 0;
}

std::optional<SourceExtent> SourceDisk::BareRaw(std::uint64_t offset,
                                                std::uint64_t max_length) const {
  if (offset >= window_bytes_) return std::nullopt;
  max_length = std::min(max_length, window_bytes_ - offset);
  const std::size_t index = SourceAt(window_start_ + offset);
  const Source& source = sources_[index];
  const Layer& layer = source.chain->layers().front();
  const HostDevice& device = *layer.device;
  const std::uint64_t local = window_start_ + offset - source.start;
  if (!source.bare_raw) return std::nullopt;
  const std::uint64_t bytes =
      std::min(device.size_bytes() - layer.raw_start_bytes, source.chain->virtual_size_bytes());
  if (local >= bytes) return std::nullopt;
  return SourceExtent{.kind = SourceExtent::Kind::kData,
                      .source = static_cast<std::uint32_t>(index),
                      .offset = offset,
                      .length_bytes = std::min(max_length, bytes - local),
                      .device = device.id(),
                      .file_offset = layer.raw_start_bytes + local};
}

std::uint64_t SourceDisk::UnreadableBytes(std::uint64_t offset, std::uint64_t max_length) const {
  const std::uint64_t position = window_start_ + offset;
  const Source& source = sources_[SourceAt(position)];
  constexpr std::uint64_t kMost = 2 << 20;  // the largest cluster of any format that can be told
  const std::uint64_t unit = std::max(kSectorBytes, std::min(source.smallest_cluster_bytes, kMost));
  const std::uint64_t rest = unit - (position - source.start) % unit;
  return std::min({rest, source.end - position, max_length});
}

Result<std::unique_ptr<SourceCursor>> SourceDisk::OpenCursor(
    std::uint64_t first_ahead_bytes) const {
  auto cursor = std::make_unique<SourceCursor>();
  cursor->disk_ = this;
  cursor->cursors_.reserve(sources_.size());
  for (const Source& source : sources_) {
    INSTAR_ASSIGN_OR_RETURN(auto opened, source.chain->OpenCursor(first_ahead_bytes));
    cursor->cursors_.push_back(std::move(opened));
  }
  return cursor;
}

Result<SourceExtent> SourceCursor::Next(std::uint64_t offset, std::uint64_t max_length) {
  if (offset >= disk_->window_bytes_) {  // what rounding the window up to whole sectors added
    return SourceExtent{.offset = offset,
                        .length_bytes = std::min(max_length, disk_->size_bytes_ - offset)};
  }
  max_length = std::min(max_length, disk_->window_bytes_ - offset);
  const std::uint64_t position = disk_->window_start_ + offset;
  const std::size_t index = disk_->SourceAt(position);
  const SourceDisk::Source& source = disk_->sources_[index];
  const std::vector<Layer>& layers = source.chain->layers();
  const std::uint64_t local = position - source.start;
  SourceExtent piece{.source = static_cast<std::uint32_t>(index), .offset = offset};

  const std::uint64_t size = source.chain->virtual_size_bytes();
  if (local >= size) {  // what rounding up to whole sectors added
    piece.length_bytes = std::min(max_length, source.end - position);
    return piece;
  }
  max_length = std::min(max_length, size - local);

  // Beyond the end of its backing file an overlay's own silence means zeros.
  bool below_is_inherited = false;
  if (disk_->inherit_ && layers.size() > 1) {
    const std::uint64_t backing_size = layers[1].reader->virtual_size_bytes();
    if (local < backing_size) {
      below_is_inherited = true;
      max_length = std::min(max_length, backing_size - local);
    }
  }

  INSTAR_ASSIGN_OR_RETURN(const ChainExtent found, cursors_[index]->Next(local, max_length));
  const Extent& extent = found.extent;
  piece.depth = found.depth;
  piece.inherited = below_is_inherited && found.depth > 0;
  piece.length_bytes = extent.length_bytes;
  switch (extent.kind) {
    case ExtentKind::kZero:
    case ExtentKind::kUnallocated:
      break;
    case ExtentKind::kData: {
      // A file may end within its last cluster; what is missing reads as zeros.
      const std::uint64_t bytes = SourceDisk::DeviceBytes(layers[found.depth], extent.device);
      if (extent.file_offset >= bytes) break;
      piece.kind = SourceExtent::Kind::kData;
      piece.device = extent.device;
      piece.file_offset = extent.file_offset;
      piece.length_bytes = std::min(piece.length_bytes, bytes - extent.file_offset);
      break;
    }
    case ExtentKind::kCompressed:
      piece.kind = SourceExtent::Kind::kCompressed;
      piece.device = extent.device;
      piece.file_offset = extent.file_offset;
      piece.unit_offset = extent.unit_offset;
      piece.unit_bytes = extent.unit_bytes;
      piece.compressed_bytes = extent.compressed_bytes;
      piece.unit_skip = local - extent.unit_offset;
      break;
  }
  return piece;
}

}  // namespace instar::disk
