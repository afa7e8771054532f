#include "disk/hole_finder.h"

#include <algorithm>

namespace instar::disk {

Result<FileRun> HoleFinder::RunAt(const SourceExtent& piece) {
  constexpr FileRun kData = {.length_bytes = 1, .hole = false};
  // Of data one byte is enough: where it ends can take the host long to find.
  if (!after_hole_) {
    FileRun run;
    INSTAR_ASSIGN_OR_RETURN(const std::size_t count,
                            host_.NextRuns(piece.device, piece.file_offset, 1, 1, {&run, 1}));
    if (count == 0 || !run.hole) return kData;
  }
  if (!file_ || file_->id() != piece.device) {
    INSTAR_ASSIGN_OR_RETURN(file_, HostDevice::Open(host_, piece.device));
  }
  if (piece.file_offset >= file_->size_bytes()) return kData;
  return runs_.At(*file_, piece.file_offset, file_->size_bytes());
}

Status HoleFinder::Look(SourceExtent& piece) {
  if (piece.kind != SourceExtent::Kind::kData || piece.inherited || piece.offset < next_offset_ ||
      piece.length_bytes <= chunk_bytes_) {
    return {};
  }
  INSTAR_ASSIGN_OR_RETURN(const FileRun run, RunAt(piece));
  after_hole_ = run.hole && run.length_bytes >= chunk_bytes_;
  if (after_hole_) {
    piece.kind = SourceExtent::Kind::kZero;
    piece.length_bytes = std::min(piece.length_bytes, run.length_bytes);
    step_ = kFirstStep;
    return {};
  }
  next_offset_ = piece.offset + step_ * chunk_bytes_;
  step_ = std::min(2 * step_, kLongestStep);
  return {};
}

}  // namespace instar::disk
