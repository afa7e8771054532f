// How many vCPUs a verb is worth that goes through all tables of an image.
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

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_TABLE_WORKERS_H_
