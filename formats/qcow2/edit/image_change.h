// A qcow2 image while it is changed in place, as one transaction (formats/edit/transaction.h).
//
// A verb says what is to become of the L1 table, of L2 tables and of header fields, takes room for
// what is new and drops what is no longer referred to; Commit counts all of it, writes the tables
// that have changed to places of their own and flips the first sector of the header.
//
// The first time that room is needed or something is dropped, the image is checked as a whole
// (check/survey.h): so the counts can be relied on, and free clusters be used. Leaks are left as
// they are. Where a count is too low, or something is used twice, nothing is changed. A change of
// header fields alone needs no look at the rest.
//
// Not thread-safe. tests/unit/formats/qcow2/resizer_test.cc and tests/crash cover this file.
#ifndef FORMATS_QCOW2_EDIT_IMAGE_CHANGE_H_
#define FORMATS_QCOW2_EDIT_IMAGE_CHANGE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/workers.h"
#include "formats/edit/cluster_space.h"
#include "formats/edit/transaction.h"
#include "formats/qcow2/check/survey.h"
#include "formats/qcow2/edit/header_change.h"
#include "formats/qcow2/edit/shadow_refcounts.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"

namespace instar::qcow2 {

// Bytes [begin, end) of a file.
struct FileTail {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t tables_bytes = 0;  // in use in it
};

class ImageChange {
 public:
  // `device`, and `workers` if there are any, must outlive this. kCorrupt for an image that is
  // marked as corrupt, kUnsupported, kLimit, kIo.
  static Result<std::unique_ptr<ImageChange>> Open(TargetDevice& device, Workers* workers);

  // The same for an image that a repair has looked over: `free` and `end` are as Survey has them.
  // Whatever is taken stands elsewhere. `fresh_counts`: all refcounts are made anew, from none.
  struct Damaged {
    Header header;
    HeaderExtensions extensions;
    std::vector<ClusterRun> free;
    std::uint64_t end = 0;
    bool fresh_counts = false;
    bool keep_tail = false;  // the file is not to become shorter than it was
  };
  static Result<std::unique_ptr<ImageChange>> OpenDamaged(TargetDevice& device, Workers* workers,
                                                          Damaged damaged);

  [[nodiscard]] const Header& old_header() const { return old_; }
  [[nodiscard]] const HeaderExtensions& extensions() const { return extensions_; }
  [[nodiscard]] TargetDevice& device() const { return device_; }
  [[nodiscard]] Workers* workers() const { return workers_; }

  // What the header is to say; the places of tables are filled in by Commit. A new width of the
  // refcounts is set before anything else is changed.
  [[nodiscard]] HeaderChange& header() { return header_; }

  // The entries of the active L1 table as they are to be.
  Result<std::vector<std::uint64_t>*> L1();

  // Room for `count` clusters that follow one another; the offset of the first. They are counted
  // with one reference. What they hold is not said: all of it has to be written. kNoSpace.
  Result<std::uint64_t> Take(std::uint64_t count);
  // Room for 1 to `count` clusters at the end of the file, or where there is most of it.
  Result<ClusterRun> TakeSome(std::uint64_t count);
  // The same at the lowest place.
  Result<ClusterRun> TakeLowest(std::uint64_t count);
  // kNoSpace, with how many are missing, if there is no room for `count` clusters. To be asked
  // before many are taken and written to.
  Status RequireRoom(std::uint64_t count);
  // Counts one reference less to the clusters of `run`.
  Status Drop(const ClusterRun& run) { return Count(run, -1); }
  // Counts `delta` more references to the clusters of `run`.
  Status Count(const ClusterRun& run, std::int64_t delta);
  // References more or less to very many clusters, at once (ShadowRefcounts::ChangeMany).
  template <typename Walk>
  Status CountMany(const Walk& walk) {
    INSTAR_ASSIGN_OR_RETURN(Room* const room, LookOver());
    return room->refcounts.ChangeMany(walk);
  }
  // One reference less to each run that walk(visit) visits.
  template <typename Walk>
  Status DropMany(const Walk& walk) {
    return CountMany([&](const auto& visit) {
      return walk([&](const ClusterRun& run) { return visit(run, -1); });
    });
  }
  // From now on what is taken and dropped is not counted, because all will be counted at the end.
  void StopCounting() { counts_ = false; }
  // Counts again, and writes the L1 table to a place of its own. What the header is to say of it,
  // and of what was changed so far, can then be relied on; entries may change until Commit.
  Status ResumeCounting();
  // Puts what was said so far into the refcounts; what they are then.
  Status ApplyCounts();
  [[nodiscard]] const ShadowRefcounts& counts() const { return room_->refcounts; }
  // Whether flags COPIED in the image may be wrong; after the first look at the counts.
  [[nodiscard]] bool has_wrong_flags() const { return has_wrong_flags_; }
  void set_has_wrong_flags() { has_wrong_flags_ = true; }
  // The end of what was taken, in clusters; 0 for nothing.
  [[nodiscard]] std::uint64_t taken_end() const {
    return room_ == nullptr || room_->space.taken().empty() ? 0 : room_->space.taken().back().end();
  }
  // Whether the clusters at `offset` were taken by this change.
  [[nodiscard]] bool IsNew(std::uint64_t offset) const {
    return room_ != nullptr && room_->space.IsTaken(offset >> old_.cluster_bits, 1);
  }

  // Writes to what was taken; zeros to the end of the last cluster.
  Status Write(std::uint64_t offset, std::span<const std::byte> data);
  // Writes whole clusters that were taken.
  Status WriteAll(std::span<const WritePiece> pieces);
  // Allows workers to write to `run`, which was taken, through device().
  Status ReadyToWrite(const ClusterRun& run);
  // Sees to it that `run`, which TakeSome returned, is in the file and reads as zeros. What the
  // file grows by is stored as `preallocation` says.
  Status Provide(const ClusterRun& run, Preallocation preallocation);

  // Lengthens the file so that all that was taken is in it. What it grows by reads as zeros.
  Status CoverTaken();

  // Gives the L1 table and blocks of refcounts that stand from host offset `offset` on other
  // places.
  Status MoveFrom(std::uint64_t offset);

  // Makes the change, if there is any, and gives back the storage of what is no longer used. On an
  // error the image is the old one, unless flipped(). kNoSpace, with nothing changed, if something
  // new would stand from host offset `end` on.
  Status Commit(std::uint64_t end = ~std::uint64_t{0});
  [[nodiscard]] bool flipped() const { return room_ != nullptr && room_->transaction.flipped(); }
  // After an error: leaves nothing behind, if the change did not take effect.
  void Undo();

  // After Commit: the end of the file, if there are only tables and so much room before or between
  // them that a second change can make the file shorter.
  [[nodiscard]] const std::optional<FileTail>& movable_tail() const { return movable_tail_; }

 private:
  // Where there is room for what is new, and what becomes of the counts.
  struct Room {
    Room(TargetDevice& device, const Header& header, std::vector<ClusterRun> free,
         std::uint64_t end, std::uint64_t limit, unsigned refcount_order, bool fresh_counts,
         std::size_t cache_bytes)
        : space(std::move(free), end, limit),
          transaction(device, space, header.cluster_bits),
          refcounts(transaction, space, header, refcount_order, fresh_counts, cache_bytes) {}
    ClusterSpace space;
    Transaction transaction;
    ShadowRefcounts refcounts;
  };

  ImageChange(TargetDevice& device, Workers* workers, const Header& header,
              HeaderExtensions extensions);

  [[nodiscard]] std::uint64_t cluster_bytes() const { return old_.cluster_bytes(); }
  // Checks the image and finds out where there is room, once.
  Result<Room*> LookOver();
  Status MakeRoom(std::vector<ClusterRun> free, std::uint64_t end, bool fresh_counts);
  Status WriteL1();
  Status WriteNewL1();
  [[nodiscard]] Result<bool> L1CanStay() const;
  // Calls visit(index, entry) for the first `entries` of the old L1 table, up to the end of its
  // last cluster, until it returns false. Whether it never did.
  template <typename Visit>
  Result<bool> VisitOldL1(std::uint64_t entries, const Visit& visit) const;
  [[nodiscard]] std::uint64_t L1Clusters(std::uint64_t entries) const;
  // As Commit says of `end`.
  Status WriteRefcounts(Room& room, std::uint64_t end);
  Status Reclaim(Room& room);
  // `freed` clusters below `end`, the end of what is in use, are no longer in use.
  Status FindMovableTail(const ShadowRefcounts& refcounts, std::uint64_t end, std::uint64_t freed);

  // Of refcounts that a repair changes in ascending order.
  static constexpr std::size_t kInOrderCacheBytes = std::size_t{8} << 20;
  static constexpr std::size_t kMostTables = std::size_t{1} << 20;
  // Of an L1 table, at a time: whole clusters, of whatever size.
  static constexpr std::uint64_t kPieceEntries = (std::uint64_t{2} << 20) / kTableEntryBytes;

  TargetDevice& device_;
  Workers* const workers_;
  const Header old_;
  const HeaderExtensions extensions_;
  HeaderChange header_;
  bool has_l1_ = false;
  std::vector<std::uint64_t> l1_;
  std::unique_ptr<Room> room_;  // null: nothing needed any yet
  bool has_wrong_flags_ = false;
  bool move_l1_ = false;
  bool counts_ = true;      // what is taken and dropped
  bool l1_placed_ = false;  // it has its place already
  bool keep_tail_ = false;
  std::size_t cache_bytes_ = ShadowRefcounts::kCacheBytes;
  std::optional<FileTail> movable_tail_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_IMAGE_CHANGE_H_
