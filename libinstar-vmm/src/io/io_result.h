// How an operation on an open file ended.
#ifndef LIBINSTAR_VMM_SRC_IO_IO_RESULT_H_
#define LIBINSTAR_VMM_SRC_IO_IO_RESULT_H_

#include <cstdint>

namespace instar::vmm {

struct IoResult {
  int os_errno = 0;          // 0: done; ECANCELED: given up because the run has ended
  std::uint64_t offset = 0;  // where in the file it failed
  bool on_target = false;    // of the two files of a transfer: the one written

  [[nodiscard]] bool ok() const { return os_errno == 0; }
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_IO_RESULT_H_
