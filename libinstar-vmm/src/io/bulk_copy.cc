// BulkWorker: what changes a target.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "formats/base/checked.h"
#include "io/bulk_worker.h"
#include "io/file_zeroing.h"
#include "io/zero_scan.h"

namespace instar::vmm {
namespace {

constexpr IoResult kStopped = {.os_errno = ECANCELED, .on_target = true};

// Below this a seek for holes costs more than reading them: zeros in units of this size are found
// by looking at them. With larger units the holes between them would be lost.
constexpr std::uint64_t kWorthSeeking = std::uint64_t{1} << 20;
constexpr std::uint64_t kSmallUnit = LargePages::kSmallUnit;

// Pieces of work on a target's storage between two looks at the end of the run.
constexpr std::uint64_t kStoragePiece = std::uint64_t{256} << 20;

}  // namespace

// The piece at hand of a stream.
IoResult BulkWorker::CopyPiece(const BulkCopy& copy) {
  const InputStream::Held piece = copy.source.input->Hold(copy.source_offset, copy.length);
  if (piece.bytes.size() < copy.length) return {.os_errno = ESPIPE, .offset = copy.source_offset};
  return WriteBytes(copy, 0, piece.bytes);
}

// Data of a file into a stream, as far as the pages of its cache can go there as they are. Holes
// are left out: the stream fills them up with zeros.
IoResult BulkWorker::CopyToStream(const BulkCopy& copy) {
  std::uint64_t done = 0;
  if (copy.target.in_memory) large_.Bridge(copy.target, copy.target_offset);
  while (done < copy.length) {
    const std::uint64_t source_offset = copy.source_offset + done;
    if (meter_.stopped()) return kStopped;
    const RunOfFile run = runs_.Find(copy.source.key, copy.source.io.fd, copy.source.runs,
                                     source_offset, copy.length - done);
    if (run.hole) {
      meter_.NoteRead(WorkLedger::kRunBytes);
      done += run.length;
      continue;
    }
    const std::uint64_t piece = std::min<std::uint64_t>(run.length, kStagingBytes);
    if (!meter_.Throttle(piece)) return kStopped;
    std::uint64_t moved = 0;
    IoResult result = copy.target.io.output->Splice(copy.target_offset + done, copy.source.io.fd,
                                                    source_offset, piece, moved);
    if (result.ok() && moved < piece) {
      const std::span<std::byte> bytes = staging_.Get().first(piece - moved);
      result = ReadFully(copy.source.io, source_offset + moved, bytes);
      if (!result.ok()) return result;
      result = copy.target.io.output->Write(copy.target_offset + done + moved, bytes);
    }
    if (!result.ok()) return result;
    meter_.NotePlaced(copy.target.work->written, copy.target_offset + done, piece);
    done += piece;
  }
  return {};
}

IoResult BulkWorker::Copy(const BulkCopy& copy) {
  if (copy.source.input != nullptr) return CopyPiece(copy);
  const std::span<std::byte> staging = staging_.Get();
  if (staging.empty()) return {.os_errno = ENOMEM, .offset = copy.source_offset};
  if (copy.target.io.output != nullptr) return CopyToStream(copy);
  std::uint64_t done = 0;
  while (copy.share_blocks && done < copy.length) {
    if (meter_.stopped()) return kStopped;
    const std::uint64_t shared = ShareBlocks(copy, done);
    if (shared == 0) break;
    meter_.NotePlaced(copy.target.work->written, copy.target_offset + done, shared);
    done += shared;
  }
  if (copy.share_blocks && copy.target.shares != nullptr) {
    copy.target.shares->store(done == copy.length, std::memory_order_relaxed);
  }
  if (copy.target.in_memory) large_.Bridge(copy.target, copy.target_offset);
  const std::uint64_t joined = large_.TakeJoined(copy);
  while (done < copy.length) {
    if (meter_.stopped()) return kStopped;
    const std::uint64_t source_offset = copy.source_offset + done;
    const std::uint64_t target_offset = copy.target_offset + done;
    std::uint64_t remaining = copy.length - done;

    if (copy.zero_run_bytes == 0 || done < joined) {  // nobody looks at it, or somebody has
      const std::size_t piece =
          done < joined ? joined - done : PieceBytes(copy, target_offset, remaining);
      if (copy.zero_run_bytes == 0 && piece == remaining) large_.JoinNext(copy, done, staging);
      if (large_.Copy(copy, done, piece)) {
        if (!meter_.Throttle(piece)) return kStopped;
        large_.NoteWritten(copy.target, target_offset, piece);
        meter_.NotePlaced(copy.target.work->written, target_offset, piece);
        done += piece;
        continue;
      }
    }
    if (const auto kept = cache_.Find(copy.source.key, source_offset, remaining); !kept.empty()) {
      const IoResult result = WriteBytes(copy, done, kept);
      if (!result.ok()) return result;
      done += kept.size();
      continue;
    }
    remaining = cache_.NextKept(copy.source.key, source_offset, remaining) - source_offset;
    const bool exact = copy.zero_run_bytes > kSmallUnit;
    if (copy.zero_run_bytes != 0 && copy.source.stable && (exact || remaining >= kWorthSeeking)) {
      const RunOfFile run =
          exact ? FindRun(copy.source.runs, copy.source.io.fd, source_offset, remaining)
                : runs_.Find(copy.source.key, copy.source.io.fd, copy.source.runs, source_offset,
                             remaining, large_.Serves(copy.target) ? LargePages::kBytes : 1);
      if (run.hole) {
        meter_.NoteRead(WorkLedger::kRunBytes);
        done += run.length;
        continue;
      }
      remaining = std::min(remaining, run.length);
    }
    const std::size_t piece = PieceBytes(copy, target_offset, remaining);
    const std::span<std::byte> bytes = staging.first(piece);
    const PartialRead read = ReadUpToEnd(copy.source.io, source_offset, bytes);
    if (!read.result.ok()) return read.result;
    if (read.bytes == 0 && copy.zero_run_bytes != 0) break;  // nothing but zeros beyond the end
    if (read.bytes < piece) std::memset(bytes.data() + read.bytes, 0, piece - read.bytes);
    if (copy.zero_run_bytes != 0 && piece == copy.length - done)
      large_.JoinNext(copy, done, staging);
    const IoResult result = WriteBytes(copy, done, bytes);
    if (!result.ok()) return result;
    done += piece;
  }
  return {};
}

std::uint64_t BulkWorker::ShareBlocks(const BulkCopy& copy, std::uint64_t from) {
  return sharing_.Share({.source_fd = copy.source.io.fd,
                         .target_fd = copy.target.io.fd,
                         .pair = std::uint64_t{copy.source.key} << 32 | (copy.target.key + 1),
                         .source_offset = copy.source_offset + from,
                         .target_offset = copy.target_offset + from,
                         .length = copy.length - from});
}

IoResult BulkWorker::WriteBytes(const BulkCopy& copy, std::uint64_t into,
                                std::span<const std::byte> bytes) {
  if (meter_.stopped()) return kStopped;
  const IoResult result =
      copy.zero_run_bytes == 0 ? WritePiece(copy, into, bytes) : WriteNonZero(copy, into, bytes);
  if (result.ok()) {
    meter_.NotePlaced(copy.target.work->written, copy.target_offset + into, bytes.size());
  }
  return result;
}

IoResult BulkWorker::WritePiece(const BulkCopy& copy, std::uint64_t into,
                                std::span<const std::byte> bytes) {
  if (!meter_.Throttle(bytes.size())) return kStopped;
  const std::uint64_t offset = copy.target_offset + into;
  const IoResult result = large_.Copy(copy, into, bytes.size())
                              ? IoResult{}
                              : WriteFully(copy.target.io, offset, bytes);
  large_.NoteWritten(copy.target, offset, bytes.size());
  return result;
}

std::size_t BulkWorker::PieceBytes(const BulkCopy& copy, std::uint64_t target_offset,
                                   std::uint64_t remaining) const {
  // Pieces end at multiples of their size in the target, or as far off as zero units begin, which
  // so stay whole.
  const std::uint64_t off = copy.zero_run_bytes == 0 ? 0 : copy.target_offset % copy.zero_run_bytes;
  const auto to_multiple_of = [&](std::uint64_t bytes) {
    return bytes - (target_offset - off) % bytes;
  };
  const std::uint64_t large = to_multiple_of(LargePages::kBytes);
  if (off == 0 && remaining >= large &&
      large_.Ends(copy.target, target_offset, target_offset + large)) {
    return large;
  }
  if (large_.Begins(copy, target_offset, remaining)) return remaining;
  const std::uint64_t usual = copy.source.waits || copy.target.waits ? kStagingBytes : kPieceBytes;
  return std::min(remaining, to_multiple_of(std::max(usual, copy.zero_run_bytes)));
}

IoResult BulkWorker::WriteNonZero(const BulkCopy& copy, std::uint64_t into,
                                  std::span<const std::byte> bytes) {
  const auto unit_end = [&](std::size_t at) {
    const std::uint64_t length = copy.zero_run_bytes - (into + at) % copy.zero_run_bytes;
    return at + static_cast<std::size_t>(std::min<std::uint64_t>(length, bytes.size() - at));
  };
  std::size_t at = 0;
  while (at < bytes.size()) {
    std::size_t end = unit_end(at);
    if (IsZero(bytes.subspan(at, end - at))) {
      at = end;
      continue;
    }
    // The longest run of units that are not zero goes out in one request.
    std::size_t next = end;
    while (next < bytes.size()) {
      next = unit_end(end);
      if (IsZero(bytes.subspan(end, next - end))) break;
      end = next;
    }
    const IoResult result = WritePiece(copy, into + at, bytes.subspan(at, end - at));
    if (!result.ok()) return result;
    at = next;
  }
  return {};
}

template <typename Work>
IoResult BulkWorker::InPieces(const BulkFile& target, std::uint64_t offset, std::uint64_t length,
                              Work work) {
  large_.Forget();  // pages of it may be gone
  while (length > 0) {
    if (meter_.stopped()) return kStopped;
    const std::uint64_t piece = std::min(length, kStoragePiece);
    const IoResult result = work(offset, piece);
    if (!result.ok()) return result;
    meter_.NoteStored(target.work->stored, offset, piece);
    if (!meter_.Throttle(piece)) return kStopped;
    offset += piece;
    length -= piece;
  }
  return {};
}

IoResult BulkWorker::Zero(const BulkFile& target, std::uint64_t offset, std::uint64_t length) {
  return InPieces(target, offset, length, [&](std::uint64_t at, std::uint64_t piece) {
    return ZeroRange(target.io, at, piece);
  });
}

IoResult BulkWorker::Extend(const BulkFile& target, std::uint64_t offset, std::uint64_t length,
                            bool write) {
  // In memory storage that is there is all there can be.
  if (target.in_memory) write = false;
  return InPieces(target, offset, length, [&](std::uint64_t at, std::uint64_t piece) {
    large_.Prepare(target, at, piece, meter_);
    return write ? WriteZeros(target.io, at, piece) : ReserveRange(target.io, at, piece);
  });
}

IoResult BulkWorker::Append(const BulkFile& target, std::uint64_t length) {
  const std::uint64_t position = target.io.output->position();
  if (length < position) return {.os_errno = ESPIPE, .offset = length, .on_target = true};
  return Zero(target, position, length - position);
}

IoResult BulkWorker::Discard(const BulkFile& target, std::uint64_t offset, std::uint64_t length) {
  return InPieces(target, offset, length, [&](std::uint64_t at, std::uint64_t piece) {
    DiscardRange(target.io, at, piece);
    return IoResult{};
  });
}

}  // namespace instar::vmm
