// The file of a VHDX as it is once its log has been replayed, without a byte of it being written.
#ifndef FORMATS_VHDX_REPLAYED_DEVICE_H_
#define FORMATS_VHDX_REPLAYED_DEVICE_H_

#include <cstdint>
#include <utility>

#include "formats/base/block_device.h"
#include "formats/vhdx/log.h"

namespace instar::vhdx {

// Read-only. `device` must outlive it.
class ReplayedDevice final : public BlockDevice {
 public:
  ReplayedDevice(const BlockDevice& device, LogChanges changes)
      : device_(device), changes_(std::move(changes)) {}

  [[nodiscard]] DeviceId id() const override { return device_.id(); }
  [[nodiscard]] std::uint64_t size_bytes() const override { return changes_.file_bytes; }
  Status Read(std::uint64_t offset, std::span<std::byte> out) const override;
  Status Write(std::uint64_t offset, std::span<const std::byte> data) override;
  // What the log changes in a hole of the file is data.
  Result<std::size_t> NextRuns(std::uint64_t offset, std::uint64_t max_length,
                               std::span<FileRun> runs) const override;

  [[nodiscard]] bool has_changes() const {
    return !changes_.data.empty() || !changes_.zeros.empty();
  }
  // Whether any of [offset, offset + length) differs from what the file itself holds.
  [[nodiscard]] bool Changes(std::uint64_t offset, std::uint64_t length) const;

 private:
  Status Apply(const DataChange& change, std::uint64_t offset, std::span<std::byte> out) const;

  const BlockDevice& device_;
  LogChanges changes_;
};

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_REPLAYED_DEVICE_H_
