#include "formats/qcow2/write/writer_allocator.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/qcow2/structures/constants.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "formats/qcow2/structures/refcount_entry.h"

namespace instar::qcow2 {
namespace {

// L1 and L2 entries have room for offsets of 56 bits.
constexpr unsigned kOffsetBits = 56;

}  // namespace

WriterAllocator::WriterAllocator(WriteBatch& batch, unsigned cluster_bits, unsigned refcount_order)
    : batch_(&batch),
      cluster_bits_(cluster_bits),
      refcount_order_(refcount_order),
      per_block_(RefcountsPerBlock(cluster_bits, refcount_order)),
      block_(std::size_t{1} << cluster_bits) {}

Status WriterAllocator::CheckRoom(std::uint64_t clusters) const {
  const std::uint64_t limit = std::uint64_t{1} << (kOffsetBits - cluster_bits_);
  if (!RangeFits(next_, clusters, limit)) {
    return OverLimit("the image file would outgrow the largest qcow2 file, {0} bytes",
                     std::uint64_t{1} << kOffsetBits);
  }
  return {};
}

Status WriterAllocator::AddBlock() {
  if ((blocks_.size() + 1) * kTableEntryBytes > kMaxRefcountTableBytes) {
    return OverLimit(
        "the image file would need a refcount table of more than {0} bytes; use larger clusters or "
        "narrower refcounts",
        kMaxRefcountTableBytes);
  }
  INSTAR_TRY(CheckRoom(1));
  blocks_.push_back(next_++ << cluster_bits_);
  return {};
}

Result<std::uint64_t> WriterAllocator::AllocateTable(std::uint64_t clusters) {
  INSTAR_TRY(CheckRoom(clusters));
  const std::uint64_t offset = next_ << cluster_bits_;
  next_ += clusters;
  while (blocks_.size() < DivideRoundUp(next_, per_block_)) INSTAR_TRY(AddBlock());
  INSTAR_TRY(Count(next_));
  return offset;
}

Result<ClusterRun> WriterAllocator::AllocateRun(std::uint64_t max_clusters) {
  if (next_ == blocks_.size() * per_block_) INSTAR_TRY(AddBlock());
  const std::uint64_t range_end = blocks_.size() * per_block_;
  const ClusterRun run{.offset = next_ << cluster_bits_,
                       .clusters = std::min(max_clusters, range_end - next_)};
  INSTAR_TRY(CheckRoom(run.clusters));
  next_ += run.clusters;
  INSTAR_TRY(Count(next_));
  return run;
}

bool WriterAllocator::TailCanBeShared() const {
  if (tail_ == 0) return false;
  const std::uint64_t cluster = tail_ >> cluster_bits_;
  return cluster / per_block_ == current_block_ &&
         LoadRefcount(block_, cluster % per_block_, refcount_order_) < MaxRefcount(refcount_order_);
}

void WriterAllocator::ShareTail() {
  const std::uint64_t index = (tail_ >> cluster_bits_) % per_block_;
  StoreRefcount(block_, index, refcount_order_, LoadRefcount(block_, index, refcount_order_) + 1);
}

Result<std::uint64_t> WriterAllocator::AllocateBytes(std::uint64_t bytes) {
  const std::uint64_t cluster_bytes = std::uint64_t{1} << cluster_bits_;
  std::uint64_t offset = 0;
  if (TailCanBeShared()) {
    const std::uint64_t tail_cluster = tail_ >> cluster_bits_;
    const std::uint64_t room = cluster_bytes - (tail_ & (cluster_bytes - 1));
    if (bytes <= room) {
      ShareTail();
      offset = tail_;
    } else if (tail_cluster + 1 == next_ && next_ != blocks_.size() * per_block_) {
      ShareTail();
      INSTAR_TRY(AllocateRun(1));
      offset = tail_;
    }
  }
  if (offset == 0) {
    INSTAR_ASSIGN_OR_RETURN(const ClusterRun run, AllocateRun(1));
    offset = run.offset;
  }
  const unsigned bits = std::min(kOffsetBits, CompressedCluster::OffsetBits(cluster_bits_));
  if (!RangeFits(offset, bytes, std::uint64_t{1} << bits)) {
    return OverLimit(
        "compressed data would stand beyond offset {0x}, where clusters of {1} bytes cannot point",
        std::uint64_t{1} << bits, cluster_bytes);
  }
  tail_ = offset + bytes;
  if ((tail_ & (cluster_bytes - 1)) == 0) tail_ = 0;
  return offset;
}

Status WriterAllocator::Count(std::uint64_t until) {
  while (counted_ < until) {
    if (counted_ / per_block_ != current_block_) {
      INSTAR_TRY(WriteBlock());
      std::ranges::fill(block_, std::byte{0});
      current_block_ = counted_ / per_block_;
    }
    StoreRefcount(block_, counted_ % per_block_, refcount_order_, 1);
    ++counted_;
  }
  return {};
}

Status WriterAllocator::WriteBlock() { return batch_->Add(blocks_[current_block_], block_); }

Status WriterAllocator::Finish() { return WriteBlock(); }

std::uint64_t WriterAllocator::used_end_bytes() const {
  if (tail_ != 0 && (tail_ >> cluster_bits_) + 1 == next_) {
    return DivideRoundUp(tail_, 512) * 512;
  }
  return end_bytes();
}

}  // namespace instar::qcow2
