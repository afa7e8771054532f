// Handing the disk out to the workers, and keeping their allocations in order.
//
// The disk is cut into chunks. A worker claims the next one that holds anything; while it holds the
// claim lock it looks, with a cursor of its own, at the extent the chunk starts with, so that a
// hole of any size is stepped over at once. Each claim carries a ticket. Where data goes in the
// target is decided in the order of the tickets, so the result does not depend on how many workers
// there are or which is faster; moving the bytes is not ordered.
//
// How a worker waits: disk/backoff.h.
#ifndef INSTAR_CONVERT_CHUNK_QUEUE_H_
#define INSTAR_CONVERT_CHUNK_QUEUE_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "convert/target.h"
#include "disk/hole_finder.h"
#include "disk/source_disk.h"

namespace instar::convert {

// Large enough that the calls a chunk costs (two or three of 35 to 90 us under nested
// virtualization) are small beside moving it, small enough that its content stays in a processor's
// cache where it passes through memory.
inline constexpr std::uint64_t kChunkBytes = 2 << 20;

// To compress a chunk takes long, and much longer than another: who is done with one waits until
// all before it are placed.
inline constexpr std::uint64_t kCompressedChunkBytes = 512 << 10;

// Data that does not pass through memory is claimed in stretches of whole chunks: fewer calls.
inline constexpr std::uint64_t kStretchBytes = 64 << 20;

// Where blocks are shared no byte is moved, and calls are what costs.
inline constexpr std::uint64_t kSharedStretchBytes = std::uint64_t{16} << 30;

struct Claim {
  std::uint64_t ticket = 0;
  std::uint64_t offset = 0;
  std::uint64_t length_bytes = 0;
  // What the disk holds at `offset`; length 0 where that could not be told. A claim longer than a
  // chunk is all of its lead, zeros or data.
  disk::SourceExtent lead;
};

class ChunkQueue {
 public:
  struct Options {
    // A power of two, multiple of the target's unit.
    std::uint64_t chunk_bytes = kChunkBytes;
    bool ordered = true;   // Turn waits for the tickets before
    bool salvage = false;  // a map that cannot be read is left to the worker
    // Data that does not pass through a worker's memory is claimed in stretches of up to so much;
    // 0: in chunks.
    std::uint64_t stretch_bytes = 0;
    // The same where NoteContent was told last of a stretch that is not mostly zeros.
    std::uint64_t dense_stretch_bytes = 0;
    // Who moves a claim finds the holes of a source that is nothing but a raw file: the queue need
    // not find them all.
    bool over_holes = false;
    // Begin with single chunks, until EndProbe, of what is not known to share its blocks.
    bool probe = false;
    unsigned workers = 1;
  };

  // `disk` and `target` must outlive the queue. The target begins before the first Next.
  static Result<std::unique_ptr<ChunkQueue>> Create(Host& host, const disk::SourceDisk& disk,
                                                    const Target& target, const Options& options);

  // The next chunk, or nothing when all are handed out or something failed.
  std::optional<Claim> Next();

  // Waits until all claims before `ticket` have placed what they place; false if something failed.
  // Then EndTurn must follow.
  bool BeginTurn(std::uint64_t ticket);
  void EndTurn();

  // Ends the conversion. The first error is kept.
  void Fail(const Error& error);
  [[nodiscard]] Status status() const;

  // What a look into a claim found: bytes of data out of so many.
  void NoteContent(std::uint64_t data_bytes, std::uint64_t claim_bytes) {
    sparse_.store(data_bytes <= claim_bytes / 8, std::memory_order_relaxed);
  }

  // What is moved from `source` shares blocks with it.
  void NoteSharing(DeviceId source) { shared_.store(source, std::memory_order_relaxed); }
  [[nodiscard]] bool Shares(DeviceId source) const {
    return source != kNoDevice && shared_.load(std::memory_order_relaxed) == source;
  }

  // Before a second worker begins.
  void EndProbe() { probing_ = false; }

  // How much one worker may take on at once when all before `offset` is handed out: up to
  // stretch_bytes or dense_stretch_bytes, less towards the end of the disk, so that all have
  // something to do; but of a source that shares its blocks a lot, and nothing on a probe.
  [[nodiscard]] std::uint64_t FairBytes(std::uint64_t offset, DeviceId source) const {
    if (Shares(source)) return kSharedStretchBytes;
    if (probing_) return 0;
    constexpr std::uint64_t kClaimsAWorker = 4;  // at least, of what is left
    const std::uint64_t most = sparse_.load(std::memory_order_relaxed)
                                   ? options_.stretch_bytes
                                   : options_.dense_stretch_bytes;
    return std::min(most, (disk_.size_bytes() - offset) / (kClaimsAWorker * options_.workers));
  }

  // Bytes of the disk that are settled.
  void AddDone(std::uint64_t bytes) { done_bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t done_bytes() const {
    return done_bytes_.load(std::memory_order_relaxed);
  }

 private:
  ChunkQueue(Host& host, const disk::SourceDisk& disk, const Target& target, const Options& options)
      : host_(host),
        disk_(disk),
        target_(target),
        options_(options),
        probing_(options.probe),
        holes_(host, options.chunk_bytes) {}
  Status Look();
  [[nodiscard]] std::optional<Claim> NextLocked();
  [[nodiscard]] std::uint64_t StretchBytes() const;

  Host& host_;
  const disk::SourceDisk& disk_;
  const Target& target_;
  const Options options_;
  bool probing_;
  std::unique_ptr<disk::SourceCursor> scout_;  // below: under claim_lock_
  std::uint64_t next_offset_ = 0;
  std::uint64_t next_ticket_ = 0;
  disk::SourceExtent lead_;  // covers next_offset_ unless it could not be told
  disk::HoleFinder holes_;
  std::atomic_flag claim_lock_;

  std::atomic<std::uint64_t> turn_{0};
  std::atomic_flag turn_lock_;  // unordered turns
  std::atomic<std::uint64_t> done_bytes_{0};
  std::atomic<bool> sparse_{false};  // what was looked into last
  std::atomic<DeviceId> shared_{kNoDevice};

  std::atomic<bool> stopped_{false};
  std::atomic_flag error_taken_;
  std::atomic<bool> error_set_{false};
  Error error_;
};

}  // namespace instar::convert

#endif  // INSTAR_CONVERT_CHUNK_QUEUE_H_
