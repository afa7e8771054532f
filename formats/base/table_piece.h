// The piece of an image's table that is being changed: read, changed in memory, and written when
// another piece's turn comes.
#ifndef FORMATS_BASE_TABLE_PIECE_H_
#define FORMATS_BASE_TABLE_PIECE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"

namespace instar {

class TablePiece {
 public:
  explicit TablePiece(TargetDevice& device) : device_(&device) {}

  // From now on `length` bytes (at least 1) at `offset` of the file are the piece. What was changed
  // of the one before is written.
  Status Select(std::uint64_t offset, std::size_t length) {
    if (!bytes_.empty() && offset == offset_ && length == bytes_.size()) return {};
    INSTAR_TRY(Write());
    bytes_.resize(length);
    offset_ = offset;
    return device_->Read(offset, bytes_);
  }
  // The same for the piece of a table of `table_bytes` at `table_offset` that has byte `at` of it.
  // Where that is in the piece.
  Result<std::size_t> SelectIn(std::uint64_t table_offset, std::uint64_t table_bytes,
                               std::uint64_t at) {
    const std::uint64_t start = at / kPieceBytes * kPieceBytes;
    const std::uint64_t left = table_bytes - start;
    INSTAR_TRY(Select(table_offset + start, left < kPieceBytes ? left : kPieceBytes));
    return static_cast<std::size_t>(at - start);
  }

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  // To be changed.
  [[nodiscard]] std::span<std::byte> Change() {
    changed_ = true;
    return bytes_;
  }

  // Writes what was changed.
  Status Write() {
    if (!changed_) return {};
    changed_ = false;
    return device_->Write(offset_, bytes_);
  }

 private:
  static constexpr std::size_t kPieceBytes = 64 << 10;

  TargetDevice* device_;
  std::uint64_t offset_ = 0;
  std::vector<std::byte> bytes_;
  bool changed_ = false;
};

}  // namespace instar

#endif  // FORMATS_BASE_TABLE_PIECE_H_
