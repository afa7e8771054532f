// A chunk whose content is stored as it is.
#include <algorithm>

#include "convert/worker.h"
#include "formats/base/checked.h"
#include "formats/base/zero_bytes.h"

namespace instar::convert {

Status Worker::ConvertPlain(const Claim& claim) {
  INSTAR_TRY(map_.Fill(claim));
  if (disk::ContentLoader::HasCompressed(map_.pieces())) {
    if (chunk_.size() == 0) chunk_ = disk::ByteBuffer(job_.chunk_bytes);
    INSTAR_TRY(loader_.Inflate(map_.pieces(), claim.offset, chunk_.span()));
  }
  // Where the host can leave zeros out as it copies, and no unit is allocated for them, there is
  // nothing to scan for.
  const bool trust_data = job_.target.is_flat() && job_.target.placed_reads_zero();
  zero_map_.Reset(claim.offset, claim.length_bytes);
  INSTAR_TRY(zero_map_.Scan(map_.pieces(), chunk_.span(), trust_data));
  job_.queue.NoteContent(zero_map_.Count(ZeroMap::Unit::kData) * job_.target.unit_bytes(),
                         claim.length_bytes);

  if (!job_.queue.BeginTurn(claim.ticket)) return {};
  return EndTurn(claim, PlacePlain(claim));
}

Status Worker::PlacePlain(const Claim& claim) {
  const std::uint64_t unit = job_.target.unit_bytes();
  const std::uint64_t end = claim.offset + claim.length_bytes;
  std::size_t piece = 0;
  for (std::size_t first = 0; first < zero_map_.units();) {
    const ZeroMap::Unit content = zero_map_[first];
    std::size_t last = first + 1;
    while (last < zero_map_.units() && zero_map_[last] == content) ++last;
    const std::uint64_t run_end = std::min(end, claim.offset + last * unit);
    std::uint64_t offset = claim.offset + first * unit;
    first = last;
    if (content == ZeroMap::Unit::kData) {
      INSTAR_TRY(PlaceRun(offset, run_end - offset, piece));
    } else if (content == ZeroMap::Unit::kZero) {
      INSTAR_TRY(PlaceZeroRun(offset, run_end));
    }
  }
  return {};
}

// Zeros of [offset, end): what has to be done about them can change in between.
Status Worker::PlaceZeroRun(std::uint64_t offset, std::uint64_t end) {
  const std::uint64_t unit = job_.target.unit_bytes();
  while (offset < end) {
    std::uint64_t next = end;
    if (const std::uint64_t change = job_.target.NextZeroChange(offset); change < end) {
      next = std::min(end, offset + DivideRoundUp(change - offset, unit) * unit);
    }
    if (job_.target.ZerosAt(offset) == ZeroPolicy::kExplicit) {
      INSTAR_TRY(PlaceZeros(offset, next - offset));
    }
    offset = next;
  }
  return {};
}

Status Worker::PlaceZeros(std::uint64_t offset, std::uint64_t length) {
  if (!job_.target.is_flat()) {
    // The writer may store something for them, which comes after what is placed so far.
    if (job_.target.appends_only()) INSTAR_TRY(transfers_.SendInOrder(job_.host));
    return job_.target.writer().PlaceZero(offset, length);
  }
  // Zeroing a stretch of a flat file is one more step of the chunk's transfer.
  INSTAR_ASSIGN_OR_RETURN(const Placement place, job_.target.writer().PlaceData(offset, length));
  transfers_.AddStep({.kind = TransferStep::Kind::kZero,
                      .target = place.device,
                      .target_offset = place.file_offset,
                      .length_bytes = length});
  return {};
}

Status Worker::PlaceRun(std::uint64_t offset, std::uint64_t length, std::size_t& piece) {
  const std::span<const disk::SourceExtent> pieces = map_.pieces();
  const std::uint64_t chunk_offset = pieces.front().offset;
  while (length != 0) {
    INSTAR_ASSIGN_OR_RETURN(const Placement place, job_.target.writer().PlaceData(offset, length));
    const std::uint64_t end = offset + place.length_bytes;
    std::uint64_t file_offset = place.file_offset;
    while (offset < end) {
      while (pieces[piece].end() <= offset) ++piece;
      const disk::SourceExtent part = pieces[piece].Part(offset, end - offset);
      MovePiece(part, chunk_offset, place.device, file_offset);
      offset += part.length_bytes;
      file_offset += part.length_bytes;
    }
    length -= place.length_bytes;
  }
  return {};
}

void Worker::AddCopy(const disk::SourceExtent& part, DeviceId device, std::uint64_t file_offset,
                     bool sparse) {
  transfers_.AddStep({.kind = sparse ? TransferStep::Kind::kCopySparse : TransferStep::Kind::kCopy,
                      .source = part.device,
                      .source_offset = part.file_offset,
                      .target = device,
                      .target_offset = file_offset,
                      .length_bytes = part.length_bytes,
                      .zero_run_bytes = sparse ? job_.zero_run_bytes : 0});
}

void Worker::MovePiece(const disk::SourceExtent& part, std::uint64_t chunk_offset, DeviceId device,
                       std::uint64_t file_offset) {
  switch (part.kind) {
    case disk::SourceExtent::Kind::kData: {
      const bool sparse = part.has_zero_runs && job_.target.placed_reads_zero();
      // A run of zeros counts from a multiple of its length on the disk.
      const std::uint64_t rest = sparse ? part.offset % job_.zero_run_bytes : 0;
      const std::uint64_t head =
          rest == 0 ? 0 : std::min(part.length_bytes, job_.zero_run_bytes - rest);
      if (head != 0) AddCopy(part.Part(part.offset, head), device, file_offset, sparse);
      if (head == part.length_bytes) return;
      AddCopy(part.Part(part.offset + head, part.length_bytes - head), device, file_offset + head,
              sparse);
      return;
    }
    case disk::SourceExtent::Kind::kMemory:
      MoveMemory(part, chunk_offset, device, file_offset);
      return;
    case disk::SourceExtent::Kind::kZero:
    case disk::SourceExtent::Kind::kInherited:
    case disk::SourceExtent::Kind::kCompressed:
      if (job_.zero_run_bytes == 0) {
        transfers_.AddZeroBytes(device, file_offset, part.length_bytes);
      } else if (!job_.target.placed_reads_zero()) {
        transfers_.AddStep({.kind = TransferStep::Kind::kZero,
                            .target = device,
                            .target_offset = file_offset,
                            .length_bytes = part.length_bytes});
      }
      return;
  }
}

void Worker::MoveMemory(const disk::SourceExtent& part, std::uint64_t chunk_offset, DeviceId device,
                        std::uint64_t file_offset) {
  const auto content = chunk_.span().subspan(part.offset - chunk_offset, part.length_bytes);
  if (!part.has_zero_runs || !job_.target.placed_reads_zero()) {
    transfers_.AddWrite(device, file_offset, content);
    return;
  }
  for (std::uint64_t at = 0; at < part.length_bytes;) {
    const std::uint64_t length = std::min(
        part.length_bytes - at, job_.zero_run_bytes - (part.offset + at) % job_.zero_run_bytes);
    const auto block = content.subspan(at, length);
    if (!IsZero(block)) transfers_.AddWrite(device, file_offset + at, block);
    at += length;
  }
}

}  // namespace instar::convert
