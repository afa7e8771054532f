#include <algorithm>
#include <array>
#include <optional>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/read_window.h"
#include "formats/base/table_budget.h"
#include "formats/vpc/format.h"
#include "formats/vpc/image.h"

namespace instar::vpc {
namespace {

constexpr std::uint64_t kFeaturesField = 8;
constexpr std::uint64_t kCurrentSizeField = 48;
constexpr std::uint64_t kTypeField = 60;
constexpr std::uint64_t kSavedStateField = 84;
// "Temporary", and the bit that is always set.
constexpr std::uint32_t kKnownFeatures = 3;

constexpr std::size_t kPieceBytes = 256 << 10;

using Sector = std::array<std::byte, Footer::kBytes>;

// The footer at the end of the file, whose last byte may be missing.
struct Tail {
  Sector bytes{};
  std::uint64_t offset = 0;
  std::size_t length = 0;
};

Result<std::optional<Tail>> ReadTail(const BlockDevice& device) {
  const std::uint64_t size = device.size_bytes();
  for (const std::size_t length : {Footer::kBytes, Footer::kShortBytes}) {
    if (size < length) break;
    Tail tail{.offset = size - length, .length = length};
    INSTAR_TRY(device.Read(tail.offset, std::span(tail.bytes).first(length)));
    if (HasFooterCookie(tail.bytes)) return tail;
  }
  return std::nullopt;
}

void JudgeFooter(const Inspection& inspection, const Tail& tail, const Footer& footer) {
  Reasons& reasons = *inspection.reasons;
  const auto size = CheckedMul(footer.virtual_sectors(), kSectorBytes);
  inspection.JudgeVirtualSize(std::max(size.value_or(UINT64_MAX), footer.current_bytes),
                              tail.offset + kCurrentSizeField);
  const std::uint32_t features = LoadBe32(tail.bytes, kFeaturesField);
  if ((features & ~kKnownFeatures) != 0) {
    reasons.Add(ReasonCode::kUnknownFeature, tail.offset + kFeaturesField,
                "the VHD footer has feature bits ({0x}) that this version does not know", features);
  }
  if (tail.bytes[kSavedStateField] != std::byte{0}) {
    reasons.Add(ReasonCode::kDirty, tail.offset + kSavedStateField,
                "the VHD belongs to a virtual machine in saved state");
  }
  if (footer.type == DiskType::kDifferencing) {
    reasons.Add(ReasonCode::kBackingFile, tail.offset + kTypeField,
                "the VHD is a differencing disk: it names a parent");
  }
}

// The copy of the footer at the start must be equal in dynamic disks, and must not be there in
// fixed ones: some readers believe the one, some the other.
void JudgeCopy(Reasons& reasons, const Tail& tail, const Footer& footer, const Sector& head) {
  if (footer.type == DiskType::kFixed) {
    if (HasFooterCookie(head) && tail.offset != 0) {
      reasons.Add(ReasonCode::kPolyglot, 0,
                  "the disk of the fixed VHD starts with a VHD footer of its own");
    }
    return;
  }
  if (!std::ranges::equal(std::span(head).first(tail.length),
                          std::span(tail.bytes).first(tail.length))) {
    reasons.Add(ReasonCode::kAmbiguous, 0,
                "the footer at the end of the VHD differs from its copy at the start");
  }
}

Status JudgeBlocks(const Inspection& inspection, const Layout& layout) {
  const BlockDevice& device = *inspection.device;
  TableBudget budget(device);
  const std::uint64_t bytes = layout.blocks() * kBatEntryBytes;
  INSTAR_TRY(budget.Spend(bytes));
  ReadWindow table(device, kPieceBytes);
  for (std::uint64_t done = 0; done < bytes;) {
    const auto length =
        static_cast<std::size_t>(std::min<std::uint64_t>(bytes - done, kPieceBytes));
    const std::uint64_t start = layout.dynamic.table_offset + done;
    INSTAR_ASSIGN_OR_RETURN(const auto piece, table.View(start, length, length));
    for (std::size_t at = 0; at < length; at += kBatEntryBytes) {
      const std::uint32_t entry = LoadBe32(piece, at);
      if (entry == kUnusedEntry) continue;
      if (const auto block = layout.BlockOffset(entry); !block) {
        INSTAR_TRY(inspection.reasons->AddError(block.error(), start + at));
      }
    }
    done += length;
  }
  return {};
}

}  // namespace

Status Inspect(const Inspection& inspection) {
  Reasons& reasons = *inspection.reasons;
  const BlockDevice& device = *inspection.device;
  Sector head{};
  INSTAR_TRY(device.Read(0, head));
  INSTAR_ASSIGN_OR_RETURN(const auto tail, ReadTail(device));
  if (!tail) {
    reasons.Add(ReasonCode::kMalformed, 0, "the file does not end with a VHD footer");
    return {};
  }
  const auto footer = Footer::DecodeFrom(tail->bytes);
  if (!footer) return reasons.AddError(footer.error(), tail->offset);
  JudgeFooter(inspection, *tail, *footer);
  JudgeCopy(reasons, *tail, *footer, head);

  const auto layout = Layout::ReadFrom(device);
  if (!layout) return reasons.AddError(layout.error(), tail->offset);
  if (layout->is_fixed()) {
    const std::uint64_t end = DivideRoundUp(footer->current_bytes, kSectorBytes) * kSectorBytes;
    if (end != tail->offset) {
      reasons.Add(ReasonCode::kMalformed, tail->offset + kCurrentSizeField,
                  "the footer says that the disk has {0} bytes, but stands at {1}",
                  footer->current_bytes, tail->offset);
    }
    return {};
  }
  const Status judged = JudgeBlocks(inspection, *layout);
  return judged ? judged : reasons.AddError(judged.error(), layout->dynamic.table_offset);
}

}  // namespace instar::vpc
