// Counts the references of what is no table of the active disk: snapshots, bitmaps and the blocks
// of refcounts.
#include <algorithm>
#include <optional>
#include <string_view>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/qcow2/check/bitmap_directory_walk.h"
#include "formats/qcow2/check/checker.h"
#include "formats/qcow2/read/bitmap_data.h"
#include "formats/qcow2/structures/bitmap_directory.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "formats/qcow2/structures/refcount_entry.h"
#include "formats/qcow2/structures/snapshot_table.h"

namespace instar::qcow2 {

Status Checker::WalkSnapshots() {
  if (header_.has_data_file() && header_.snapshot_count != 0) {
    Corrupted(Beyond("a data file holds one disk only"),
              "the image has {0} snapshots and a data file", header_.snapshot_count);
  }
  std::uint64_t at = header_.snapshots_offset;
  for (std::uint32_t i = 0; i < header_.snapshot_count && !out_of_order_; ++i) {
    at += (8 - at % 8) % 8;
    constexpr std::size_t kHeadBytes =
        SnapshotEntry::kFixedBytes + SnapshotEntry::kExtraBytesIcount;
    INSTAR_ASSIGN_OR_RETURN(const auto head, table_.View(at, kHeadBytes, 4096));
    const SnapshotEntry entry = SnapshotEntry::DecodeFrom(head);
    if (entry.extra_bytes > kMaxSnapshotExtraBytes) {
      return OverLimit("snapshot {0} has {1} bytes of extra data, more than the limit of {2}", i,
                       entry.extra_bytes, kMaxSnapshotExtraBytes);
    }
    at += SnapshotEntry::kFixedBytes + std::uint64_t{entry.extra_bytes} + entry.id_bytes +
          entry.name_bytes;
    if (at - header_.snapshots_offset > kMaxSnapshotTableBytes) {
      return OverLimit("the snapshot table exceeds the limit of {0} bytes", kMaxSnapshotTableBytes);
    }
    if (header_.version >= 3 && entry.extra_bytes < SnapshotEntry::kExtraBytesDiskSize) {
      if (damage() != nullptr) damage()->snapshots = true;
      Corrupted({.kind = FixKind::kSnapshot, .where = i}, "the entry of snapshot {0} is incomplete",
                i);
    }
    INSTAR_TRY(VisitSnapshot(entry, i));
  }
  Refer(header_.snapshots_offset, at - header_.snapshots_offset);
  return {};
}

Status Checker::VisitSnapshot(const SnapshotEntry& entry, std::uint32_t number) {
  if (entry.l1_table_offset % cluster_bytes_ != 0) {
    Unseen();
    Corrupted(Beyond("nothing says where the table begins"),
              "the L1 table of snapshot {0} at {1x} is not aligned to a cluster", number,
              entry.l1_table_offset);
    return {};
  }
  if (entry.l1_entries > kMaxL1Bytes / kTableEntryBytes) {
    Unseen();
    Corrupted(Beyond("nothing says where the table ends"),
              "the L1 table of snapshot {0} has {1} entries, more than {2}", number,
              entry.l1_entries, kMaxL1Bytes / kTableEntryBytes);
    return {};
  }
  return WalkL1(entry.l1_table_offset, entry.l1_entries, /*active=*/false);
}

Status Checker::WalkBitmaps() {
  if (!extensions_.bitmaps || extensions_.bitmaps->bitmap_count == 0) return {};
  const BitmapsExtension& extension = *extensions_.bitmaps;
  if (repairs()) return WalkDamagedBitmaps(extension);
  INSTAR_TRY(ReferTable(extension.directory_offset, extension.directory_bytes));
  class Visitor final : public BitmapVisitor {
   public:
    explicit Visitor(Checker& checker) : checker_(checker) {}
    void Visit(const BitmapEntry& entry, std::string_view) override {
      if (status_) status_ = checker_.WalkBitmap(entry);
    }
    [[nodiscard]] const Status& status() const { return status_; }

   private:
    Checker& checker_;
    Status status_;
  };
  Visitor visitor(*this);
  INSTAR_TRY(VisitBitmaps(device_, extension, visitor));
  return visitor.status();
}

// A bitmap that is damaged is dropped, so nothing of it counts.
Status Checker::WalkDamagedBitmaps(const BitmapsExtension& extension) {
  INSTAR_TRY(ReferTable(extension.directory_offset, extension.directory_bytes));
  BitmapDirectoryWalk walk(device_, extension);
  while (true) {
    INSTAR_ASSIGN_OR_RETURN(const auto item, walk.Next());
    if (!item) break;
    INSTAR_ASSIGN_OR_RETURN(const bool sound, IsSoundBitmap(device_, header_, *item));
    if (sound) {
      INSTAR_TRY(WalkBitmap(item->entry));
      continue;
    }
    damage()->bitmaps = true;
    if (!first_pass_) continue;
    Finding finding{.message = "bitmap {0} is damaged",
                    .numbers = {item->index},
                    .fix = {.kind = FixKind::kBitmap, .where = item->index}};
    INSTAR_ASSIGN_OR_RETURN(const std::vector<char> name, walk.Name(*item));
    finding.name = {name.data(), name.size()};
    Report(finding);
  }
  if (!walk.complete()) {
    damage()->bitmaps = true;
    Corrupted({.kind = FixKind::kBitmap, .where = walk.index()},
              "the bitmap directory is damaged from bitmap {0} of {1} on", walk.index(),
              extension.bitmap_count);
  }
  return {};
}

void Checker::Unseen() {
  if (damage() != nullptr) damage()->unseen = true;
}

Status Checker::WalkBitmap(const BitmapEntry& entry) {
  const std::uint64_t entries = entry.table_entries;
  INSTAR_TRY(ReferTable(entry.table_offset, entries * kTableEntryBytes));
  const std::uint64_t most = piece_bytes_ / kTableEntryBytes;
  for (std::uint64_t first = 0; first < entries; first += most) {
    const std::uint64_t at = entry.table_offset + first * kTableEntryBytes;
    if (at >= device_.size_bytes()) break;
    const std::uint64_t count = std::min(most, entries - first);
    INSTAR_ASSIGN_OR_RETURN(const std::uint64_t skip, ZeroEntries(at, entries - first));
    if (skip != 0) {
      first += skip - most;
      continue;
    }
    INSTAR_ASSIGN_OR_RETURN(const auto piece,
                            table_.View(at, count * kTableEntryBytes, count * kTableEntryBytes));
    for (std::uint64_t i = 0; i < count; ++i) {
      VisitBitmapTableEntry(LoadBe64(piece, i * kTableEntryBytes));
    }
  }
  return {};
}

void Checker::VisitBitmapTableEntry(std::uint64_t entry) {
  if (!IsBitmapTableEntry(entry, cluster_bytes_)) {
    Corrupted({.kind = FixKind::kBitmap}, "entry {0x} of a bitmap table makes no sense", entry);
    return;
  }
  if (const std::uint64_t place = HostOffset(entry)) Refer(place, cluster_bytes_);
}

Status Checker::WalkRefcountBlocks() {
  const std::uint64_t per_block = RefcountsPerBlock(header_.cluster_bits, header_.refcount_order);
  for (std::uint64_t i = 0; i < disk_.table_entries(); ++i) {
    INSTAR_ASSIGN_OR_RETURN(const std::uint64_t entry, disk_.TableEntry(i));
    if (entry == 0) continue;
    const std::uint64_t offset = entry & ~kRefcountBlockReserved;
    const std::uint64_t cluster = offset >> header_.cluster_bits;
    if (offset != 0) Want(i * per_block, (i + 1) * per_block - 1);
    const Fix rebuild{.kind = FixKind::kRebuild, .where = offset, .from = entry};
    const std::uint64_t found = result_.corruptions;
    if (offset != entry) {
      Corrupted(rebuild, "entry {0} of the refcount table, {1x}, has reserved bits set", i, entry);
    } else if (offset % cluster_bytes_ != 0) {
      Corrupted(rebuild, "refcount block {0} at {1x} is not aligned to a cluster", i, offset);
    } else if (cluster >= clusters_) {
      Corrupted(rebuild, "refcount block {0} at {1x} lies beyond the end of the file", i, offset);
    } else {
      Refer(offset, cluster_bytes_);
      if (counts_.Holds(cluster) && counts_.count(cluster) != 1) {
        NoteShared(cluster);
        Report({.message = "refcount block {0} at {1x} has {2} references",
                .numbers = {i, offset, counts_.count(cluster)},
                .fix = rebuild});
      }
    }
    if (damage() != nullptr && result_.corruptions != found) damage()->lost_counts = true;
  }
  return {};
}

}  // namespace instar::qcow2
