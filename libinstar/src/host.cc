#include "instar/host.h"

#include <algorithm>
#include <array>
#include <utility>

namespace instar {

Result<HostDevice> HostDevice::Open(Host& host, DeviceId id) {
  const auto info = host.Info(id);
  if (!info) return std::unexpected(info.error().On(id));
  return HostDevice(host, id, *info);
}

namespace {

Status Named(Status status, DeviceId id) {
  if (!status) return std::unexpected(status.error().On(id));
  return status;
}

}  // namespace

void HostDevice::NoteEnd(std::uint64_t end) {
  const std::atomic_ref length(info_.size_bytes);
  std::uint64_t known = length.load(std::memory_order_relaxed);
  while (known < end && !length.compare_exchange_weak(known, end, std::memory_order_relaxed)) {
  }
}

Status HostDevice::KeepEnds() {
  std::vector<std::byte> head(kHeadBytes);
  if (info_.size_bytes >= kHeadBytes + kTailBytes) {
    std::vector<std::byte> tail(kTailBytes);
    const ReadPiece pieces[] = {{.offset = 0, .out = head},
                                {.offset = info_.size_bytes - kTailBytes, .out = tail}};
    INSTAR_TRY(ReadAll(pieces));
    tail_ = std::move(tail);
  } else {
    INSTAR_TRY(Read(0, head));
  }
  head_ = std::move(head);
  return {};
}

Status HostDevice::Read(std::uint64_t offset, std::span<std::byte> out) const {
  if (out.empty()) return {};
  if (offset < head_.size() && out.size() <= head_.size() - offset) {
    std::ranges::copy(std::span(head_).subspan(offset, out.size()), out.begin());
    return {};
  }
  const std::uint64_t tail_at = info_.size_bytes - tail_.size();
  if (offset >= tail_at && offset - tail_at < tail_.size() &&
      out.size() <= tail_.size() - (offset - tail_at)) {
    std::ranges::copy(std::span(tail_).subspan(offset - tail_at, out.size()), out.begin());
    return {};
  }
  const ReadRequest request{.device = id_, .offset = offset, .out = out};
  return Named(host_->Read({&request, 1}), id_);
}

Status HostDevice::ReadAll(std::span<const ReadPiece> pieces) const {
  constexpr std::size_t kBatch = 64;
  std::array<ReadRequest, kBatch> batch;
  while (!pieces.empty()) {
    const std::size_t count = std::min(pieces.size(), kBatch);
    for (std::size_t i = 0; i < count; ++i) {
      batch[i] = {.device = id_, .offset = pieces[i].offset, .out = pieces[i].out};
    }
    INSTAR_TRY(Named(host_->Read(std::span(batch).first(count)), id_));
    pieces = pieces.subspan(count);
  }
  return {};
}

Status HostDevice::Write(std::uint64_t offset, std::span<const std::byte> data) {
  if (data.empty()) return {};
  const WriteRequest request{.device = id_, .offset = offset, .data = data};
  INSTAR_TRY(Named(host_->Write({&request, 1}), id_));
  NoteEnd(offset + data.size());
  return {};
}

Status HostDevice::WriteAll(std::span<const WritePiece> pieces) {
  constexpr std::size_t kBatch = 64;
  std::array<WriteRequest, kBatch> batch;
  while (!pieces.empty()) {
    const std::size_t count = std::min(pieces.size(), kBatch);
    for (std::size_t i = 0; i < count; ++i) {
      batch[i] = {.device = id_, .offset = pieces[i].offset, .data = pieces[i].data};
    }
    INSTAR_TRY(Named(host_->Write(std::span(batch).first(count)), id_));
    for (const WritePiece& piece : pieces.first(count)) NoteEnd(piece.offset + piece.data.size());
    pieces = pieces.subspan(count);
  }
  return {};
}

Result<std::size_t> HostDevice::NextRuns(std::uint64_t offset, std::uint64_t max_length,
                                         std::span<FileRun> runs) const {
  const auto count = host_->NextRuns(id_, offset, max_length, data_unit_bytes_, runs);
  if (!count) return std::unexpected(count.error().On(id_));
  return *count;
}

Status HostDevice::Resize(std::uint64_t size_bytes, Preallocation preallocation) {
  INSTAR_TRY(Named(host_->Resize(id_, size_bytes, preallocation), id_));
  std::atomic_ref(info_.size_bytes).store(size_bytes, std::memory_order_relaxed);
  return {};
}

Status HostDevice::Flush() {
  if (info_.unflushed) return {};
  return Named(host_->Flush(id_), id_);
}

Status HostDevice::WriteRoot(std::uint64_t offset, std::span<const std::byte> data) {
  return Named(host_->WriteRoot(id_, offset, data), id_);
}

Status HostDevice::ResizeRoot(std::uint64_t size_bytes, Preallocation preallocation) {
  INSTAR_TRY(Named(host_->ResizeRoot(id_, size_bytes, preallocation), id_));
  std::atomic_ref(info_.size_bytes).store(size_bytes, std::memory_order_relaxed);
  return {};
}

Status HostDevice::Discard(std::uint64_t offset, std::uint64_t length) {
  const ByteRange range{.offset = offset, .length_bytes = length};
  return DiscardAll({&range, 1});
}

Status HostDevice::DiscardAll(std::span<const ByteRange> ranges) {
  // A disk keeps what it has: most take long to give anything back, and nobody waits for it.
  if (info_.block_device) return {};
  constexpr std::size_t kBatch = 64;
  std::array<TransferStep, kBatch> batch;
  std::size_t count = 0;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].length_bytes != 0) {
      batch[count++] = {.kind = TransferStep::Kind::kDiscard,
                        .target = id_,
                        .target_offset = ranges[i].offset,
                        .length_bytes = ranges[i].length_bytes};
    }
    const bool last = i + 1 == ranges.size();
    if (count == kBatch || (last && count != 0)) {
      INSTAR_TRY(Named(host_->Transfer(std::span(batch).first(count)), id_));
      count = 0;
    }
  }
  return {};
}

Status HostDevice::Zero(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return {};
  const TransferStep step{.kind = TransferStep::Kind::kZero,
                          .target = id_,
                          .target_offset = offset,
                          .length_bytes = length};
  INSTAR_TRY(Named(host_->Transfer({&step, 1}), id_));
  NoteEnd(offset + length);
  return {};
}

}  // namespace instar
