// The snapshot table within a change in place: what is in it, and the new one. Entries that stay
// keep every byte, also extra data that this version does not know. The table goes by in pieces, so
// that memory does not depend on its length.
// tests/unit/formats/qcow2/snapshots_test.cc covers this file.
#ifndef FORMATS_QCOW2_EDIT_SNAPSHOT_LIST_H_
#define FORMATS_QCOW2_EDIT_SNAPSHOT_LIST_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "formats/base/error.h"
#include "formats/qcow2/edit/image_change.h"
#include "formats/qcow2/structures/snapshot_table.h"

namespace instar::qcow2 {

// The number that a snapshot's ID stands for when a new one is chosen: decimal digits behind
// blanks and a sign, as the C function strtoul reads them; 0 if there are none.
[[nodiscard]] std::uint64_t SnapshotNumber(std::string_view id);

class SnapshotList {
 public:
  struct Item {
    std::uint32_t index = 0;
    SnapshotEntry entry;
  };
  enum class Match : std::uint8_t { kId, kName };

  // `change` must outlive this.
  explicit SnapshotList(ImageChange& change) : change_(change) {}

  // The first snapshot with that ID or name. What is behind a NUL does not count. kCorrupt, kLimit,
  // kIo.
  Result<std::optional<Item>> Find(Match match, std::string_view text) const;

  // Whether there may be another snapshot, called `name`. kLimit, kInvalidArgument.
  [[nodiscard]] Status CheckMayAppend(std::string_view name) const;
  // The ID of a new snapshot: one more than the greatest there is. kLimit if it exists.
  Result<std::vector<char>> NewId() const;

  // Changes to the table; each says everything about it that is to change.
  Status Append(SnapshotEntry entry, std::string_view id, std::string_view name);
  Status Remove(const Item& item);
  // Gives the table, and the L1 tables it names, new places if they stand from host offset
  // `offset` on.
  Status MoveFrom(std::uint64_t offset);

 private:
  [[nodiscard]] std::uint64_t Clusters(std::uint64_t bytes) const;
  Result<std::uint64_t> TableBytes() const;
  // Writes a new table of `new_bytes`: the entries for which edit(index, entry), which may change
  // the place of the L1 table, returns true, and `appended`.
  template <typename Edit>
  Status Rewrite(std::uint64_t old_bytes, std::uint64_t new_bytes, const Edit& edit,
                 std::span<const std::byte> appended);
  Result<std::uint64_t> MoveL1(const SnapshotEntry& entry);

  ImageChange& change_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_SNAPSHOT_LIST_H_
