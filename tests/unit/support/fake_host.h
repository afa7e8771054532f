// A Host over sparse files in memory, with real threads, fault injection and a record of calls.
#ifndef TESTS_UNIT_SUPPORT_FAKE_HOST_H_
#define TESTS_UNIT_SUPPORT_FAKE_HOST_H_

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "formats/base/checked.h"
#include "instar/host.h"

namespace instar::test {

// A file of pages; what has no page is a hole.
class SparseFile {
 public:
  static constexpr std::uint64_t kPage = 4096;

  std::uint64_t size = 0;

  void Read(std::uint64_t offset, std::span<std::byte> out) const {
    while (!out.empty()) {
      const std::uint64_t at = offset % kPage;
      const std::size_t part = std::min<std::size_t>(out.size(), kPage - at);
      const auto page = pages_.find(offset / kPage);
      if (page == pages_.end()) {
        std::memset(out.data(), 0, part);
      } else {
        std::memcpy(out.data(), page->second.data() + at, part);
      }
      if (offset >= size) {
        std::memset(out.data(), 0, part);
      } else if (part > size - offset) {
        std::memset(out.data() + (size - offset), 0, part - (size - offset));
      }
      offset += part;
      out = out.subspan(part);
    }
  }
  void Write(std::uint64_t offset, std::span<const std::byte> data) {
    size = std::max(size, offset + data.size());
    while (!data.empty()) {
      const std::uint64_t at = offset % kPage;
      const std::size_t part = std::min<std::size_t>(data.size(), kPage - at);
      std::memcpy(PageAt(offset / kPage).data() + at, data.data(), part);
      offset += part;
      data = data.subspan(part);
    }
  }
  void Zero(std::uint64_t offset, std::uint64_t length) {
    const std::uint64_t end = offset + length;
    size = std::max(size, end);
    for (auto page = pages_.lower_bound(offset / kPage); page != pages_.end();) {
      const std::uint64_t start = page->first * kPage;
      if (start >= end) break;
      if (start >= offset && start + kPage <= end) {
        page = pages_.erase(page);
        continue;
      }
      const std::uint64_t from = std::max(start, offset);
      std::memset(page->second.data() + (from - start), 0, std::min(end, start + kPage) - from);
      ++page;
    }
  }
  void Resize(std::uint64_t bytes) {
    const std::uint64_t old = size;
    if (bytes < old) Zero(bytes, old - bytes);
    size = bytes;
  }
  [[nodiscard]] FileRun NextRun(std::uint64_t offset, std::uint64_t max_length) const {
    const std::uint64_t end = std::min(size, offset + max_length);
    auto page = pages_.lower_bound(offset / kPage);
    if (page == pages_.end() || page->first * kPage > offset) {
      const std::uint64_t next = page == pages_.end() ? end : page->first * kPage;
      return {.length_bytes = std::min(next, end) - offset, .hole = true};
    }
    std::uint64_t next = page->first;
    for (; page != pages_.end() && page->first == next && next * kPage < end; ++page) ++next;
    return {.length_bytes = std::min(next * kPage, end) - offset, .hole = false};
  }
  [[nodiscard]] std::uint64_t allocated_bytes() const { return pages_.size() * kPage; }
  friend bool operator==(const SparseFile&, const SparseFile&) = default;

 private:
  std::array<std::byte, kPage>& PageAt(std::uint64_t index) {
    return pages_.try_emplace(index).first->second;
  }
  std::map<std::uint64_t, std::array<std::byte, kPage>> pages_;
};

class FakeHost final : public Host {
 public:
  enum class Call {
    kInfo,
    kOpenReference,
    kResize,
    kFlush,
    kRead,
    kWrite,
    kTransfer,
    kScanZero,
    kNextRun,
    kCompare,
    kEmit,
    kProgress,
    kParallel,
    kCount,
  };
  struct Device {
    SparseFile file{};
    bool writable = false;
    bool fresh_reads_zero = false;
    bool block_device = false;
    bool unflushed = false;
    bool sequential = false;  // a pipe: what is written must follow, what is read does
    std::vector<std::pair<std::uint64_t, std::uint64_t>> unreadable{};  // offset, length
    bool touched = false;                   // written, zeroed or resized
    std::optional<DeviceId> shares_with{};  // what is copied from there shares its blocks
    DeviceId copied_from = kNoDevice;       // what was copied into it last
  };

  // Adds a device; the reference stays good.
  Device& Add(DeviceId id) { return devices_[id]; }
  Device& AddTarget(DeviceId id) {
    Device& device = devices_[id];
    device.writable = true;
    device.fresh_reads_zero = true;
    return device;
  }
  Device& At(DeviceId id) { return devices_.at(id); }
  // The device that a reference to `name` opens.
  void AddReference(std::string name, DeviceId id) { references_[std::move(name)] = id; }
  // The `nth` call (from 1) of that kind fails with `error`.
  void Fail(Call call, unsigned nth, Error error) { faults_[{call, nth}] = error; }
  void set_max_workers(unsigned workers) { max_workers_ = workers; }

  [[nodiscard]] unsigned calls(Call call) const { return calls_[static_cast<std::size_t>(call)]; }
  [[nodiscard]] const std::vector<std::string>& opened() const { return opened_; }
  [[nodiscard]] const std::vector<std::byte>& emitted() const { return emitted_; }
  [[nodiscard]] const std::vector<std::uint64_t>& progress() const { return progress_; }
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }
  [[nodiscard]] unsigned workers_used() const { return workers_used_; }

  Result<DeviceInfo> Info(DeviceId id) override {
    const std::lock_guard lock(mutex_);
    INSTAR_TRY(Enter(Call::kInfo));
    INSTAR_ASSIGN_OR_RETURN(Device * device, Find(id));
    return DeviceInfo{.size_bytes = device->file.size,
                      .writable = device->writable,
                      .fresh_reads_zero = device->fresh_reads_zero,
                      .block_device = device->block_device,
                      .sequential = device->sequential,
                      .shares = device->shares_with == device->copied_from,
                      .unflushed = device->unflushed};
  }
  Result<DeviceId> OpenReference(DeviceId, std::string_view name, ReferenceRole) override {
    const std::lock_guard lock(mutex_);
    INSTAR_TRY(Enter(Call::kOpenReference));
    opened_.emplace_back(name);
    const auto found = references_.find(std::string(name));
    if (found == references_.end()) return MakeError(ErrorCode::kNotFound, "no such reference");
    return found->second;
  }
  Status Resize(DeviceId id, std::uint64_t size_bytes, Preallocation) override {
    const std::lock_guard lock(mutex_);
    INSTAR_TRY(Enter(Call::kResize));
    INSTAR_ASSIGN_OR_RETURN(Device * device, FindWritable(id));
    INSTAR_TRY(Follows(*device, size_bytes));
    device->file.Resize(size_bytes);
    return {};
  }
  Status Flush(DeviceId id) override {
    const std::lock_guard lock(mutex_);
    INSTAR_TRY(Enter(Call::kFlush));
    INSTAR_TRY(Find(id));
    return {};
  }
  Status Read(std::span<const ReadRequest> requests) override {
    const std::lock_guard lock(mutex_);
    INSTAR_TRY(Enter(Call::kRead));
    INSTAR_TRY(CheckList(requests.size()));
    for (const ReadRequest& request : requests) {
      INSTAR_ASSIGN_OR_RETURN(Device * device,
                              Readable(request.device, request.offset, request.out.size()));
      device->file.Read(request.offset, request.out);
      bytes_read_ += request.out.size();
    }
    return {};
  }
  Status Write(std::span<const WriteRequest> requests) override {
    const std::lock_guard lock(mutex_);
    INSTAR_TRY(Enter(Call::kWrite));
    INSTAR_TRY(CheckList(requests.size()));
    for (const WriteRequest& request : requests) {
      INSTAR_ASSIGN_OR_RETURN(Device * device, FindWritable(request.device));
      INSTAR_TRY(Follows(*device, request.offset));
      device->file.Write(request.offset, request.data);
    }
    return {};
  }
  Status Transfer(std::span<const TransferStep> steps) override {
    const std::lock_guard lock(mutex_);
    INSTAR_TRY(Enter(Call::kTransfer));
    INSTAR_TRY(CheckList(steps.size()));
    for (const TransferStep& step : steps) INSTAR_TRY(CarryOut(step));
    return {};
  }
  Status ScanZero(std::span<const ScanRange> ranges, std::uint64_t unit_bytes,
                  std::span<std::uint64_t> bitmap) override {
    const std::lock_guard lock(mutex_);
    INSTAR_TRY(Enter(Call::kScanZero));
    INSTAR_TRY(CheckList(ranges.size()));
    std::uint64_t bit = 0;
    std::vector<std::byte> unit;
    for (const ScanRange& range : ranges) {
      INSTAR_ASSIGN_OR_RETURN(const Device* device,
                              Within(range.device, range.offset, range.length_bytes));
      for (std::uint64_t at = 0; at < range.length_bytes; at += unit_bytes, ++bit) {
        unit.resize(std::min(unit_bytes, range.length_bytes - at));
        device->file.Read(range.offset + at, unit);
        const std::uint64_t mask = std::uint64_t{1} << (bit % 64);
        if (bit / 64 >= bitmap.size()) return InvalidArgument("the bitmap is too small");
        bitmap[bit / 64] = AllZero(unit) ? bitmap[bit / 64] | mask : bitmap[bit / 64] & ~mask;
      }
    }
    return {};
  }
  Result<std::size_t> NextRuns(DeviceId id, std::uint64_t offset, std::uint64_t max_length,
                               std::uint64_t unit_bytes, std::span<FileRun> runs) override {
    const std::lock_guard lock(mutex_);
    INSTAR_TRY(Enter(Call::kNextRun));
    INSTAR_ASSIGN_OR_RETURN(const Device* device, Find(id));
    if (device->sequential) {
      runs[0] = {.length_bytes = std::min(max_length, device->file.size - offset)};
      return runs[0].length_bytes == 0 ? std::size_t{0} : 1;
    }
    if (offset >= device->file.size) return InvalidArgument("a run beyond the end of the file");
    const std::uint64_t end = offset + std::min(max_length, device->file.size - offset);
    std::size_t count = 0;
    while (count < runs.size() && offset < end) {
      FileRun run = device->file.NextRun(offset, end - offset);
      if (!run.hole) {
        const std::uint64_t data_end = *AlignUp(offset + run.length_bytes, unit_bytes);
        run.length_bytes = std::min(end, data_end) - offset;
      }
      offset += run.length_bytes;
      if (count != 0 && run.hole == runs[count - 1].hole) {
        runs[count - 1].length_bytes += run.length_bytes;
      } else {
        runs[count++] = run;
      }
    }
    return count;
  }
  Result<std::optional<std::uint64_t>> Compare(const ScanRange& a, const ScanRange& b) override {
    const std::lock_guard lock(mutex_);
    INSTAR_TRY(Enter(Call::kCompare));
    INSTAR_ASSIGN_OR_RETURN(const Device* left, Readable(a.device, a.offset, a.length_bytes));
    INSTAR_ASSIGN_OR_RETURN(const Device* right, Readable(b.device, b.offset, b.length_bytes));
    if (a.length_bytes != b.length_bytes) return InvalidArgument("ranges of different lengths");
    std::vector<std::byte> bytes_a(a.length_bytes);
    std::vector<std::byte> bytes_b(b.length_bytes);
    left->file.Read(a.offset, bytes_a);
    right->file.Read(b.offset, bytes_b);
    const auto differs = std::ranges::mismatch(bytes_a, bytes_b).in1;
    if (differs == bytes_a.end()) return std::optional<std::uint64_t>();
    return std::optional<std::uint64_t>(differs - bytes_a.begin());
  }
  Status Emit(std::span<const std::byte> records) override {
    const std::lock_guard lock(mutex_);
    INSTAR_TRY(Enter(Call::kEmit));
    emitted_.insert(emitted_.end(), records.begin(), records.end());
    return {};
  }
  Status Progress(std::uint64_t done, std::uint64_t total) override {
    const std::lock_guard lock(mutex_);
    INSTAR_TRY(Enter(Call::kProgress));
    progress_.push_back(done);
    progress_total_ = total;
    return {};
  }
  [[nodiscard]] std::uint64_t progress_total() const { return progress_total_; }
  [[nodiscard]] unsigned max_workers() const override { return max_workers_; }
  Status Parallel(unsigned workers, void (*function)(void* argument, unsigned worker),
                  void* argument) override {
    {
      const std::lock_guard lock(mutex_);
      INSTAR_TRY(Enter(Call::kParallel));
      if (workers > max_workers_) return InvalidArgument("too many workers");
      workers_used_ = workers;
    }
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < workers; ++i) threads.emplace_back(function, argument, i);
    for (std::thread& thread : threads) thread.join();
    return {};
  }

 private:
  static bool AllZero(std::span<const std::byte> bytes) {
    return bytes.empty() || (bytes.front() == std::byte{0} &&
                             std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
  }
  Status Enter(Call call) {
    const unsigned nth = ++calls_[static_cast<std::size_t>(call)];
    const auto fault = faults_.find({call, nth});
    if (fault != faults_.end()) return std::unexpected(fault->second);
    return {};
  }
  static Status CheckList(std::size_t entries) {
    if (entries == 0 || entries > kMaxHostList) return InvalidArgument("a list of {0}", entries);
    return {};
  }
  Result<Device*> Find(DeviceId id) {
    const auto found = devices_.find(id);
    if (found == devices_.end()) return MakeError(ErrorCode::kDenied, "no such device");
    return &found->second;
  }
  Result<Device*> FindWritable(DeviceId id) {
    INSTAR_ASSIGN_OR_RETURN(Device * device, Find(id));
    if (!device->writable) return MakeError(ErrorCode::kDenied, "the device is read-only");
    device->touched = true;
    return device;
  }
  Result<Device*> Readable(DeviceId id, std::uint64_t offset, std::uint64_t length) {
    INSTAR_ASSIGN_OR_RETURN(Device * device, Find(id));
    for (const auto& [start, bytes] : device->unreadable) {
      if (offset < start + bytes && start < offset + length) {
        Error error{.code = ErrorCode::kIo, .message = "cannot read", .os_errno = 5};
        return std::unexpected(error.On(id));
      }
    }
    return device;
  }
  // Bulk ranges lie within the file.
  Result<Device*> Within(DeviceId id, std::uint64_t offset, std::uint64_t length) {
    INSTAR_ASSIGN_OR_RETURN(Device * device, Readable(id, offset, length));
    if (length == 0 || offset > device->file.size || length > device->file.size - offset) {
      return InvalidArgument("{1} bytes at {0} are not in a file of {2}", offset, length,
                             device->file.size);
    }
    return device;
  }
  static Status Follows(const Device& device, std::uint64_t offset) {
    if (!device.sequential || offset >= device.file.size) return {};
    return InvalidArgument("{0} lies before the end of what a pipe was given", offset);
  }
  Status CarryOut(const TransferStep& step) {
    INSTAR_ASSIGN_OR_RETURN(Device * target, FindWritable(step.target));
    INSTAR_TRY(Follows(*target, step.target_offset));
    const bool sparse = step.kind == TransferStep::Kind::kCopySparse;
    if (step.kind != TransferStep::Kind::kCopy && !sparse) {
      target->file.Zero(step.target_offset, step.length_bytes);
      return {};
    }
    INSTAR_ASSIGN_OR_RETURN(const Device* source,
                            Within(step.source, step.source_offset, step.length_bytes));
    target->copied_from = step.source;
    const std::uint64_t unit = sparse ? step.zero_run_bytes : step.length_bytes;
    if (sparse && (unit < 512 || unit > (2 << 20) || (unit & (unit - 1)) != 0)) {
      return InvalidArgument("a zero unit of {0}", unit);
    }
    std::vector<std::byte> bytes;
    for (std::uint64_t at = 0; at < step.length_bytes; at += unit) {
      bytes.resize(std::min(unit, step.length_bytes - at));
      source->file.Read(step.source_offset + at, bytes);
      if (sparse && AllZero(bytes)) continue;
      target->file.Write(step.target_offset + at, bytes);
    }
    return {};
  }

  std::mutex mutex_;
  std::map<DeviceId, Device> devices_;
  std::map<std::string, DeviceId> references_;
  std::map<std::pair<Call, unsigned>, Error> faults_;
  std::array<unsigned, static_cast<std::size_t>(Call::kCount)> calls_{};
  std::vector<std::string> opened_;
  std::vector<std::byte> emitted_;
  std::vector<std::uint64_t> progress_;
  std::uint64_t progress_total_ = 0;
  std::uint64_t bytes_read_ = 0;
  unsigned max_workers_ = 8;
  unsigned workers_used_ = 1;
};

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_FAKE_HOST_H_
