#include "disk/salvage.h"

#include <algorithm>
#include <array>
#include <utility>

#include "disk/source_disk.h"
#include "formats/base/checked.h"

namespace instar::disk {
namespace {

// A scan in small units reads all it is asked about; what it finds does not matter here.
bool CanRead(Host& host, const SourceExtent& piece) {
  std::array<std::uint64_t, 32> bitmap;
  constexpr std::uint64_t kMost = bitmap.size() * 64 * kScannedWhole;
  std::uint64_t offset = piece.file_offset;
  std::uint64_t left = piece.length_bytes;
  while (left != 0) {
    const ScanRange range{
        .device = piece.device, .offset = offset, .length_bytes = std::min(left, kMost)};
    if (!host.ScanZero({&range, 1}, kScannedWhole, bitmap)) return false;
    offset += range.length_bytes;
    left -= range.length_bytes;
  }
  return true;
}

class Dropper {
 public:
  Dropper(Host& host, std::vector<SourceExtent>& out, std::size_t max_pieces, SalvageCount& count)
      : host_(host), out_(out), max_pieces_(max_pieces), count_(count) {}

  // Halves until what is left is readable or a sector. The depth is the logarithm of a chunk.
  Status Visit(const SourceExtent& piece) {
    if (piece.kind != SourceExtent::Kind::kData || CanRead(host_, piece)) return Add(piece);
    if (piece.length_bytes <= kSectorBytes) {
      SourceExtent lost = piece;
      lost.kind = SourceExtent::Kind::kZero;
      count_.Lost(piece.offset, piece.length_bytes);
      return Add(lost);
    }
    const std::uint64_t middle = AlignDown(piece.offset + piece.length_bytes / 2, kSectorBytes);
    const std::uint64_t half = middle > piece.offset ? middle - piece.offset : kSectorBytes;
    INSTAR_TRY(Visit(piece.Part(piece.offset, half)));
    return Visit(piece.Part(piece.offset + half, piece.length_bytes - half));
  }

 private:
  Status Add(const SourceExtent& piece) {
    if (!out_.empty() && piece.kind == SourceExtent::Kind::kZero) {
      SourceExtent& last = out_.back();
      if (last.kind == SourceExtent::Kind::kZero && last.inherited == piece.inherited) {
        last.length_bytes += piece.length_bytes;
        return {};
      }
    }
    if (out_.size() == max_pieces_) {
      return OverLimit("the disk is in too many pieces near offset {0x}", piece.offset);
    }
    out_.push_back(piece);
    return {};
  }

  Host& host_;
  std::vector<SourceExtent>& out_;
  std::size_t max_pieces_;
  SalvageCount& count_;
};

}  // namespace

void SalvageCount::Lost(std::uint64_t offset, std::uint64_t length) {
  ranges_.fetch_add(1, std::memory_order_relaxed);
  bytes_.fetch_add(length, std::memory_order_relaxed);
  std::uint64_t first = first_offset_.load(std::memory_order_relaxed);
  while (offset < first &&
         !first_offset_.compare_exchange_weak(first, offset, std::memory_order_relaxed)) {
  }
}

std::optional<SalvageRecord> SalvageCount::record() const {
  const std::uint64_t ranges = ranges_.load(std::memory_order_relaxed);
  if (ranges == 0) return std::nullopt;
  return SalvageRecord{.ranges = ranges,
                       .bytes = bytes_.load(std::memory_order_relaxed),
                       .first_offset = first_offset_.load(std::memory_order_relaxed)};
}

Status DropUnreadable(Host& host, std::vector<SourceExtent>& pieces,
                      std::vector<SourceExtent>& spare, std::size_t max_pieces,
                      SalvageCount& count) {
  spare.clear();
  Dropper dropper(host, spare, max_pieces, count);
  for (const SourceExtent& piece : pieces) INSTAR_TRY(dropper.Visit(piece));
  std::swap(pieces, spare);
  return {};
}

}  // namespace instar::disk
