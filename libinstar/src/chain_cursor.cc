// Merging the layers of a chain.
//
// Each layer is asked only for what every layer above leaves open, and what a layer does not reach
// (it is shorter than its overlay) reads as zeros, whatever stands below it. The extent a layer
// gave last is kept: an overlay that cuts a long backing extent into pieces does not have it looked
// up again for each piece, and the look ahead that coalescing needs is not lost.
#include <algorithm>
#include <bit>
#include <utility>

#include "formats/base/formats.h"
#include "instar/chain.h"

namespace instar {
namespace {

bool HasStorage(const Extent& extent) {
  return extent.kind == ExtentKind::kData ||
         (extent.kind != ExtentKind::kCompressed && extent.has_offset);
}

// The part of `extent` that starts `skip` bytes into it, at most `max_length` bytes.
Extent Part(Extent extent, std::uint64_t skip, std::uint64_t max_length) {
  if (HasStorage(extent)) extent.file_offset += skip;
  extent.length_bytes = std::min(extent.length_bytes - skip, max_length);
  return extent;
}

bool Continues(const ChainExtent& a, const ChainExtent& b) {
  if (a.depth != b.depth || a.searched != b.searched || a.allocated != b.allocated ||
      a.extent.kind != b.extent.kind) {
    return false;
  }
  switch (a.extent.kind) {
    case ExtentKind::kData:
      return a.extent.device == b.extent.device &&
             a.extent.file_offset + a.extent.length_bytes == b.extent.file_offset;
    case ExtentKind::kZero:
      if (a.extent.has_offset != b.extent.has_offset) return false;
      return !a.extent.has_offset ||
             (a.extent.device == b.extent.device &&
              a.extent.file_offset + a.extent.length_bytes == b.extent.file_offset);
    case ExtentKind::kUnallocated:
    case ExtentKind::kCompressed:
      return false;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<ChainCursor>> Chain::OpenCursor(std::uint64_t first_ahead_bytes) const {
  // Every worker has such a cursor, of chains of any length.
  const std::uint64_t first_bytes = std::bit_floor(first_ahead_bytes / layers_.size());
  const std::uint64_t most_bytes = std::bit_floor(MapCursor::kAheadBytes / layers_.size());
  auto cursor = std::make_unique<ChainCursor>();
  cursor->chain_ = this;
  cursor->cursors_.resize(layers_.size());
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (i + 1 < layers_.size()) {
      const Status fits = layers_[i].reader->CheckBacking(*layers_[i + 1].reader);
      if (!fits) return std::unexpected(fits.error().On(layers_[i].device->id()));
    }
    auto opened = layers_[i].reader->OpenCursor();
    if (!opened) return std::unexpected(opened.error().On(layers_[i].device->id()));
    (*opened)->LimitAhead(first_bytes, most_bytes);
    cursor->cursors_[i].cursor = *std::move(opened);
  }
  return cursor;
}

Result<Extent> ChainCursor::NextOfLayer(std::size_t depth, std::uint64_t offset,
                                        std::uint64_t max_length) {
  const Layer& layer = chain_->layers()[depth];
  Known& known = cursors_[depth].known;
  if (offset < known.offset || offset - known.offset >= known.extent.length_bytes) {
    // The runs of a raw file cost a system call each but nothing by length: ask for all of it.
    const bool raw = IsBareDisk(layer.reader->format());
    const std::uint64_t ask = raw ? layer.reader->virtual_size_bytes() - offset : max_length;
    known.extent.length_bytes = 0;
    const auto extent = cursors_[depth].cursor->Next(offset, ask);
    if (!extent) return std::unexpected(extent.error().On(layer.device->id()));
    if (extent->length_bytes == 0 || extent->length_bytes > ask) {
      Error error =
          Corrupt("the map of the image gives no usable extent at offset {0x}", offset).error();
      return std::unexpected(error.On(layer.device->id()));
    }
    known = Known{.offset = offset, .extent = *extent};
  }
  return Part(known.extent, offset - known.offset, max_length);
}

Result<ChainExtent> ChainCursor::NextMerged(std::uint64_t offset, std::uint64_t max_length) {
  std::uint64_t length = max_length;
  const std::size_t depths = cursors_.size();
  std::uint32_t searched = 0;
  Extent last;  // what the deepest layer that was asked said
  for (std::size_t depth = 0; depth < depths; ++depth) {
    const std::uint64_t size = chain_->layers()[depth].reader->virtual_size_bytes();
    if (offset >= size) break;
    searched = static_cast<std::uint32_t>(depth);
    INSTAR_ASSIGN_OR_RETURN(const Extent extent,
                            NextOfLayer(depth, offset, std::min(length, size - offset)));
    if (extent.kind != ExtentKind::kUnallocated) {
      return ChainExtent{
          .extent = extent, .depth = searched, .allocated = true, .searched = searched};
    }
    length = extent.length_bytes;
    last = extent;
  }
  return ChainExtent{.extent = {.kind = ExtentKind::kZero,
                                .length_bytes = length,
                                .device = last.device,
                                .file_offset = last.file_offset,
                                .has_offset = last.has_offset},
                     .depth = static_cast<std::uint32_t>(depths),
                     .allocated = false,
                     .searched = searched};
}

Result<ChainExtent> ChainCursor::Next(std::uint64_t offset, std::uint64_t max_length) {
  max_length = std::min(max_length, chain_->virtual_size_bytes() - offset);
  INSTAR_ASSIGN_OR_RETURN(ChainExtent merged, NextMerged(offset, max_length));
  // A lone raw file's runs are as long as they can be; looking ahead would only cost a call.
  if (cursors_.size() == 1 && IsBareDisk(chain_->top().format())) return merged;
  if (merged.extent.kind == ExtentKind::kCompressed) return merged;
  while (merged.extent.length_bytes < max_length) {
    const auto next =
        NextMerged(offset + merged.extent.length_bytes, max_length - merged.extent.length_bytes);
    // What stands beyond is told when it is asked for; so is its error.
    if (!next || !Continues(merged, *next)) break;
    merged.extent.length_bytes += next->extent.length_bytes;
  }
  return merged;
}

}  // namespace instar
