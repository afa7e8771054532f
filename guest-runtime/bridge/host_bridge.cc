#include "host_bridge.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace instar {
namespace {

// What a failed call says when the host gives no better words.
const char* MessageFor(ErrorCode code, const char* what) {
  switch (code) {
    case ErrorCode::kDenied:
      return "the host refused the request";
    case ErrorCode::kNoSpace:
      return "no space left for the target";
    case ErrorCode::kNotFound:
      return "a referenced file does not exist";
    case ErrorCode::kLimit:
      return "a limit of the sandbox was reached";
    case ErrorCode::kCorrupt:
    case ErrorCode::kUnsupported:
    case ErrorCode::kIo:
    case ErrorCode::kInvalidArgument:
      break;
  }
  return what;
}

std::unexpected<Error> CallError(std::int64_t result, const char* what, DeviceId device) {
  const auto code = static_cast<ErrorCode>(INSTAR_CALL_ERROR_CODE(result));
  return std::unexpected(Error{.code = code,
                               .message = MessageFor(code, what),
                               .numbers = {},
                               .device = device,
                               .os_errno = INSTAR_CALL_ERROR_ERRNO(result)});
}

Status ToStatus(std::int64_t result, const char* what, DeviceId device) {
  if (result < 0) [[unlikely]]
    return CallError(result, what, device);
  return {};
}

constexpr std::uint32_t Raw(DeviceId id) { return static_cast<std::uint32_t>(id); }

// The lists cross the call table in pieces of this many entries, converted on the stack (16 KiB at
// most): a chunk of small compressed clusters has an entry each, and every call costs tens of
// microseconds.
constexpr std::size_t kPiece = 512;

}  // namespace

Result<DeviceInfo> CallTableHost::Info(DeviceId device) {
  instar_device_info info{};
  INSTAR_TRY(ToStatus(table_.device_info(table_.context, Raw(device), &info),
                      "the host does not know the device", device));
  return DeviceInfo{.size_bytes = info.size_bytes,
                    .writable = (info.flags & INSTAR_DEVICE_WRITABLE) != 0,
                    .fresh_reads_zero = (info.flags & INSTAR_DEVICE_FRESH_READS_ZERO) != 0,
                    .block_device = (info.flags & INSTAR_DEVICE_BLOCK) != 0,
                    .sequential = (info.flags & INSTAR_DEVICE_SEQUENTIAL) != 0,
                    .direct = (info.flags & INSTAR_DEVICE_DIRECT) != 0,
                    .shares = (info.flags & INSTAR_DEVICE_SHARES) != 0,
                    .unflushed = (info.flags & INSTAR_DEVICE_UNFLUSHED) != 0,
                    .allocated_bytes = info.allocated_bytes};
}

Result<DeviceId> CallTableHost::OpenReference(DeviceId parent, std::string_view name,
                                              ReferenceRole role) {
  const std::int64_t result = table_.open_reference(table_.context, Raw(parent), name.data(),
                                                    name.size(), static_cast<std::uint32_t>(role));
  INSTAR_TRY(ToStatus(result, "could not open a file that the image names", parent));
  return DeviceId{static_cast<std::uint32_t>(result)};
}

Status CallTableHost::Resize(DeviceId device, std::uint64_t size_bytes,
                             Preallocation preallocation) {
  return ToStatus(table_.resize(table_.context, Raw(device), size_bytes,
                                static_cast<std::uint32_t>(preallocation)),
                  "could not set the length of the file", device);
}

Status CallTableHost::WriteRoot(DeviceId device, std::uint64_t offset,
                                std::span<const std::byte> data) {
  return ToStatus(table_.write_root(table_.context, Raw(device), offset, data.data(), data.size()),
                  "could not write the change", device);
}

Status CallTableHost::ResizeRoot(DeviceId device, std::uint64_t size_bytes,
                                 Preallocation preallocation) {
  return ToStatus(table_.resize_root(table_.context, Raw(device), size_bytes,
                                     static_cast<std::uint32_t>(preallocation)),
                  "could not set the length of the file", device);
}

Status CallTableHost::Flush(DeviceId device) {
  return ToStatus(table_.flush(table_.context, Raw(device)), "could not flush the file", device);
}

Status CallTableHost::Read(std::span<const ReadRequest> requests) {
  while (!requests.empty()) {
    instar_io list[kPiece];
    const std::size_t count = std::min(requests.size(), kPiece);
    for (std::size_t i = 0; i < count; ++i) {
      list[i] = {.device = Raw(requests[i].device),
                 .reserved = 0,
                 .offset = requests[i].offset,
                 .data = requests[i].out.data(),
                 .length = requests[i].out.size()};
    }
    INSTAR_TRY(ToStatus(table_.read(table_.context, list, count), "could not read",
                        requests.front().device));
    requests = requests.subspan(count);
  }
  return {};
}

Status CallTableHost::Write(std::span<const WriteRequest> requests) {
  while (!requests.empty()) {
    instar_io list[kPiece];
    const std::size_t count = std::min(requests.size(), kPiece);
    for (std::size_t i = 0; i < count; ++i) {
      list[i] = {.device = Raw(requests[i].device),
                 .reserved = 0,
                 .offset = requests[i].offset,
                 .data = const_cast<std::byte*>(requests[i].data.data()),
                 .length = requests[i].data.size()};
    }
    INSTAR_TRY(ToStatus(table_.write(table_.context, list, count), "could not write",
                        requests.front().device));
    requests = requests.subspan(count);
  }
  return {};
}

Status CallTableHost::Transfer(std::span<const TransferStep> steps) {
  static_assert(sizeof(TransferStep::Kind) == sizeof(std::uint32_t));
  while (!steps.empty()) {
    instar_transfer list[kPiece];
    const std::size_t count = std::min(steps.size(), kPiece);
    for (std::size_t i = 0; i < count; ++i) {
      const TransferStep& step = steps[i];
      list[i] = {.kind = static_cast<std::uint32_t>(step.kind),
                 .source = Raw(step.source),
                 .target = Raw(step.target),
                 .zero_run_bytes = static_cast<std::uint32_t>(step.zero_run_bytes),
                 .source_offset = step.source_offset,
                 .target_offset = step.target_offset,
                 .length = step.length_bytes};
    }
    INSTAR_TRY(ToStatus(table_.transfer(table_.context, list, count), "could not move data",
                        steps.front().target));
    steps = steps.subspan(count);
  }
  return {};
}

Status CallTableHost::ScanZero(std::span<const ScanRange> ranges, std::uint64_t unit_bytes,
                               std::span<std::uint64_t> bitmap) {
  // Units of one range follow another's in the bitmap, so the list cannot be cut: convert it whole.
  instar_range small[kPiece];
  std::unique_ptr<instar_range[]> large;
  instar_range* list = small;
  if (ranges.size() > std::size(small)) {
    large.reset(new instar_range[ranges.size()]);
    list = large.get();
  }
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    list[i] = {.device = Raw(ranges[i].device),
               .reserved = 0,
               .offset = ranges[i].offset,
               .length = ranges[i].length_bytes};
  }
  return ToStatus(table_.scan_zero(table_.context, list, ranges.size(), unit_bytes, bitmap.data(),
                                   bitmap.size()),
                  "could not read", ranges.empty() ? kNoDevice : ranges.front().device);
}

Result<std::size_t> CallTableHost::NextRuns(DeviceId device, std::uint64_t offset,
                                            std::uint64_t max_length, std::uint64_t unit_bytes,
                                            std::span<FileRun> runs) {
  instar_run list[kPiece];
  const std::size_t room = std::min(runs.size(), std::size(list));
  const std::int64_t count =
      table_.next_runs(table_.context, Raw(device), offset, max_length, unit_bytes, list, room);
  INSTAR_TRY(ToStatus(count, "could not find the holes of the file", device));
  const std::size_t told = std::min(static_cast<std::size_t>(count), room);
  for (std::size_t i = 0; i < told; ++i) {
    runs[i] = {.length_bytes = list[i].length, .hole = list[i].hole != 0};
  }
  return told;
}

Result<std::optional<std::uint64_t>> CallTableHost::Compare(const ScanRange& a,
                                                            const ScanRange& b) {
  const instar_range left = {
      .device = Raw(a.device), .reserved = 0, .offset = a.offset, .length = a.length_bytes};
  const instar_range right = {
      .device = Raw(b.device), .reserved = 0, .offset = b.offset, .length = b.length_bytes};
  std::uint64_t first = 0;
  const std::int64_t result = table_.compare(table_.context, &left, &right, &first);
  INSTAR_TRY(ToStatus(result, "could not read", a.device));
  if (result == 0) return std::optional<std::uint64_t>();
  return std::optional<std::uint64_t>(first);
}

Status CallTableHost::Emit(std::span<const std::byte> records) {
  return ToStatus(table_.emit(table_.context, records.data(), records.size()),
                  "the host did not accept the report", kNoDevice);
}

Status CallTableHost::Progress(std::uint64_t done, std::uint64_t total) {
  return ToStatus(table_.progress(table_.context, done, total), "could not report progress",
                  kNoDevice);
}

Status CallTableHost::Parallel(unsigned workers, void (*function)(void* argument, unsigned worker),
                               void* argument) {
  return ToStatus(table_.parallel(table_.context, workers, function, argument),
                  "could not start workers", kNoDevice);
}

void ReportEnd(const instar_call_table& table, const Status& status) {
  if (status) {
    table.finish(table.context);
    return;
  }
  const Error& error = status.error();
  instar_failure failure{};
  failure.code = static_cast<std::uint32_t>(error.code);
  failure.device = Raw(error.device);
  failure.os_errno = error.os_errno;
  // The message may stand in read-only memory; hosts take text from anywhere the guest may read.
  failure.message = error.message;
  failure.message_length = static_cast<std::uint32_t>(std::strlen(error.message));
  for (std::size_t i = 0; i < error.numbers.size(); ++i) failure.numbers[i] = error.numbers[i];
  table.fail(table.context, &failure);
}

}  // namespace instar
