#include "formats/qcow2/write/write_batch.h"

namespace instar::qcow2 {

Status WriteBatch::Add(std::uint64_t offset, std::span<const std::byte> data) {
  if (data.size() >= kMaxBytes) return device_->Write(offset, data);
  if (bytes_.size() + data.size() > kMaxBytes || entries_.size() == kMaxPieces) {
    INSTAR_TRY(Flush());
  }
  if (!entries_.empty() && entries_.back().offset + entries_.back().bytes == offset) {
    entries_.back().bytes += data.size();
  } else {
    entries_.push_back({.offset = offset, .bytes = data.size()});
  }
  bytes_.insert(bytes_.end(), data.begin(), data.end());
  return {};
}

Status WriteBatch::Flush() {
  if (entries_.empty()) return {};
  std::vector<WritePiece> pieces;
  pieces.reserve(entries_.size());
  std::span<const std::byte> rest(bytes_);
  for (const Entry& entry : entries_) {
    pieces.push_back({.offset = entry.offset, .data = rest.first(entry.bytes)});
    rest = rest.subspan(entry.bytes);
  }
  INSTAR_TRY(device_->WriteAll(pieces));
  entries_.clear();
  bytes_.clear();
  return {};
}

}  // namespace instar::qcow2
