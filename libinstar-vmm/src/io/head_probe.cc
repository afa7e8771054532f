#include "io/head_probe.h"

#include <sys/uio.h>

#include <cerrno>

#include "io/mapped_copy.h"
#include "io/zero_scan.h"

namespace instar::vmm {

bool HeadProbe::FindsData(const IoFile& file, std::uint32_t key, std::uint64_t offset) {
  if (file.direct_fd >= 0) return false;  // asked to go past the page cache
  if (!known_ || known_->key != key) known_ = Known{.key = key, .flags = RWF_NOWAIT};
  while (known_->flags) {
    const iovec head{.iov_base = head_.data(), .iov_len = head_.size()};
    const ssize_t n = preadv2(file.fd, &head, 1, static_cast<off_t>(offset), *known_->flags);
    if (n >= 0) return !IsZero(std::span(head_).first(static_cast<std::size_t>(n)));
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return false;
    // Files that are nowhere but in memory have no flag for it.
    if (errno == EOPNOTSUPP && *known_->flags != 0 && IsInMemory(file.fd)) {
      known_->flags = 0;
    } else {
      known_->flags.reset();
    }
  }
  return false;
}

}  // namespace instar::vmm
