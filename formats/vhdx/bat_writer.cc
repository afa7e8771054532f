#include "formats/vhdx/bat_writer.h"

#include "formats/base/endian.h"

namespace instar::vhdx {
namespace {

constexpr std::size_t kBufferBytes = 256 << 10;

}  // namespace

Status BatWriter::Flush() {
  if (buffer_.empty()) return {};
  INSTAR_TRY(device_->Write(table_offset_ + buffer_entry_ * kBatEntryBytes, buffer_));
  buffer_.clear();
  return {};
}

Status BatWriter::Append(std::uint64_t block, BatEntry entry) {
  const std::uint64_t index = layout_.PayloadEntry(block);
  if (buffer_.capacity() < kBufferBytes) buffer_.reserve(kBufferBytes);
  // At most one sector bitmap entry, of zeros, stands between two payload entries.
  const std::uint64_t length = (index - buffer_entry_ + 1) * kBatEntryBytes;
  if (buffer_.empty() || length > kBufferBytes) {
    INSTAR_TRY(Flush());
    buffer_entry_ = index;
    buffer_.resize(kBatEntryBytes);
  } else {
    buffer_.resize(length);
  }
  StoreLe64(buffer_, buffer_.size() - kBatEntryBytes, entry.Encode());
  return {};
}

Status BatWriter::FillUntil(std::uint64_t block) {
  // A fresh file already holds the entries of blocks that are not present: zeros.
  if (unplaced_ == BlockState::kNotPresent && device_->fresh_reads_zero()) {
    if (block > next_block_) INSTAR_TRY(Flush());
    next_block_ = block;
    return {};
  }
  for (; next_block_ < block; ++next_block_) {
    INSTAR_TRY(Append(next_block_, {.state = static_cast<std::uint8_t>(unplaced_)}));
  }
  return {};
}

Status BatWriter::Place(std::uint64_t block, std::uint64_t offset) {
  INSTAR_TRY(FillUntil(block));
  INSTAR_TRY(Append(
      block, {.state = static_cast<std::uint8_t>(BlockState::kFullyPresent), .offset = offset}));
  next_block_ = block + 1;
  return {};
}

Status BatWriter::Finish() {
  INSTAR_TRY(FillUntil(layout_.blocks()));
  return Flush();
}

}  // namespace instar::vhdx
