#include "formats/qcow2/structures/snapshot_table.h"

#include <algorithm>

#include "formats/base/endian.h"
#include "formats/base/read_window.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kNoIcount = ~std::uint64_t{0};  // what writers store for "none"
constexpr std::uint64_t kUsualEntryBytes = 128;

}  // namespace

SnapshotEntry SnapshotEntry::DecodeFrom(std::span<const std::byte> bytes) {
  auto entry = kSnapshotFields.Decode<SnapshotEntry>(bytes);
  kSnapshotExtraFields.DecodeSome(
      bytes.subspan(kFixedBytes,
                    std::min<std::size_t>(entry.extra_bytes, bytes.size() - kFixedBytes)),
      entry);
  if (entry.icount == kNoIcount) entry.icount.reset();
  return entry;
}

void SnapshotEntry::EncodeTo(std::span<std::byte> out) const {
  SnapshotEntry stored = *this;
  stored.icount = icount.value_or(kNoIcount);
  kSnapshotFields.Encode(stored, out);
  kSnapshotExtraFields.EncodeSome(stored, out.subspan(kFixedBytes, extra_bytes));
}

std::uint64_t SnapshotEntry::encoded_bytes() const {
  return (kFixedBytes + std::uint64_t{extra_bytes} + id_bytes + name_bytes + 7) / 8 * 8;
}

Status VisitSnapshots(const BlockDevice& device, const Header& header, SnapshotVisitor& visitor) {
  // An entry at its largest: both texts are at most 64 KiB long.
  constexpr std::size_t kMaxTextBytes = 2 * 65535;
  ReadWindow window(device, kMaxTextBytes);
  std::uint64_t at = header.snapshots_offset;
  for (std::uint32_t i = 0; i < header.snapshot_count; ++i) {
    const std::size_t piece_bytes =
        ReadWindow::PieceOf((header.snapshot_count - i) * kUsualEntryBytes);
    if (at >= device.size_bytes()) {
      return Corrupt("snapshot {0} at {1x} lies beyond the end of the file ({2x})", i, at,
                     device.size_bytes());
    }
    constexpr std::size_t kHeadBytes =
        SnapshotEntry::kFixedBytes + SnapshotEntry::kExtraBytesIcount;
    INSTAR_ASSIGN_OR_RETURN(const auto head, window.View(at, kHeadBytes, piece_bytes));
    const SnapshotEntry entry = SnapshotEntry::DecodeFrom(head);
    if (entry.extra_bytes > kMaxSnapshotExtraBytes) {
      return OverLimit("snapshot {0} has {1} bytes of extra data, more than the limit of {2}", i,
                       entry.extra_bytes, kMaxSnapshotExtraBytes);
    }
    if (at + entry.encoded_bytes() - header.snapshots_offset > kMaxSnapshotTableBytes) {
      return OverLimit("the snapshot table exceeds the limit of {0} bytes", kMaxSnapshotTableBytes);
    }
    const std::size_t text_bytes = std::size_t{entry.id_bytes} + entry.name_bytes;
    INSTAR_ASSIGN_OR_RETURN(
        const auto text,
        window.View(at + SnapshotEntry::kFixedBytes + entry.extra_bytes, text_bytes, piece_bytes));
    const std::string_view both{reinterpret_cast<const char*>(text.data()), text_bytes};
    if (!visitor.Visit(entry, both.substr(0, entry.id_bytes), both.substr(entry.id_bytes))) break;
    at += entry.encoded_bytes();
  }
  return {};
}

}  // namespace instar::qcow2
