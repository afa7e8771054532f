#include "executor/address_space.h"

#include <absl/strings/str_format.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>

namespace instar::vmm {
namespace {

constexpr std::size_t kMebibyte = std::size_t{1} << 20;
// Of one worker: its stack, its staging buffers and what it maps of files.
constexpr std::size_t kWorkerBytes = 12 * kMebibyte;
constexpr std::size_t kHostBytes = 32 * kMebibyte;

bool IsLimited(int resource) {
  rlimit limit{};
  return getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

}  // namespace

AddressSpaceReserve::AddressSpaceReserve(unsigned workers) {
  if (!IsLimited(RLIMIT_AS) && !IsLimited(RLIMIT_DATA)) return;
  for (; workers != 0 && mapping_ == nullptr; workers /= 2) {
    bytes_ = kHostBytes + workers * kWorkerBytes;
    void* const mapping = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping != MAP_FAILED) mapping_ = mapping;
  }
}

AddressSpaceReserve::~AddressSpaceReserve() {
  if (mapping_ != nullptr) munmap(mapping_, bytes_);
}

absl::Status CouldNotMapGuest(std::uint64_t bytes) {
  if (errno != ENOMEM) {
    return absl::UnavailableError(
        absl::StrFormat("could not map guest memory: %s", std::strerror(errno)));
  }
  return absl::ResourceExhaustedError(absl::StrFormat(
      "could not map guest memory: no room for %d MiB of address space; a smaller --max-memory or "
      "a higher limit ('ulimit -v') helps",
      bytes / kMebibyte));
}

}  // namespace instar::vmm
