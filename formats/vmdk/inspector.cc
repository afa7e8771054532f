#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/table_budget.h"
#include "formats/vmdk/descriptor.h"
#include "formats/vmdk/format.h"
#include "formats/vmdk/grain_directory.h"
#include "formats/vmdk/reader.h"
#include "formats/vmdk/sparse_header.h"

namespace instar::vmdk {
namespace {

constexpr std::uint64_t kFlagsField = 8;
constexpr std::uint64_t kCapacityField = 12;
constexpr std::uint64_t kDescriptorField = 28;
constexpr std::uint64_t kRedundantDirectoryField = 48;
constexpr std::uint64_t kDirectoryField = 56;
constexpr std::size_t kUncleanField = 72;
constexpr std::uint32_t kKnownFlags =
    kFlagNewlines | kFlagRedundantTable | kFlagZeroedGrain | kFlagCompressed | kFlagMarkers;

using Sector = std::array<std::byte, SparseHeader::kBytes>;

bool StartsWithIgnoringCase(std::string_view text, std::string_view lower) {
  return text.size() >= lower.size() &&
         std::equal(lower.begin(), lower.end(), text.begin(), [](char a, char b) {
           return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
         });
}

// Whether `lower` stands anywhere in `text`, whatever its case.
bool Contains(std::string_view text, std::string_view lower) {
  for (; text.size() >= lower.size(); text.remove_prefix(1)) {
    if (StartsWithIgnoringCase(text, lower)) return true;
  }
  return false;
}

// How many lines of the descriptor start with `lower`, whatever their case.
std::size_t CountLines(std::string_view text, std::string_view lower) {
  std::size_t count = 0;
  while (!text.empty()) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) break;
    text.remove_prefix(first);
    if (StartsWithIgnoringCase(text, lower)) ++count;
    const std::size_t end = text.find('\n');
    text.remove_prefix(end == std::string_view::npos ? text.size() : end);
  }
  return count;
}

// Whether all extents of the descriptor are the file itself, for a disk of no size.
bool ListsNothingOfNoSize(std::string_view text) {
  return CountLines(text, "rw ") + CountLines(text, "rdonly ") + CountLines(text, "noaccess ") ==
         CountLines(text, "rw 0 sparse ");
}

// The sparse kinds of ESX: binary, and not judged.
bool IsEsxSparse(const Sector& sector) {
  constexpr std::uint32_t kEsxSparseMagic = 0x44574F43;  // "COWD"
  constexpr std::uint32_t kSeSparseMagic = 0xCAFEBABE;
  return LoadLe32(sector, 0) == kEsxSparseMagic || LoadLe32(sector, 0) == kSeSparseMagic;
}

class Inspector {
 public:
  explicit Inspector(const Inspection& inspection)
      : inspection_(inspection),
        device_(*inspection.device),
        reasons_(*inspection.reasons),
        file_bytes_(inspection.device->size_bytes()),
        budget_(*inspection.device) {}

  // A file that is a descriptor: its extents are other files.
  Status JudgeDescriptorFile(const Sector& sector);
  Status JudgeSparseFile(const Sector& sector);

 private:
  Status ReadText(std::uint64_t offset, std::uint64_t bytes);
  // What the descriptor says of other files, of encryption and of a parent; it stands at `offset`.
  Status JudgeText(std::uint64_t offset);
  // The extents that the descriptor inside of a sparse file lists: that file alone.
  Status JudgeEmbeddedExtents(const SparseHeader& header, std::uint64_t offset);
  void AddExtents(std::span<const ExtentLine> lines, std::uint64_t offset);
  Status JudgeDirectory(const SparseHeader& header, std::uint64_t sector, bool grains);
  Status JudgeTable(const SparseHeader& header, std::span<const std::byte> table,
                    std::uint64_t table_offset);
  [[nodiscard]] std::string_view text() const { return {text_.data(), text_.size()}; }

  const Inspection& inspection_;
  const BlockDevice& device_;
  Reasons& reasons_;
  const std::uint64_t file_bytes_;
  TableBudget budget_;
  std::vector<char> text_;
  bool two_sizes_ = false;  // the descriptor's is not the header's
};

Status Inspector::ReadText(std::uint64_t offset, std::uint64_t bytes) {
  if (bytes > kMaxDescriptorBytes) {
    return OverLimit("the descriptor has {0} bytes, more than {1}", bytes, kMaxDescriptorBytes);
  }
  text_.resize(bytes);
  INSTAR_TRY(device_.Read(offset, std::as_writable_bytes(std::span(text_))));
  text_.erase(std::find(text_.begin(), text_.end(), '\0'), text_.end());
  return {};
}

Status Inspector::JudgeText(std::uint64_t offset) {
  INSTAR_ASSIGN_OR_RETURN(const Descriptor descriptor, Descriptor::Parse(text()));
  // Some readers take the name of a parent from anywhere in the text, comments included.
  if (Contains(text(), "parentfilenamehint") ||
      descriptor.parent_cid.value_or(kNoParent) != kNoParent) {
    reasons_.Add(ReasonCode::kBackingFile, offset, "the image is a child: it names a parent");
  }
  if (CountLines(text(), "encryption") != 0) {
    reasons_.Add(ReasonCode::kEncrypted, offset, "the descriptor says that the image is encrypted");
  }
  if (CountLines(text(), "changetrackpath") != 0) {
    reasons_.Add(ReasonCode::kDataFile, offset,
                 "the descriptor names a file of changed blocks (changeTrackPath)");
  }
  return {};
}

void Inspector::AddExtents(std::span<const ExtentLine> lines, std::uint64_t offset) {
  const auto outside = std::ranges::count_if(
      lines, [](const ExtentLine& line) { return line.type != ExtentType::kZero; });
  if (outside == 0) return;
  reasons_.Add(ReasonCode::kExternalExtent, offset,
               "the image keeps its data in {0} extents outside the file", outside);
}

Status Inspector::JudgeDescriptorFile(const Sector& sector) {
  // Of another type than a reader knows it may still name files, which is what matters more.
  const auto reader = Reader::Open(device_);
  if (!reader) INSTAR_TRY(reasons_.AddError(reader.error(), 0));
  if (IsEsxSparse(sector)) return {};
  if (reader) inspection_.JudgeVirtualSize((*reader)->virtual_size_bytes(), 0);
  INSTAR_TRY(ReadText(0, file_bytes_));
  INSTAR_TRY(JudgeText(0));
  INSTAR_ASSIGN_OR_RETURN(const auto lines, ParseExtents(text()));
  AddExtents(lines, 0);
  return {};
}

Status Inspector::JudgeEmbeddedExtents(const SparseHeader& header, std::uint64_t offset) {
  INSTAR_ASSIGN_OR_RETURN(const Descriptor descriptor, Descriptor::Parse(text()));
  if (header.capacity_sectors == 0 && ListsNothingOfNoSize(text())) return {};
  INSTAR_ASSIGN_OR_RETURN(const auto lines, ParseExtents(text()));
  // A descriptor in the shape of a sparse extent: readers follow the text.
  if (header.capacity_sectors == 0) {
    AddExtents(lines, offset);
    return {};
  }
  const std::string_view type = descriptor.create_type;
  if (!type.empty() && type != "monolithicSparse" && type != "streamOptimized") {
    reasons_.AddText(ReasonCode::kExternalExtent, offset,
                     "the descriptor calls the image '{t}', which keeps data in other files", type);
  }
  if (lines.size() != 1 || lines.front().type != ExtentType::kSparse) {
    reasons_.Add(ReasonCode::kExternalExtent, offset,
                 "the descriptor lists other extents than the file itself ({0} in all)",
                 lines.size());
    return {};
  }
  // Some writers round the capacity up to a grain.
  const std::uint64_t sectors = lines.front().sectors;
  const auto rounded =
      CheckedMul(DivideRoundUp(sectors, header.grain_sectors), header.grain_sectors);
  if (header.capacity_sectors != sectors && header.capacity_sectors != rounded) {
    two_sizes_ = true;
    reasons_.Add(ReasonCode::kAmbiguous, kCapacityField,
                 "the extent has {0} sectors; the descriptor says {1}", header.capacity_sectors,
                 sectors);
  }
  return {};
}

Status Inspector::JudgeSparseFile(const Sector& sector) {
  const auto capacity = CheckedMul(LoadLe64(sector, kCapacityField), kSectorBytes);
  inspection_.JudgeVirtualSize(capacity.value_or(UINT64_MAX), kCapacityField);
  const std::uint32_t flags = LoadLe32(sector, kFlagsField);
  if ((flags & ~kKnownFlags) != 0) {
    reasons_.Add(ReasonCode::kUnknownFeature, kFlagsField,
                 "the extent has flags ({0x}) that this version does not know", flags);
  }
  if (sector[kUncleanField] != std::byte{0}) {
    reasons_.Add(ReasonCode::kDirty, kUncleanField,
                 "the image was not closed (unclean shutdown flag)");
  }
  INSTAR_ASSIGN_OR_RETURN(const SparseHeader header, SparseHeader::ReadFrom(device_));
  INSTAR_ASSIGN_OR_RETURN(const SparseHeader first, SparseHeader::DecodeFrom(sector));
  if (first.capacity_sectors != header.capacity_sectors ||
      first.grain_sectors != header.grain_sectors) {
    reasons_.Add(ReasonCode::kAmbiguous, kCapacityField,
                 "the header at the start of the extent differs from the one at its end");
  }
  const auto descriptor_at = CheckedMul(header.descriptor_sector, kSectorBytes);
  const auto descriptor_bytes = CheckedMul(header.descriptor_sectors, kSectorBytes);
  if (!descriptor_at || !descriptor_bytes ||
      !RangeFits(*descriptor_at, *descriptor_bytes, file_bytes_)) {
    reasons_.Add(ReasonCode::kBeyondEnd, kDescriptorField,
                 "the descriptor at sector {0x} reaches beyond the end of the file ({1x})",
                 header.descriptor_sector, file_bytes_);
    return {};
  }
  if (*descriptor_at != 0) {
    INSTAR_TRY(ReadText(*descriptor_at, *descriptor_bytes));
    if (text_.size() == *descriptor_bytes) {
      reasons_.Add(ReasonCode::kAmbiguous, *descriptor_at,
                   "the descriptor does not end within its sectors: where it ends depends on the "
                   "reader");
    }
    INSTAR_TRY(JudgeText(*descriptor_at));
    INSTAR_TRY(JudgeEmbeddedExtents(header, *descriptor_at));
  }
  // What has a reason of its own is not a reason twice: the reader refuses two sizes as well. A
  // file without a descriptor, which it refuses, is an extent of an image that another file
  // describes.
  if (!two_sizes_) {
    INSTAR_ASSIGN_OR_RETURN(const auto reader, Reader::Open(device_));
    inspection_.JudgeVirtualSize(reader->virtual_size_bytes(), kCapacityField);
  }
  if (header.capacity_sectors == 0) return {};
  if (header.has_redundant_directory()) {
    const auto redundant = CheckedMul(header.redundant_directory_sector, kSectorBytes);
    if (!redundant ||
        !RangeFits(*redundant, header.directory_entries() * kEntryBytes, file_bytes_)) {
      reasons_.Add(ReasonCode::kBeyondEnd, kRedundantDirectoryField,
                   "the redundant grain directory at sector {0x} reaches beyond the end of the "
                   "file ({1x})",
                   header.redundant_directory_sector, file_bytes_);
    } else {
      INSTAR_TRY(JudgeDirectory(header, header.redundant_directory_sector, /*grains=*/false));
    }
  }
  return JudgeDirectory(header, header.directory_sector, /*grains=*/true);
}

Status Inspector::JudgeDirectory(const SparseHeader& header, std::uint64_t sector, bool grains) {
  GrainDirectory directory(device_, header, sector);
  const std::uint64_t count = header.directory_entries();
  const std::uint64_t table_bytes = header.table_entries * kEntryBytes;
  INSTAR_TRY(budget_.Spend(count * kEntryBytes));
  for (std::uint64_t index = 0; index < count; ++index) {
    INSTAR_ASSIGN_OR_RETURN(const auto entries, directory.Entries(index));
    const std::uint64_t table_sector = LoadLe32(entries, 0);
    if (table_sector == 0) continue;
    if (!RangeFits(table_sector * kSectorBytes, table_bytes, file_bytes_)) {
      reasons_.Add(ReasonCode::kBeyondEnd, sector * kSectorBytes + index * kEntryBytes,
                   "the grain table at sector {0x} reaches beyond the end of the file ({1x})",
                   table_sector, file_bytes_);
      continue;
    }
    if (!grains) continue;
    INSTAR_TRY(budget_.Spend(table_bytes));
    INSTAR_ASSIGN_OR_RETURN(const auto table, directory.Table(index, table_sector));
    INSTAR_TRY(JudgeTable(header, table.first(table_bytes), table_sector * kSectorBytes));
  }
  return {};
}

Status Inspector::JudgeTable(const SparseHeader& header, std::span<const std::byte> table,
                             std::uint64_t table_offset) {
  for (std::size_t at = 0; at < table.size(); at += kEntryBytes) {
    const std::uint32_t entry = LoadLe32(table, at);
    if (entry == kUnallocatedGrain) continue;
    if (entry == kZeroedGrain && header.has_zeroed_grains()) continue;
    if (entry * kSectorBytes < file_bytes_) continue;
    reasons_.Add(ReasonCode::kBeyondEnd, table_offset + at,
                 "the grain at sector {0x} lies beyond the end of the file ({1x})", entry,
                 file_bytes_);
  }
  return {};
}

}  // namespace

Status Inspect(const Inspection& inspection) {
  Sector sector{};
  INSTAR_TRY(inspection.device->Read(0, sector));
  Inspector inspector(inspection);
  const Status judged = LoadLe32(sector, 0) == kSparseMagic ? inspector.JudgeSparseFile(sector)
                                                            : inspector.JudgeDescriptorFile(sector);
  return judged ? judged : inspection.reasons->AddError(judged.error(), 0);
}

}  // namespace instar::vmdk
