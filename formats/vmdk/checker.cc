#include <algorithm>
#include <cstring>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/table_reuse_limit.h"
#include "formats/vmdk/format.h"
#include "formats/vmdk/grain_directory.h"
#include "formats/vmdk/reader.h"

namespace instar::vmdk {
namespace {

constexpr std::uint64_t kMaxKeptGrains = 16 << 20;
constexpr std::uint64_t kMaxComplaints = 1000;  // of one extent
// A table is looked at for its grains, and with its redundant copy to compare the two.
constexpr TableAllowance kAllowance{.free_bytes = 1 << 20, .per_stored_byte = 4};

class ExtentChecker {
 public:
  ExtentChecker(const DiskExtent& extent, FindingSink& findings, CheckCounts& counts)
      : device_(*extent.device),
        header_(extent.header),
        findings_(findings),
        counts_(counts),
        directory_(device_, header_, header_.directory_sector),
        redundant_directory_(device_, header_, header_.redundant_directory_sector),
        meter_(device_, kAllowance) {
    meter_.LookForHoles();
  }

  Status Run() {
    INSTAR_TRY(Walk());
    if (in_order_) return {};
    keep_ = true;
    data_end_ = 0;
    INSTAR_TRY(Walk());
    if (kept_.size() < kMaxKeptGrains) {
      FindOverlaps();
    } else {
      Tell(FindingKind::kError,
           "more than {0} grains are not in order: whether they overlap is "
           "not checked",
           kMaxKeptGrains);
    }
    return {};
  }

 private:
  // In order, grains are this far apart at least.
  [[nodiscard]] std::uint64_t least_distance() const {
    return header_.compressed() ? 1 : header_.grain_sectors;
  }

  void Tell(FindingKind kind, const char* message, std::uint64_t first, std::uint64_t second = 0) {
    (kind == FindingKind::kError ? counts_.check_errors : counts_.corruptions) += 1;
    // Counted all, told some: a directory can be made to have millions of faults.
    if (complaints_++ >= kMaxComplaints) return;
    findings_.Add({.kind = kind, .message = message, .numbers = {first, second, 0}});
  }
  // The second walk finds nothing that the first did not.
  void Corrupt(const char* message, std::uint64_t first, std::uint64_t second = 0) {
    if (!keep_) Tell(FindingKind::kCorruption, message, first, second);
  }

  Status Walk() {
    const std::uint64_t table_bytes = header_.table_entries * kEntryBytes;
    next_sector_ = 0;
    meter_.Restart();
    compares_ = header_.has_redundant_directory() && !keep_ && RedundantDirectoryFits();
    for (std::uint64_t index = 0; index < header_.directory_entries(); ++index) {
      INSTAR_ASSIGN_OR_RETURN(const std::uint64_t empty, EmptyEntries(index));
      if (empty != 0) {
        index += empty - 1;
        continue;
      }
      INSTAR_ASSIGN_OR_RETURN(const auto entries, directory_.Entries(index));
      const std::uint32_t sector = LoadLe32(entries, 0);
      const Status checked = VisitEntry(index, sector, table_bytes);
      if (!checked && checked.error().code == ErrorCode::kLimit) {
        Corrupt("the grain directory has more tables than the file holds, from entry {0} on",
                index);
        return {};
      }
      INSTAR_TRY(checked);
    }
    return {};
  }

  // How many entries from `index` on are zeros because they lie in a hole of the file, in both
  // directories where two are compared.
  Result<std::uint64_t> EmptyEntries(std::uint64_t index) {
    if (index < data_end_) return 0;
    const std::uint64_t at = index * kEntryBytes;
    const std::uint64_t left = header_.directory_entries() * kEntryBytes - at;
    INSTAR_ASSIGN_OR_RETURN(FileRun run,
                            meter_.RunAt(header_.directory_sector * kSectorBytes + at, left));
    if (run.hole && compares_) {
      INSTAR_ASSIGN_OR_RETURN(
          run,
          meter_.RunAt(header_.redundant_directory_sector * kSectorBytes + at, run.length_bytes));
    }
    const std::uint64_t entries = run.length_bytes / kEntryBytes;
    if (run.hole && entries != 0) return entries;
    data_end_ = index + std::max<std::uint64_t>(entries, 1);
    return 0;
  }

  Status VisitEntry(std::uint64_t index, std::uint32_t sector, std::uint64_t table_bytes) {
    if (compares_) INSTAR_TRY(CompareRedundant(index, sector));
    if (sector == 0) return {};
    if (!RangeFits(sector * kSectorBytes, table_bytes, device_.size_bytes())) {
      Corrupt("grain table {0} at sector {1x} lies beyond the end of the file", index, sector);
      return {};
    }
    INSTAR_ASSIGN_OR_RETURN(const bool hole, meter_.Visit(sector * kSectorBytes, table_bytes));
    if (hole) return {};  // no grains
    INSTAR_ASSIGN_OR_RETURN(const auto table, directory_.Table(index, sector));
    NoteTable(index, table);
    return {};
  }

  bool RedundantDirectoryFits() {
    const auto offset = CheckedMul(header_.redundant_directory_sector, kSectorBytes);
    if (offset &&
        RangeFits(*offset, header_.directory_entries() * kEntryBytes, device_.size_bytes())) {
      return true;
    }
    Corrupt("the redundant grain directory at sector {0x} lies beyond the end of the file",
            header_.redundant_directory_sector);
    return false;
  }

  Status CompareRedundant(std::uint64_t index, std::uint32_t sector) {
    const std::uint64_t table_bytes = header_.table_entries * kEntryBytes;
    INSTAR_ASSIGN_OR_RETURN(const auto entries, redundant_directory_.Entries(index));
    const std::uint32_t other = LoadLe32(entries, 0);
    if (other == sector) return {};
    bool equal = sector != 0 && other != 0 &&
                 RangeFits(other * kSectorBytes, table_bytes, device_.size_bytes()) &&
                 RangeFits(sector * kSectorBytes, table_bytes, device_.size_bytes());
    if (equal) {
      INSTAR_ASSIGN_OR_RETURN(const bool hole, meter_.Visit(sector * kSectorBytes, table_bytes));
      INSTAR_ASSIGN_OR_RETURN(const bool other_hole,
                              meter_.Visit(other * kSectorBytes, table_bytes));
      if (hole && other_hole) return {};
      INSTAR_ASSIGN_OR_RETURN(const auto table, directory_.Table(index, sector));
      INSTAR_ASSIGN_OR_RETURN(const auto twin, redundant_directory_.Table(index, other));
      equal = std::memcmp(table.data(), twin.data(), table_bytes) == 0;
    }
    if (!equal) Corrupt("grain table {0} and its redundant copy differ", index);
    return {};
  }

  void NoteTable(std::uint64_t index, std::span<const std::byte> table) {
    const std::uint64_t first = index * header_.table_entries;
    const std::uint64_t count =
        std::min<std::uint64_t>(header_.table_entries, header_.grains() - first);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint32_t sector = LoadLe32(table, i * kEntryBytes);
      if (sector == kUnallocatedGrain) continue;
      if (sector == kZeroedGrain && header_.has_zeroed_grains()) continue;
      NoteGrain(first + i, sector);
    }
  }

  void NoteGrain(std::uint64_t grain, std::uint32_t sector) {
    if (sector * kSectorBytes >= device_.size_bytes()) {
      Corrupt("grain {0} at sector {1x} lies beyond the end of the file", grain, sector);
      return;
    }
    if (sector < header_.overhead_sectors) {
      Corrupt("grain {0} at sector {1x} lies where the tables are", grain, sector);
      return;
    }
    if (keep_) {
      if (kept_.size() < kMaxKeptGrains) kept_.push_back(sector);
      return;
    }
    in_order_ = in_order_ && sector >= next_sector_;
    next_sector_ = sector + least_distance();
  }

  void FindOverlaps() {
    std::ranges::sort(kept_);
    for (std::size_t i = 1; i < kept_.size(); ++i) {
      if (kept_[i] - kept_[i - 1] >= least_distance()) continue;
      Tell(FindingKind::kCorruption, "the grains at sectors {0x} and {1x} overlap", kept_[i - 1],
           kept_[i]);
    }
  }

  const BlockDevice& device_;
  const SparseHeader& header_;
  FindingSink& findings_;
  CheckCounts& counts_;
  GrainDirectory directory_;
  GrainDirectory redundant_directory_;
  TableReuseLimit meter_;
  std::uint64_t data_end_ = 0;  // directory entries before are not all in a hole
  bool compares_ = false;       // the two directories
  std::uint64_t complaints_ = 0;
  std::uint64_t next_sector_ = 0;
  bool in_order_ = true;
  bool keep_ = false;
  std::vector<std::uint32_t> kept_;
};

// The file of a flat extent is to hold all of it: what is missing reads as zeros, so nobody else
// notices.
void CheckFlat(const DiskExtent& extent, std::uint64_t number, FindingSink& findings,
               CheckCounts& counts) {
  const std::uint64_t end = CheckedAdd(extent.line.file_sector * kSectorBytes, extent.length_bytes)
                                .value_or(~std::uint64_t{0});
  const std::uint64_t size = extent.device->size_bytes();
  if (size >= end) return;
  ++counts.corruptions;
  findings.Add(
      {.kind = FindingKind::kCorruption,
       .message = "the file of flat extent {0} ends at {1x}, before the extent does ({2x})",
       .numbers = {number, size, end}});
}

}  // namespace

Result<CheckCounts> Check(const CheckOptions& options) {
  CheckCounts counts;
  std::uint64_t number = 0;
  for (const DiskExtent& extent : static_cast<const Reader&>(*options.reader).extents()) {
    ++number;
    if (extent.device == nullptr) continue;
    if (extent.line.type != ExtentType::kSparse) {
      CheckFlat(extent, number, *options.findings, counts);
      continue;
    }
    ExtentChecker checker(extent, *options.findings, counts);
    if (const Status status = checker.Run(); !status) {
      return std::unexpected(status.error().On(extent.device->id()));
    }
  }
  return counts;
}

}  // namespace instar::vmdk
