// The L1 table of a disk, and its L2 tables one by one, as far as they can be read.
#ifndef FORMATS_QCOW2_EDIT_DISK_TABLES_H_
#define FORMATS_QCOW2_EDIT_DISK_TABLES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/endian.h"
#include "formats/base/error.h"
#include "formats/base/read_ahead.h"
#include "formats/base/table_reuse_limit.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {

inline Result<std::vector<std::uint64_t>> ReadL1Table(const BlockDevice& device,
                                                      std::uint64_t offset, std::uint64_t entries) {
  std::vector<std::uint64_t> l1(entries);
  const auto bytes = std::as_writable_bytes(std::span(l1));
  INSTAR_TRY(device.Read(offset, bytes));
  for (std::size_t i = 0; i < l1.size(); ++i) l1[i] = LoadBe64(bytes, i * kTableEntryBytes);
  return l1;
}

// Whether an entry of an L1 table leads to a table that readers read: aligned, and in the file.
[[nodiscard]] inline bool LeadsToTable(std::uint64_t l1_entry, const BlockDevice& device,
                                       const Header& header) {
  const std::uint64_t table = L2TableOffset(l1_entry);
  return table != 0 && table % header.cluster_bytes() == 0 && table < device.size_bytes();
}

// Calls visit(index, table), which returns a Status, for each of those. `meter` bounds what is
// read; tables in holes are left out. kIo, kLimit, and the errors of `visit`.
template <typename Visit>
Status VisitTables(const BlockDevice& device, const Header& header,
                   std::span<const std::uint64_t> l1, TableReuseLimit& meter, const Visit& visit) {
  constexpr std::uint64_t kReadBytes = 1 << 20;
  const std::size_t at_once = std::max<std::uint64_t>(kReadBytes >> header.cluster_bits, 1);
  ReadAhead ahead(device);
  std::vector<ByteRange> wanted;
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < l1.size();) {
    wanted.clear();
    indices.clear();
    for (; i < l1.size() && wanted.size() < at_once; ++i) {
      if (!LeadsToTable(l1[i], device, header)) continue;
      const std::uint64_t table = L2TableOffset(l1[i]);
      INSTAR_ASSIGN_OR_RETURN(const bool hole, meter.Visit(table, header.cluster_bytes()));
      if (hole) continue;
      wanted.push_back({.offset = table, .length_bytes = header.cluster_bytes()});
      indices.push_back(i);
    }
    if (wanted.empty()) break;
    INSTAR_TRY(ahead.Fetch(wanted));
    for (std::size_t j = 0; j < wanted.size(); ++j) {
      auto table = ahead.Find(wanted[j]);
      if (!table) {
        INSTAR_ASSIGN_OR_RETURN(table, ahead.Fetch({&wanted[j], 1}));
      }
      INSTAR_TRY(visit(indices[j], *table));
    }
  }
  return {};
}

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_DISK_TABLES_H_
