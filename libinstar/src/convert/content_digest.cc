#include "convert/content_digest.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "convert/chunk_map.h"
#include "convert/zero_map.h"
#include "disk/backoff.h"
#include "disk/content_loader.h"
#include "disk/salvage.h"
#include "formats/base/blake2b.h"
#include "formats/base/checked.h"
#include "formats/base/zero_bytes.h"

namespace instar::convert {
namespace {

// Part of what the digest means: another size gives other identities. Overlays say in units of this
// what they leave to their backing file (grains of a VMDK).
constexpr std::uint64_t kBlockBytes = 64 << 10;
constexpr std::uint64_t kProgressBytes = 64 << 20;

using BlockDigest = std::array<std::byte, 32>;

// What one worker looks into, or a run of zeros that has to be noted. What comes of them is put
// together in the order of the tickets.
struct Stretch {
  std::uint64_t ticket = 0;
  std::uint64_t offset = 0;
  std::uint64_t length_bytes = 0;
  bool zeros = false;
};

// What all workers share.
class Job {
 public:
  Job(Host& host, const disk::SourceDisk& disk, const DigestOptions& options,
      std::unique_ptr<disk::SourceCursor> scout)
      : host_(host),
        disk_(disk),
        options_(options),
        scout_(std::move(scout)),
        digest_(sizeof(IdentitySeed)) {
    digest_.AddNumber(disk.size_bytes());
  }

  [[nodiscard]] const DigestOptions& options() const { return options_; }

  // The next stretch, or nothing when all are handed out or something failed.
  std::optional<Stretch> Next() {
    const disk::SpinGuard guard(claim_lock_, host_);
    const std::uint64_t size = disk_.size_bytes();
    while (next_offset_ < size && !stopped_.load(std::memory_order_relaxed)) {
      const auto piece = Look();
      if (!piece) {
        Fail(piece.error());
        break;
      }
      const std::uint64_t offset = next_offset_;
      const bool holds_nothing = piece->kind == disk::SourceExtent::Kind::kZero || piece->inherited;
      std::uint64_t end = piece->end() == size ? size : AlignDown(piece->end(), kChunkBytes);
      if (!holds_nothing || end <= offset) end = offset + std::min(kChunkBytes, size - offset);
      next_offset_ = end;
      const bool whole = holds_nothing && end <= piece->end();
      if (whole && (piece->inherited || !options_.inherit)) continue;
      return Stretch{
          .ticket = next_ticket_++, .offset = offset, .length_bytes = end - offset, .zeros = whole};
    }
    return std::nullopt;
  }

  // Waits until all before `ticket` are put together; false if something failed. Then EndTurn must
  // follow.
  bool BeginTurn(std::uint64_t ticket) {
    disk::Backoff patience(host_);
    while (turn_.load(std::memory_order_acquire) != ticket) {
      if (stopped_.load(std::memory_order_relaxed)) return false;
      patience.Pause();
    }
    return true;
  }
  // All of the disk up to `done` is put together.
  Status EndTurn(std::uint64_t done) {
    if (done - told_ >= kProgressBytes) {
      told_ = done;
      INSTAR_TRY(host_.Progress(done, options_.progress_total));
    }
    turn_.fetch_add(1, std::memory_order_release);
    return {};
  }

  // In a turn.
  void AddBlock(std::uint64_t number, const BlockDigest& own) {
    AddZeroRun();
    digest_.AddNumber(number);
    digest_.Add(own);
  }
  // Blocks [first, end) are zeros. Without a backing file that goes without saying.
  void AddZeros(std::uint64_t first, std::uint64_t end) {
    if (!options_.inherit) return;
    if (first != zeros_end_) {
      AddZeroRun();
      zeros_first_ = first;
    }
    zeros_end_ = end;
  }

  void Fail(const Error& error) {
    if (!error_taken_.test_and_set(std::memory_order_acq_rel)) error_ = error;
    stopped_.store(true, std::memory_order_release);
  }

  // When no worker runs any more.
  Result<IdentitySeed> Finish() {
    if (stopped_.load(std::memory_order_acquire)) return std::unexpected(error_);
    AddZeroRun();
    IdentitySeed seed{};
    digest_.Finish(seed);
    return seed;
  }

 private:
  // What the disk holds at next_offset_. Where that cannot be told and is to be salvaged, a worker
  // will find out.
  Result<disk::SourceExtent> Look() {
    if (next_offset_ < lead_.end()) return lead_;
    auto piece = scout_->Next(next_offset_, disk_.size_bytes() - next_offset_);
    if (piece) {
      lead_ = *piece;
    } else if (options_.salvage) {
      return disk::SourceExtent{
          .kind = disk::SourceExtent::Kind::kData, .offset = next_offset_, .length_bytes = 1};
    }
    return piece;
  }

  void AddZeroRun() {
    if (zeros_first_ == zeros_end_) return;
    constexpr std::uint64_t kZeros = std::uint64_t{1} << 63;  // no block has such a number
    digest_.AddNumber(zeros_first_ | kZeros);
    digest_.AddNumber(zeros_end_);
    zeros_first_ = zeros_end_;
  }

  Host& host_;
  const disk::SourceDisk& disk_;
  const DigestOptions options_;

  std::atomic_flag claim_lock_;
  std::unique_ptr<disk::SourceCursor> scout_;  // below: under claim_lock_
  disk::SourceExtent lead_;                    // what was found last
  std::uint64_t next_offset_ = 0;              // a multiple of a chunk
  std::uint64_t next_ticket_ = 0;

  std::atomic<std::uint64_t> turn_{0};
  Blake2b digest_;                 // below: in turn
  std::uint64_t zeros_first_ = 0;  // a run of blocks of zeros that is not in the digest yet
  std::uint64_t zeros_end_ = 0;
  std::uint64_t told_ = 0;

  std::atomic<bool> stopped_{false};
  std::atomic_flag error_taken_;
  Error error_;
};

class DigestWorker {
 public:
  static Result<std::unique_ptr<DigestWorker>> Create(Host& host, const disk::SourceDisk& disk,
                                                      Job& job) {
    auto worker = std::unique_ptr<DigestWorker>(new DigestWorker(job));
    disk::SalvageCount* const lost = job.options().salvage ? &worker->lost_ : nullptr;
    INSTAR_ASSIGN_OR_RETURN(ChunkMap map, ChunkMap::Create(host, disk,
                                                           {.unit_bytes = kBlockBytes,
                                                            .inherit = job.options().inherit,
                                                            .short_holes = true,
                                                            .salvage = lost}));
    worker->loader_.emplace(host, disk, map.max_pieces(), lost);
    worker->map_.emplace(std::move(map));
    return worker;
  }

  void Run() {
    while (const auto stretch = job_.Next()) {
      if (const Status taken = Take(*stretch); !taken) return job_.Fail(taken.error());
    }
  }

 private:
  enum class Block : std::uint8_t { kInherited, kZero, kData };

  explicit DigestWorker(Job& job) : job_(job), chunk_(kChunkBytes) {}

  Status Take(const Stretch& stretch) {
    if (!stretch.zeros) {
      INSTAR_TRY(Load({.offset = stretch.offset, .length_bytes = stretch.length_bytes}));
      DigestBlocks(stretch.length_bytes);
    }
    if (!job_.BeginTurn(stretch.ticket)) return {};
    const std::uint64_t end = stretch.offset + stretch.length_bytes;
    const std::uint64_t first = stretch.offset / kBlockBytes;
    const std::uint64_t count = DivideRoundUp(stretch.length_bytes, kBlockBytes);
    if (stretch.zeros) job_.AddZeros(first, first + count);
    for (std::uint64_t i = 0; !stretch.zeros && i < count; ++i) {
      if (blocks_[i] == Block::kData) job_.AddBlock(first + i, digests_[i]);
      if (blocks_[i] == Block::kZero) job_.AddZeros(first + i, first + i + 1);
    }
    return job_.EndTurn(end);
  }

  // Brings the content into memory, but for what is left to the backing file.
  Status Load(const Claim& claim) {
    INSTAR_TRY(map_->Fill(claim));
    INSTAR_TRY(loader_->Inflate(map_->pieces(), claim.offset, chunk_.span()));
    INSTAR_TRY(loader_->Read(map_->pieces(), claim.offset, chunk_.span()));
    blocks_.fill(Block::kData);
    for (const disk::SourceExtent& piece : map_->pieces()) {
      const std::uint64_t start = piece.offset - claim.offset;
      if (piece.kind == disk::SourceExtent::Kind::kZero) {
        std::memset(chunk_.span().data() + start, 0, piece.length_bytes);
      } else if (piece.kind == disk::SourceExtent::Kind::kInherited) {
        const std::uint64_t end = DivideRoundUp(start + piece.length_bytes, kBlockBytes);
        for (std::uint64_t i = start / kBlockBytes; i < end; ++i) blocks_[i] = Block::kInherited;
      }
    }
    return {};
  }

  void DigestBlocks(std::uint64_t length) {
    for (std::uint64_t at = 0; at < length; at += kBlockBytes) {
      const std::uint64_t i = at / kBlockBytes;
      if (blocks_[i] == Block::kInherited) continue;
      const auto block = chunk_.span().subspan(at, std::min(kBlockBytes, length - at));
      if (IsZero(block)) {
        blocks_[i] = Block::kZero;
        continue;
      }
      Blake2b digest(sizeof(BlockDigest));
      digest.Add(block);
      digest.Finish(digests_[i]);
    }
  }

  Job& job_;
  disk::SalvageCount lost_;  // told of where the content is copied
  std::optional<ChunkMap> map_;
  std::optional<disk::ContentLoader> loader_;
  disk::ByteBuffer chunk_;
  std::array<Block, kChunkBytes / kBlockBytes> blocks_{};
  std::array<BlockDigest, kChunkBytes / kBlockBytes> digests_{};
};

void RunDigestWorker(void* argument, unsigned number) {
  (*static_cast<std::vector<std::unique_ptr<DigestWorker>>*>(argument))[number]->Run();
}

}  // namespace

Result<IdentitySeed> DigestContent(Host& host, const disk::SourceDisk& disk,
                                   const DigestOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(auto scout, disk.OpenCursor());
  Job job(host, disk, options, std::move(scout));
  std::vector<std::unique_ptr<DigestWorker>> workers;
  for (unsigned i = 0; i < options.workers; ++i) {
    INSTAR_ASSIGN_OR_RETURN(auto worker, DigestWorker::Create(host, disk, job));
    workers.push_back(std::move(worker));
  }
  if (options.workers == 1) {
    workers.front()->Run();
  } else {
    INSTAR_TRY(host.Parallel(options.workers, RunDigestWorker, &workers));
  }
  return job.Finish();
}

}  // namespace instar::convert
