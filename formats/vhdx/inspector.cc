#include <algorithm>
#include <vector>

#include "formats/base/endian.h"
#include "formats/base/read_window.h"
#include "formats/base/table_budget.h"
#include "formats/vhdx/format.h"
#include "formats/vhdx/image.h"

namespace instar::vhdx {
namespace {

constexpr std::size_t kPieceBytes = 256 << 10;

// A reader may take either copy, and some are content with the first one only.
Status JudgeCopies(Reasons& reasons, const BlockDevice& file) {
  std::vector<std::byte> first(kTableBytes);
  std::vector<std::byte> second(kTableBytes);
  INSTAR_TRY(file.Read(kRegionTable1Offset, first));
  INSTAR_TRY(file.Read(kRegionTable2Offset, second));
  if (!RegionTable::IsValid(first) || !RegionTable::IsValid(second)) {
    reasons.Add(ReasonCode::kMalformed,
                RegionTable::IsValid(first) ? kRegionTable2Offset : kRegionTable1Offset,
                "one of the two region tables is damaged");
  } else if (first != second) {
    reasons.Add(ReasonCode::kAmbiguous, kRegionTable2Offset, "the two region tables differ");
  }
  return {};
}

void JudgeMetadata(const Inspection& inspection, const Image& image) {
  Reasons& reasons = *inspection.reasons;
  const std::uint64_t offset = image.regions.metadata.offset;
  inspection.JudgeVirtualSize(image.metadata.virtual_bytes, offset);
  if (image.metadata.has_parent) {
    reasons.Add(ReasonCode::kBackingFile, offset,
                "the VHDX is a differencing disk: it names a parent");
  }
  if (image.metadata.unknown_flags != 0) {
    reasons.Add(ReasonCode::kUnknownFeature, offset,
                "the VHDX has file parameters ({0x}) that this version does not know",
                image.metadata.unknown_flags);
  }
}

class BlockJudge {
 public:
  BlockJudge(Reasons& reasons, const Image& image) : reasons_(reasons), image_(image) {}

  Status JudgeAll() {
    TableBudget budget(*image_.file);
    const std::uint64_t bytes = image_.bat.entries() * kBatEntryBytes;
    INSTAR_TRY(budget.Spend(bytes));
    ReadWindow table(*image_.file, kPieceBytes);
    for (std::uint64_t done = 0; done < bytes;) {
      const auto length =
          static_cast<std::size_t>(std::min<std::uint64_t>(bytes - done, kPieceBytes));
      const std::uint64_t start = image_.regions.bat.offset + done;
      INSTAR_ASSIGN_OR_RETURN(const auto piece, table.View(start, length, length));
      for (std::size_t at = 0; at < length; at += kBatEntryBytes) {
        const BatEntry entry = BatEntry::Decode(LoadLe64(piece, at));
        INSTAR_TRY(Judge((done + at) / kBatEntryBytes, entry, start + at));
      }
      done += length;
    }
    return {};
  }

 private:
  Status Judge(std::uint64_t index, const BatEntry& entry, std::uint64_t at) {
    const BatLayout& bat = image_.bat;
    const std::uint64_t chunk = bat.chunk_ratio() + 1;
    const bool bitmap = index % chunk == chunk - 1;
    // Without a parent, sector bitmaps mean nothing.
    if (bitmap && !bat.has_parent) return {};
    if (!bitmap && index - index / chunk >= bat.blocks()) return {};
    switch (entry.state) {
      case static_cast<std::uint8_t>(BlockState::kNotPresent):
      case static_cast<std::uint8_t>(BlockState::kUndefined):
      case static_cast<std::uint8_t>(BlockState::kZero):
      case static_cast<std::uint8_t>(BlockState::kUnmapped):
        return {};
      case static_cast<std::uint8_t>(BlockState::kPartiallyPresent):
        if (bat.has_parent) break;
        [[fallthrough]];
      default:
        if (entry.state == static_cast<std::uint8_t>(BlockState::kFullyPresent)) break;
        reasons_.Add(ReasonCode::kMalformed, at,
                     "entry {0} of the block allocation table has the state {1}, which it cannot "
                     "have",
                     index, entry.state);
        return {};
    }
    const Status placed =
        image_.CheckBlock(entry.offset, bitmap ? kSectorBitmapBytes : bat.block_bytes);
    return placed ? placed : reasons_.AddError(placed.error(), at);
  }

  Reasons& reasons_;
  const Image& image_;
};

}  // namespace

Status Inspect(const Inspection& inspection) {
  Reasons& reasons = *inspection.reasons;
  const auto header = Header::ReadCurrent(*inspection.device);
  if (!header) return reasons.AddError(header.error(), kHeader1Offset);
  if (header->has_log()) {
    reasons.Add(ReasonCode::kDirty, header->log_offset,
                "the VHDX was not closed: its log holds changes");
  }
  const auto image = Image::Open(*inspection.device);
  if (!image) return reasons.AddError(image.error(), kRegionTable1Offset);
  INSTAR_TRY(JudgeCopies(reasons, *image->file));
  JudgeMetadata(inspection, *image);
  const Status judged = BlockJudge(reasons, *image).JudgeAll();
  return judged ? judged : reasons.AddError(judged.error(), image->regions.bat.offset);
}

}  // namespace instar::vhdx
