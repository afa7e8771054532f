// What a verb needs that goes through all tables of an image: vCPUs, and reads.
#ifndef LIBINSTAR_VMM_SRC_VERBS_TABLE_WORKERS_H_
#define LIBINSTAR_VMM_SRC_VERBS_TABLE_WORKERS_H_

#include <algorithm>
#include <cstdint>

#include "instar/abi/call_table.h"

namespace instar::vmm {

// A vCPU costs some tenths of a millisecond, as much as one takes for the tables of some GiB.
[[nodiscard]] inline unsigned TableWorkersFor(std::uint64_t file_bytes) {
  constexpr std::uint64_t kBytesAWorker = std::uint64_t{8} << 30;
  return static_cast<unsigned>(
      1 + std::min<std::uint64_t>(file_bytes / kBytesAWorker, INSTAR_MAX_WORKERS));
}

// How often it may read all of a file that it looks over so many times (Broker::set_read_passes).
// Clusters are counted in windows, and each walks over all tables again. A window is of 8 GiB where
// clusters are smallest. No honest image needs more than 64 such walks to be looked over once.
[[nodiscard]] inline unsigned TablePassesFor(std::uint64_t file_bytes, unsigned looks) {
  constexpr std::uint64_t kBytesAWindow = std::uint64_t{8} << 30;
  return looks * static_cast<unsigned>(2 + std::min<std::uint64_t>(file_bytes / kBytesAWindow, 62));
}

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_TABLE_WORKERS_H_
