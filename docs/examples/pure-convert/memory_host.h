// A host whose devices are buffers in memory: all that the planners of the pure library need.
//
// A program with a storage of its own (an object store, a device behind a network) implements
// instar::Host in the same way. Every call may come from several workers at once; the buffers here
// are guarded by one lock, which is enough for an example.
#ifndef MEMORY_HOST_H_
#define MEMORY_HOST_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "instar/host.h"

class MemoryHost final : public instar::Host {
 public:
  // The buffer behind a device, which exists from then on.
  std::vector<std::byte>& operator[](instar::DeviceId id) { return devices_[id]; }

  // Records that a planner emitted (instar/records.h).
  [[nodiscard]] std::span<const std::byte> records() const { return records_; }

  instar::Result<instar::DeviceInfo> Info(instar::DeviceId device) override;
  instar::Result<instar::DeviceId> OpenReference(instar::DeviceId parent, std::string_view name,
                                                 instar::ReferenceRole role) override;
  instar::Status Resize(instar::DeviceId device, std::uint64_t size_bytes,
                        instar::Preallocation preallocation) override;
  instar::Status Flush(instar::DeviceId device) override;
  instar::Status Read(std::span<const instar::ReadRequest> requests) override;
  instar::Status Write(std::span<const instar::WriteRequest> requests) override;
  instar::Status Transfer(std::span<const instar::TransferStep> steps) override;
  instar::Status ScanZero(std::span<const instar::ScanRange> ranges, std::uint64_t unit_bytes,
                          std::span<std::uint64_t> bitmap) override;
  instar::Result<std::size_t> NextRuns(instar::DeviceId device, std::uint64_t offset,
                                       std::uint64_t max_length, std::uint64_t unit_bytes,
                                       std::span<instar::FileRun> runs) override;
  instar::Result<std::optional<std::uint64_t>> Compare(const instar::ScanRange& a,
                                                       const instar::ScanRange& b) override;
  instar::Status Emit(std::span<const std::byte> records) override;
  instar::Status Progress(std::uint64_t done, std::uint64_t total) override;
  [[nodiscard]] unsigned max_workers() const override { return 2; }
  instar::Status Parallel(unsigned workers, void (*function)(void* argument, unsigned worker),
                          void* argument) override;

 private:
  instar::Result<std::vector<std::byte>*> Find(instar::DeviceId device);

  std::mutex mutex_;
  std::map<instar::DeviceId, std::vector<std::byte>> devices_;
  std::vector<std::byte> records_;
};

#endif  // MEMORY_HOST_H_
