// How an operation on an open file ended.
#ifndef LIBINSTAR_VMM_SRC_IO_IO_RESULT_H_
#define LIBINSTAR_VMM_SRC_IO_IO_RESULT_H_

#include <cstdint>

namespace instar::vmm {

struct IoResult {
  int os_errno = 0;          // 0: done
  std::uint64_t offset = 0;  // where in the file it failed
  bool on_target = false;    // of the two files of a transfer: the one written
  bool over_budget = false;  // stopped because the guest has had too much moved (work_ledger.h)

  [[nodiscard]] bool ok() const { return os_errno == 0 && !over_budget; }
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_IO_RESULT_H_
