#include "formats/qcow2/edit/bitmap_tables.h"

#include "formats/base/endian.h"

namespace instar::qcow2 {

Result<std::vector<std::uint64_t>> BitmapTables::Read(const BitmapEntry& entry) const {
  std::vector<std::byte> bytes(entry.table_entries * kTableEntryBytes);
  INSTAR_TRY(change_.device().Read(entry.table_offset, bytes));
  std::vector<std::uint64_t> table(entry.table_entries);
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = LoadBe64(bytes, i * kTableEntryBytes);
  return table;
}

Result<std::uint64_t> BitmapTables::Store(std::span<const std::byte> bytes) {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t place, change_.Take(Clusters(0, bytes.size()).count));
  INSTAR_TRY(change_.Write(place, bytes));
  return place;
}

Status BitmapTables::Write(BitmapEntry& entry, std::span<const std::uint64_t> table) {
  std::vector<std::byte> bytes(table.size() * kTableEntryBytes);
  for (std::size_t i = 0; i < table.size(); ++i) StoreBe64(bytes, i * kTableEntryBytes, table[i]);
  INSTAR_ASSIGN_OR_RETURN(entry.table_offset, Store(bytes));
  entry.table_entries = static_cast<std::uint32_t>(table.size());
  return {};
}

}  // namespace instar::qcow2
