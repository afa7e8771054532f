#include "memory_host.h"

#include <algorithm>
#include <thread>

using instar::DeviceId;
using instar::ErrorCode;
using instar::MakeError;
using instar::Result;
using instar::Status;

namespace {

bool AllZero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

// Copies what `from` holds of the range; what lies beyond its end reads as zeros.
void ReadFrom(std::span<const std::byte> from, std::uint64_t offset, std::span<std::byte> out) {
  std::ranges::fill(out, std::byte{0});
  if (offset >= from.size()) return;
  const auto available = from.subspan(offset);
  std::ranges::copy(available.first(std::min(available.size(), out.size())), out.begin());
}

void WriteTo(std::vector<std::byte>& to, std::uint64_t offset, std::span<const std::byte> data) {
  to.resize(std::max<std::size_t>(to.size(), offset + data.size()));
  std::ranges::copy(data, to.begin() + static_cast<std::ptrdiff_t>(offset));
}

}  // namespace

Result<std::vector<std::byte>*> MemoryHost::Find(DeviceId device) {
  const auto found = devices_.find(device);
  if (found == devices_.end()) return MakeError(ErrorCode::kDenied, "there is no such device");
  return &found->second;
}

Result<instar::DeviceInfo> MemoryHost::Info(DeviceId device) {
  const std::lock_guard lock(mutex_);
  INSTAR_ASSIGN_OR_RETURN(const auto* bytes, Find(device));
  return instar::DeviceInfo{
      .size_bytes = bytes->size(), .writable = true, .fresh_reads_zero = true};
}

// An image may name other files. This host has none to give, and says so.
Result<DeviceId> MemoryHost::OpenReference(DeviceId, std::string_view, instar::ReferenceRole) {
  return MakeError(ErrorCode::kDenied, "images may not name other files here");
}

Status MemoryHost::Resize(DeviceId device, std::uint64_t size_bytes, instar::Preallocation) {
  const std::lock_guard lock(mutex_);
  INSTAR_ASSIGN_OR_RETURN(auto* bytes, Find(device));
  if (size_bytes > (std::uint64_t{1} << 30)) {
    return MakeError(ErrorCode::kNoSpace, "{0} bytes are too many for memory", size_bytes);
  }
  bytes->resize(size_bytes);
  return {};
}

Status MemoryHost::Flush(DeviceId) { return {}; }

Status MemoryHost::Read(std::span<const instar::ReadRequest> requests) {
  const std::lock_guard lock(mutex_);
  for (const instar::ReadRequest& request : requests) {
    INSTAR_ASSIGN_OR_RETURN(const auto* bytes, Find(request.device));
    ReadFrom(*bytes, request.offset, request.out);
  }
  return {};
}

Status MemoryHost::Write(std::span<const instar::WriteRequest> requests) {
  const std::lock_guard lock(mutex_);
  for (const instar::WriteRequest& request : requests) {
    INSTAR_ASSIGN_OR_RETURN(auto* bytes, Find(request.device));
    WriteTo(*bytes, request.offset, request.data);
  }
  return {};
}

Status MemoryHost::Transfer(std::span<const instar::TransferStep> steps) {
  const std::lock_guard lock(mutex_);
  for (const instar::TransferStep& step : steps) {
    std::vector<std::byte> content(step.length_bytes);
    switch (step.kind) {
      case instar::TransferStep::Kind::kCopy:
      case instar::TransferStep::Kind::kCopySparse: {  // nothing is sparse in memory
        INSTAR_ASSIGN_OR_RETURN(const auto* source, Find(step.source));
        ReadFrom(*source, step.source_offset, content);
        break;
      }
      case instar::TransferStep::Kind::kZero:
        break;
      case instar::TransferStep::Kind::kDiscard:
        continue;
    }
    INSTAR_ASSIGN_OR_RETURN(auto* target, Find(step.target));
    WriteTo(*target, step.target_offset, content);
  }
  return {};
}

Status MemoryHost::ScanZero(std::span<const instar::ScanRange> ranges, std::uint64_t unit_bytes,
                            std::span<std::uint64_t> bitmap) {
  const std::lock_guard lock(mutex_);
  std::ranges::fill(bitmap, 0);
  std::size_t bit = 0;
  for (const instar::ScanRange& range : ranges) {
    INSTAR_ASSIGN_OR_RETURN(const auto* bytes, Find(range.device));
    for (std::uint64_t at = 0; at < range.length_bytes; at += unit_bytes, ++bit) {
      std::vector<std::byte> unit(std::min(unit_bytes, range.length_bytes - at));
      ReadFrom(*bytes, range.offset + at, unit);
      if (AllZero(unit)) bitmap[bit / 64] |= std::uint64_t{1} << (bit % 64);
    }
  }
  return {};
}

// Buffers have no holes.
Result<std::size_t> MemoryHost::NextRuns(DeviceId, std::uint64_t, std::uint64_t max_length,
                                         std::uint64_t, std::span<instar::FileRun> runs) {
  runs.front() = {.length_bytes = max_length, .hole = false};
  return std::size_t{1};
}

Result<std::optional<std::uint64_t>> MemoryHost::Compare(const instar::ScanRange& a,
                                                         const instar::ScanRange& b) {
  const std::lock_guard lock(mutex_);
  INSTAR_ASSIGN_OR_RETURN(const auto* first, Find(a.device));
  INSTAR_ASSIGN_OR_RETURN(const auto* second, Find(b.device));
  std::vector<std::byte> left(a.length_bytes);
  std::vector<std::byte> right(b.length_bytes);
  ReadFrom(*first, a.offset, left);
  ReadFrom(*second, b.offset, right);
  const auto [at, other] = std::ranges::mismatch(left, right);
  if (at == left.end()) return std::optional<std::uint64_t>();
  return std::optional<std::uint64_t>(static_cast<std::uint64_t>(at - left.begin()));
}

Status MemoryHost::Emit(std::span<const std::byte> records) {
  const std::lock_guard lock(mutex_);
  records_.insert(records_.end(), records.begin(), records.end());
  return {};
}

Status MemoryHost::Progress(std::uint64_t, std::uint64_t) { return {}; }

Status MemoryHost::Parallel(unsigned workers, void (*function)(void* argument, unsigned worker),
                            void* argument) {
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < workers; ++i) threads.emplace_back(function, argument, i);
  for (std::thread& thread : threads) thread.join();
  return {};
}
