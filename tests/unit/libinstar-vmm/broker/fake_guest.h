// A guest as the broker sees it: memory, and frames that may say anything.
#ifndef TESTS_UNIT_LIBINSTAR_VMM_BROKER_FAKE_GUEST_H_
#define TESTS_UNIT_LIBINSTAR_VMM_BROKER_FAKE_GUEST_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/broker.h"
#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "instar/abi/call_table.h"
#include "instar/abi/mailbox.h"

namespace instar::vmm {

class FakeGuest {
 public:
  // Like a real guest's: the page tables cannot be read, the image cannot be written.
  static constexpr std::uint64_t kBase = INSTAR_GUEST_BASE;
  static constexpr std::uint64_t kReadableFrom = kBase + 0x10000;
  static constexpr std::uint64_t kWritableFrom = kBase + 0x20000;
  static constexpr std::uint64_t kBytes = std::uint64_t{8} << 20;
  static constexpr std::uint64_t kEnd = kBase + kBytes;

  explicit FakeGuest(Broker& broker) : broker_(broker), bytes_(kBytes) {}

  // Reserves writable guest memory, aligned to 8.
  std::uint64_t Allocate(std::uint64_t bytes) {
    const std::uint64_t address = next_;
    next_ += (bytes + 7) / 8 * 8;
    if (next_ > kEnd) abort();
    return address;
  }
  std::byte* At(std::uint64_t address) { return bytes_.data() + (address - kBase); }
  std::uint64_t Put(std::string_view text) {
    const std::uint64_t address = Allocate(text.size());
    std::memcpy(At(address), text.data(), text.size());
    return address;
  }
  template <typename T>
  std::uint64_t Put(std::span<const T> items) {
    const std::uint64_t address = Allocate(items.size_bytes());
    if (!items.empty()) std::memcpy(At(address), items.data(), items.size_bytes());
    return address;
  }
  template <typename T>
  T Get(std::uint64_t address) {
    T value;
    std::memcpy(&value, At(address), sizeof(T));
    return value;
  }
  std::string GetText(std::uint64_t address, std::size_t length) {
    return {reinterpret_cast<const char*>(At(address)), length};
  }

  CallResult Call(std::uint32_t op, std::array<std::uint64_t, 6> args, unsigned worker = 0) {
    const GuestMemory memory(kBase, bytes_,
                             {.readable_from = kReadableFrom, .writable_from = kWritableFrom});
    return broker_.Handle(worker, {.op = op, .args = args}, memory);
  }

  // Honest requests.
  CallResult Info(DeviceId device, instar_device_info* info) {
    const std::uint64_t reply = Allocate(sizeof(*info));
    const CallResult result = Call(INSTAR_OP_DEVICE_INFO, {Number(device), reply});
    *info = Get<instar_device_info>(reply);
    return result;
  }
  CallResult OpenReference(DeviceId parent, std::string_view name,
                           ReferenceRole role = ReferenceRole::kBacking) {
    return Call(INSTAR_OP_OPEN_REFERENCE,
                {Number(parent), Put(name), name.size(), static_cast<std::uint64_t>(role)});
  }
  CallResult Resize(DeviceId device, std::uint64_t bytes,
                    Preallocation preallocation = Preallocation::kOff) {
    return Call(INSTAR_OP_RESIZE,
                {Number(device), bytes, static_cast<std::uint64_t>(preallocation)});
  }
  CallResult Flush(DeviceId device) { return Call(INSTAR_OP_FLUSH, {Number(device)}); }
  CallResult Read(DeviceId device, std::uint64_t offset, std::size_t length, std::string* out) {
    const std::uint64_t data = Allocate(length);
    const CallResult result = Io(INSTAR_OP_READ, {Entry(device, offset, data, length)});
    *out = GetText(data, length);
    return result;
  }
  CallResult Write(DeviceId device, std::uint64_t offset, std::string_view data) {
    return Io(INSTAR_OP_WRITE, {Entry(device, offset, Put(data), data.size())});
  }
  CallResult Io(std::uint32_t op, const std::vector<instar_io>& list) {
    return Call(op, {Put(std::span<const instar_io>(list)), list.size()});
  }
  CallResult Transfer(const std::vector<instar_transfer>& list, unsigned worker = 0) {
    return Call(INSTAR_OP_TRANSFER, {Put(std::span<const instar_transfer>(list)), list.size()},
                worker);
  }
  CallResult ScanZero(const std::vector<instar_range>& list, std::uint64_t unit,
                      std::vector<std::uint64_t>* bitmap) {
    const std::uint64_t words = Allocate(bitmap->size() * 8);
    const CallResult result = Call(INSTAR_OP_SCAN_ZERO, {Put(std::span<const instar_range>(list)),
                                                         list.size(), unit, words, bitmap->size()});
    std::memcpy(bitmap->data(), At(words), bitmap->size() * 8);
    return result;
  }
  CallResult NextRuns(DeviceId device, std::uint64_t offset, std::uint64_t max,
                      std::span<instar_run> runs, std::uint64_t unit = 1) {
    const std::uint64_t reply = Allocate(runs.size_bytes());
    const CallResult result =
        Call(INSTAR_OP_NEXT_RUNS, {Number(device), offset, max, unit, reply, runs.size()});
    if (!runs.empty()) std::memcpy(runs.data(), At(reply), runs.size_bytes());
    return result;
  }
  CallResult Compare(const instar_range& a, const instar_range& b) {
    return Call(INSTAR_OP_COMPARE, {Put(std::span(&a, 1)), Put(std::span(&b, 1))});
  }
  CallResult Emit(std::span<const std::byte> records) {
    return Call(INSTAR_OP_EMIT, {Put(records), records.size()});
  }

  static std::uint64_t Number(DeviceId id) { return static_cast<std::uint32_t>(id); }
  static instar_io Entry(DeviceId device, std::uint64_t offset, std::uint64_t address,
                         std::uint64_t length) {
    return {.device = static_cast<std::uint32_t>(device),
            .reserved = 0,
            .offset = offset,
            .data = reinterpret_cast<void*>(address),
            .length = length};
  }

 private:
  Broker& broker_;
  std::vector<std::byte> bytes_;
  std::uint64_t next_ = kWritableFrom;
};

inline std::int64_t ErrorResult(ErrorCode code, int os_errno = 0) {
  return INSTAR_CALL_ERROR(static_cast<std::uint32_t>(code), os_errno);
}
inline ErrorCode CodeOf(const CallResult& result) {
  return ErrorCode{INSTAR_CALL_ERROR_CODE(result.result)};
}

}  // namespace instar::vmm

#endif  // TESTS_UNIT_LIBINSTAR_VMM_BROKER_FAKE_GUEST_H_
