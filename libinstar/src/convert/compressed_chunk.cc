// A chunk of a compressed target: all content passes through memory, unit by unit.
#include <algorithm>
#include <cstring>

#include "convert/worker.h"
#include "formats/base/checked.h"
#include "formats/base/zero_bytes.h"

namespace instar::convert {

Status Worker::ConvertCompressed(const Claim& claim) {
  INSTAR_TRY(map_.Fill(claim));
  INSTAR_TRY(loader_.Inflate(map_.pieces(), claim.offset, chunk_.span()));
  INSTAR_TRY(loader_.Read(map_.pieces(), claim.offset, chunk_.span()));
  for (const disk::SourceExtent& piece : map_.pieces()) {
    if (piece.kind != disk::SourceExtent::Kind::kZero) continue;
    std::memset(chunk_.span().data() + (piece.offset - claim.offset), 0, piece.length_bytes);
  }
  INSTAR_TRY(CompressUnits(claim));

  if (!job_.queue.BeginTurn(claim.ticket)) return {};
  return EndTurn(claim, PlaceCompressed(claim));
}

Status Worker::CompressUnits(const Claim& claim) {
  const std::uint64_t unit = job_.target.unit_bytes();
  ImageWriter& writer = job_.target.writer();
  zero_map_.Reset(claim.offset, claim.length_bytes);
  for (const disk::SourceExtent& piece : map_.pieces()) {
    if (piece.kind == disk::SourceExtent::Kind::kInherited) continue;
    zero_map_.Mark(piece.offset, piece.length_bytes, ZeroMap::Unit::kZero);
  }
  // Readers inflate whole units: what the end of the disk cuts off is zeros.
  const std::uint64_t padded = zero_map_.units() * unit;
  std::memset(chunk_.span().data() + claim.length_bytes, 0, padded - claim.length_bytes);

  std::size_t used = 0;
  for (std::size_t i = 0; i < zero_map_.units(); ++i) {
    packed_bytes_[i] = 0;
    if (zero_map_[i] == ZeroMap::Unit::kNothing) continue;
    const auto content = chunk_.span().subspan(i * unit, unit);
    if (job_.zero_run_bytes != 0 && IsZero(content)) continue;
    zero_map_.Mark(claim.offset + i * unit, 1, ZeroMap::Unit::kData);
    INSTAR_ASSIGN_OR_RETURN(
        packed_bytes_[i],
        writer.CompressAt(number_, claim.offset + i * unit, content,
                          packed_.span().subspan(used, writer.max_compressed_bytes())));
    used += packed_bytes_[i];
  }
  return {};
}

Status Worker::PlaceCompressed(const Claim& claim) {
  const std::uint64_t unit = job_.target.unit_bytes();
  ImageWriter& writer = job_.target.writer();
  std::size_t used = 0;
  for (std::size_t i = 0; i < zero_map_.units(); ++i) {
    const std::uint64_t offset = claim.offset + i * unit;
    const std::uint64_t length = std::min(unit, claim.length_bytes - i * unit);
    if (zero_map_[i] == ZeroMap::Unit::kNothing) continue;
    if (zero_map_[i] == ZeroMap::Unit::kZero) {
      if (job_.target.ZerosAt(offset) == ZeroPolicy::kExplicit) {
        INSTAR_TRY(PlaceZeros(offset, length));
      }
      continue;
    }
    if (packed_bytes_[i] != 0) {
      const auto packed = packed_.span().subspan(used, packed_bytes_[i]);
      used += packed.size();
      INSTAR_ASSIGN_OR_RETURN(const Placement place, writer.PlaceCompressed(offset, packed.size()));
      transfers_.AddWrite(place.device, place.file_offset, packed);
      continue;
    }
    // Does not compress. (A placement of one unit is never shorter than the unit.)
    INSTAR_ASSIGN_OR_RETURN(const Placement place, writer.PlaceData(offset, length));
    transfers_.AddWrite(place.device, place.file_offset,
                        chunk_.span().subspan(i * unit, place.length_bytes));
  }
  return {};
}

}  // namespace instar::convert
