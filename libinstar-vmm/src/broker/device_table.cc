#include "broker/device_table.h"

namespace instar::vmm {
namespace {

std::uint64_t BytesIn(const struct stat& file) {
  return file.st_size < 0 ? 0 : static_cast<std::uint64_t>(file.st_size);
}

std::uint64_t StorageOf(const struct stat& file) {
  constexpr std::uint64_t kBlockBytes = 512;  // of st_blocks, whatever the file system's are
  return file.st_blocks < 0 ? 0 : static_cast<std::uint64_t>(file.st_blocks) * kBlockBytes;
}

}  // namespace

std::uint64_t Device::SizeBytes() const {
  if (output != nullptr) return output->position();
  if (input != nullptr) return input->position();
  if (block_device) return block_device_bytes;
  struct stat status{};
  return FileStatus(fd.get(), &status) == 0 ? BytesIn(status) : 0;
}

std::uint64_t Device::AllocatedBytes() const {
  struct stat status{};
  return !is_stream() && FileStatus(fd.get(), &status) == 0 ? StorageOf(status) : 0;
}

instar_device_info Device::Info() const {
  // Asked of every image at every start: one call, not one for each figure.
  struct stat status{};
  const bool file = !is_stream() && FileStatus(fd.get(), &status) == 0;
  return {.size_bytes = file && !block_device ? BytesIn(status) : SizeBytes(),
          .flags = (writable ? INSTAR_DEVICE_WRITABLE : 0) |
                   (fresh_reads_zero ? INSTAR_DEVICE_FRESH_READS_ZERO : 0) |
                   (block_device ? INSTAR_DEVICE_BLOCK : 0) |
                   (is_stream() ? INSTAR_DEVICE_SEQUENTIAL : 0) |
                   (direct_fd.valid() ? INSTAR_DEVICE_DIRECT : 0) |
                   (shares.load(std::memory_order_relaxed) ? INSTAR_DEVICE_SHARES : 0) |
                   (unflushed() ? INSTAR_DEVICE_UNFLUSHED : 0),
          .reserved = 0,
          .allocated_bytes = file ? StorageOf(status) : 0};
}

std::optional<DeviceId> DeviceTable::Add(std::unique_ptr<Device> device) {
  const std::uint32_t index = count();
  if (index == slots_.size()) return std::nullopt;
  if (!device->writable && !device->is_stream()) device->bytes_at_open = device->SizeBytes();
  slots_[index] = std::move(device);
  count_.store(index + 1, std::memory_order_release);
  return DeviceId{index};
}

}  // namespace instar::vmm
