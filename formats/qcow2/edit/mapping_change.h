// Changes to the entries of the active L2 tables, table by table, within a change in place: a table
// in which an entry changes gets a place of its own, whoever shares the old one. What is written
// gathers in memory, up to kPendingBytes and one table more.
//
// Not thread-safe. tests/unit/formats/qcow2/resizer_test.cc covers this file.
#ifndef FORMATS_QCOW2_EDIT_MAPPING_CHANGE_H_
#define FORMATS_QCOW2_EDIT_MAPPING_CHANGE_H_

#include <cstdint>
#include <vector>

#include "formats/base/error.h"
#include "formats/qcow2/edit/image_change.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {

class MappingChange {
 public:
  // `change` must outlive this.
  explicit MappingChange(ImageChange& change);

  // Clusters from `cluster` on that one L2 table describes.
  [[nodiscard]] std::uint64_t ClustersLeft(std::uint64_t cluster) const {
    return l2_entries_ - cluster % l2_entries_;
  }
  // Whether there is a table that describes `cluster`.
  Result<bool> HasTable(std::uint64_t cluster);

  // How virtual cluster `cluster` is described; all zeros where there is no table.
  Result<ClusterEntry> Get(std::uint64_t cluster);
  // Describes it anew. What the old description refers to is dropped, unless `entry` has it, too.
  Status Set(std::uint64_t cluster, const ClusterEntry& entry);

  // Clears the descriptions of clusters [first, end) and drops what they refer to. Tables that
  // describe nothing else go as a whole.
  Status Clear(std::uint64_t first, std::uint64_t end);

  // Gives the tables from host offset `offset` on other places.
  Status MoveTablesFrom(std::uint64_t offset);

  // Writes what is not written yet. Call it before Commit.
  Status Finish();

 private:
  static constexpr std::size_t kPendingBytes = std::size_t{1} << 20;
  struct Pending {
    std::uint64_t offset = 0;
    std::vector<std::byte> table;
  };

  // Gives the selected table, if it has changed, its place; none is selected then.
  Status Keep();
  Status WritePending();
  Status Select(std::uint64_t l1_index);
  Status DropEntry(const ClusterEntry& entry);
  // Drops the tables of L1 entries [first, end), with all they refer to.
  Status DropTables(std::uint64_t first, std::uint64_t end);

  ImageChange& change_;
  const Header& header_;
  const std::uint64_t l2_entries_;
  std::uint64_t selected_ = ~std::uint64_t{0};  // index in the L1 table
  bool dirty_ = false;
  std::vector<std::byte> table_;
  std::vector<Pending> pending_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_MAPPING_CHANGE_H_
