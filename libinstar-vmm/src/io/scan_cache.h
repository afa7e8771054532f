// What a worker read to scan it for zeros, kept for the copy that follows.
//
// convert scans a stretch to know which clusters need storage, then copies those that do. Without
// this, what was read of them would be read twice. Only of files that this run does not write.
#ifndef LIBINSTAR_VMM_SRC_IO_SCAN_CACHE_H_
#define LIBINSTAR_VMM_SRC_IO_SCAN_CACHE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "instar/host.h"
#include "io/staging_buffer.h"

namespace instar::vmm {

class ScanCache {
 public:
  static constexpr std::size_t kBytes = kScanKeptBytes;

  // Forgets everything.
  void Clear() { count_ = 0, used_ = 0; }

  // Memory for so many bytes. Empty when the cache is full, or there is no memory.
  std::span<std::byte> Reserve(std::size_t length);
  // The memory last reserved now holds that content of the file.
  void Keep(std::uint32_t key, std::uint64_t offset, std::span<const std::byte> content);

  // The bytes from `offset` on, as many as are kept (at most `length`); empty if none.
  [[nodiscard]] std::span<const std::byte> Find(std::uint32_t key, std::uint64_t offset,
                                                std::uint64_t length) const;
  // Where in (offset, offset+length) the next kept bytes start; offset+length if nowhere.
  [[nodiscard]] std::uint64_t NextKept(std::uint32_t key, std::uint64_t offset,
                                       std::uint64_t length) const;

 private:
  struct Segment {
    std::uint32_t key;
    std::uint64_t offset;
    std::span<const std::byte> content;
  };
  StagingBuffer buffer_{kBytes};
  std::array<Segment, 64> segments_{};
  std::size_t count_ = 0;
  std::size_t used_ = 0;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_SCAN_CACHE_H_
