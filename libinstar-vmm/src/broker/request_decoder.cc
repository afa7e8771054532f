#include "broker/request_decoder.h"

#include <algorithm>
#include <cstring>

#include "formats/base/checked.h"
#include "io/bulk_worker.h"

namespace instar::vmm {
namespace {

std::unexpected<Refusal> Violation(const char* what) {
  return std::unexpected(Refusal{.code = ErrorCode::kInvalidArgument, .violation = what});
}
std::unexpected<Refusal> Refuse(ErrorCode code) {
  return std::unexpected(Refusal{.code = code, .violation = nullptr});
}

constexpr const char* kBadAddress = "an address outside the guest's memory";
constexpr const char* kTooMuch = "a request for more bytes than one call may move";
constexpr const char* kBadDeviceNumber = "a device number of more than 32 bits";

bool RangeIsValid(std::uint64_t offset, std::uint64_t length) {
  return RangeFits(offset, length, kMaxFileOffset);
}

Decoded<void> CheckStep(const instar_transfer& step) {
  bool copies = false;
  switch (step.kind) {
    case INSTAR_TRANSFER_COPY:
      copies = true;
      break;
    case INSTAR_TRANSFER_COPY_SPARSE:
      copies = true;
      if (!IsPowerOfTwo(step.zero_run_bytes) || step.zero_run_bytes < 512 ||
          step.zero_run_bytes > BulkWorker::kStagingBytes) {
        return Refuse(ErrorCode::kInvalidArgument);
      }
      break;
    case INSTAR_TRANSFER_ZERO:
    case INSTAR_TRANSFER_DISCARD:
      break;
    default:
      return Violation("a transfer of unknown kind");
  }
  if (!RangeIsValid(step.target_offset, step.length)) return Refuse(ErrorCode::kInvalidArgument);
  if (copies && !RangeIsValid(step.source_offset, step.length)) {
    return Refuse(ErrorCode::kInvalidArgument);
  }
  return {};
}

}  // namespace

Decoded<DeviceId> RequestDecoder::Device(std::uint64_t word) const {
  const auto number = CheckedNarrow<std::uint32_t>(word);
  if (!number) return Violation(kBadDeviceNumber);
  return DeviceId{*number};
}

template <typename T>
Decoded<T> RequestDecoder::Struct(std::uint64_t address) const {
  const std::span<const std::byte> bytes = memory_.Readable(address, sizeof(T));
  if (bytes.size() != sizeof(T)) return Violation(kBadAddress);
  T copy;
  std::memcpy(&copy, bytes.data(), sizeof(T));
  return copy;
}

template <typename Entry>
Decoded<std::span<const Entry>> RequestDecoder::List(std::uint64_t address, std::uint64_t count) {
  static_assert(INSTAR_MAX_LIST * sizeof(Entry) <= RequestScratch::kBytes);
  if (count > INSTAR_MAX_LIST) return Violation("a list longer than INSTAR_MAX_LIST");
  if (count == 0) return std::span<const Entry>();
  const std::size_t bytes = count * sizeof(Entry);
  const std::span<const std::byte> theirs = memory_.Readable(address, bytes);
  if (theirs.size() != bytes) return Violation(kBadAddress);
  std::byte* const ours = scratch_.bytes().data();
  std::memcpy(ours, theirs.data(), bytes);
  return std::span<const Entry>(reinterpret_cast<const Entry*>(ours), count);
}

Decoded<std::span<std::byte>> RequestDecoder::Reply(std::uint64_t address,
                                                    std::uint64_t bytes) const {
  const std::span<std::byte> reply = memory_.Writable(address, bytes);
  if (reply.size() != bytes) return Violation(kBadAddress);
  return reply;
}

Decoded<DeviceInfoRequest> RequestDecoder::DeviceInfo() {
  INSTAR_ASSIGN_OR_RETURN(const DeviceId device, Device(args_[0]));
  INSTAR_ASSIGN_OR_RETURN(const auto reply, Reply(args_[1], sizeof(instar_device_info)));
  return DeviceInfoRequest{.device = device, .reply = reply};
}

Decoded<OpenReferenceRequest> RequestDecoder::OpenReference() {
  INSTAR_ASSIGN_OR_RETURN(const DeviceId parent, Device(args_[0]));
  const std::uint64_t length = args_[2];
  if (length > INSTAR_MAX_NAME) return Violation("a name longer than INSTAR_MAX_NAME");
  std::string_view name;
  if (length > 0) {
    const std::span<const std::byte> theirs = memory_.Readable(args_[1], length);
    if (theirs.size() != length) return Violation(kBadAddress);
    std::memcpy(scratch_.bytes().data(), theirs.data(), length);
    name = {reinterpret_cast<const char*>(scratch_.bytes().data()), length};
  }
  switch (args_[3]) {
    case static_cast<std::uint64_t>(ReferenceRole::kBacking):
    case static_cast<std::uint64_t>(ReferenceRole::kDataFile):
    case static_cast<std::uint64_t>(ReferenceRole::kExtent):
      break;
    default:
      return Violation("a reference of unknown role");
  }
  return OpenReferenceRequest{
      .parent = parent, .name = name, .role = ReferenceRole{static_cast<std::uint32_t>(args_[3])}};
}

Decoded<ResizeRequest> RequestDecoder::Resize() {
  INSTAR_ASSIGN_OR_RETURN(const DeviceId device, Device(args_[0]));
  if (args_[2] > static_cast<std::uint64_t>(Preallocation::kFull)) {
    return Violation("an unknown kind of preallocation");
  }
  if (args_[1] > kMaxFileOffset) return Refuse(ErrorCode::kInvalidArgument);
  return ResizeRequest{.device = device,
                       .size_bytes = args_[1],
                       .preallocation = Preallocation{static_cast<std::uint32_t>(args_[2])}};
}

Decoded<FlushRequest> RequestDecoder::Flush() {
  INSTAR_ASSIGN_OR_RETURN(const DeviceId device, Device(args_[0]));
  return FlushRequest{.device = device};
}

Decoded<WriteRootRequest> RequestDecoder::WriteRoot() {
  INSTAR_ASSIGN_OR_RETURN(const DeviceId device, Device(args_[0]));
  const std::uint64_t offset = args_[1];
  const std::uint64_t length = args_[3];
  if (length > INSTAR_MAX_ROOT) return Violation("a root longer than INSTAR_MAX_ROOT");
  const std::span<const std::byte> theirs = memory_.Readable(args_[2], length);
  if (length == 0 || theirs.size() != length) return Violation(kBadAddress);
  if (!RangeIsValid(offset, length) || offset % INSTAR_MAX_ROOT + length > INSTAR_MAX_ROOT) {
    return Refuse(ErrorCode::kInvalidArgument);
  }
  std::memcpy(scratch_.bytes().data(), theirs.data(), length);
  return WriteRootRequest{
      .device = device, .offset = offset, .data = scratch_.bytes().first(length)};
}

Decoded<IoListRequest> RequestDecoder::IoList(bool into_guest) {
  INSTAR_ASSIGN_OR_RETURN(const auto list, List<instar_io>(args_[0], args_[1]));
  std::uint64_t total = 0;
  for (const instar_io& io : list) {
    if (io.length == 0) continue;
    const auto address = reinterpret_cast<std::uint64_t>(io.data);
    const std::size_t reachable = into_guest ? memory_.Writable(address, io.length).size()
                                             : memory_.Readable(address, io.length).size();
    if (reachable != io.length) return Violation(kBadAddress);
    if (!RangeIsValid(io.offset, io.length)) return Refuse(ErrorCode::kInvalidArgument);
    if (io.length > kMaxMetadataBytes - total) return Violation(kTooMuch);
    total += io.length;
  }
  return IoListRequest{.list = list, .total_bytes = total};
}

Decoded<IoListRequest> RequestDecoder::Read() { return IoList(/*into_guest=*/true); }
Decoded<IoListRequest> RequestDecoder::Write() { return IoList(/*into_guest=*/false); }

Decoded<TransferListRequest> RequestDecoder::Transfer() {
  INSTAR_ASSIGN_OR_RETURN(const auto list, List<instar_transfer>(args_[0], args_[1]));
  std::uint64_t copied = 0;
  std::uint64_t zeroed = 0;
  for (const instar_transfer& step : list) {
    INSTAR_TRY(CheckStep(step));
    const bool zeroes = step.kind == INSTAR_TRANSFER_ZERO || step.kind == INSTAR_TRANSFER_DISCARD;
    std::uint64_t& total = zeroes ? zeroed : copied;
    total = CheckedAdd(total, step.length).value_or(~std::uint64_t{0});
  }
  if (copied > kMaxCopyBytes) return Violation(kTooMuch);
  return TransferListRequest{.list = list, .zeroed_bytes = zeroed};
}

Decoded<ScanZeroRequest> RequestDecoder::ScanZero() {
  INSTAR_ASSIGN_OR_RETURN(const auto list, List<instar_range>(args_[0], args_[1]));
  const std::uint64_t unit = args_[2];
  const std::uint64_t words = args_[4];
  if (unit < 512 || unit > kMaxScanBytes) return Refuse(ErrorCode::kInvalidArgument);
  const auto bitmap_bytes = CheckedMul(words, 8);
  if (!bitmap_bytes) return Violation(kBadAddress);
  std::span<std::byte> bitmap;
  if (words > 0) {
    INSTAR_ASSIGN_OR_RETURN(bitmap, Reply(args_[3], *bitmap_bytes));
  }
  std::uint64_t bits = 0;
  std::uint64_t total = 0;
  for (const instar_range& range : list) {
    if (!RangeIsValid(range.offset, range.length)) return Refuse(ErrorCode::kInvalidArgument);
    if (range.length > kMaxScanBytes - total) return Violation(kTooMuch);
    total += range.length;
    bits += DivideRoundUp(range.length, unit);
  }
  if (DivideRoundUp(bits, 64) > words) return Refuse(ErrorCode::kInvalidArgument);
  return ScanZeroRequest{.list = list, .unit_bytes = unit, .bitmap = bitmap};
}

Decoded<NextRunsRequest> RequestDecoder::NextRuns() {
  INSTAR_ASSIGN_OR_RETURN(const DeviceId device, Device(args_[0]));
  if (args_[5] == 0 || args_[5] > INSTAR_MAX_RUNS) return Refuse(ErrorCode::kLimit);
  INSTAR_ASSIGN_OR_RETURN(const auto reply, Reply(args_[4], args_[5] * sizeof(instar_run)));
  if (args_[2] == 0 || args_[1] >= kMaxFileOffset || !IsPowerOfTwo(args_[3])) {
    return Refuse(ErrorCode::kInvalidArgument);
  }
  return NextRunsRequest{.device = device,
                         .offset = args_[1],
                         .max_length = std::min(args_[2], kMaxFileOffset - args_[1]),
                         .unit_bytes = args_[3],
                         .reply = reply};
}

Decoded<CompareRequest> RequestDecoder::Compare() {
  INSTAR_ASSIGN_OR_RETURN(const auto a, Struct<instar_range>(args_[0]));
  INSTAR_ASSIGN_OR_RETURN(const auto b, Struct<instar_range>(args_[1]));
  if (a.length != b.length || !RangeIsValid(a.offset, a.length) ||
      !RangeIsValid(b.offset, b.length)) {
    return Refuse(ErrorCode::kInvalidArgument);
  }
  if (a.length > kMaxScanBytes) return Violation(kTooMuch);
  return CompareRequest{.a = a, .b = b};
}

Decoded<EmitRequest> RequestDecoder::Emit() {
  const std::uint64_t length = args_[1];
  if (length > INSTAR_MAX_EMIT) return Violation("a batch of records longer than INSTAR_MAX_EMIT");
  if (length == 0) return EmitRequest{};
  const std::span<const std::byte> theirs = memory_.Readable(args_[0], length);
  if (theirs.size() != length) return Violation(kBadAddress);
  std::memcpy(scratch_.bytes().data(), theirs.data(), length);
  return EmitRequest{.records = scratch_.bytes().first(length)};
}

Decoded<ProgressRequest> RequestDecoder::Progress() {
  return ProgressRequest{.done = std::min(args_[0], args_[1]), .total = args_[1]};
}

}  // namespace instar::vmm
