#include "formats/base/sector_bits.h"

#include <algorithm>

#include "formats/base/checked.h"

namespace instar {

Result<SectorBits::Run> SectorBits::RunAt(const Bitmap& bitmap, std::uint64_t first,
                                          std::uint64_t end) {
  const std::uint64_t pieces = DivideRoundUp(bitmap.bytes, kPieceBytes);
  Run run;
  std::uint64_t at = first;
  while (at < end) {
    const std::uint64_t piece = at / 8 / kPieceBytes;
    const std::uint64_t piece_at = piece * kPieceBytes;
    const std::uint64_t piece_bytes = std::min<std::uint64_t>(kPieceBytes, bitmap.bytes - piece_at);
    const std::uint64_t piece_end = std::min((piece_at + piece_bytes) * 8, end);
    INSTAR_ASSIGN_OR_RETURN(const bool hole, meter_.Visit(bitmap.index * pieces + piece,
                                                          bitmap.offset + piece_at, piece_bytes));
    if (hole) {
      if (run.here) break;
      at = piece_end;
      continue;
    }
    INSTAR_ASSIGN_OR_RETURN(const auto bytes,
                            window_.View(bitmap.offset + piece_at, piece_bytes, piece_bytes));
    const auto is_here = [&](std::uint64_t sector) {
      const auto byte = static_cast<unsigned>(bytes[sector / 8 - piece_at]);
      const unsigned bit = static_cast<unsigned>(sector % 8);
      return (byte >> (order_ == BitOrder::kLowestFirst ? bit : 7 - bit) & 1) != 0;
    };
    if (at == first) run.here = is_here(at);
    const std::byte same = run.here ? std::byte{0xFF} : std::byte{0};
    while (at < piece_end) {
      if (at % 8 == 0 && piece_end - at >= 8 && bytes[at / 8 - piece_at] == same) {
        at += 8;
      } else if (is_here(at) == run.here) {
        ++at;
      } else {
        break;
      }
    }
    if (at < piece_end) break;
  }
  run.sectors = at - first;
  return run;
}

}  // namespace instar
