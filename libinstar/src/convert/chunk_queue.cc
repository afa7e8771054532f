#include "convert/chunk_queue.h"

#include <algorithm>
#include <utility>

#include "disk/backoff.h"
#include "formats/base/checked.h"

namespace instar::convert {

Result<std::unique_ptr<ChunkQueue>> ChunkQueue::Create(Host& host, const disk::SourceDisk& disk,
                                                       const Target& target,
                                                       const Options& options) {
  std::unique_ptr<ChunkQueue> queue(new ChunkQueue(host, disk, target, options));
  INSTAR_ASSIGN_OR_RETURN(queue->scout_, disk.OpenCursor());
  return queue;
}

std::optional<Claim> ChunkQueue::Next() {
  const disk::SpinGuard guard(claim_lock_, host_);
  return NextLocked();
}

// Makes lead_ cover next_offset_.
Status ChunkQueue::Look() {
  const std::uint64_t rest = disk_.size_bytes() - next_offset_;
  const auto raw = disk_.BareRaw(next_offset_, rest);
  if (next_offset_ >= lead_.offset && next_offset_ < lead_.end()) {
    lead_ = lead_.Part(next_offset_, lead_.length_bytes);
  } else if (raw && options_.over_holes) {
    lead_ = *raw;
  } else {
    INSTAR_ASSIGN_OR_RETURN(lead_, scout_->Next(next_offset_, rest));
  }
  // Of a raw file the scout tells every run; holes are shared like data, and a probe is short.
  if ((raw && !options_.over_holes) || probing_ || Shares(lead_.device)) return {};
  return holes_.Look(lead_);
}

// How much to claim where the lead is data: whole chunks that cannot hold anything compressed.
std::uint64_t ChunkQueue::StretchBytes() const {
  return AlignDown(std::min(lead_.length_bytes, FairBytes(next_offset_, lead_.device)),
                   options_.chunk_bytes);
}

std::optional<Claim> ChunkQueue::NextLocked() {
  const std::uint64_t size = disk_.size_bytes();
  std::uint64_t length = 0;
  while (true) {
    if (next_offset_ >= size || stopped_.load(std::memory_order_relaxed)) return std::nullopt;
    if (const Status looked = Look(); !looked) {
      if (!options_.salvage) {
        Fail(looked.error());
        return std::nullopt;
      }
      lead_ = {};
    }

    length = std::min(options_.chunk_bytes, size - next_offset_);
    const bool holds_nothing = lead_.kind == disk::SourceExtent::Kind::kZero || lead_.inherited;
    if (lead_.kind == disk::SourceExtent::Kind::kData && !lead_.inherited) {
      length = std::max(length, StretchBytes());
    }
    if (!holds_nothing || lead_.length_bytes < length) break;
    // Whole chunks of it are settled at once. What has to be done about zeros can change only at
    // the end of the target's backing file.
    std::uint64_t settled = std::min(lead_.end(), target_.NextZeroChange(next_offset_));
    if (settled != size) settled = AlignDown(settled, options_.chunk_bytes);
    if (settled <= next_offset_) break;
    const ZeroPolicy zeros = target_.ZerosAt(next_offset_);
    if (lead_.inherited || zeros == ZeroPolicy::kLeaveOut) {
      AddDone(settled - next_offset_);
      next_offset_ = settled;
      continue;
    }
    if (zeros == ZeroPolicy::kExplicit) length = settled - next_offset_;
    break;
  }
  Claim claim{.ticket = next_ticket_++, .offset = next_offset_, .length_bytes = length};
  if (lead_.length_bytes != 0) claim.lead = lead_.Part(next_offset_, length);
  next_offset_ += length;
  return claim;
}

bool ChunkQueue::BeginTurn(std::uint64_t ticket) {
  if (!options_.ordered) {
    disk::Backoff patience(host_);
    while (turn_lock_.test_and_set(std::memory_order_acquire)) patience.Pause();
    return true;
  }
  disk::Backoff patience(host_);
  while (turn_.load(std::memory_order_acquire) != ticket) {
    if (stopped_.load(std::memory_order_relaxed)) return false;
    patience.Pause();
  }
  return true;
}

void ChunkQueue::EndTurn() {
  if (!options_.ordered) {
    turn_lock_.clear(std::memory_order_release);
    return;
  }
  turn_.fetch_add(1, std::memory_order_release);
}

void ChunkQueue::Fail(const Error& error) {
  if (!error_taken_.test_and_set(std::memory_order_acq_rel)) {
    error_ = error;
    error_set_.store(true, std::memory_order_release);
  }
  stopped_.store(true, std::memory_order_release);
}

Status ChunkQueue::status() const {
  if (error_set_.load(std::memory_order_acquire)) return std::unexpected(error_);
  return {};
}

}  // namespace instar::convert
