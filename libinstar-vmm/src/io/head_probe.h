// Whether a stretch of a file holds data, told by its first bytes where they are in memory.
//
// Most stretches that hold data do not start with a block of zeros. To know that they hold data,
// one block of them suffices, and who copies them afterwards reads them once, in pieces that stay
// in the processor's cache. What would have to come from a disk is not looked at: small requests
// there cost as much as large ones.
#ifndef LIBINSTAR_VMM_SRC_IO_HEAD_PROBE_H_
#define LIBINSTAR_VMM_SRC_IO_HEAD_PROBE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "io/io_file.h"

namespace instar::vmm {

class HeadProbe {
 public:
  static constexpr std::size_t kBytes = 4096;

  // True: there is something other than zeros in [offset, offset + kBytes). False: there is not, or
  // that cannot be told without waiting. `key` tells files apart.
  bool FindsData(const IoFile& file, std::uint32_t key, std::uint64_t offset);

 private:
  struct Known {
    std::uint32_t key;
    std::optional<int> flags;  // of reads that do not wait; none: there are no such reads
  };
  std::optional<Known> known_;  // of the file looked at last
  std::array<std::byte, kBytes> head_{};
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_HEAD_PROBE_H_
