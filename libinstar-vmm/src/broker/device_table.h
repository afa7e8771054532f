// The files of one operation, by the numbers under which the guest knows them.
#ifndef LIBINSTAR_VMM_SRC_BROKER_DEVICE_TABLE_H_
#define LIBINSTAR_VMM_SRC_BROKER_DEVICE_TABLE_H_

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/base/ids.h"
#include "instar/abi/call_table.h"
#include "instar/vmm/convert.h"
#include "io/bulk_worker.h"
#include "io/file_status.h"
#include "io/input_stream.h"
#include "io/output_stream.h"

namespace instar::vmm {

// A descriptor that closes itself.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  ~OwnedFd() {
    if (fd_ >= 0) close(fd_);
  }
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// What tells one file from another, whatever it is called.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};
[[nodiscard]] inline FileIdentity IdentityOf(const struct stat& status) {
  return {.device = status.st_dev, .inode = status.st_ino};
}

// Where an image stands, for the references it makes (reference_gate.h).
struct ReferenceLocation {
  int root = -1;              // root it was opened beneath; -1: none
  int home_root = -1;         // root of the image the user named, at the top of the chain; -1: none
  std::string relative_path;  // of the image, beneath its root
  std::string real_directory;  // absolute path of the root, or of the image's directory without one
};

struct Device {
  std::string path;                      // as the user gave it, or joined as qemu shows references
  OwnedFd fd;                            // none of a stream
  OwnedFd direct_fd;                     // the same file with O_DIRECT, or none
  OwnedFd stream_fd;                     // of the stream, whichever it is
  std::unique_ptr<OutputStream> output;  // set: only takes what follows
  std::unique_ptr<InputStream> input;    // set: is read once
  FileIdentity identity;
  uid_t owner = 0;
  int lock_errno = 0;  // set: no locks could be taken, for this reason
  bool writable = false;
  bool block_device = false;
  bool fresh_reads_zero = false;
  bool force_share = false;
  bool edited = false;  // it is changed in place
  CacheMode cache = CacheMode::kWriteback;
  std::uint64_t block_device_bytes = 0;
  std::uint64_t bytes_at_open = 0;  // of a source that is a file
  std::uint64_t own_bytes = 0;      // of a target that is kept: it may have storage up to here
  std::uint64_t kept_bytes = 0;     // of a target that is kept: its length when it was opened
  DeviceId parent = kNoDevice;      // the image that named it
  ReferenceLocation location;
  TargetWork work;                    // of a target
  std::atomic<bool> unsynced{false};  // written, and not flushed since
  std::atomic<unsigned> resizes{0};   // of a target
  std::atomic<unsigned> flushes{0};
  std::atomic<std::uint64_t> fresh_at_flush{0};  // of the run, when it was flushed last
  std::atomic<bool> shares{false};               // what was copied into it last and may share
  bool in_memory = false;                        // a target that is a file of tmpfs
  FileRuns runs;                                 // of a source
  unsigned chain_depth = 1;  // images of the chain from the one the user named to it

  [[nodiscard]] bool is_stream() const { return output != nullptr || input != nullptr; }
  // To flush it does nothing.
  [[nodiscard]] bool unflushed() const { return cache == CacheMode::kUnsafe || is_stream(); }
  // What a guest is told of it, as of now.
  [[nodiscard]] instar_device_info Info() const;
  // Length of the file as of now; of a stream, what went through it.
  [[nodiscard]] std::uint64_t SizeBytes() const;
  // Storage it occupies as of now; 0 where that cannot be told.
  [[nodiscard]] std::uint64_t AllocatedBytes() const;
  // The run of data, or the hole, at `offset`: a block device is all data.
  [[nodiscard]] RunOfFile FindRun(std::uint64_t offset, std::uint64_t max_length) {
    if (block_device) return {.length = max_length, .hole = false};
    return vmm::FindRun(writable ? nullptr : &runs, fd.get(), offset, max_length);
  }
  // The same of whole units, as vmm::FindUnits; exactly if `unit_bytes` is 1.
  [[nodiscard]] RunOfFile FindUnits(std::uint64_t offset, std::uint64_t max_length,
                                    std::uint64_t unit_bytes, bool after_hole) {
    if (unit_bytes == 1 || block_device) return FindRun(offset, max_length);
    return vmm::FindUnits(fd.get(), offset, max_length, unit_bytes, after_hole);
  }
  [[nodiscard]] BulkFile Bulk(DeviceId id, const RunStop* stop) {
    return {
        .io = {.fd = fd.get(), .direct_fd = direct_fd.get(), .output = output.get(), .stop = stop},
        .key = static_cast<std::uint32_t>(id),
        .stable = !writable,
        .work = &work,
        .shares = &shares,
        .in_memory = in_memory,
        .waits = writable ? cache == CacheMode::kWritethrough || cache == CacheMode::kDirectsync
                          : direct_fd.get() >= 0,
        .runs = writable ? nullptr : &runs,
        .input = input.get()};
  }
};

// Devices are added by one thread at a time and looked up by many; none is ever removed.
class DeviceTable {
 public:
  explicit DeviceTable(unsigned max_devices) : slots_(max_devices) {}

  // Null for numbers not given out.
  [[nodiscard]] Device* Find(DeviceId id) const {
    const auto index = static_cast<std::uint32_t>(id);
    return index < count() ? slots_[index].get() : nullptr;
  }
  // Nothing when the table is full.
  std::optional<DeviceId> Add(std::unique_ptr<Device> device);
  [[nodiscard]] bool full() const { return count() == slots_.size(); }
  [[nodiscard]] std::uint32_t count() const { return count_.load(std::memory_order_acquire); }

 private:
  std::vector<std::unique_ptr<Device>> slots_;
  std::atomic<std::uint32_t> count_{0};
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_DEVICE_TABLE_H_
