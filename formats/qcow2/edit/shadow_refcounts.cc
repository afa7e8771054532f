#include "formats/qcow2/edit/shadow_refcounts.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/zero_bytes.h"
#include "formats/qcow2/read/refcount_reader.h"
#include "formats/qcow2/structures/refcount_entry.h"

namespace instar::qcow2 {
namespace {

constexpr std::size_t kPieceCounts = 64;  // of 16 bits

using Piece = std::array<std::uint16_t, kPieceCounts>;

std::uint16_t Swapped(std::uint16_t value) {
  return std::endian::native == std::endian::little ? std::byteswap(value) : value;
}

// Adds `delta` to each count of a piece, unless one would leave what 16 bits hold. The loops have
// no branches, so that the compiler does several counts at once.
bool AddToPiece(std::span<std::byte> bytes, std::int64_t delta) {
  if (delta < -0xFFFF || delta > 0xFFFF) return false;
  const auto change = static_cast<std::int32_t>(delta);
  Piece piece;
  std::memcpy(&piece, bytes.data(), sizeof(piece));
  std::uint32_t outside = 0;
  for (std::uint16_t& count : piece) {
    const auto sum = static_cast<std::uint32_t>(std::int32_t{Swapped(count)} + change);
    outside |= sum & 0xFFFF0000;
    count = Swapped(static_cast<std::uint16_t>(sum));
  }
  if (outside != 0) return false;
  std::memcpy(bytes.data(), &piece, sizeof(piece));
  return true;
}

// How many counts of 16 bits in the piece are `value`.
std::size_t CountEqual(std::span<const std::byte> bytes, std::uint16_t value) {
  Piece piece;
  std::memcpy(&piece, bytes.data(), sizeof(piece));
  std::uint16_t equal = 0;
  for (const std::uint16_t count : piece) {
    equal = static_cast<std::uint16_t>(equal + (count == Swapped(value) ? 1 : 0));
  }
  return equal;
}

// Whether a count of 16 bits in the piece was not 0 and is 0 now.
bool AnyFreed(std::span<const std::byte> before, std::span<const std::byte> after) {
  Piece was;
  Piece is;
  std::memcpy(&was, before.data(), sizeof(was));
  std::memcpy(&is, after.data(), sizeof(is));
  std::uint16_t any = 0;
  for (std::size_t i = 0; i < kPieceCounts; ++i) {
    any = static_cast<std::uint16_t>(any | (is[i] == 0 ? was[i] : 0));
  }
  return any != 0;
}

}  // namespace

ShadowRefcounts::ShadowRefcounts(Transaction& transaction, ClusterSpace& space,
                                 const Header& header, unsigned order, bool fresh,
                                 std::size_t cache_bytes)
    : transaction_(transaction),
      space_(space),
      cluster_bits_(header.cluster_bits),
      old_order_(header.refcount_order),
      order_(order),
      fresh_(fresh),
      per_block_(RefcountsPerBlock(header.cluster_bits, order)),
      capacity_(std::max<std::uint64_t>(cache_bytes >> header.cluster_bits, 8)),
      old_(transaction.device(), header),
      table_(old_.table()) {}

Status ShadowRefcounts::Load() {
  if (fresh_) {
    changed_ = true;
    return {};
  }
  INSTAR_TRY(old_.Load());
  if (!rebuilds()) {
    new_ = old_.blocks();
    states_.assign(new_.size(), State::kOld);
    slots_.assign(new_.size(), kNoSlot);
    return {};
  }
  own_ = old_.OwnClusters();
  changed_ = true;
  return old_.end() == 0 ? Status() : Reserve((old_.end() - 1) / per_block_);
}

Status ShadowRefcounts::Reserve(std::uint64_t index) {
  if (index < new_.size()) return {};
  if (index >= kMaxRefcountTableBytes / kTableEntryBytes) {
    return OverLimit("the refcount table would exceed the limit of {0} bytes",
                     kMaxRefcountTableBytes);
  }
  new_.resize(index + 1);
  states_.resize(index + 1, State::kOld);
  slots_.resize(index + 1, kNoSlot);
  if (rebuilds()) lowered_.resize(index + 1);
  return {};
}

void ShadowRefcounts::Change(const ClusterRun& run, std::int64_t delta) {
  if (queue_.size() > next_queued_) {
    Queued& last = queue_.back();
    if (last.delta == delta && last.run.end() == run.first) {
      last.run.count += run.count;
      return;
    }
  }
  queue_.push_back({run, delta});
}

void ShadowRefcounts::MoveFrom(std::uint64_t offset) {
  for (std::uint64_t i = 0; i < old_.blocks().size(); ++i) {
    if (old_.blocks()[i] >= offset) Change({i * per_block_, 1}, 0);
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
  INSTAR_TRY(Reserve(index));
  if (slots_[index] != kNoSlot) return &cache_[slots_[index]];
  if (cache_.size() >= capacity_) INSTAR_TRY(WriteBlocks());
  Block block{.index = index, .bytes = std::vector<std::byte>(std::size_t{1} << cluster_bits_)};
  INSTAR_TRY(rebuilds() && states_[index] == State::kOld ? Convert(index, block.bytes)
                                                         : ReadBlock(index, block.bytes));
  slots_[index] = static_cast<std::uint32_t>(cache_.size());
  cache_.push_back(std::move(block));
  return &cache_.back();
}

Status ShadowRefcounts::Place(std::uint64_t index) {
  if (states_[index] == State::kNew) return {};
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t cluster, space_.Take(1));
  Change({cluster, 1}, 1);
  if (states_[index] == State::kOld && OldPlace(index) != 0) {
    Change({OldPlace(index) >> cluster_bits_, 1}, -1);
  }
  states_[index] = State::kNew;
  new_[index] = cluster << cluster_bits_;
  return {};
}

Status ShadowRefcounts::ApplyInBlock(Block& block, std::uint64_t first, std::uint64_t end,
                                     std::int64_t delta) {
  block.dirty = true;
  // Nearly all images have 16 bits, and whole pieces of such counts go by fastest.
  while (order_ == 4 && end - first >= kPieceCounts &&
         AddToPiece(std::span(block.bytes).subspan(first * 2), delta)) {
    NotePiece(block, first, delta);
    first += kPieceCounts;
  }
  const std::uint64_t most = MaxRefcount(order_);
  const auto less = static_cast<std::uint64_t>(delta < 0 ? -delta : 0);
  const auto more = static_cast<std::uint64_t>(delta > 0 ? delta : 0);
  for (std::uint64_t i = first; i < end; ++i) {
    const std::uint64_t count = LoadRefcount(block.bytes, i, order_);
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
    const std::uint64_t sum = count + more - less;
    StoreRefcount(block.bytes, i, order_, sum);
    if ((count == 0) == (sum == 0)) continue;
    const std::uint64_t cluster = block.index * per_block_ + i;
    sum == 0 ? NoteFreed({cluster, 1}) : NoteUsed({cluster, 1});
  }
  return {};
}

void ShadowRefcounts::NotePiece(const Block& block, std::uint64_t first, std::int64_t delta) {
  if (delta == 0 || (delta > 0 && noted_.empty())) return;
  // Of counts that were 0.
  const auto risen = static_cast<std::uint16_t>(delta > 0 ? delta : 0);
  const auto piece = std::span(block.bytes).subspan(first * 2);
  const std::size_t equal = CountEqual(piece, risen);
  if (equal == 0) return;
  const std::uint64_t cluster = block.index * per_block_ + first;
  for (std::uint64_t i = 0; i < kPieceCounts; ++i) {
    if (LoadRefcount(piece, i, order_) != risen) continue;
    const ClusterRun run{cluster + i, equal == kPieceCounts ? kPieceCounts : 1};
    delta > 0 ? NoteUsed(run) : NoteFreed(run);
    if (equal == kPieceCounts) return;
  }
}

void ShadowRefcounts::NoteFreed(const ClusterRun& run) {
  if (!freed_are_noted_) return;
  if (!noted_.empty() && noted_.back().end() == run.first) {
    noted_.back().count += run.count;
  } else if (noted_.size() < kMostNoted) {
    noted_.push_back(run);
  } else {
    freed_are_noted_ = false;
  }
}

void ShadowRefcounts::NoteUsed(const ClusterRun& run) {
  // What was taken was free in the old image, and NotedFreed leaves it out.
  if (!noted_.empty() && !space_.IsTaken(run.first, run.count)) freed_are_noted_ = false;
}

std::vector<ClusterRun> ShadowRefcounts::NotedFreed() {
  std::ranges::sort(noted_, {}, &ClusterRun::first);
  std::vector<ClusterRun> runs;
  auto taken = space_.taken().begin();
  const auto last = space_.taken().end();
  std::uint64_t at = 0;  // clusters before were looked at
  for (const ClusterRun& run : noted_) {
    at = std::max(at, run.first);
    while (at < run.end()) {
      while (taken != last && taken->end() <= at) ++taken;
      const std::uint64_t stop = taken == last ? run.end() : std::min(run.end(), taken->first);
      if (at < stop) {
        AddRun(runs, {at, stop - at});
        at = stop;
      } else {
        at = taken->end();
      }
    }
  }
  return runs;
}

Status ShadowRefcounts::Apply(const ClusterRun& run, std::int64_t delta, bool place) {
  changed_ = true;
  for (std::uint64_t at = run.first; at < run.end();) {
    const std::uint64_t index = at / per_block_;
    const std::uint64_t stop = std::min(run.end(), (index + 1) * per_block_);
    INSTAR_ASSIGN_OR_RETURN(Block* const block, Get(index));
    if (rebuilds() && delta < 0) lowered_[index] = true;
    if (place) INSTAR_TRY(Place(index));
    INSTAR_TRY(ApplyInBlock(*block, at - index * per_block_, stop - index * per_block_, delta));
    at = stop;
  }
  return {};
}

bool ShadowRefcounts::CountsNothingButItself(const Block& block) const {
  const std::uint64_t own = OldPlace(block.index) >> cluster_bits_;
  if (states_[block.index] != State::kOld || own == 0 || own / per_block_ != block.index) {
    return IsZero(block.bytes);
  }
  std::vector<std::byte> others = block.bytes;
  StoreRefcount(others, own % per_block_, order_, 0);
  return IsZero(others);
}

Status ShadowRefcounts::PlaceChanged() {
  for (Block& block : cache_) {
    const State state = states_[block.index];
    if (!block.dirty || state == State::kNew) continue;
    if (!CountsNothingButItself(block)) {
      INSTAR_TRY(Place(block.index));
      continue;
    }
    const std::uint64_t own = OldPlace(block.index) >> cluster_bits_;
    // What counts the block may be the block.
    if (state == State::kOld && own != 0) {
      own / per_block_ == block.index ? NoteFreed({own, 1}) : Change({own, 1}, -1);
    }
    states_[block.index] = State::kDropped;
    new_[block.index] = 0;
    std::ranges::fill(block.bytes, std::byte{0});
    block.dirty = false;
  }
  return {};
}

Status ShadowRefcounts::WriteBlocks() {
  INSTAR_TRY(PlaceChanged());
  std::vector<WritePiece> pieces;
  for (const Block& block : cache_) {
    if (block.dirty) pieces.push_back({.offset = new_[block.index], .data = block.bytes});
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
  const bool first_time = table_ == old_.table();
  taken = first_time || table_.count < clusters;
  if (!taken) return {};
  if (!first_time || !rebuilds()) Change(table_, -1);
  if (!first_time) space_.Give(table_);
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t cluster, space_.Take(clusters));
  table_ = {cluster, clusters};
  Change(table_, 1);
  return {};
}

Status ShadowRefcounts::ApplyChanges() {
  // In their order, so that what was taken is counted before it is given back. Each may add some.
  while (next_queued_ < queue_.size()) {
    const Queued next = queue_[next_queued_++];
    INSTAR_TRY(Apply(next.run, next.delta, /*place=*/true));
  }
  queue_.clear();
  next_queued_ = 0;
  return {};
}

Status ShadowRefcounts::Convert(std::uint64_t index, std::span<std::byte> out) {
  std::array<std::uint64_t, kCountsAtOnce> buffer;
  for (std::uint64_t at = 0; at < per_block_; at += buffer.size()) {
    const auto counts =
        std::span(buffer).first(std::min<std::uint64_t>(per_block_ - at, buffer.size()));
    INSTAR_TRY(old_.Read(index * per_block_ + at, counts));
    DropOwn(index * per_block_ + at, counts);
    std::uint64_t all = 0;
    for (const std::uint64_t count : counts) all |= count;
    if (all > MaxRefcount(order_)) return FirstMisfit();
    StoreRefcounts(out, at, order_, counts);
  }
  return {};
}

void ShadowRefcounts::DropOwn(std::uint64_t first, std::span<std::uint64_t> counts) {
  for (auto own = std::ranges::lower_bound(own_, first);
       own != own_.end() && *own - first < counts.size(); ++own) {
    std::uint64_t& count = counts[*own - first];
    if (count != 0 && --count == 0) freed_own_.push_back(*own);
  }
}

Status ShadowRefcounts::FirstMisfit() {
  std::array<std::uint64_t, kCountsAtOnce> counts;
  for (std::uint64_t first = 0; first < old_.end(); first += counts.size()) {
    INSTAR_TRY(old_.Read(first, counts));
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] <= MaxRefcount(order_)) continue;
      return Unsupported(
          "Cannot decrease refcount entry width to {0} bits: Cluster at offset {1x} has a "
          "refcount of {2}",
          1U << order_, (first + i) << cluster_bits_, counts[i]);
    }
  }
  return Corrupt("the refcounts have changed while they were read");
}

Status ShadowRefcounts::ConvertRest() {
  for (std::uint64_t i = 0; i < new_.size(); ++i) {
    if (states_[i] != State::kOld) continue;
    if (!old_.HasBlockFor(i * per_block_, (i + 1) * per_block_)) {
      states_[i] = State::kDropped;
      continue;
    }
    INSTAR_ASSIGN_OR_RETURN(Block* const block, Get(i));
    if (IsZero(block->bytes)) {
      states_[i] = State::kDropped;
    } else {
      INSTAR_TRY(Place(i));
      block->dirty = true;
    }
  }
  return {};
}

Status ShadowRefcounts::Finish() {
  if (rebuilds()) INSTAR_TRY(ConvertRest());
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
  if (rebuilds()) return own_;
  std::vector<std::uint64_t> blocks;
  for (std::uint64_t i = 0; i < new_.size(); ++i) {
    if (states_[i] != State::kOld && OldPlace(i) != 0) {
      blocks.push_back(OldPlace(i) >> cluster_bits_);
    }
  }
  std::ranges::sort(blocks);
  return blocks;
}

Status ShadowRefcounts::FreedIn(std::uint64_t index, std::span<const std::uint64_t> blocks,
                                std::vector<ClusterRun>& runs,
                                std::vector<std::uint64_t>& freed_blocks) {
  if (rebuilds()) return FreedInRebuilt(index, blocks, runs);
  if (states_[index] == State::kOld || OldPlace(index) == 0) return {};
  std::vector<std::byte> before(std::size_t{1} << cluster_bits_);
  std::vector<std::byte> after(before.size());
  INSTAR_TRY(transaction_.device().Read(OldPlace(index), before));
  INSTAR_TRY(ReadBlock(index, after));
  for (std::uint64_t i = 0; i < per_block_; ++i) {
    if (order_ == 4 && i % kPieceCounts == 0 &&
        !AnyFreed(std::span(before).subspan(i * 2), std::span(after).subspan(i * 2))) {
      i += kPieceCounts - 1;
      continue;
    }
    if (LoadRefcount(before, i, order_) == 0 || LoadRefcount(after, i, order_) != 0) continue;
    const std::uint64_t cluster = index * per_block_ + i;
    if (std::ranges::binary_search(blocks, cluster)) {
      freed_blocks.push_back(cluster);
    } else {
      AddRun(runs, {cluster, 1});
    }
  }
  return {};
}

Status ShadowRefcounts::FreedInRebuilt(std::uint64_t index, std::span<const std::uint64_t> blocks,
                                       std::vector<ClusterRun>& runs) {
  if (!lowered_[index]) return {};
  std::vector<std::byte> after(std::size_t{1} << cluster_bits_);
  INSTAR_TRY(ReadBlock(index, after));
  std::array<std::uint64_t, kCountsAtOnce> before;
  for (std::uint64_t at = 0; at < per_block_;) {
    std::uint64_t cluster = index * per_block_ + at;
    const auto counts =
        std::span(before).first(std::min<std::uint64_t>(per_block_ - at, before.size()));
    INSTAR_TRY(old_.Read(cluster, counts));
    auto block = std::ranges::lower_bound(blocks, cluster);
    for (const std::uint64_t count : counts) {
      const bool is_block = block != blocks.end() && *block == cluster;
      if (is_block) ++block;
      const bool freed = count != 0 && LoadRefcount(after, at, order_) == 0;
      if (freed && !is_block) AddRun(runs, {cluster, 1});
      ++cluster;
      ++at;
    }
  }
  return {};
}

// Bits of the 64 counts of a block from `first` on: which are 1.
std::uint64_t ShadowRefcounts::OnesOf(std::span<const std::byte> block, std::uint64_t first) const {
  static_assert(kPieceCounts == 64);
  if (order_ == 4) {
    const std::size_t equal = CountEqual(block.subspan(first * 2), 1);
    if (equal == 0 || equal == kPieceCounts) return equal == 0 ? 0 : ~std::uint64_t{0};
  }
  std::uint64_t ones = 0;
  ForEachRefcount(block, order_, first, first + kPieceCounts,
                  [&](std::uint64_t number, std::uint64_t count) {
                    ones |= std::uint64_t{count == 1} << (number - first);
                  });
  return ones;
}

Status ShadowRefcounts::FindOnes(std::uint64_t first, std::span<std::uint64_t> ones) const {
  const std::uint64_t end = std::min(first + ones.size() * 64, new_.size() * per_block_);
  std::vector<std::byte> read;
  for (std::uint64_t at = first; at < end;) {
    const std::uint64_t index = at / per_block_;
    const std::uint64_t begin = index * per_block_;
    const std::uint64_t stop = std::min(end, begin + per_block_);
    std::span<const std::byte> counts;
    if (slots_[index] != kNoSlot) {
      counts = cache_[slots_[index]].bytes;
    } else if (new_[index] != 0) {
      read.resize(std::size_t{1} << cluster_bits_);
      INSTAR_TRY(ReadBlock(index, read));
      counts = read;
    }
    if (!counts.empty()) {
      for (std::uint64_t i = at - begin; i < stop - begin; i += kPieceCounts) {
        ones[(begin + i - first) / kPieceCounts] = OnesOf(counts, i);
      }
    }
    at = stop;
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
