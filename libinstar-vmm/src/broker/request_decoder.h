// Requests of a guest, from raw mailbox words to checked values. Nothing here touches a file.
//
// A guest can change its memory at any time, so everything that is checked is copied first: the
// frame by the executor, lists and structs here. What is refused falls in two classes. An address
// outside the guest's memory, an unknown operation or enum value, a list longer than the ABI
// allows, more bytes than honest code asks for at once cannot come from honest code: a violation,
// which ends the guest. A number out of range can come from a damaged image that honest code was
// misled by: an error, which the guest gets to hear.
#ifndef LIBINSTAR_VMM_SRC_BROKER_REQUEST_DECODER_H_
#define LIBINSTAR_VMM_SRC_BROKER_REQUEST_DECODER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string_view>

#include "executor/call_handler.h"
#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/ids.h"
#include "instar/abi/call_table.h"
#include "instar/abi/mailbox.h"

namespace instar::vmm {

// Offsets a file can have; every range in a decoded request ends at or below.
inline constexpr std::uint64_t kMaxFileOffset = INT64_MAX;
// Bytes one READ or WRITE may move: both work on guest memory, whose size bounds honest requests.
inline constexpr std::uint64_t kMaxMetadataBytes = std::uint64_t{1} << 30;
// Bytes one SCAN_ZERO or COMPARE may look at. Honest code looks at 256 MiB at most, the largest
// block of a format.
inline constexpr std::uint64_t kMaxScanBytes = std::uint64_t{1} << 30;
// Bytes that the copies of one TRANSFER may move. Honest code collects less than 16 GiB where
// blocks are shared, and then adds one step of at most as much.
inline constexpr std::uint64_t kMaxCopyBytes = std::uint64_t{32} << 30;

struct Refusal {
  ErrorCode code = ErrorCode::kInvalidArgument;
  const char* violation = nullptr;  // static text, or null: an error
};
template <typename T>
using Decoded = std::expected<T, Refusal>;

// Private copies of what a worker's requests point at, so that decoding allocates nothing.
class RequestScratch {
 public:
  static constexpr std::size_t kBytes = INSTAR_MAX_LIST * sizeof(instar_transfer);
  static_assert(kBytes >= INSTAR_MAX_EMIT);
  RequestScratch() : bytes_(new std::byte[kBytes]) {}
  [[nodiscard]] std::span<std::byte> bytes() { return {bytes_.get(), kBytes}; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
};

struct DeviceInfoRequest {
  DeviceId device;
  std::span<std::byte> reply;  // sizeof(instar_device_info) bytes of the guest
};
struct OpenReferenceRequest {
  DeviceId parent;
  std::string_view name;
  ReferenceRole role;
};
struct ResizeRequest {
  DeviceId device;
  std::uint64_t size_bytes;
  Preallocation preallocation;
};
struct FlushRequest {
  DeviceId device;
};
struct WriteRootRequest {
  DeviceId device;
  std::uint64_t offset;
  std::span<const std::byte> data;  // a copy; not empty, within INSTAR_MAX_ROOT aligned bytes
};
// READ and WRITE. The addresses have been checked: Readable() or Writable() gives the memory.
struct IoListRequest {
  std::span<const instar_io> list;
  std::uint64_t total_bytes;
};
// Kinds, zero units and ranges have been checked.
struct TransferListRequest {
  std::span<const instar_transfer> list;
  std::uint64_t zeroed_bytes;  // of all steps that zero or discard
};
struct ScanZeroRequest {
  std::span<const instar_range> list;
  std::uint64_t unit_bytes;
  std::span<std::byte> bitmap;
};
struct NextRunsRequest {
  DeviceId device;
  std::uint64_t offset;
  std::uint64_t max_length;
  std::uint64_t unit_bytes;    // a power of two
  std::span<std::byte> reply;  // room for one instar_run or more in the guest
};
struct CompareRequest {
  instar_range a;
  instar_range b;  // of the same length
};
struct EmitRequest {
  std::span<const std::byte> records;
};
struct ProgressRequest {
  std::uint64_t done;  // at most total
  std::uint64_t total;
};

// Decodes the words of one request; views and spans in the result live as long as `scratch` is not
// used again.
class RequestDecoder {
 public:
  RequestDecoder(const CallFrame& frame, const GuestMemory& memory, RequestScratch& scratch)
      : args_(frame.args), memory_(memory), scratch_(scratch) {}

  Decoded<DeviceInfoRequest> DeviceInfo();
  Decoded<OpenReferenceRequest> OpenReference();
  Decoded<ResizeRequest> Resize();
  Decoded<FlushRequest> Flush();
  Decoded<WriteRootRequest> WriteRoot();
  Decoded<IoListRequest> Read();
  Decoded<IoListRequest> Write();
  Decoded<TransferListRequest> Transfer();
  Decoded<ScanZeroRequest> ScanZero();
  Decoded<NextRunsRequest> NextRuns();
  Decoded<CompareRequest> Compare();
  Decoded<EmitRequest> Emit();
  Decoded<ProgressRequest> Progress();

 private:
  Decoded<DeviceId> Device(std::uint64_t word) const;
  Decoded<IoListRequest> IoList(bool into_guest);
  template <typename Entry>
  Decoded<std::span<const Entry>> List(std::uint64_t address, std::uint64_t count);
  template <typename T>
  Decoded<T> Struct(std::uint64_t address) const;
  Decoded<std::span<std::byte>> Reply(std::uint64_t address, std::uint64_t bytes) const;

  const std::array<std::uint64_t, 6>& args_;
  const GuestMemory& memory_;
  RequestScratch& scratch_;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_REQUEST_DECODER_H_
