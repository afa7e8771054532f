#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/read_window.h"
#include "formats/base/table_budget.h"
#include "formats/qcow2/format.h"
#include "formats/qcow2/structures/bitmap_directory.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "formats/qcow2/structures/snapshot_table.h"

namespace instar::qcow2 {
namespace {

// Where fields of the header stand that reasons point at.
constexpr std::uint64_t kBackingFileField = 8;
constexpr std::uint64_t kVirtualSizeField = 24;
constexpr std::uint64_t kCryptMethodField = 32;
constexpr std::uint64_t kL1TableField = 40;
constexpr std::uint64_t kRefcountTableField = 48;
constexpr std::uint64_t kSnapshotsField = 64;
constexpr std::uint64_t kIncompatibleField = 72;
constexpr std::uint64_t kCompatibleField = 80;
constexpr std::uint64_t kAutoclearField = 88;
constexpr std::size_t kEndOfKnownFields = 105;  // behind the compression type

constexpr std::size_t kHeadBytes = 4096;
constexpr std::size_t kPieceBytes = 256 << 10;
// Entries of refcount tables: bits 9 to 63.
constexpr std::uint64_t kRefcountBlockMask = ~std::uint64_t{511};

// What is said of the tables of one kind.
struct TableTexts {
  const char* beyond;      // {0x} the offset, {1x} the length of the file
  const char* misaligned;  // {0x} the offset
};

class Inspector {
 public:
  Inspector(const Inspection& inspection, const Header& header)
      : inspection_(inspection),
        device_(*inspection.device),
        reasons_(*inspection.reasons),
        header_(header),
        file_bytes_(inspection.device->size_bytes()),
        budget_(*inspection.device) {}

  void JudgeHeader();
  Status JudgeExtensions(ReadWindow& file);
  Status JudgeTables(const std::optional<BitmapsExtension>& bitmaps);

 private:
  // Whether a table of `bytes` at `offset` lies in the file; `field` names it.
  bool InFile(std::uint64_t offset, std::uint64_t bytes, std::uint64_t field, const char* beyond);
  // Calls `visit(entry, where it stands)` for each entry of a table in the file, which is not 0.
  template <typename Visit>
  Status ForEachEntry(std::uint64_t offset, std::uint64_t bytes, const Visit& visit);
  // Whether the cluster that the entry at `at` names lies in the file.
  bool JudgeCluster(std::uint64_t offset, std::uint64_t at, const TableTexts& texts);
  Status JudgeL1(std::uint64_t offset, std::uint64_t entries, bool active);
  // Judges the L2 tables that wait, all in the file.
  Status JudgeWaiting();
  void JudgeL2(std::span<const std::byte> entries, std::uint64_t offset);
  void JudgeL2Entry(std::uint64_t entry, std::uint64_t at);
  Status JudgeSnapshots();
  Status JudgeBitmaps(const BitmapsExtension& bitmaps);

  const Inspection& inspection_;
  const BlockDevice& device_;
  Reasons& reasons_;
  const Header& header_;
  const std::uint64_t file_bytes_;
  TableBudget budget_;
  std::vector<std::uint64_t> waiting_;  // L2 tables: many small ones are read in one call
  std::vector<std::byte> waiting_bytes_;
};

void Inspector::JudgeHeader() {
  inspection_.JudgeVirtualSize(header_.virtual_size_bytes, kVirtualSizeField);
  if (header_.backing_file_offset != 0 && header_.backing_file_bytes != 0) {
    reasons_.Add(ReasonCode::kBackingFile, kBackingFileField, "the image names a backing file");
  }
  if (header_.crypt_method != kCryptNone) {
    reasons_.Add(ReasonCode::kEncrypted, kCryptMethodField, "the image is encrypted (method {0})",
                 header_.crypt_method);
  }
  const std::uint64_t incompatible = header_.incompatible_features;
  if ((incompatible & kIncompatDirty) != 0) {
    reasons_.Add(ReasonCode::kDirty, kIncompatibleField,
                 "the image was not closed: its refcounts may be stale (dirty bit)");
  }
  if ((incompatible & kIncompatCorrupt) != 0) {
    reasons_.Add(ReasonCode::kCorrupt, kIncompatibleField,
                 "the image is marked as corrupt (corrupt bit)");
  }
  if (header_.has_data_file()) {
    reasons_.Add(ReasonCode::kDataFile, kIncompatibleField,
                 "the image keeps its data in another file");
  }
  const auto unknown = [this](std::uint64_t bits, std::uint64_t field, const char* message) {
    if (bits != 0) {
      reasons_.Add(ReasonCode::kUnknownFeature, field, message, std::countr_zero(bits));
    }
  };
  unknown(incompatible & ~kIncompatKnown, kIncompatibleField,
          "the image uses incompatible feature {0}, which this version does not know");
  unknown(header_.compatible_features & ~kCompatLazyRefcounts, kCompatibleField,
          "the image uses compatible feature {0}, which this version does not know");
  unknown(header_.autoclear_features & ~(kAutoclearBitmaps | kAutoclearDataFileRaw),
          kAutoclearField,
          "the image uses autoclear feature {0}, which this version does not know");
}

Status Inspector::JudgeExtensions(ReadWindow& file) {
  INSTAR_ASSIGN_OR_RETURN(const auto head, file.View(0, kHeadBytes));
  const std::size_t end = std::min<std::size_t>(header_.header_bytes, kHeadBytes);
  for (std::size_t at = kEndOfKnownFields; at < end; ++at) {
    if (head[at] == std::byte{0}) continue;
    reasons_.Add(ReasonCode::kUnknownFeature, at,
                 "the header has a field at {0} that this version does not know", at);
    break;
  }
  ExtensionWalk walk(file, header_);
  while (true) {
    const auto next = walk.Next();
    if (!next) return reasons_.AddError(next.error(), header_.header_bytes);
    if (!*next) return {};
    const ExtensionRecord& extension = **next;
    switch (extension.type) {
      case kExtensionBackingFormat:
      case kExtensionFeatureNames:
      case kExtensionBitmaps:
        break;
      case kExtensionEncryption:
        reasons_.Add(ReasonCode::kEncrypted, extension.data_offset,
                     "the image has an encryption header");
        break;
      case kExtensionDataFile:
        if (header_.has_data_file()) break;
        reasons_.Add(ReasonCode::kDataFile, extension.data_offset, "the image names a data file");
        break;
      default:
        reasons_.Add(ReasonCode::kUnknownFeature, extension.data_offset,
                     "the image has the header extension {0x}, which this version does not know",
                     extension.type);
    }
  }
}

bool Inspector::InFile(std::uint64_t offset, std::uint64_t bytes, std::uint64_t field,
                       const char* beyond) {
  if (RangeFits(offset, bytes, file_bytes_)) return true;
  reasons_.Add(ReasonCode::kBeyondEnd, field, beyond, offset, file_bytes_);
  return false;
}

template <typename Visit>
Status Inspector::ForEachEntry(std::uint64_t offset, std::uint64_t bytes, const Visit& visit) {
  INSTAR_TRY(budget_.Spend(bytes));
  ReadWindow table(device_, std::min<std::uint64_t>(bytes, kPieceBytes));
  for (std::uint64_t done = 0; done < bytes;) {
    const auto length =
        static_cast<std::size_t>(std::min<std::uint64_t>(bytes - done, kPieceBytes));
    INSTAR_ASSIGN_OR_RETURN(const auto piece, table.View(offset + done, length, length));
    for (std::size_t at = 0; at + kTableEntryBytes <= length; at += kTableEntryBytes) {
      const std::uint64_t entry = LoadBe64(piece, at);
      if (entry != 0) INSTAR_TRY(visit(entry, offset + done + at));
    }
    done += length;
  }
  return {};
}

bool Inspector::JudgeCluster(std::uint64_t offset, std::uint64_t at, const TableTexts& texts) {
  if (offset % header_.cluster_bytes() != 0) {
    reasons_.Add(ReasonCode::kMalformed, at, texts.misaligned, offset);
    return false;
  }
  if (RangeFits(offset, header_.cluster_bytes(), file_bytes_)) return true;
  reasons_.Add(ReasonCode::kBeyondEnd, at, texts.beyond, offset, file_bytes_);
  return false;
}

Status Inspector::JudgeL1(std::uint64_t offset, std::uint64_t entries, bool active) {
  constexpr TableTexts kTexts = {"the L2 table at {0x} reaches beyond the end of the file ({1x})",
                                 "the L2 table at {0x} does not start on a cluster"};
  const auto judge = [&](std::uint64_t entry, std::uint64_t at) -> Status {
    const std::uint64_t table = L2TableOffset(entry);
    if (table == 0 || !JudgeCluster(table, at, kTexts) || !active) return {};
    waiting_.push_back(table);
    const bool full = waiting_.size() * header_.cluster_bytes() >= kPieceBytes;
    return full ? JudgeWaiting() : Status{};
  };
  INSTAR_TRY(ForEachEntry(offset, entries * kTableEntryBytes, judge));
  return JudgeWaiting();
}

Status Inspector::JudgeWaiting() {
  const auto table_bytes = static_cast<std::size_t>(header_.cluster_bytes());
  INSTAR_TRY(budget_.Spend(waiting_.size() * table_bytes));
  waiting_bytes_.resize(waiting_.size() * table_bytes);
  std::vector<ReadPiece> pieces(waiting_.size());
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    pieces[i] = {.offset = waiting_[i],
                 .out = std::span(waiting_bytes_).subspan(i * table_bytes, table_bytes)};
  }
  INSTAR_TRY(device_.ReadAll(pieces));
  for (const ReadPiece& piece : pieces) JudgeL2(piece.out, piece.offset);
  waiting_.clear();
  return {};
}

void Inspector::JudgeL2(std::span<const std::byte> entries, std::uint64_t offset) {
  // The second word of an extended entry is a bitmap.
  for (std::size_t at = 0; at < entries.size(); at += header_.l2_entry_bytes()) {
    if (const std::uint64_t entry = LoadBe64(entries, at); entry != 0) {
      JudgeL2Entry(entry, offset + at);
    }
  }
}

// Writers allocate whole clusters, but the file may end within the last one: what is missing of it
// reads as zeros. A cluster that begins beyond the end was never written by anybody.
void Inspector::JudgeL2Entry(std::uint64_t entry, std::uint64_t at) {
  if (IsCompressed(entry)) {
    const auto cluster = CompressedCluster::DecodeFrom(entry, header_.cluster_bits);
    if (cluster.offset >= file_bytes_) {
      reasons_.Add(ReasonCode::kBeyondEnd, at,
                   "the compressed cluster at {0x} lies beyond the end of the file ({1x})",
                   cluster.offset, file_bytes_);
    }
    return;
  }
  const std::uint64_t offset = HostOffset(entry);
  if (offset == 0) return;
  if (offset % header_.cluster_bytes() != 0) {
    reasons_.Add(ReasonCode::kMalformed, at, "the cluster at {0x} does not start on a cluster",
                 offset);
  } else if (offset >= file_bytes_) {
    reasons_.Add(ReasonCode::kBeyondEnd, at,
                 "the cluster at {0x} lies beyond the end of the file ({1x})", offset, file_bytes_);
  }
}

Status Inspector::JudgeSnapshots() {
  class Collector final : public SnapshotVisitor {
   public:
    bool Visit(const SnapshotEntry& entry, std::string_view, std::string_view) override {
      tables.push_back({.offset = entry.l1_table_offset, .entries = entry.l1_entries});
      return true;
    }
    struct Table {
      std::uint64_t offset;
      std::uint32_t entries;
    };
    std::vector<Table> tables;
  };
  if (header_.snapshot_count == 0) return {};
  if (!InFile(header_.snapshots_offset,
              std::uint64_t{header_.snapshot_count} * SnapshotEntry::kFixedBytes, kSnapshotsField,
              "the snapshot table at {0x} reaches beyond the end of the file ({1x})")) {
    return {};
  }
  Collector snapshots;
  if (const Status visited = VisitSnapshots(device_, header_, snapshots); !visited) {
    return reasons_.AddError(visited.error(), header_.snapshots_offset);
  }
  for (const auto& [offset, entries] : snapshots.tables) {
    const Status placed = CheckTable(header_, offset, entries, kTableEntryBytes, kMaxL1Bytes,
                                     "the L1 table of a snapshot is misplaced at {0x}",
                                     "the L1 table of a snapshot has {0} entries, more than {1}");
    if (!placed) {
      INSTAR_TRY(reasons_.AddError(placed.error(), header_.snapshots_offset));
    } else if (InFile(offset, entries * kTableEntryBytes, header_.snapshots_offset,
                      "the L1 table of a snapshot at {0x} reaches beyond the end of the file "
                      "({1x})")) {
      INSTAR_TRY(JudgeL1(offset, entries, /*active=*/false));
    }
  }
  return {};
}

Status Inspector::JudgeBitmaps(const BitmapsExtension& bitmaps) {
  class Collector final : public BitmapVisitor {
   public:
    void Visit(const BitmapEntry& entry, std::string_view) override {
      tables.push_back({.offset = entry.table_offset, .entries = entry.table_entries});
    }
    struct Table {
      std::uint64_t offset;
      std::uint32_t entries;
    };
    std::vector<Table> tables;
  };
  const std::uint64_t directory = bitmaps.directory_offset;
  if (!InFile(directory, bitmaps.directory_bytes, header_.header_bytes,
              "the bitmap directory at {0x} reaches beyond the end of the file ({1x})")) {
    return {};
  }
  Collector found;
  if (const Status visited = VisitBitmaps(device_, bitmaps, found); !visited) {
    return reasons_.AddError(visited.error(), directory);
  }
  for (const auto& [offset, entries] : found.tables) {
    if (!InFile(offset, std::uint64_t{entries} * kTableEntryBytes, directory,
                "a bitmap's table at {0x} reaches beyond the end of the file ({1x})")) {
      continue;
    }
    const auto judge = [&](std::uint64_t entry, std::uint64_t at) -> Status {
      if (const std::uint64_t cluster = HostOffset(entry); cluster >= file_bytes_) {
        reasons_.Add(ReasonCode::kBeyondEnd, at,
                     "the bitmap data at {0x} lies beyond the end of the file ({1x})", cluster,
                     file_bytes_);
      }
      return {};
    };
    INSTAR_TRY(ForEachEntry(offset, std::uint64_t{entries} * kTableEntryBytes, judge));
  }
  return {};
}

Status Inspector::JudgeTables(const std::optional<BitmapsExtension>& bitmaps) {
  constexpr TableTexts kBlockTexts = {
      "the refcount block at {0x} reaches beyond the end of the file ({1x})",
      "the refcount block at {0x} does not start on a cluster"};
  const std::uint64_t refcount_bytes = std::uint64_t{header_.refcount_table_clusters}
                                       << header_.cluster_bits;
  if (InFile(header_.refcount_table_offset, refcount_bytes, kRefcountTableField,
             "the refcount table at {0x} reaches beyond the end of the file ({1x})")) {
    INSTAR_TRY(ForEachEntry(header_.refcount_table_offset, refcount_bytes,
                            [&](std::uint64_t entry, std::uint64_t at) -> Status {
                              JudgeCluster(entry & kRefcountBlockMask, at, kBlockTexts);
                              return {};
                            }));
  }
  if (header_.l1_entries != 0 &&
      InFile(header_.l1_table_offset, header_.l1_entries * kTableEntryBytes, kL1TableField,
             "the L1 table at {0x} reaches beyond the end of the file ({1x})")) {
    // What entries of clusters mean is not known under features that are not; and in an image with
    // a data file they are places in that file.
    const bool known = (header_.incompatible_features & ~kIncompatKnown) == 0;
    INSTAR_TRY(JudgeL1(header_.l1_table_offset, header_.l1_entries,
                       /*active=*/known && !header_.has_data_file()));
  }
  INSTAR_TRY(JudgeSnapshots());
  return bitmaps ? JudgeBitmaps(*bitmaps) : Status{};
}

}  // namespace

Status Inspect(const Inspection& inspection) {
  Reasons& reasons = *inspection.reasons;
  ReadWindow file(*inspection.device, kHeadBytes);
  INSTAR_ASSIGN_OR_RETURN(const auto bytes, file.View(0, Header::kFullBytes));
  const auto header = Header::DecodeFrom(bytes);
  if (!header) return reasons.AddError(header.error(), 0);
  Inspector inspector(inspection, *header);
  inspector.JudgeHeader();
  INSTAR_TRY(inspector.JudgeExtensions(file));

  // What has a reason of its own is not a reason twice.
  Header rest = *header;
  rest.incompatible_features &= kIncompatKnown;
  rest.crypt_method = kCryptNone;
  if (const Status valid = rest.Validate(); !valid) return reasons.AddError(valid.error(), 0);
  const auto extensions = HeaderExtensions::ReadFrom(file, *header);
  if (!extensions) INSTAR_TRY(reasons.AddError(extensions.error(), header->header_bytes));
  const Status judged = inspector.JudgeTables(extensions ? extensions->bitmaps : std::nullopt);
  return judged ? judged : reasons.AddError(judged.error(), 0);
}

}  // namespace instar::qcow2
