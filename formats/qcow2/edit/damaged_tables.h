// Writes the tables of a damaged image anew, as they should be, within a change in place whose
// counts are made at the end: L1 and L2 tables of the disk and of snapshots, the snapshot table,
// and the directory of bitmaps.
//
// Entries become what repaired_entries.h makes of them. What shares a place with something else
// gets a copy of its own (shared_places.h); where that would take more than a file as long again,
// the rest goes on sharing. Entries of the snapshot table that are nothing but zeros were never
// snapshots, and are left out. So are bitmaps that are damaged.
//
// Tables go by one at a time. tests/unit/formats/qcow2/repair_test.cc covers this file.
#ifndef FORMATS_QCOW2_EDIT_DAMAGED_TABLES_H_
#define FORMATS_QCOW2_EDIT_DAMAGED_TABLES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "formats/base/error.h"
#include "formats/check.h"
#include "formats/qcow2/check/bitmap_directory_walk.h"
#include "formats/qcow2/check/damage.h"
#include "formats/qcow2/check/repaired_entries.h"
#include "formats/qcow2/edit/image_change.h"
#include "formats/qcow2/edit/shared_places.h"
#include "formats/qcow2/structures/snapshot_table.h"

namespace instar::qcow2 {

// Finds out who uses `clusters`. kIo, kLimit.
Result<SharedPlaces> FindUses(const BlockDevice& device, const Header& header,
                              const HeaderExtensions& extensions,
                              std::vector<std::uint64_t> clusters);

class DamagedTables {
 public:
  // All must outlive this. `change` does not count.
  DamagedTables(ImageChange& change, const Damage& damage, const SharedPlaces& shared,
                FindingSink& findings);

  // kNoSpace, kIo, kLimit.
  Status Rewrite();

 private:
  // A copy of a cluster that data of a virtual cluster gets; disks may share it.
  struct Copy {
    std::uint64_t key = 0;
    std::uint64_t cluster = 0;
    std::uint64_t place = 0;
  };
  struct Snapshot {
    std::uint64_t at = 0;  // in the file
    SnapshotEntry old;
    SnapshotEntry entry;
    bool keep = true;
  };

  [[nodiscard]] bool AnyInConflict(std::uint64_t offset, std::uint64_t bytes) const;
  Result<bool> RewriteDisk(std::span<std::uint64_t> l1);
  Result<bool> RewriteTable(std::uint64_t index, std::span<std::byte> table);
  Status GiveCopy(std::uint64_t key, L2Words& words);
  Result<std::uint64_t> CopyOf(std::uint64_t key, std::uint64_t cluster);

  Status RewriteSnapshots();
  Result<Snapshot> ReadSnapshot(std::uint64_t at);
  Status RewriteSnapshotDisk(SnapshotEntry& entry);
  Status WriteSnapshotTable(std::span<const std::uint64_t> l1_places, std::uint64_t new_bytes);
  Status WriteSnapshot(const Snapshot& snapshot, class ClusterStream& out);

  Status RewriteBitmaps();
  Result<bool> KeepsBitmap(const BitmapDirectoryWalk::Item& item) const;
  Result<bool> BitmapInConflict(const BitmapEntry& entry) const;
  Status WriteDirectory(std::span<const std::uint8_t> keep, const BitmapsExtension& extension);

  ImageChange& change_;
  const Damage& damage_;
  const SharedPlaces& shared_;
  FindingSink& findings_;
  const Header& header_;
  const bool may_copy_;
  std::uint64_t copies_left_;  // clusters
  std::vector<Copy> copies_;   // in order of key and cluster
  std::vector<std::byte> cluster_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_DAMAGED_TABLES_H_
