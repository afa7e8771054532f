// What is checked: that every entry of the block allocation table has a state that the kind of disk
// allows, and that every block lies within the file, on no other structure and on no other block.
// Headers, log, regions and metadata have been checked by opening the image; a second copy that is
// damaged, and a log that is not empty, are told as warnings. qemu-img counts no blocks of a VHDX,
// and gaps between them are allowed, so neither is counted here.
#include <algorithm>
#include <vector>

#include "formats/base/block_overlap_check.h"
#include "formats/base/crc32c.h"
#include "formats/base/endian.h"
#include "formats/base/read_window.h"
#include "formats/base/table_reuse_limit.h"
#include "formats/vhdx/format.h"
#include "formats/vhdx/image.h"

namespace instar::vhdx {
namespace {

constexpr std::size_t kTableWindowBytes = 64 << 10;

class Checker {
 public:
  Checker(const CheckOptions& options, const Image& image)
      : device_(*options.device),
        findings_(*options.findings),
        image_(image),
        table_(*image.file, kTableWindowBytes),
        meter_(*image.file, kCheckAllowance) {}

  Result<CheckCounts> Run() {
    INSTAR_TRY(CheckCopies());
    if (image_.header.has_log()) {
      Warn("the log is not empty; what it holds was taken into account");
    }
    BlockOverlapCheck audit(kHeaderSectionBytes, findings_,
                            "the block at {0x} overlaps the one at {1x}");
    bool again = true;
    for (bool first = true; again; first = false) {
      INSTAR_TRY(TellBlocks(audit, first));
      again = audit.EndPass();
    }
    counts_.corruptions += audit.overlaps();
    return counts_;
  }

 private:
  void Warn(const char* message) {
    findings_.Add({.kind = FindingKind::kWarning, .message = message});
  }
  void AddCorruption(const char* message, std::uint64_t a, std::uint64_t b) {
    ++counts_.corruptions;
    findings_.Add({.kind = FindingKind::kCorruption, .message = message, .numbers = {a, b}});
  }

  Status CheckCopies() {
    std::vector<std::byte> bytes(Header::kBytes);
    for (const std::uint64_t offset : {kHeader1Offset, kHeader2Offset}) {
      INSTAR_TRY(device_.Read(offset, bytes));
      if (!Header::DecodeFrom(bytes)) Warn("one of the two headers is damaged");
    }
    std::vector<std::byte> first(kTableBytes);
    std::vector<std::byte> second(kTableBytes);
    INSTAR_TRY(image_.file->Read(kRegionTable1Offset, first));
    INSTAR_TRY(image_.file->Read(kRegionTable2Offset, second));
    if (first != second) Warn("the two region tables differ");
    return {};
  }

  Result<BatEntry> EntryAt(std::uint64_t index) {
    const std::uint64_t left = (image_.bat.entries() - index) * kBatEntryBytes;
    INSTAR_ASSIGN_OR_RETURN(const auto bytes,
                            table_.View(image_.BatEntryOffset(index), kBatEntryBytes,
                                        std::min<std::uint64_t>(left, kTableWindowBytes)));
    return BatEntry::Decode(LoadLe64(bytes, 0));
  }

  // A block of `bytes` that entry `index` puts somewhere.
  void TellBlock(BlockOverlapCheck& audit, bool first, std::uint64_t index, const BatEntry& entry,
                 std::uint64_t bytes) {
    if (image_.CheckBlock(entry.offset, bytes)) {
      audit.Add(entry.offset, bytes);
    } else if (first) {
      AddCorruption("entry {0} of the table puts a block at {1x}, where none can be", index,
                    entry.offset);
    }
  }

  Status TellBlocks(BlockOverlapCheck& audit, bool first) {
    const BatLayout& bat = image_.bat;
    const std::uint64_t chunk = bat.chunk_ratio() + 1;
    bool partial = false;        // whether a block of this chunk is partly there
    std::uint64_t data_end = 0;  // entries before are not in a hole of the file
    for (std::uint64_t index = 0; index < bat.entries(); ++index) {
      if (index >= data_end) {
        const std::uint64_t left = (bat.entries() - index) * kBatEntryBytes;
        INSTAR_ASSIGN_OR_RETURN(const FileRun run,
                                meter_.RunAt(image_.BatEntryOffset(index), left));
        const std::uint64_t entries = run.length_bytes / kBatEntryBytes;
        // Blocks that are not there, and bitmaps that nobody needs.
        if (run.hole && !partial && entries != 0) {
          index += entries - 1;
          continue;
        }
        // With the bitmap that a block of the chunk needs a hole can begin.
        const std::uint64_t looked_at = run.hole ? 1 : std::max<std::uint64_t>(entries, 1);
        INSTAR_TRY(meter_.Charge(looked_at * kBatEntryBytes));
        data_end = index + looked_at;
      }
      INSTAR_ASSIGN_OR_RETURN(const BatEntry entry, EntryAt(index));
      if (index % chunk == chunk - 1) {
        if (bat.has_parent) TellBitmap(audit, first, index, entry, partial);
        partial = false;
        continue;
      }
      if (index - index / chunk >= bat.blocks()) continue;
      switch (entry.state) {
        case static_cast<std::uint8_t>(BlockState::kNotPresent):
        case static_cast<std::uint8_t>(BlockState::kUndefined):
        case static_cast<std::uint8_t>(BlockState::kZero):
        case static_cast<std::uint8_t>(BlockState::kUnmapped):
          continue;
        case static_cast<std::uint8_t>(BlockState::kPartiallyPresent):
          partial = true;
          if (bat.has_parent) break;
          [[fallthrough]];
        default:
          if (entry.state == static_cast<std::uint8_t>(BlockState::kFullyPresent)) break;
          if (first) {
            AddCorruption("entry {0} of the table has the state {1}, which it cannot have", index,
                          entry.state);
          }
          continue;
      }
      TellBlock(audit, first, index, entry, bat.block_bytes);
    }
    return {};
  }

  void TellBitmap(BlockOverlapCheck& audit, bool first, std::uint64_t index, const BatEntry& entry,
                  bool needed) {
    if (entry.state == static_cast<std::uint8_t>(BlockState::kFullyPresent)) {
      TellBlock(audit, first, index, entry, kSectorBitmapBytes);
    } else if (first && (needed || entry.state != 0)) {
      AddCorruption("entry {0} of the table should be a sector bitmap, but has the state {1}",
                    index, entry.state);
    }
  }

  const BlockDevice& device_;
  FindingSink& findings_;
  const Image& image_;
  ReadWindow table_;
  TableReuseLimit meter_;
  CheckCounts counts_;
};

}  // namespace

Result<CheckCounts> Check(const CheckOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(const Image image, Image::Open(*options.device));
  return Checker(options, image).Run();
}

}  // namespace instar::vhdx
