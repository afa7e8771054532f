#include "convert/zero_map.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/zero_bytes.h"

namespace instar::convert {

ZeroMap::ZeroMap(Host& host, std::uint64_t unit_bytes, std::uint64_t zero_run_bytes,
                 std::uint64_t max_bytes, std::size_t max_pieces)
    : host_(host),
      unit_bytes_(unit_bytes),
      zero_run_bytes_(zero_run_bytes),
      block_bytes_(std::max(unit_bytes, zero_run_bytes)) {
  units_.reserve(max_bytes / unit_bytes);
  if (zero_run_bytes == 0) return;
  scanned_.reserve(2 * max_pieces);
  ranges_.reserve(2 * max_pieces);
  bitmap_.reserve((2 * max_pieces + max_bytes / block_bytes_) / 64 + 1);
}

void ZeroMap::Reset(std::uint64_t offset, std::uint64_t length) {
  offset_ = offset;
  units_.assign(DivideRoundUp(length, unit_bytes_), Unit::kNothing);
}

void ZeroMap::Mark(std::uint64_t offset, std::uint64_t length, Unit value) {
  const std::uint64_t last = (offset + length - 1 - offset_) / unit_bytes_;
  for (std::uint64_t i = (offset - offset_) / unit_bytes_; i <= last; ++i) {
    units_[i] = std::max(units_[i], value);
  }
}

std::size_t ZeroMap::Count(Unit value) const {
  return static_cast<std::size_t>(std::ranges::count(units_, value));
}

// Blocks of a scan are counted from the start of a range, but zero runs from multiples of their
// length: a piece that starts between two gets a range of its own up to the next.
void ZeroMap::AddRanges(std::size_t index, const disk::SourceExtent& piece) {
  std::uint64_t offset = piece.offset;
  while (offset < piece.end()) {
    const std::uint64_t into_block = offset % block_bytes_;
    const std::uint64_t left = piece.end() - offset;
    const std::uint64_t length = into_block == 0 ? left : std::min(left, block_bytes_ - into_block);
    scanned_.push_back({.piece = index, .offset = offset, .length = length});
    ranges_.push_back({.device = piece.device,
                       .offset = piece.file_offset + (offset - piece.offset),
                       .length_bytes = length});
    offset += length;
  }
}

Status ZeroMap::ScanByHost(std::span<disk::SourceExtent> pieces) {
  for (std::size_t first = 0; first < ranges_.size(); first += kMaxHostList) {
    const std::size_t count = std::min(kMaxHostList, ranges_.size() - first);
    std::uint64_t blocks = 0;
    for (std::size_t i = first; i < first + count; ++i) {
      blocks += DivideRoundUp(scanned_[i].length, block_bytes_);
    }
    bitmap_.assign(DivideRoundUp(blocks, 64), 0);
    INSTAR_TRY(host_.ScanZero(std::span(ranges_).subspan(first, count), block_bytes_, bitmap_));

    std::uint64_t bit = 0;
    for (std::size_t i = first; i < first + count; ++i) {
      const Scanned& range = scanned_[i];
      for (std::uint64_t at = 0; at < range.length; at += block_bytes_, ++bit) {
        const bool zero = ((bitmap_[bit / 64] >> (bit % 64)) & 1) != 0;
        if (zero || block_bytes_ > zero_run_bytes_) pieces[range.piece].has_zero_runs = true;
        Mark(range.offset + at, std::min(block_bytes_, range.length - at),
             zero ? Unit::kZero : Unit::kData);
      }
    }
  }
  return {};
}

void ZeroMap::ScanMemory(disk::SourceExtent& piece, std::span<const std::byte> memory) {
  std::uint64_t offset = piece.offset;
  while (offset < piece.end()) {
    const std::uint64_t length =
        std::min(piece.end() - offset, zero_run_bytes_ - offset % zero_run_bytes_);
    const bool zero = IsZero(memory.subspan(offset - offset_, length));
    if (zero) piece.has_zero_runs = true;
    Mark(offset, length, zero ? Unit::kZero : Unit::kData);
    offset += length;
  }
}

Status ZeroMap::Scan(std::span<disk::SourceExtent> pieces, std::span<const std::byte> memory,
                     bool trust_data) {
  scanned_.clear();
  ranges_.clear();
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    disk::SourceExtent& piece = pieces[i];
    switch (piece.kind) {
      case disk::SourceExtent::Kind::kInherited:
      case disk::SourceExtent::Kind::kCompressed:  // inflated before: none is left
        break;
      case disk::SourceExtent::Kind::kZero:
        Mark(piece.offset, piece.length_bytes, zero_run_bytes_ == 0 ? Unit::kData : Unit::kZero);
        break;
      case disk::SourceExtent::Kind::kData:
        if (zero_run_bytes_ == 0 || trust_data) {
          piece.has_zero_runs = zero_run_bytes_ != 0;
          Mark(piece.offset, piece.length_bytes, Unit::kData);
        } else {
          AddRanges(i, piece);
        }
        break;
      case disk::SourceExtent::Kind::kMemory:
        if (zero_run_bytes_ == 0) {
          Mark(piece.offset, piece.length_bytes, Unit::kData);
        } else {
          ScanMemory(piece, memory);
        }
        break;
    }
  }
  return ScanByHost(pieces);
}

}  // namespace instar::convert
