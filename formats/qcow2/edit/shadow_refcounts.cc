#include "formats/qcow2/edit/shadow_refcounts.h"

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/zero_bytes.h"
#include "formats/qcow2/read/refcount_reader.h"
#include "formats/qcow2/structures/refcount_entry.h"

namespace instar::qcow2 {
ShadowRefcounts::ShadowRefcounts(Transaction& transaction, ClusterSpace& space,
                                 const Header& header)
    : transaction_(transaction),
      space_(space),
      cluster_bits_(header.cluster_bits),
      order_(header.refcount_order),
      per_block_(RefcountsPerBlock(header.cluster_bits, header.refcount_order)),
      capacity_(std::max<std::uint64_t>(kCacheBytes >> header.cluster_bits, 8)),
      old_table_{header.refcount_table_offset >> header.cluster_bits,
                 header.refcount_table_clusters},
      table_(old_table_) {}

Status ShadowRefcounts::Load() {
  std::vector<std::byte> bytes(old_table_.count << cluster_bits_);
  INSTAR_TRY(transaction_.device().Read(old_table_.first << cluster_bits_, bytes));
  old_.resize(bytes.size() / kTableEntryBytes);
  for (std::size_t i = 0; i < old_.size(); ++i) {
    old_[i] = LoadBe64(bytes, i * kTableEntryBytes);
    if (old_[i] % (std::uint64_t{1} << cluster_bits_) != 0) {
      return Corrupt("refcount block {0} at {1x} is misplaced", i, old_[i]);
    }
  }
  new_ = old_;
  states_.assign(old_.size(), State::kOld);
  slots_.assign(old_.size(), kNoSlot);
  return {};
}

void ShadowRefcounts::Change(const ClusterRun& run, std::int64_t delta) {
  // Clusters that are taken one by one mostly follow one another.
  if (queue_.size() > applied_ && queue_.back().delta == delta &&
      queue_.back().run.end() == run.first) {
    queue_.back().run.count += run.count;
  } else {
    queue_.push_back({run, delta});
  }
}

void ShadowRefcounts::MoveFrom(std::uint64_t offset) {
  for (std::uint64_t i = 0; i < old_.size(); ++i) {
    if (old_[i] >= offset) Change({i * per_block_, 1}, 0);
  }
}

std::uint64_t ShadowRefcounts::used_entries() const {
  std::uint64_t used = new_.size();
  while (used > 1 && new_[used - 1] == 0) --used;
  return used;
}

Status ShadowRefcounts::ReadBlock(std::uint64_t index, std::span<std::byte> out) const {
  if (new_[index] != 0) return transaction_.device().Read(new_[index], out);
  std::ranges::fill(out, std::byte{0});
  return {};
}

Result<ShadowRefcounts::Block*> ShadowRefcounts::Get(std::uint64_t index) {
  if (index >= new_.size()) {
    if (index >= kMaxRefcountTableBytes / kTableEntryBytes) {
      return OverLimit("the refcount table would exceed the limit of {0} bytes",
                       kMaxRefcountTableBytes);
    }
    new_.resize(index + 1);
    old_.resize(index + 1);
    states_.resize(index + 1, State::kOld);
    slots_.resize(index + 1, kNoSlot);
  }
  if (slots_[index] != kNoSlot) return &cache_[slots_[index]];
  if (cache_.size() >= capacity_) INSTAR_TRY(WriteBlocks());
  Block block{.index = index, .bytes = std::vector<std::byte>(std::size_t{1} << cluster_bits_)};
  INSTAR_TRY(ReadBlock(index, block.bytes));
  slots_[index] = static_cast<std::uint32_t>(cache_.size());
  cache_.push_back(std::move(block));
  return &cache_.back();
}

Status ShadowRefcounts::Place(std::uint64_t index) {
  if (states_[index] == State::kNew) return {};
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t cluster, space_.Take(1));
  Change({cluster, 1}, 1);
  if (states_[index] == State::kOld && old_[index] != 0) {
    Change({old_[index] >> cluster_bits_, 1}, -1);
  }
  states_[index] = State::kNew;
  new_[index] = cluster << cluster_bits_;
  return {};
}

Status ShadowRefcounts::ApplyInBlock(Block& block, std::uint64_t first, std::uint64_t end,
                                     std::int64_t delta) {
  const std::uint64_t most = MaxRefcount(order_);
  const auto less = static_cast<std::uint64_t>(delta < 0 ? -delta : 0);
  const auto more = static_cast<std::uint64_t>(delta > 0 ? delta : 0);
  for (std::uint64_t i = first; i < end; ++i) {
    const std::uint64_t count =
        order_ == 4 ? LoadBe16(block.bytes, i * 2) : LoadRefcount(block.bytes, i, order_);
    if (count < less) {
      return Corrupt(
          "the cluster at {0x} has the refcount {1}, which is too low: the image has to "
          "be repaired first (check -r)",
          (block.index * per_block_ + i) << cluster_bits_, count);
    }
    if (more > most - count) {
      return OverLimit(
          "the cluster at {0x} would have more references than refcounts of {1} bits "
          "can hold",
          (block.index * per_block_ + i) << cluster_bits_, 1U << order_);
    }
    StoreRefcount(block.bytes, i, order_, count + more - less);
  }
  block.dirty = true;
  return {};
}

Status ShadowRefcounts::Apply(const ClusterRun& run, std::int64_t delta, bool place) {
  changed_ = true;
  for (std::uint64_t at = run.first; at < run.end();) {
    const std::uint64_t index = at / per_block_;
    const std::uint64_t stop = std::min(run.end(), (index + 1) * per_block_);
    INSTAR_ASSIGN_OR_RETURN(Block* const block, Get(index));
    if (place) INSTAR_TRY(Place(index));
    INSTAR_TRY(ApplyInBlock(*block, at - index * per_block_, stop - index * per_block_, delta));
    at = stop;
  }
  return {};
}

bool ShadowRefcounts::CountsNothingButItself(const Block& block) const {
  const std::uint64_t own = old_[block.index] >> cluster_bits_;
  if (states_[block.index] != State::kOld || own / per_block_ != block.index) {
    return IsZero(block.bytes);
  }
  std::vector<std::byte> others = block.bytes;
  StoreRefcount(others, own % per_block_, order_, 0);
  return IsZero(others);
}

Status ShadowRefcounts::WriteBlocks() {
  std::vector<WritePiece> pieces;
  for (Block& block : cache_) {
    if (!block.dirty) continue;
    const State state = states_[block.index];
    if (state != State::kNew && CountsNothingButItself(block)) {
      const std::uint64_t own = old_[block.index] >> cluster_bits_;
      // What counts the block may be the block.
      if (state == State::kOld && own != 0 && own / per_block_ != block.index) {
        Change({own, 1}, -1);
      }
      states_[block.index] = State::kDropped;
      new_[block.index] = 0;
      continue;
    }
    INSTAR_TRY(Place(block.index));
    pieces.push_back({.offset = new_[block.index], .data = block.bytes});
  }
  INSTAR_TRY(transaction_.WriteAll(pieces));
  for (const Block& block : cache_) slots_[block.index] = kNoSlot;
  cache_.clear();
  return {};
}

bool ShadowRefcounts::DropEmptyBlocks() {
  bool any = false;
  for (Block& block : cache_) {
    if (!block.dirty || states_[block.index] != State::kNew || !IsZero(block.bytes)) continue;
    const ClusterRun place{new_[block.index] >> cluster_bits_, 1};
    space_.Give(place);
    Change(place, -1);
    states_[block.index] = State::kDropped;
    new_[block.index] = 0;
    block.dirty = false;
    any = true;
  }
  return any;
}

// Takes a place for the table, or a longer one, if it needs it.
Status ShadowRefcounts::TakeTable(bool& taken) {
  const std::uint64_t clusters =
      DivideRoundUp(used_entries() * kTableEntryBytes, std::uint64_t{1} << cluster_bits_);
  const bool first_time = table_ == old_table_;
  taken = first_time || table_.count < clusters;
  if (!taken) return {};
  Change(table_, -1);
  if (!first_time) space_.Give(table_);
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t cluster, space_.Take(clusters));
  table_ = {cluster, clusters};
  Change(table_, 1);
  return {};
}

Status ShadowRefcounts::ApplyChanges() {
  // In their order, so that what was taken is counted before it is given back. Each may add some.
  while (applied_ < queue_.size()) {
    const Queued next = queue_[applied_++];
    INSTAR_TRY(Apply(next.run, next.delta, /*place=*/true));
  }
  queue_.clear();
  applied_ = 0;
  return {};
}

Status ShadowRefcounts::Finish() {
  for (bool more = true; more;) {
    INSTAR_TRY(ApplyChanges());
    if (!changed_) return {};
    if (DropEmptyBlocks()) continue;
    INSTAR_TRY(TakeTable(more));
  }
  INSTAR_TRY(WriteBlocks());
  return WriteTable();
}

Status ShadowRefcounts::WriteTable() {
  std::vector<std::byte> bytes(table_.count << cluster_bits_);
  const std::uint64_t used = used_entries();
  for (std::uint64_t i = 0; i < used; ++i) StoreBe64(bytes, i * kTableEntryBytes, new_[i]);
  return transaction_.Write(table_offset(), bytes);
}

std::vector<std::uint64_t> ShadowRefcounts::ReplacedBlocks() const {
  std::vector<std::uint64_t> blocks;
  for (std::uint64_t i = 0; i < old_.size(); ++i) {
    if (states_[i] != State::kOld && old_[i] != 0) blocks.push_back(old_[i] >> cluster_bits_);
  }
  std::ranges::sort(blocks);
  return blocks;
}

Status ShadowRefcounts::FreedIn(std::uint64_t index, std::span<const std::uint64_t> blocks,
                                std::vector<ClusterRun>& runs,
                                std::vector<std::uint64_t>& freed_blocks) const {
  if (states_[index] == State::kOld || old_[index] == 0) return {};
  std::vector<std::byte> before(std::size_t{1} << cluster_bits_);
  std::vector<std::byte> after(before.size());
  INSTAR_TRY(transaction_.device().Read(old_[index], before));
  INSTAR_TRY(ReadBlock(index, after));
  std::uint64_t cluster = index * per_block_;
  auto block = std::ranges::lower_bound(blocks, cluster);
  for (std::uint64_t i = 0; i < per_block_; ++i, ++cluster) {
    const bool is_block = block != blocks.end() && *block == cluster;
    if (is_block) ++block;
    if (LoadRefcount(before, i, order_) == 0 || LoadRefcount(after, i, order_) != 0) continue;
    if (is_block) {
      freed_blocks.push_back(cluster);
    } else if (!runs.empty() && runs.back().end() == cluster) {
      ++runs.back().count;
    } else {
      runs.push_back({cluster, 1});
    }
  }
  return {};
}

Result<std::uint64_t> ShadowRefcounts::CountedEnd(
    std::span<const std::uint64_t> passed_over) const {
  std::vector<std::byte> bytes(std::size_t{1} << cluster_bits_);
  for (std::uint64_t index = new_.size(); index-- > 0;) {
    if (new_[index] == 0) continue;
    INSTAR_TRY(ReadBlock(index, bytes));
    for (std::uint64_t i = per_block_; i-- > 0;) {
      if (LoadRefcount(bytes, i, order_) == 0) continue;
      const std::uint64_t cluster = index * per_block_ + i;
      while (!passed_over.empty() && passed_over.back() > cluster) {
        passed_over = passed_over.first(passed_over.size() - 1);
      }
      if (passed_over.empty() || passed_over.back() != cluster) return cluster + 1;
    }
  }
  return std::uint64_t{0};
}

void ShadowRefcounts::AppendOwnClusters(std::vector<std::uint64_t>& clusters) const {
  for (std::uint64_t i = 0; i < table_.count; ++i) clusters.push_back(table_.first + i);
  for (const std::uint64_t offset : new_) {
    if (offset != 0) clusters.push_back(offset >> cluster_bits_);
  }
}

}  // namespace instar::qcow2
