#include "formats/qcow2/edit/zero_clusters.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/zero_bytes.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {
namespace {

constexpr std::size_t kTablesAtOnce = std::size_t{1} << 18;
constexpr std::uint64_t kL1Bytes = std::uint64_t{256} << 10;  // of an L1 table, at a time

// An L2 table and the L1 entries that lead to it.
struct SharedTable {
  std::uint64_t offset = 0;
  std::uint64_t references = 0;
  std::uint64_t place = 0;  // where it is then; 0: it describes nothing any more
};

// Where entries of an L1 table are read and what becomes of them.
class SnapshotL1 {
 public:
  SnapshotL1(ImageChange& change, SnapshotEntry& entry) : change_(change), entry_(entry) {}

  // Calls visit(l1_entry) for all entries.
  template <typename Visitor>
  Status ForEach(const Visitor& visit) {
    return InPieces([&](std::uint64_t, std::span<std::byte> piece) -> Status {
      for (std::size_t i = 0; i < piece.size(); i += kTableEntryBytes) visit(LoadBe64(piece, i));
      return {};
    });
  }
  // Has change(l1_entry) change entries; returns whether it did. The table then gets a place of its
  // own.
  template <typename Change>
  Status Update(const Change& change) {
    bool changes = false;
    INSTAR_TRY(ForEach([&](std::uint64_t entry) { changes = change(entry) || changes; }));
    if (!changes) return {};
    std::uint64_t place = entry_.l1_table_offset;
    if (!change_.IsNew(place)) {
      INSTAR_ASSIGN_OR_RETURN(place, change_.Take(clusters()));
    }
    INSTAR_TRY(InPieces([&](std::uint64_t at, std::span<std::byte> piece) -> Status {
      for (std::size_t i = 0; i < piece.size(); i += kTableEntryBytes) {
        std::uint64_t entry = LoadBe64(piece, i);
        change(entry);
        StoreBe64(piece, i, entry);
      }
      return change_.Write(place + at, piece);
    }));
    if (place == entry_.l1_table_offset) return {};
    const std::uint64_t first = entry_.l1_table_offset >> change_.old_header().cluster_bits;
    entry_.l1_table_offset = place;
    return change_.Drop({first, clusters()});
  }

 private:
  [[nodiscard]] std::uint64_t bytes() const {
    return std::uint64_t{entry_.l1_entries} * kTableEntryBytes;
  }
  [[nodiscard]] std::uint64_t clusters() const {
    return DivideRoundUp(bytes(), change_.old_header().cluster_bytes());
  }
  template <typename Visitor>
  Status InPieces(const Visitor& visit) {
    const std::uint64_t most = std::max(kL1Bytes, change_.old_header().cluster_bytes());
    std::vector<std::byte> buffer(std::min(most, bytes()));
    for (std::uint64_t at = 0; at < bytes(); at += buffer.size()) {
      const auto piece =
          std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), bytes() - at));
      INSTAR_TRY(change_.device().Read(entry_.l1_table_offset + at, piece));
      INSTAR_TRY(visit(at, piece));
    }
    return {};
  }

  ImageChange& change_;
  SnapshotEntry& entry_;
};

class Expander {
 public:
  Expander(ImageChange& change, SnapshotEntries& snapshots)
      : change_(change),
        header_(change.old_header()),
        snapshots_(snapshots),
        backed_(header_.backing_file_bytes != 0),
        bytes_(header_.cluster_bytes()) {}

  Status Run() {
    std::uint64_t first = 1;  // no table stands at 0
    while (first != 0) {
      INSTAR_ASSIGN_OR_RETURN(const std::uint64_t next, CollectFrom(first));
      bool moved = false;
      for (SharedTable& table : tables_) {
        INSTAR_TRY(Expand(table));
        moved = moved || table.place != table.offset;
      }
      if (moved) INSTAR_TRY(UpdateL1Tables());
      first = next;
    }
    return {};
  }

 private:
  // Finds the tables from offset `first` on, as many as fit in memory; from where to go on, or 0.
  Result<std::uint64_t> CollectFrom(std::uint64_t first);
  Status Expand(SharedTable& table);
  // Turns the entries `zeros` of the table in `bytes_` into clusters that hold zeros.
  Status GivePlaces(std::span<const std::uint32_t> zeros, std::uint64_t references);
  Status UpdateL1Tables();
  // The table that stood at the offset of an L1 entry, if it has moved.
  [[nodiscard]] const SharedTable* MovedTable(std::uint64_t l1_entry) const;

  ImageChange& change_;
  const Header& header_;
  SnapshotEntries& snapshots_;
  const bool backed_;
  std::vector<SharedTable> tables_;
  std::vector<std::byte> bytes_;  // of a table
};

Result<std::uint64_t> Expander::CollectFrom(std::uint64_t first) {
  tables_.clear();
  std::uint64_t next = 0;
  // Joins equal ones, and keeps the lowest.
  const auto trim = [&] {
    std::ranges::sort(tables_, {}, &SharedTable::offset);
    std::size_t kept = 0;
    for (const SharedTable& table : tables_) {
      if (kept != 0 && tables_[kept - 1].offset == table.offset) {
        tables_[kept - 1].references += table.references;
      } else {
        tables_[kept++] = table;
      }
    }
    if (kept > kTablesAtOnce) {
      next = tables_[kTablesAtOnce].offset;
      kept = kTablesAtOnce;
    }
    tables_.resize(kept);
  };
  const auto add = [&](std::uint64_t l1_entry) {
    const std::uint64_t offset = L2TableOffset(l1_entry);
    if (offset < first || (next != 0 && offset >= next)) return;
    tables_.push_back({.offset = offset, .references = 1, .place = offset});
    if (tables_.size() >= 2 * kTablesAtOnce) trim();
  };
  INSTAR_ASSIGN_OR_RETURN(const auto* const l1, change_.L1());
  for (const std::uint64_t entry : *l1) add(entry);
  for (SnapshotEntry& snapshot : snapshots_.all()) {
    INSTAR_TRY(SnapshotL1(change_, snapshot).ForEach(add));
  }
  trim();
  return next;
}

Status Expander::Expand(SharedTable& table) {
  INSTAR_TRY(change_.device().Read(table.offset, bytes_));
  const bool may_be_compressed = header_.compression_type == kCompressionZlib;
  std::vector<std::uint32_t> zeros;
  bool changed = false;
  for (std::uint32_t i = 0; i < header_.l2_entries(); ++i) {
    const std::uint64_t entry = LoadBe64(bytes_, i * kTableEntryBytes);
    if (IsCompressed(entry)) {
      if (may_be_compressed) continue;
      return Unsupported(
          "Cannot downgrade an image with zstd compression type and existing compressed clusters");
    }
    if ((entry & kReadsZero) == 0) continue;
    changed = true;
    if (HostOffset(entry) != 0 || backed_) {
      zeros.push_back(i);
    } else {
      StoreBe64(bytes_, i * kTableEntryBytes, 0);
    }
  }
  if (!changed) return {};
  INSTAR_TRY(GivePlaces(zeros, table.references));
  const std::uint64_t cluster = table.offset >> header_.cluster_bits;
  const auto references = static_cast<std::int64_t>(table.references);
  if (IsZero(bytes_)) {
    table.place = 0;
  } else if (change_.IsNew(table.offset)) {
    return change_.Write(table.offset, bytes_);
  } else {
    INSTAR_ASSIGN_OR_RETURN(table.place, change_.Take(1));
    INSTAR_TRY(change_.Count({table.place >> header_.cluster_bits, 1}, references - 1));
    INSTAR_TRY(change_.Write(table.place, bytes_));
  }
  return change_.Count({cluster, 1}, -references);
}

Status Expander::GivePlaces(std::span<const std::uint32_t> zeros, std::uint64_t references) {
  const auto more = static_cast<std::int64_t>(references) - 1;
  while (!zeros.empty()) {
    INSTAR_ASSIGN_OR_RETURN(const ClusterRun run, change_.TakeSome(zeros.size()));
    INSTAR_TRY(change_.Provide(run, Preallocation::kOff));
    if (more != 0) INSTAR_TRY(change_.Count(run, more));
    for (std::uint64_t i = 0; i < run.count; ++i) {
      const std::uint64_t at = std::uint64_t{zeros[i]} * kTableEntryBytes;
      const std::uint64_t old = HostOffset(LoadBe64(bytes_, at));
      if (old != 0) INSTAR_TRY(change_.Count({old >> header_.cluster_bits, 1}, -more - 1));
      StoreBe64(bytes_, at,
                EncodeStandardEntry((run.first + i) << header_.cluster_bits, references == 1));
    }
    zeros = zeros.subspan(run.count);
  }
  return {};
}

const SharedTable* Expander::MovedTable(std::uint64_t l1_entry) const {
  const std::uint64_t offset = L2TableOffset(l1_entry);
  const auto table = std::ranges::lower_bound(tables_, offset, {}, &SharedTable::offset);
  if (table == tables_.end() || table->offset != offset || table->place == offset) return nullptr;
  return &*table;
}

Status Expander::UpdateL1Tables() {
  INSTAR_ASSIGN_OR_RETURN(auto* const l1, change_.L1());
  for (std::uint64_t& entry : *l1) {
    const SharedTable* const table = MovedTable(entry);
    if (table == nullptr) continue;
    entry = table->place == 0 ? 0 : EncodeL1Entry(table->place, table->references == 1);
  }
  for (SnapshotEntry& snapshot : snapshots_.all()) {
    INSTAR_TRY(SnapshotL1(change_, snapshot).Update([&](std::uint64_t& entry) {
      const SharedTable* const table = MovedTable(entry);
      if (table == nullptr) return false;
      entry = table->place == 0 ? 0 : EncodeL1Entry(table->place, (entry & kCopied) != 0);
      return true;
    }));
  }
  return {};
}

}  // namespace

Status ExpandZeroClusters(ImageChange& change, SnapshotEntries& snapshots) {
  return Expander(change, snapshots).Run();
}

}  // namespace instar::qcow2
