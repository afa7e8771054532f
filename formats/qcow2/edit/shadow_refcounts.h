// The refcounts of an image as they are to be after a change in place. Those that the file holds
// stay as they are: a block in which a count changes gets a new place, the refcount table, too, and
// blocks without a change belong to both tables.
//
// The new blocks and the new table are counted like everything else, and the old ones no longer:
// Finish goes on until nothing changes any more. Example: a cluster is taken, so block 7 gets a
// place of its own; that place is counted by block 9, whose new place is counted by block 9 again;
// the table, last, by block 9 as well.
//
// Where the refcounts get another width, no block can be shared: each is made anew from the old
// counts the first time it is needed, and Finish makes the rest. The old blocks and the old table
// are no longer counted in what is made so.
//
// Where the old counts cannot be relied on (fresh), all begin at 0, and the old blocks are not
// looked at. They need not even be blocks.
//
// Blocks pass through a cache of bounded size. Where very many clusters change, they are gone
// through in windows as large as the cache, so that each block is read and written once.
//
// Not thread-safe. tests/unit/formats/qcow2/shadow_refcounts_test.cc covers this file.
#ifndef FORMATS_QCOW2_EDIT_SHADOW_REFCOUNTS_H_
#define FORMATS_QCOW2_EDIT_SHADOW_REFCOUNTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/error.h"
#include "formats/edit/cluster_space.h"
#include "formats/edit/transaction.h"
#include "formats/qcow2/edit/old_refcounts.h"
#include "formats/qcow2/structures/header.h"

namespace instar::qcow2 {

class ShadowRefcounts {
 public:
  static constexpr std::size_t kCacheBytes = std::size_t{33} << 20;  // 1 TiB, of 64 KiB

  // All must outlive this. `order`: log2 of the bits that a refcount is to have. Nothing is read
  // yet.
  // `fresh`: nothing is counted before, whatever the file holds.
  ShadowRefcounts(Transaction& transaction, ClusterSpace& space, const Header& header,
                  unsigned order, bool fresh = false, std::size_t cache_bytes = kCacheBytes);
  ShadowRefcounts(Transaction& transaction, ClusterSpace& space, const Header& header)
      : ShadowRefcounts(transaction, space, header, header.refcount_order) {}

  // Reads the refcount table. kCorrupt, kIo.
  Status Load();

  // `run` has `delta` more references than before, from Finish on.
  void Change(const ClusterRun& run, std::int64_t delta);

  // Applies the changes that Change has queued. Errors as ChangeMany.
  Status ApplyChanges();
  // The same where they are so many that they should not wait.
  Status ApplyIfMany() { return queue_.size() < kMostQueued ? Status() : ApplyChanges(); }

  // Gives the blocks that stand from host offset `offset` on other places.
  void MoveFrom(std::uint64_t offset);

  // The same as Change, at once, for very many clusters: `walk(visit)` calls visit(run, delta),
  // which returns a Status, for each run of clusters, as often as there are windows. kCorrupt where
  // a count would become less than 0, kLimit where one has not enough bits, kIo, kNoSpace.
  template <typename Walk>
  Status ChangeMany(const Walk& walk) {
    INSTAR_TRY(ApplyChanges());
    for (std::uint64_t first = 0; first != kNone;) {
      std::uint64_t next = kNone;
      const std::uint64_t end = first + capacity_;
      INSTAR_TRY(walk([&](const ClusterRun& run, std::int64_t delta) -> Status {
        const std::uint64_t begin = std::max(run.first, first * per_block_);
        const std::uint64_t stop = std::min(run.end(), end * per_block_);
        if (run.end() > end * per_block_) {
          next = std::min(next, std::max(run.first / per_block_, end));
        }
        return begin < stop ? Apply({begin, stop - begin}, delta, /*place=*/false) : Status();
      }));
      // What the new places of the blocks change is mostly counted in the same blocks.
      INSTAR_TRY(PlaceChanged());
      INSTAR_TRY(ApplyChanges());
      // Those of the last window may change again.
      if (next != kNone) INSTAR_TRY(WriteBlocks());
      first = next;
    }
    return {};
  }

  // Clusters from here on have no refcount block.
  [[nodiscard]] std::uint64_t counted_end() const { return new_.size() * per_block_; }
  // Sets bit i of `ones` (bit i % 64 of word i / 64), which are all 0, if the count of cluster
  // `first` + i is 1; of 64 clusters a word. For counts as they are after ApplyChanges. kIo.
  Status FindOnes(std::uint64_t first, std::span<std::uint64_t> ones) const;

  // Writes all new blocks and the new table, if anything has changed.
  Status Finish();

  // Where the table is to be found, after Finish.
  [[nodiscard]] std::uint64_t table_offset() const { return table_.first << cluster_bits_; }
  [[nodiscard]] std::uint64_t table_clusters() const { return table_.count; }
  [[nodiscard]] bool changed() const { return changed_; }

  // After the flip: calls visit(run) for the clusters that were in use and are no longer. Where
  // they are so many that they were not noted, the counts are compared: clusters with old blocks
  // come last, because the old counts are read from them.
  template <typename Visit>
  Status VisitFreed(const Visit& visit) {
    std::vector<std::uint64_t> last = freed_own_;
    std::vector<ClusterRun> runs;
    if (freed_are_noted_) {
      for (const ClusterRun& run : NotedFreed()) visit(run);
    } else {
      const std::vector<std::uint64_t> blocks = ReplacedBlocks();
      for (std::uint64_t i = 0; i < new_.size(); ++i) {
        runs.clear();
        INSTAR_TRY(FreedIn(i, blocks, runs, last));
        for (const ClusterRun& run : runs) visit(run);
      }
    }
    for (const std::uint64_t cluster : last) visit(ClusterRun{cluster, 1});
    return {};
  }

  // The end of the last cluster that is counted and is none of `passed_over`, which are in
  // ascending order; after Finish.
  Result<std::uint64_t> CountedEnd(std::span<const std::uint64_t> passed_over = {}) const;
  // Appends the clusters of the table and the blocks; after Finish.
  void AppendOwnClusters(std::vector<std::uint64_t>& clusters) const;

 private:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  static constexpr std::size_t kMostQueued = 65536;
  static constexpr std::size_t kMostNoted = 65536;
  static constexpr std::size_t kCountsAtOnce = 4096;
  static constexpr std::uint32_t kNoSlot = ~std::uint32_t{0};

  enum class State : std::uint8_t {
    kOld,      // as in the old table
    kNew,      // has a new place
    kDropped,  // counts nothing any more, so there is none
  };
  struct Queued {
    ClusterRun run;
    std::int64_t delta = 0;
  };
  struct Block {
    std::uint64_t index = 0;
    bool dirty = false;
    std::vector<std::byte> bytes;
  };

  [[nodiscard]] bool rebuilds() const { return fresh_ || order_ != old_order_; }
  // Where the block of the old table with this index stands; 0 for none, and where no index of the
  // old table is one of the new.
  [[nodiscard]] std::uint64_t OldPlace(std::uint64_t index) const {
    return rebuilds() || index >= old_.blocks().size() ? 0 : old_.blocks()[index];
  }
  Status Apply(const ClusterRun& run, std::int64_t delta, bool place);
  Status ApplyInBlock(Block& block, std::uint64_t first, std::uint64_t end, std::int64_t delta);
  // Of clusters whose counts have become 0, or were 0 and are so no longer.
  void NoteFreed(const ClusterRun& run);
  void NoteUsed(const ClusterRun& run);
  // The same for those of the piece from count `first` of a block on, to which `delta` was added.
  void NotePiece(const Block& block, std::uint64_t first, std::int64_t delta);
  // What was noted and is not in use again.
  [[nodiscard]] std::vector<ClusterRun> NotedFreed();
  [[nodiscard]] std::uint64_t OnesOf(std::span<const std::byte> block, std::uint64_t first) const;
  // Lengthens the table so that it has entry `index`.
  Status Reserve(std::uint64_t index);
  Result<Block*> Get(std::uint64_t index);
  Status ReadBlock(std::uint64_t index, std::span<std::byte> out) const;
  // Makes block `index` of the old counts, in their new width.
  Status Convert(std::uint64_t index, std::span<std::byte> out);
  // Counts one reference less to those of [first, first + counts.size()) that hold the old blocks
  // or the old table.
  void DropOwn(std::uint64_t first, std::span<std::uint64_t> counts);
  // Makes the blocks that were not needed so far.
  Status ConvertRest();
  // The error of the first old count that the new width cannot hold.
  Status FirstMisfit();
  // Gives a block that has changed a place of its own.
  Status Place(std::uint64_t index);
  // The same for all in the cache; those that count nothing any more go.
  Status PlaceChanged();
  // Writes the blocks of the cache that have changed, and forgets all.
  Status WriteBlocks();
  // Does without blocks that count nothing any more; whether there were any.
  bool DropEmptyBlocks();
  [[nodiscard]] bool CountsNothingButItself(const Block& block) const;
  Status TakeTable(bool& taken);
  Status WriteTable();
  // The clusters, in ascending order, of old blocks that the new table does not have; where all are
  // made anew, those of the old table, too.
  [[nodiscard]] std::vector<std::uint64_t> ReplacedBlocks() const;
  // Finds the clusters that block `index` no longer counts as used. Adds those in `blocks` to
  // `freed_blocks`, unless they are known, and the others to `runs`.
  Status FreedIn(std::uint64_t index, std::span<const std::uint64_t> blocks,
                 std::vector<ClusterRun>& runs, std::vector<std::uint64_t>& freed_blocks);
  // The same where all blocks are new, because the width changes.
  Status FreedInRebuilt(std::uint64_t index, std::span<const std::uint64_t> blocks,
                        std::vector<ClusterRun>& runs);
  [[nodiscard]] std::uint64_t used_entries() const;

  Transaction& transaction_;
  ClusterSpace& space_;
  const unsigned cluster_bits_;
  const unsigned old_order_;
  const unsigned order_;
  const bool fresh_;
  const std::uint64_t per_block_;
  const std::uint64_t capacity_;  // blocks in the cache

  OldRefcounts old_;
  std::vector<std::uint64_t> own_;        // where all is made anew: the clusters of old_
  std::vector<std::uint64_t> freed_own_;  // those that nothing else refers to
  std::vector<ClusterRun> noted_;         // clusters whose count became 0, in any order
  bool freed_are_noted_ = true;           // all of them are in noted_
  ClusterRun table_;
  std::vector<std::uint64_t> new_;  // offsets of the blocks, 0 for none
  std::vector<State> states_;
  std::vector<bool> lowered_;         // where all is made anew: some count became less
  std::vector<std::uint32_t> slots_;  // in cache_
  std::vector<Block> cache_;
  std::size_t next_slot_ = 0;
  std::vector<Queued> queue_;
  std::size_t next_queued_ = 0;  // those before have been applied
  bool changed_ = false;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_SHADOW_REFCOUNTS_H_
