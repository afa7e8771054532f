#include "convert/chunk_map.h"

#include <algorithm>
#include <utility>

#include "formats/base/checked.h"

namespace instar::convert {

ChunkMap::ChunkMap(Host& host, const disk::SourceDisk& disk, const Options& options)
    : host_(&host), disk_(&disk), options_(options) {
  // Extents are whole sectors, but for where a source ends. What is longer than a chunk is
  // one piece, of data or zeros.
  max_pieces_ =
      static_cast<std::size_t>(options.chunk_bytes / disk::kSectorBytes) + 2 * disk.count() + 2;
  pieces_.reserve(max_pieces_);
  if (options.inherit || options.salvage != nullptr) spare_.reserve(max_pieces_);
  if (options.inherit) touched_.reserve(options.longest_bytes / options.unit_bytes);
}

Result<ChunkMap> ChunkMap::Create(Host& host, const disk::SourceDisk& disk,
                                  const Options& options) {
  ChunkMap map(host, disk, options);
  INSTAR_ASSIGN_OR_RETURN(map.cursor_, disk.OpenCursor());
  return map;
}

Status ChunkMap::Add(const disk::SourceExtent& piece) {
  if (!pieces_.empty() && piece.kind == disk::SourceExtent::Kind::kZero) {
    disk::SourceExtent& last = pieces_.back();
    if (last.kind == disk::SourceExtent::Kind::kZero && last.inherited == piece.inherited) {
      last.length_bytes += piece.length_bytes;
      return {};
    }
  }
  if (pieces_.size() == max_pieces_) {
    return OverLimit("the disk is in too many pieces near offset {0x}", piece.offset);
  }
  pieces_.push_back(piece);
  return {};
}

Result<disk::SourceExtent> ChunkMap::Next(std::uint64_t offset, std::uint64_t max_length) {
  if (!options_.short_holes) {
    if (const auto raw = disk_->BareRaw(offset, max_length)) return *raw;
  }
  auto found = cursor_->Next(offset, max_length);
  if (found || options_.salvage == nullptr) return found;
  const std::uint64_t lost = disk_->UnreadableBytes(offset, max_length);
  options_.salvage->Lost(offset, lost);
  return disk::SourceExtent{
      .kind = disk::SourceExtent::Kind::kZero, .offset = offset, .length_bytes = lost};
}

Status ChunkMap::Fill(const Claim& claim) {
  pieces_.clear();
  const std::uint64_t end = claim.offset + claim.length_bytes;
  std::uint64_t offset = claim.offset;
  if (claim.lead.length_bytes != 0) {
    INSTAR_TRY(Add(claim.lead));
    offset = claim.lead.end();
  }
  while (offset < end) {
    INSTAR_ASSIGN_OR_RETURN(const disk::SourceExtent piece, Next(offset, end - offset));
    INSTAR_TRY(Add(piece));
    offset = piece.end();
  }
  if (options_.inherit) INSTAR_TRY(ResolveInherited(claim));
  if (options_.salvage != nullptr) {
    return DropUnreadable(*host_, pieces_, spare_, max_pieces_, *options_.salvage);
  }
  return {};
}

Status ChunkMap::ResolveInherited(const Claim& claim) {
  const std::uint64_t unit = options_.unit_bytes;
  touched_.assign(DivideRoundUp(claim.length_bytes, unit), 0);
  for (const disk::SourceExtent& piece : pieces_) {
    if (piece.inherited) continue;
    const std::uint64_t last = (piece.end() - 1 - claim.offset) / unit;
    for (std::uint64_t i = (piece.offset - claim.offset) / unit; i <= last; ++i) touched_[i] = 1;
  }
  std::swap(pieces_, spare_);
  pieces_.clear();
  for (const disk::SourceExtent& piece : spare_) {
    if (!piece.inherited) {
      INSTAR_TRY(Add(piece));
      continue;
    }
    // Cut where the units change between touched and not.
    std::uint64_t offset = piece.offset;
    while (offset < piece.end()) {
      std::uint64_t index = (offset - claim.offset) / unit;
      const bool touched = touched_[index] != 0;
      std::uint64_t end = 0;
      do {
        end = claim.offset + ++index * unit;
      } while (end < piece.end() && (touched_[index] != 0) == touched);
      disk::SourceExtent part = piece.Part(offset, end - offset);
      part.inherited = false;
      if (!touched) part.kind = disk::SourceExtent::Kind::kInherited;
      INSTAR_TRY(Add(part));
      offset = part.end();
    }
  }
  return {};
}

}  // namespace instar::convert
