#include "formats/edit/transaction.h"

#include <algorithm>

namespace instar {

Status Transaction::ReadyToWrite(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t first = offset >> cluster_bits_;
  const std::uint64_t last = (offset + length - 1) >> cluster_bits_;
  if (length == 0) return {};
  if (!flipped_ && space_.IsTaken(first, last - first + 1)) {
    written_end_ = std::max(written_end_, offset + length);
    return {};
  }
  return MakeError(ErrorCode::kDenied,
                   "a change in place was about to write {1} bytes at {0x}, which the image uses",
                   offset, length);
}

Status Transaction::CutTail() {
  const std::uint64_t end = space_.end() << cluster_bits_;
  if (device_.has_fixed_length() || device_.size_bytes() <= end) return {};
  return device_.Resize(end, Preallocation::kOff);
}

Status Transaction::Write(std::uint64_t offset, std::span<const std::byte> data) {
  INSTAR_TRY(ReadyToWrite(offset, data.size()));
  return device_.Write(offset, data);
}

Status Transaction::WriteAll(std::span<const WritePiece> pieces) {
  for (const WritePiece& piece : pieces) INSTAR_TRY(ReadyToWrite(piece.offset, piece.data.size()));
  return device_.WriteAll(pieces);
}

Status Transaction::Zero(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(ReadyToWrite(offset, length));
  return device_.Zero(offset, length);
}

Status Transaction::Lengthen(std::uint64_t end, Preallocation preallocation) {
  if (device_.has_fixed_length() || file_bytes() >= end) return {};
  written_end_ = std::max(written_end_, end);  // a failure may leave some of it
  return device_.Resize(end, preallocation);
}

Status Transaction::CutTo(std::uint64_t end) {
  if (device_.has_fixed_length() || file_bytes() <= end) return {};
  return device_.Resize(end, Preallocation::kOff);
}

Status Transaction::Flip(std::uint64_t offset, std::span<const std::byte> root) {
  INSTAR_TRY(device_.Flush());
  flipped_ = true;
  return device_.WriteRoot(offset, root);
}

void Transaction::Undo() {
  if (flipped_ || device_.has_fixed_length() || written_end_ <= old_bytes_) return;
  IgnoreFailure(device_.Resize(old_bytes_, Preallocation::kOff));
}

}  // namespace instar
