// Counts the references of the L1 and L2 tables of disks, entry by entry.
#include <algorithm>
#include <span>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/qcow2/check/checker.h"
#include "formats/qcow2/check/repaired_entries.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {
namespace {

constexpr std::size_t kMaxTables = 1024;  // read at a time

}  // namespace

void Checker::Want(std::uint64_t first, std::uint64_t last) {
  if (last < counts_.end()) return;
  next_wanted_ = std::min(next_wanted_, std::max(first, counts_.end()));
}

Status Checker::WalkDisks() {
  const CheckCounts result = result_;
  const std::uint64_t found = found_;
  const std::uint64_t clusters = clusters_;
  const Damage before = damage() != nullptr ? *damage() : Damage();
  const auto walk = [&]() -> Status {
    tables_.Begin();
    Refer(0, cluster_bytes_);
    INSTAR_TRY(WalkL1(header_.l1_table_offset, header_.l1_entries, /*active=*/true));
    return WalkSnapshots();
  };
  ahead_ = true;
  const Status walked = walk();
  ahead_ = false;
  if (!out_of_order_) {
    INSTAR_TRY(walked);
  } else {
    out_of_order_ = false;
    result_ = result;
    found_ = found;
    clusters_ = clusters;
    if (damage() != nullptr) *damage() = before;
    if (first_pass_) allocated_ = fragmented_ = compressed_ = 0;
    counts_.Clear();
    INSTAR_TRY(walk());
  }
  next_wanted_ = std::min(next_wanted_, tables_.next_wanted());
  if (first_pass_) {
    allocated_ += tables_.allocated();
    fragmented_ += tables_.fragmented();
    compressed_ += tables_.compressed();
  }
  return {};
}

void Checker::Refer(std::uint64_t offset, std::uint64_t bytes) {
  if (bytes == 0) return;
  const std::uint64_t file_bytes = device_.size_bytes();
  const auto end = CheckedAdd(offset, bytes);
  if (!end || (*end > file_bytes && *end - file_bytes >= cluster_bytes_)) {
    if (first_pass_ && survey_ != nullptr && end) ReferBehindEnd(offset, bytes);
    // Such clusters read as zeros, and ReferBehindEnd looks at their counts.
    if (first_pass_) {
      Report({.message = "{1} bytes at {0x} are referred to, but the file ends at {2x}",
              .numbers = {offset, bytes, file_bytes},
              .harmless = end.has_value(),
              .fix = Beyond("what stood there is not in the file")});
    }
    // A repair has to know what part of it is in the file.
    if (damage() != nullptr && offset < file_bytes) Count(offset, file_bytes);
    return;
  }
  Count(offset, *end);
}

void Checker::Count(std::uint64_t offset, std::uint64_t end) {
  const std::uint64_t first = offset >> header_.cluster_bits;
  const std::uint64_t last = (end - 1) >> header_.cluster_bits;
  clusters_ = std::max(clusters_, last + 1);
  Want(first, last);
  for (std::uint64_t cluster = std::max(first, counts_.first());
       cluster <= last && cluster < counts_.end(); ++cluster) {
    if (!counts_.Add(cluster, most_references_)) {
      if (ahead_ && tables_.any_ahead()) {
        out_of_order_ = true;
        return;
      }
      NoteShared(cluster);
      Report({.message = "the cluster at {0x} has more references than a refcount can hold ({1})",
              .numbers = {cluster << header_.cluster_bits, most_references_},
              .fix = {.kind = FixKind::kCopy, .where = cluster << header_.cluster_bits}});
    }
  }
}

Status Checker::ReferTable(std::uint64_t offset, std::uint64_t bytes) {
  constexpr std::uint64_t kClusterBytes = 8;  // what counting a cluster is taken to cost
  INSTAR_TRY(
      meter_.Charge(std::min(bytes >> header_.cluster_bits, window_clusters_) * kClusterBytes));
  Refer(offset, bytes);
  return {};
}

// How many of the `entries` entries of a table at `offset` need not be read, because all of them
// lie in a hole; a multiple of what is read at a time, or all.
Result<std::uint64_t> Checker::ZeroEntries(std::uint64_t offset, std::uint64_t entries) {
  const std::uint64_t most = piece_bytes_ / kTableEntryBytes;
  const std::uint64_t piece = std::min(most, entries);
  INSTAR_ASSIGN_OR_RETURN(const bool hole, meter_.Visit(offset, piece * kTableEntryBytes));
  if (!hole) return std::uint64_t{0};
  INSTAR_ASSIGN_OR_RETURN(const FileRun run, meter_.RunAt(offset, entries * kTableEntryBytes));
  return std::max(AlignDown(run.length_bytes / kTableEntryBytes, most), most);
}

Fix Checker::FixEntry(std::uint64_t where, std::uint64_t from, std::uint64_t to) {
  if (repairs()) damage()->entries = true;
  return {.kind = FixKind::kEntry, .where = where, .from = from, .to = to};
}

void Checker::NoteShared(std::uint64_t cluster) {
  if (damage() == nullptr) return;
  if (damage()->shared.size() < Damage::kMaxShared) {
    damage()->shared.push_back(cluster);
  } else {
    damage()->more_shared = true;
  }
}

void Checker::ContradictsCopied(std::uint64_t offset, std::uint64_t entry, bool of_table) {
  if (damage() == nullptr) {
    FoundHarmless(of_table ? "the COPIED flag of L1 entry {0x} contradicts the refcount of the L2 "
                             "table at {1x}"
                           : "the COPIED flag of L2 entry {0x} contradicts the refcount of the "
                             "cluster at {1x}",
                  entry, offset);
  } else if (damage()->flags.size() < Damage::kMaxFlags) {
    damage()->flags.push_back({offset >> header_.cluster_bits, entry, of_table});
  } else {
    damage()->more_flags = true;
  }
}

Status Checker::CheckCopied(std::uint64_t offset, std::uint64_t entry, bool of_table) {
  const std::uint64_t cluster = offset >> header_.cluster_bits;
  const bool copied = (entry & kCopied) != 0;
  if (counts_.Holds(cluster)) {
    const auto on_disk = counts_.on_disk(cluster);
    if (on_disk != CountedReferences::OnDisk::kUnknown &&
        (on_disk == CountedReferences::OnDisk::kOne) != copied) {
      ContradictsCopied(offset, entry, of_table);
    }
  } else if (cluster < windows_end_) {
    Want(cluster, cluster);
  } else if (first_pass_) {  // no window has it
    INSTAR_ASSIGN_OR_RETURN(const auto count, elsewhere_.At(cluster));
    if (count && (*count == 1) != copied) ContradictsCopied(offset, entry, of_table);
  }
  return {};
}

Status Checker::WalkL1(std::uint64_t offset, std::uint64_t entries, bool active) {
  tables_.BeginDisk();
  INSTAR_TRY(ReferTable(offset, entries * kTableEntryBytes));
  const std::uint64_t most = piece_bytes_ / kTableEntryBytes;
  for (std::uint64_t first = 0; first < entries; first += most) {
    const std::uint64_t count = std::min(most, entries - first);
    const std::uint64_t at = offset + first * kTableEntryBytes;
    if (at >= device_.size_bytes()) break;  // reads as zeros
    INSTAR_ASSIGN_OR_RETURN(const std::uint64_t skip, ZeroEntries(at, entries - first));
    if (skip != 0) {
      first += skip - most;
      continue;
    }
    INSTAR_ASSIGN_OR_RETURN(const auto piece,
                            l1_.View(at, count * kTableEntryBytes, count * kTableEntryBytes));
    if (ahead_) INSTAR_TRY(tables_.CountAhead(piece, active, meter_));
    for (std::uint64_t i = 0; i < count && !out_of_order_; ++i) {
      const std::uint64_t entry = LoadBe64(piece, i * kTableEntryBytes);
      if (entry == 0) continue;
      INSTAR_TRY(VisitL1Entry(entry, piece, i, active));
    }
  }
  return {};
}

Status Checker::VisitL1Entry(std::uint64_t entry, std::span<const std::byte> piece,
                             std::uint64_t index, bool active) {
  const std::uint64_t table = L2TableOffset(entry);
  if ((entry & kL1Reserved) != 0) {
    Corrupted(FixEntry(table, entry, RepairedL1Entry(entry)), "L1 entry {0x} has reserved bits set",
              entry);
  }
  Refer(table, cluster_bytes_);
  if (table % cluster_bytes_ != 0) {
    Corrupted(Beyond("nothing says where the table begins"),
              "the L2 table at {0x} is not aligned to a cluster", table);
  }
  if (active && table != 0) INSTAR_TRY(CheckCopied(table, entry, /*of_table=*/true));
  if (table >= device_.size_bytes()) return {};  // reads as zeros
  if (ahead_ && tables_.Counted(index)) return {};
  INSTAR_ASSIGN_OR_RETURN(const bool hole, meter_.Visit(table, cluster_bytes_));
  if (hole) return {};  // nothing but zeros
  const ByteRange range{.offset = table, .length_bytes = cluster_bytes_};
  auto held = l2_.Find(range);
  if (!held) {
    if (meter_.looks_for_holes()) {  // the next may lie in one
      wanted_.assign(1, range);
    } else {
      ListTables(piece, index);
    }
    INSTAR_ASSIGN_OR_RETURN(held, l2_.Fetch(wanted_));
  }
  return tables_.Count(*held, active) ? Status() : VisitTable(*held, active);
}

void Checker::ListTables(std::span<const std::byte> piece, std::uint64_t index) {
  wanted_.clear();
  std::uint64_t bytes = 0;
  for (; index * kTableEntryBytes < piece.size() && wanted_.size() < kMaxTables; ++index) {
    const std::uint64_t entry = LoadBe64(piece, index * kTableEntryBytes);
    const std::uint64_t table = L2TableOffset(entry);
    if (entry == 0 || table >= device_.size_bytes()) continue;
    if (ahead_ && tables_.Counted(index)) continue;
    if (bytes != 0 && bytes + cluster_bytes_ > piece_bytes_) break;
    wanted_.push_back({.offset = table, .length_bytes = cluster_bytes_});
    bytes += cluster_bytes_;
  }
}

Status Checker::VisitTable(std::span<const std::byte> entries, bool active) {
  const bool extended = header_.extended_l2();
  const std::uint64_t step = header_.l2_entry_bytes();
  next_contiguous_ = 0;
  for (std::uint64_t at = 0; at < entries.size(); at += step) {
    const std::uint64_t entry = LoadBe64(entries, at);
    const std::uint64_t bitmap = extended ? LoadBe64(entries, at + kTableEntryBytes) : 0;
    if (entry == 0 && bitmap == 0) continue;
    INSTAR_TRY(IsCompressed(entry) ? VisitCompressed(entry, bitmap, active)
                                   : VisitStandard(entry, bitmap, active));
  }
  return {};
}

void Checker::CountAllocated(std::uint64_t offset) {
  ++allocated_;
  if (next_contiguous_ != 0 && offset != next_contiguous_) ++fragmented_;
  next_contiguous_ = offset + cluster_bytes_;
}

Status Checker::VisitCompressed(std::uint64_t entry, std::uint64_t bitmap, bool active) {
  const auto cluster = CompressedCluster::DecodeFrom(entry & ~kCopied, header_.cluster_bits);
  const L2Words repaired = Repaired({entry, bitmap}, header_);
  if ((entry & kCopied) != 0) {
    Corrupted(FixEntry(cluster.offset, entry, repaired.entry),
              "L2 entry {0x} of a compressed cluster has the COPIED flag", entry);
  }
  if (header_.has_data_file()) {
    Corrupted(Beyond("nothing says where its data is"),
              "L2 entry {0x} is of a compressed cluster, in an image with a data file", entry);
    return {};
  }
  if (bitmap != 0) {
    Corrupted(FixEntry(cluster.offset, entry, repaired.entry),
              "L2 entry {0x} of a compressed cluster has a subcluster bitmap, {1x}", entry, bitmap);
    if (damage() == nullptr) return {};
  }
  Refer(cluster.offset, cluster.bytes());
  if (active && first_pass_) {
    ++allocated_;
    ++compressed_;
    ++fragmented_;  // by nature
  }
  return {};
}

Status Checker::VisitStandard(std::uint64_t entry, std::uint64_t bitmap, bool active) {
  const std::uint64_t offset = HostOffset(entry);
  const L2Words repaired = Repaired({entry, bitmap}, header_);
  if ((entry & kL2Reserved) != 0) {
    Corrupted(FixEntry(offset, entry, repaired.entry), "L2 entry {0x} has reserved bits set",
              entry);
  }
  const bool zero = !header_.extended_l2() && (entry & kReadsZero) != 0;
  const bool copied = (entry & kCopied) != 0;
  const auto subclusters = SubclusterBitmap::DecodeFrom(bitmap);
  // Offset 0 of a data file is a place like any other.
  if (offset == 0 && (zero || !(header_.has_data_file() && copied))) {
    if (subclusters.allocated != 0) {
      Corrupted(Beyond("nothing says where its data is"),
                "L2 entry {0x} has no cluster, but allocated subclusters ({1x})", entry, bitmap);
    }
    return {};
  }
  if ((subclusters.allocated & subclusters.reads_zero) != 0) {
    Corrupted(Beyond("nothing says which of the two holds"),
              "the subcluster bitmap {1x} of L2 entry {0x} contradicts itself", entry, bitmap);
  }
  if (offset % cluster_bytes_ != 0) {
    const bool holds_none = HostOffset(repaired.entry) == 0;
    const Fix fix = holds_none ? FixEntry(offset, entry, repaired.entry)
                               : Beyond("nothing says where its data begins");
    Corrupted(fix, "the cluster at {0x} of L2 entry {1x} is not aligned", offset, entry);
    if (repairs() && holds_none) return {};
  }
  if (active && first_pass_) CountAllocated(offset);
  if (header_.has_data_file()) {  // where every cluster belongs to one disk
    if (active && !copied && first_pass_) ContradictsCopied(offset, entry, /*of_table=*/false);
    return {};
  }
  Refer(offset, cluster_bytes_);
  return active ? CheckCopied(offset, entry, /*of_table=*/false) : Status();
}

}  // namespace instar::qcow2
