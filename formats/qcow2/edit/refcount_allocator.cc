#include "formats/qcow2/edit/refcount_allocator.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/qcow2/structures/refcount_entry.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 56;
constexpr std::uint64_t kBlockOffsetMask = ~std::uint64_t{511};
// An image may end before its last clusters do, but new ones must not go to the end of the world.
constexpr std::uint64_t kMaxBytesBeyondFile = 64ULL << 20;
// refcount_table_offset (8 bytes) and refcount_table_clusters (4) stand together in the header.
constexpr std::size_t kTablePieceBytes = 64 * 1024;

}  // namespace

RefcountAllocator::RefcountAllocator(TargetDevice& device, const Header& header)
    : device_(&device),
      cluster_bits_(header.cluster_bits),
      order_(header.refcount_order),
      per_block_(RefcountsPerBlock(header.cluster_bits, header.refcount_order)),
      table_offset_(header.refcount_table_offset),
      table_clusters_(header.refcount_table_clusters),
      l1_first_(header.l1_table_offset >> header.cluster_bits),
      l1_end_(DivideRoundUp(header.l1_table_offset + header.l1_entries * kTableEntryBytes,
                            header.cluster_bytes())) {}

std::uint64_t RefcountAllocator::max_count() const { return MaxRefcount(order_); }

Status RefcountAllocator::Load() {
  const std::uint64_t bytes = table_clusters_ << cluster_bits_;
  if (bytes > kMaxRefcountTableBytes) {
    return OverLimit("the refcount table of {0} bytes exceeds the limit of {1}", bytes,
                     kMaxRefcountTableBytes);
  }
  table_.resize(bytes / kTableEntryBytes);
  std::vector<std::byte> piece(std::min<std::uint64_t>(bytes, kTablePieceBytes));
  for (std::uint64_t at = 0; at < bytes; at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(bytes - at, kTablePieceBytes));
    INSTAR_TRY(device_->Read(table_offset_ + at, piece));
    for (std::size_t i = 0; i < piece.size(); i += kTableEntryBytes) {
      const std::uint64_t entry = LoadBe64(piece, i) & kBlockOffsetMask;
      const bool aligned = entry % (std::uint64_t{1} << cluster_bits_) == 0;
      if (!aligned || entry >= kMaxFileBytes || (entry != 0 && IsFixed(entry >> cluster_bits_))) {
        return Corrupt("the refcount block of entry {0} is misplaced at {1x}",
                       (at + i) / kTableEntryBytes, entry);
      }
      table_[(at + i) / kTableEntryBytes] = entry;
    }
  }
  INSTAR_TRY(FindEnd());
  if (next_ << cluster_bits_ > device_->size_bytes() + kMaxBytesBeyondFile) {
    return Corrupt("the refcounts reach {0x}, far beyond the end of the file ({1x}); repair first",
                   next_ << cluster_bits_, device_->size_bytes());
  }
  return {};
}

Status RefcountAllocator::FindEnd() {
  next_ = std::max({std::uint64_t{1}, l1_end_, (table_offset_ >> cluster_bits_) + table_clusters_});
  for (const std::uint64_t offset : table_) {
    if (offset != 0) next_ = std::max(next_, (offset >> cluster_bits_) + 1);
  }
  for (std::size_t range = table_.size(); range-- > 0;) {
    // Lower ranges end before what is known to be in use.
    if ((range + 1) * per_block_ <= next_) break;
    if (table_[range] == 0) continue;
    INSTAR_ASSIGN_OR_RETURN(const CachedBlock* const block, Block(range));
    for (std::uint64_t i = per_block_; i-- > 0;) {
      if (LoadRefcount(block->bytes, i, order_) == 0) continue;
      next_ = std::max(next_, range * per_block_ + i + 1);
      return {};
    }
  }
  return {};
}

bool RefcountAllocator::IsFixed(std::uint64_t cluster) const {
  const std::uint64_t table_first = table_offset_ >> cluster_bits_;
  return cluster == 0 || (cluster >= l1_first_ && cluster < l1_end_) ||
         (cluster >= table_first && cluster < table_first + table_clusters_);
}

Result<RefcountAllocator::CachedBlock*> RefcountAllocator::CacheSlot() {
  if (cache_.size() < kCachedBlocks) {
    cache_.reserve(kCachedBlocks);
    return &cache_.emplace_back();
  }
  CachedBlock& oldest = *std::ranges::min_element(cache_, {}, &CachedBlock::used);
  INSTAR_TRY(WriteBlock(oldest));
  return &oldest;
}

Result<RefcountAllocator::CachedBlock*> RefcountAllocator::Block(std::uint64_t range) {
  for (CachedBlock& block : cache_) {
    if (block.range == range && !block.bytes.empty()) {
      block.used = ++clock_;
      return &block;
    }
  }
  INSTAR_ASSIGN_OR_RETURN(CachedBlock* const block, CacheSlot());
  block->bytes.clear();
  std::vector<std::byte> bytes(std::size_t{1} << cluster_bits_);
  INSTAR_TRY(device_->Read(table_[range], bytes));
  *block = {.range = range, .used = ++clock_, .dirty = false, .bytes = std::move(bytes)};
  return block;
}

Status RefcountAllocator::WriteBlock(CachedBlock& block) {
  if (!block.dirty) return {};
  INSTAR_TRY(device_->Write(table_[block.range], block.bytes));
  block.dirty = false;
  return {};
}

Result<std::uint64_t> RefcountAllocator::Get(std::uint64_t cluster) {
  const std::uint64_t range = cluster / per_block_;
  if (range >= table_.size() || table_[range] == 0) return 0;
  INSTAR_ASSIGN_OR_RETURN(const CachedBlock* const block, Block(range));
  return LoadRefcount(block->bytes, cluster % per_block_, order_);
}

Status RefcountAllocator::Set(std::uint64_t cluster, std::uint64_t count) {
  const std::uint64_t range = cluster / per_block_;
  if (range >= table_.size() || table_[range] == 0) INSTAR_TRY(AddBlock(range));
  INSTAR_ASSIGN_OR_RETURN(CachedBlock* const block, Block(range));
  StoreRefcount(block->bytes, cluster % per_block_, order_, count);
  block->dirty = true;
  return {};
}

Status RefcountAllocator::Raise(std::uint64_t cluster) {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t count, Get(cluster));
  if (count >= max_count()) {
    return OverLimit("cluster {0} has {1} references, and its refcount can count no more", cluster,
                     count);
  }
  return Set(cluster, count + 1);
}

Status RefcountAllocator::Lower(std::uint64_t cluster) {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t count, Get(cluster));
  if (count == 0) return Corrupt("cluster {0} is in use but has a refcount of 0", cluster);
  return Set(cluster, count - 1);
}

Result<std::uint64_t> RefcountAllocator::Allocate(std::uint64_t clusters) {
  if (!RangeFits(next_, clusters, kMaxFileBytes >> cluster_bits_)) {
    return OverLimit("the image file would outgrow the largest qcow2 file, {0} bytes",
                     kMaxFileBytes);
  }
  const std::uint64_t first = next_;
  next_ += clusters;
  for (std::uint64_t i = 0; i < clusters; ++i) INSTAR_TRY(Set(first + i, 1));
  return first << cluster_bits_;
}

Status RefcountAllocator::AddBlock(std::uint64_t range) {
  if (range >= table_.size()) INSTAR_TRY(GrowTable(range));
  // Growing the table takes clusters, for which this block may have been made.
  if (table_[range] != 0) return {};
  const std::uint64_t cluster = next_++;
  if (cluster >= kMaxFileBytes >> cluster_bits_) {
    return OverLimit("the image file would outgrow the largest qcow2 file, {0} bytes",
                     kMaxFileBytes);
  }
  INSTAR_ASSIGN_OR_RETURN(CachedBlock* const block, CacheSlot());
  *block = {.range = range,
            .used = ++clock_,
            .dirty = true,
            .bytes = std::vector<std::byte>(std::size_t{1} << cluster_bits_)};
  table_[range] = cluster << cluster_bits_;
  if (dirty_first_ == dirty_last_) {
    dirty_first_ = range;
    dirty_last_ = range + 1;
  } else {
    dirty_first_ = std::min<std::size_t>(dirty_first_, range);
    dirty_last_ = std::max<std::size_t>(dirty_last_, range + 1);
  }
  return Set(cluster, 1);
}

Status RefcountAllocator::GrowTable(std::uint64_t range) {
  const std::uint64_t per_cluster = (std::uint64_t{1} << cluster_bits_) / kTableEntryBytes;
  const std::uint64_t max_entries = kMaxRefcountTableBytes / kTableEntryBytes;
  // Half as many again, so that the copying stays in proportion to the growth; and enough for the
  // clusters of the new table itself.
  std::uint64_t entries = std::max(range + 1 + range / 2, range + 2);
  entries += DivideRoundUp(DivideRoundUp(entries, per_cluster), per_block_) + 1;
  entries = std::min(DivideRoundUp(entries, per_cluster) * per_cluster, max_entries);
  if (entries <= range + 1) {
    return OverLimit("the image file would need a refcount table of more than {0} bytes",
                     kMaxRefcountTableBytes);
  }
  old_tables_.push_back({.offset = table_offset_, .clusters = table_clusters_});
  table_.resize(entries);
  table_clusters_ = entries / per_cluster;
  INSTAR_ASSIGN_OR_RETURN(table_offset_, Allocate(table_clusters_));
  return {};
}

Status RefcountAllocator::WriteTable() {
  std::size_t first = dirty_first_;
  std::size_t last = dirty_last_;
  if (!old_tables_.empty()) {
    first = 0;
    last = table_.size();
  }
  std::vector<std::byte> piece;
  while (first < last) {
    const std::size_t count = std::min(last - first, kTablePieceBytes / kTableEntryBytes);
    piece.resize(count * kTableEntryBytes);
    for (std::size_t i = 0; i < count; ++i) {
      StoreBe64(piece, i * kTableEntryBytes, table_[first + i]);
    }
    INSTAR_TRY(device_->Write(table_offset_ + first * kTableEntryBytes, piece));
    first += count;
  }
  dirty_first_ = dirty_last_ = 0;
  return {};
}

Status RefcountAllocator::Flush() {
  for (CachedBlock& block : cache_) INSTAR_TRY(WriteBlock(block));
  // A table that the header points to must not name a block that is not on the disk.
  if (old_tables_.empty() && dirty_first_ < dirty_last_) INSTAR_TRY(device_->Flush());
  INSTAR_TRY(WriteTable());
  if (old_tables_.empty()) return {};
  INSTAR_TRY(device_->Flush());
  std::byte fields[12];
  StoreBe64(fields, 0, table_offset_);
  StoreBe32(fields, 8, static_cast<std::uint32_t>(table_clusters_));
  INSTAR_TRY(device_->Write(kHeaderFields.OffsetOf<&Header::refcount_table_offset>(), fields));
  INSTAR_TRY(device_->Flush());
  for (const OldTable& old : old_tables_) {
    for (std::uint64_t i = 0; i < old.clusters; ++i) {
      INSTAR_TRY(Lower((old.offset >> cluster_bits_) + i));
    }
  }
  old_tables_.clear();
  for (CachedBlock& block : cache_) INSTAR_TRY(WriteBlock(block));
  return {};
}

}  // namespace instar::qcow2
