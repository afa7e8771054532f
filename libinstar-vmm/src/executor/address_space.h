// Address space where the system limits it (RLIMIT_AS, RLIMIT_DATA): services start image tools
// under 1 GiB.
#ifndef LIBINSTAR_VMM_SRC_EXECUTOR_ADDRESS_SPACE_H_
#define LIBINSTAR_VMM_SRC_EXECUTOR_ADDRESS_SPACE_H_

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>

namespace instar::vmm {

// Keeps the address space that the host itself will want during a run of `workers` vCPUs, so that
// guest memory mapped meanwhile leaves it: stacks, staging buffers, reports. Gives it back when it
// goes. Does nothing without a limit. Where there is less, it keeps what fewer vCPUs need.
class AddressSpaceReserve {
 public:
  explicit AddressSpaceReserve(unsigned workers);
  ~AddressSpaceReserve();
  AddressSpaceReserve(const AddressSpaceReserve&) = delete;
  AddressSpaceReserve& operator=(const AddressSpaceReserve&) = delete;

 private:
  void* mapping_ = nullptr;
  std::size_t bytes_ = 0;
};

// Why `bytes` of guest memory could not be mapped, from errno.
absl::Status CouldNotMapGuest(std::uint64_t bytes);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_EXECUTOR_ADDRESS_SPACE_H_
