#include "convert/hole_finder.h"

#include <algorithm>

namespace instar::convert {

Status HoleFinder::Look(Piece& piece) {
  if (piece.kind != Piece::Kind::kData || piece.inherited || piece.offset < next_offset_ ||
      piece.length_bytes <= chunk_bytes_) {
    return {};
  }
  // Of data one byte is enough: where it ends can take the host long to find.
  constexpr std::uint64_t kFar = std::uint64_t{1} << 62;
  FileRun run;
  for (const std::uint64_t length : {std::uint64_t{1}, kFar}) {
    INSTAR_ASSIGN_OR_RETURN(const std::size_t count,
                            host_.NextRuns(piece.device, piece.file_offset, length, {&run, 1}));
    if (count == 0 || !run.hole) break;
  }
  if (run.hole && run.length_bytes >= chunk_bytes_) {
    piece.kind = Piece::Kind::kZero;
    piece.length_bytes = std::min(piece.length_bytes, run.length_bytes);
    step_ = kFirstStep;
    return {};
  }
  next_offset_ = piece.offset + step_ * chunk_bytes_;
  step_ = std::min(2 * step_, kLongestStep);
  return {};
}

}  // namespace instar::convert
