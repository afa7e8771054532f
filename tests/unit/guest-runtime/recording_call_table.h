// The third implementation of the call table: files in memory, a record of every call, and a fault
// in the call of one's choice. With it a planner's reaction to any failure of the host can be tried
// without one failing.
#ifndef TESTS_UNIT_GUEST_RUNTIME_RECORDING_CALL_TABLE_H_
#define TESTS_UNIT_GUEST_RUNTIME_RECORDING_CALL_TABLE_H_

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "formats/base/error.h"
#include "instar/abi/call_table.h"

namespace instar {

class RecordingCallTable {
 public:
  struct File {
    std::vector<std::byte> bytes;
    bool writable = false;
  };
  struct Failure {
    std::uint32_t code = 0;
    std::uint32_t device = 0;
    std::int32_t os_errno = 0;
    std::string message;
  };

  RecordingCallTable() { table_ = MakeTable(); }
  RecordingCallTable(const RecordingCallTable&) = delete;

  const instar_call_table& table() const { return table_; }
  std::vector<File> files;                          // by device number
  std::map<std::string, std::uint32_t> references;  // name in an image -> device number
  std::vector<std::string> calls;                   // names, in order
  std::vector<std::byte> emitted;
  bool finished = false;
  std::optional<Failure> failure;

  // The call with this number (from 0) and all later ones of its kind fail so, and do nothing: a
  // planner may try again, but not get around it.
  void FailCall(std::size_t number, ErrorCode code, int os_errno) {
    fail_at_ = number;
    fail_result_ = INSTAR_CALL_ERROR(static_cast<std::uint32_t>(code), os_errno);
  }

 private:
  static RecordingCallTable& Self(void* context) {
    return *static_cast<RecordingCallTable*>(context);
  }

  // Notes the call; the failure it shall have, or 0.
  std::int64_t Note(const char* name) {
    calls.emplace_back(name);
    if (calls.size() - 1 == fail_at_) failing_ = name;
    return calls.back() == failing_ ? fail_result_ : 0;
  }
  static std::int64_t Invalid() {
    return INSTAR_CALL_ERROR(static_cast<std::uint32_t>(ErrorCode::kInvalidArgument), 0);
  }
  std::vector<std::byte> Content(std::uint32_t device, std::uint64_t offset, std::uint64_t length) {
    std::vector<std::byte> content(length);
    const auto& bytes = files.at(device).bytes;
    if (offset < bytes.size()) {
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset),
                  std::min<std::uint64_t>(length, bytes.size() - offset), content.begin());
    }
    return content;
  }
  std::int64_t Put(std::uint32_t device, std::uint64_t offset, const std::byte* data,
                   std::uint64_t length) {
    File& file = files.at(device);
    if (!file.writable)
      return INSTAR_CALL_ERROR(static_cast<std::uint32_t>(ErrorCode::kDenied), EBADF);
    if (file.bytes.size() < offset + length) file.bytes.resize(offset + length);
    std::copy_n(data, length, file.bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    return 0;
  }

  std::int64_t Transfer(const instar_transfer& step) {
    if (step.kind == INSTAR_TRANSFER_DISCARD) return 0;
    std::vector<std::byte> content(step.length);
    if (step.kind != INSTAR_TRANSFER_ZERO)
      content = Content(step.source, step.source_offset, step.length);
    return Put(step.target, step.target_offset, content.data(), content.size());
  }

  std::int64_t ScanZero(const instar_range* list, std::uint64_t count, std::uint64_t unit,
                        std::uint64_t* bitmap, std::uint64_t words) {
    std::uint64_t bit = 0;
    std::fill_n(bitmap, words, 0);
    for (std::uint64_t i = 0; i < count; ++i) {
      for (std::uint64_t at = 0; at < list[i].length; at += unit, ++bit) {
        const auto content =
            Content(list[i].device, list[i].offset + at, std::min(unit, list[i].length - at));
        const bool zero = std::all_of(content.begin(), content.end(),
                                      [](std::byte b) { return b == std::byte{0}; });
        if (zero) bitmap[bit / 64] |= std::uint64_t{1} << (bit % 64);
      }
    }
    return 0;
  }

  instar_call_table MakeTable() {
    return {
        .magic = INSTAR_ABI_MAGIC,
        .version = INSTAR_ABI_VERSION,
        .size = sizeof(instar_call_table),
        .max_workers = 1,
        .context = this,
        .device_info = [](void* c, std::uint32_t device, instar_device_info* info) -> std::int64_t {
          if (auto fault = Self(c).Note("device_info")) return fault;
          if (device >= Self(c).files.size()) return Invalid();
          const File& file = Self(c).files[device];
          *info = {
              .size_bytes = file.bytes.size(),
              .flags = file.writable ? INSTAR_DEVICE_WRITABLE | INSTAR_DEVICE_FRESH_READS_ZERO : 0u,
              .reserved = 0,
              .allocated_bytes = 0};
          return 0;
        },
        .open_reference = [](void* c, std::uint32_t, const char* name, std::uint64_t length,
                             std::uint32_t) -> std::int64_t {
          if (auto fault = Self(c).Note("open_reference")) return fault;
          const auto found = Self(c).references.find(std::string(name, length));
          if (found == Self(c).references.end()) {
            return INSTAR_CALL_ERROR(static_cast<std::uint32_t>(ErrorCode::kNotFound), ENOENT);
          }
          return found->second;
        },
        .resize = [](void* c, std::uint32_t device, std::uint64_t bytes,
                     std::uint32_t) -> std::int64_t {
          if (auto fault = Self(c).Note("resize")) return fault;
          Self(c).files.at(device).bytes.resize(bytes);
          return 0;
        },
        .flush = [](void* c, std::uint32_t) -> std::int64_t { return Self(c).Note("flush"); },
        .read = [](void* c, const instar_io* list, std::uint64_t count) -> std::int64_t {
          if (auto fault = Self(c).Note("read")) return fault;
          for (std::uint64_t i = 0; i < count; ++i) {
            const auto content = Self(c).Content(list[i].device, list[i].offset, list[i].length);
            std::memcpy(list[i].data, content.data(), content.size());
          }
          return 0;
        },
        .write = [](void* c, const instar_io* list, std::uint64_t count) -> std::int64_t {
          if (auto fault = Self(c).Note("write")) return fault;
          for (std::uint64_t i = 0; i < count; ++i) {
            if (auto bad = Self(c).Put(list[i].device, list[i].offset,
                                       static_cast<std::byte*>(list[i].data), list[i].length)) {
              return bad;
            }
          }
          return 0;
        },
        .transfer = [](void* c, const instar_transfer* list, std::uint64_t count) -> std::int64_t {
          if (auto fault = Self(c).Note("transfer")) return fault;
          for (std::uint64_t i = 0; i < count; ++i) {
            if (auto bad = Self(c).Transfer(list[i])) return bad;
          }
          return 0;
        },
        .scan_zero = [](void* c, const instar_range* list, std::uint64_t count, std::uint64_t unit,
                        std::uint64_t* bitmap, std::uint64_t words) -> std::int64_t {
          if (auto fault = Self(c).Note("scan_zero")) return fault;
          return Self(c).ScanZero(list, count, unit, bitmap, words);
        },
        .next_runs = [](void* c, std::uint32_t, std::uint64_t, std::uint64_t max_length,
                        std::uint64_t, instar_run* runs, std::uint64_t) -> std::int64_t {
          if (auto fault = Self(c).Note("next_runs")) return fault;
          *runs = {.length = max_length, .hole = 0, .reserved = 0};
          return 1;
        },
        .compare = [](void* c, const instar_range* a, const instar_range* b,
                      std::uint64_t* first) -> std::int64_t {
          if (auto fault = Self(c).Note("compare")) return fault;
          const auto left = Self(c).Content(a->device, a->offset, a->length);
          const auto right = Self(c).Content(b->device, b->offset, b->length);
          const auto differs = std::mismatch(left.begin(), left.end(), right.begin()).first;
          *first = static_cast<std::uint64_t>(differs - left.begin());
          return differs == left.end() ? 0 : 1;
        },
        .emit = [](void* c, const void* records, std::uint64_t length) -> std::int64_t {
          if (auto fault = Self(c).Note("emit")) return fault;
          const auto* bytes = static_cast<const std::byte*>(records);
          Self(c).emitted.insert(Self(c).emitted.end(), bytes, bytes + length);
          return 0;
        },
        .progress = [](void* c, std::uint64_t, std::uint64_t) -> std::int64_t {
          return Self(c).Note("progress");
        },
        .parallel = [](void* c, std::uint32_t workers, void (*function)(void*, unsigned),
                       void* argument) -> std::int64_t {
          if (auto fault = Self(c).Note("parallel")) return fault;
          for (std::uint32_t i = 0; i < workers; ++i) function(argument, i);
          return 0;
        },
        .yield = [](void* c) -> std::int64_t { return Self(c).Note("yield"); },
        .finish = [](void* c) { Self(c).finished = true; },
        .fail =
            [](void* c, const instar_failure* told) {
              Self(c).failure =
                  Failure{.code = told->code,
                          .device = told->device,
                          .os_errno = told->os_errno,
                          .message = std::string(told->message, told->message_length)};
            },
    };
  }

  instar_call_table table_;
  std::size_t fail_at_ = ~std::size_t{0};
  std::int64_t fail_result_ = 0;
  std::string failing_;
};

}  // namespace instar

#endif  // TESTS_UNIT_GUEST_RUNTIME_RECORDING_CALL_TABLE_H_
