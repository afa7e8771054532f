// The snapshot table of an image while it is changed in place. IDs, names and what this version
// does not know of an entry stay.
//
// Not thread-safe. tests/unit/formats/qcow2/amend_test.cc covers this file.
#ifndef FORMATS_QCOW2_EDIT_SNAPSHOT_ENTRIES_H_
#define FORMATS_QCOW2_EDIT_SNAPSHOT_ENTRIES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "formats/base/error.h"
#include "formats/qcow2/edit/image_change.h"
#include "formats/qcow2/structures/snapshot_table.h"

namespace instar::qcow2 {

class SnapshotEntries {
 public:
  // `change` must outlive this.
  explicit SnapshotEntries(ImageChange& change) : change_(change) {}

  // Reads the table. kCorrupt, kLimit, kIo.
  Status Load();

  // The entries, to be changed: places, sizes, and the length of the extra data, which may grow.
  [[nodiscard]] std::vector<SnapshotEntry>& all() { return entries_; }

  // Gives the table a new place if an entry has changed.
  Status Finish();

 private:
  ImageChange& change_;
  std::vector<SnapshotEntry> entries_;
  std::vector<SnapshotEntry> old_entries_;
  std::vector<std::byte> old_bytes_;  // of the table
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_SNAPSHOT_ENTRIES_H_
