// What is checked: that the footer and its copy are there and say the same; that every block the
// table knows lies within the data of the file, on no other structure and on no other block; and
// how many blocks of the file no entry knows, which are leaks. Of a fixed disk there is nothing but
// the footer, which opening it has checked.
#include <algorithm>
#include <array>

#include "formats/base/block_overlap_check.h"
#include "formats/base/endian.h"
#include "formats/base/read_window.h"
#include "formats/base/table_reuse_limit.h"
#include "formats/vpc/format.h"
#include "formats/vpc/image.h"

namespace instar::vpc {
namespace {

constexpr std::size_t kTableWindowBytes = 64 << 10;

class Checker {
 public:
  Checker(const CheckOptions& options, const Layout& layout)
      : device_(*options.device),
        findings_(*options.findings),
        layout_(layout),
        table_(device_, kTableWindowBytes),
        meter_(device_, kCheckAllowance) {}

  Result<CheckCounts> Run() {
    INSTAR_TRY(CheckFooters());
    if (layout_.is_fixed()) {
      counts_.image_end_offset = device_.size_bytes();
      return counts_;
    }
    BlockOverlapCheck audit(Footer::kBytes, findings_,
                            "the block at {0x} overlaps the block or structure at {1x}");
    audit.set_leak_bytes(BlockBytes());
    bool again = true;
    for (bool first = true; again; first = false) {
      INSTAR_TRY(TellBlocks(audit, first));
      again = audit.EndPass();
    }
    counts_.corruptions += audit.overlaps();
    counts_.leaks = audit.UnusedBlocks(layout_.data_end);
    if (counts_.leaks != 0) {
      findings_.Add({.kind = FindingKind::kLeak,
                     .message = "{0} blocks of the file are not in the table",
                     .numbers = {counts_.leaks}});
    }
    counts_.image_end_offset = device_.size_bytes();
    counts_.total_clusters = layout_.blocks();
    counts_.allocated_clusters = allocated_;
    return counts_;
  }

 private:
  void AddCorruption(const char* message, std::uint64_t a = 0, std::uint64_t b = 0) {
    ++counts_.corruptions;
    findings_.Add({.kind = FindingKind::kCorruption, .message = message, .numbers = {a, b}});
  }

  [[nodiscard]] std::uint64_t BlockBytes() const {
    return layout_.dynamic.bitmap_bytes() + layout_.dynamic.block_bytes;
  }

  Status CheckFooters() {
    if (layout_.data_end == device_.size_bytes()) {
      AddCorruption("the file does not end with a footer; the copy at its start was used");
    }
    if (layout_.is_fixed()) return {};
    std::array<std::byte, Footer::kBytes> copy{};
    INSTAR_TRY(device_.Read(0, copy));
    const auto decoded = Footer::DecodeFrom(copy);
    if (!decoded) {
      AddCorruption("the copy of the footer at the start of the file is damaged");
      return {};
    }
    std::array<std::byte, Footer::kBytes> ours{};
    std::array<std::byte, Footer::kBytes> theirs{};
    layout_.footer.EncodeTo(ours);
    decoded->EncodeTo(theirs);
    if (ours != theirs) AddCorruption("the footer and its copy at the start of the file differ");
    return {};
  }

  Status TellBlocks(BlockOverlapCheck& audit, bool first) {
    const std::uint64_t blocks = layout_.blocks();
    audit.Add(layout_.footer.data_offset, DynamicHeader::kBytes);
    audit.Add(layout_.dynamic.table_offset, blocks * kBatEntryBytes);
    for (std::uint64_t block = 0; block < blocks;) {
      const std::uint64_t at = layout_.dynamic.table_offset + block * kBatEntryBytes;
      const std::uint64_t left = (blocks - block) * kBatEntryBytes;
      INSTAR_ASSIGN_OR_RETURN(const FileRun run, meter_.RunAt(at, left));
      if (run.hole && run.length_bytes >= kBatEntryBytes) {
        const std::uint64_t entries = run.length_bytes / kBatEntryBytes;
        if (first) NoteHole(block, entries);
        block += entries;
        continue;
      }
      INSTAR_TRY(meter_.Charge(run.length_bytes));
      const std::uint64_t end = block + DivideRoundUp(run.length_bytes, kBatEntryBytes);
      for (; block < end; ++block) INSTAR_TRY(TellBlock(audit, first, block));
    }
    return {};
  }

  // Entries of zeros, as many as the file is long: told as one.
  void NoteHole(std::uint64_t block, std::uint64_t entries) {
    allocated_ += entries;
    counts_.corruptions += entries;
    findings_.Add({.kind = FindingKind::kCorruption,
                   .message = "the table has a hole: it puts block {0} and {1} more at 0, where no "
                              "block can be",
                   .numbers = {block, entries - 1}});
  }

  Status TellBlock(BlockOverlapCheck& audit, bool first, std::uint64_t block) {
    const std::uint64_t left = (layout_.blocks() - block) * kBatEntryBytes;
    INSTAR_ASSIGN_OR_RETURN(
        const auto bytes,
        table_.View(layout_.dynamic.table_offset + block * kBatEntryBytes, kBatEntryBytes,
                    std::min<std::uint64_t>(left, kTableWindowBytes)));
    const std::uint32_t entry = LoadBe32(bytes, 0);
    if (entry == kUnusedEntry) return {};
    if (first) ++allocated_;
    const auto offset = layout_.BlockOffset(entry);
    if (offset) {
      audit.Add(*offset, BlockBytes());
    } else if (first) {
      AddCorruption("the table puts block {0} at {1x}, where no block can be", block,
                    entry * kSectorBytes);
    }
    return {};
  }

  const BlockDevice& device_;
  FindingSink& findings_;
  const Layout& layout_;
  ReadWindow table_;
  TableReuseLimit meter_;
  CheckCounts counts_;
  std::uint64_t allocated_ = 0;
};

}  // namespace

Result<CheckCounts> Check(const CheckOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(const Layout layout, Layout::ReadFrom(*options.device));
  return Checker(options, layout).Run();
}

}  // namespace instar::vpc
