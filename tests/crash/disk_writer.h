// Writes a disk that stands in memory through an ImageWriter, the way convert does.
#ifndef TESTS_CRASH_DISK_WRITER_H_
#define TESTS_CRASH_DISK_WRITER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/image_writer.h"

namespace instar::test {

using Disk = std::vector<std::byte>;

inline bool AllZero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

// `bytes` of noise that deflate makes about half as long, the same for the same seed.
inline void FillNoise(std::span<std::byte> bytes, std::uint32_t seed) {
  std::uint32_t state = seed * 2654435761U + 12345;
  for (std::byte& b : bytes) {
    state = state * 1664525U + 1013904223U;
    b = static_cast<std::byte>('a' + (state >> 28));
  }
}

// A disk of `size` bytes with runs of noise and of zeros, each of 1 to 3 times `unit` bytes.
inline Disk MixedDisk(std::size_t size, std::size_t unit) {
  Disk disk(size);
  std::size_t at = 0;
  for (std::uint32_t run = 1; at < size; ++run) {
    const std::size_t length = std::min(size - at, unit * (run % 3 + 1));
    if (run % 4 != 0) FillNoise(std::span(disk).subspan(at, length), run);
    at += length;
  }
  return disk;
}

class DiskWriter {
 public:
  // `devices` are those a placement may name.
  DiskWriter(ImageWriter& writer, std::vector<TargetDevice*> devices)
      : writer_(writer), devices_(std::move(devices)) {}

  bool compress = false;
  // Units that are all zeros are placed as zeros even where the writer says it need not be.
  bool place_zeros = false;

  Status Write(std::span<const std::byte> disk) {
    INSTAR_TRY(writer_.Begin());
    INSTAR_TRY(PlaceAll(disk));
    return writer_.Finish();
  }

  Status PlaceAll(std::span<const std::byte> disk) {
    const std::size_t unit = writer_.unit_bytes();
    std::size_t at = 0;
    while (at < disk.size()) {
      const bool zero = AllZero(Unit(disk, at, unit));
      std::size_t end = at;
      while (end < disk.size() && AllZero(Unit(disk, end, unit)) == zero) {
        end = std::min(disk.size(), end + unit);
        if (compress) break;
      }
      if (zero) {
        if (place_zeros || !writer_.unplaced_reads_zero()) {
          INSTAR_TRY(writer_.PlaceZero(at, end - at));
        }
      } else {
        INSTAR_TRY(PlaceRun(disk, at, end));
      }
      at = end;
    }
    return {};
  }

 private:
  static std::span<const std::byte> Unit(std::span<const std::byte> disk, std::size_t at,
                                         std::size_t unit) {
    return disk.subspan(at, std::min(unit, disk.size() - at));
  }

  Status PlaceRun(std::span<const std::byte> disk, std::size_t at, std::size_t end) {
    if (compress) {
      std::vector<std::byte> out(writer_.unit_bytes());
      INSTAR_ASSIGN_OR_RETURN(const std::size_t bytes,
                              writer_.Compress(0, disk.subspan(at, end - at), out));
      if (bytes != 0) {
        INSTAR_ASSIGN_OR_RETURN(const Placement place, writer_.PlaceCompressed(at, bytes));
        return Move(place, std::span(out).first(bytes));
      }
    }
    while (at < end) {
      INSTAR_ASSIGN_OR_RETURN(const Placement place, writer_.PlaceData(at, end - at));
      INSTAR_TRY(Move(place, disk.subspan(at, place.length_bytes)));
      at += place.length_bytes;
    }
    return {};
  }

  Status Move(const Placement& place, std::span<const std::byte> data) {
    for (TargetDevice* device : devices_) {
      if (device->id() == place.device) return device->Write(place.file_offset, data);
    }
    return InvalidArgument("placed on an unknown device");
  }

  ImageWriter& writer_;
  std::vector<TargetDevice*> devices_;
};

}  // namespace instar::test

#endif  // TESTS_CRASH_DISK_WRITER_H_
