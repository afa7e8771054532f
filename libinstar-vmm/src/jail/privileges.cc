#include "jail/privileges.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_split.h>
#include <absl/strings/string_view.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

namespace instar::vmm {
namespace {

absl::Status Failed(const char* what) {
  return absl::InternalError(absl::StrFormat("jail: could not %s: %s", what, std::strerror(errno)));
}

bool Lower(int resource, std::uint64_t bound) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0) return false;
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, bound);
  limit.rlim_cur = std::min(limit.rlim_cur, limit.rlim_max);
  return setrlimit(resource, &limit) == 0;
}

// Private memory that this process may write to, as RLIMIT_DATA counts it: the sixth number of
// statm. Nothing where /proc is not mounted.
std::optional<std::uint64_t> DataBytes() {
  const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  std::array<char, 128> text{};
  const ssize_t length = read(file, text.data(), text.size() - 1);
  close(file);
  if (length <= 0) return std::nullopt;
  // The sixth number: data and stacks, in pages.
  const std::vector<absl::string_view> numbers = absl::StrSplit(text.data(), ' ');
  std::uint64_t pages = 0;
  if (numbers.size() < 6 || !absl::SimpleAtoi(numbers[5], &pages)) return std::nullopt;
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

bool LimitData(std::uint64_t new_bytes) {
  if (new_bytes == ~std::uint64_t{0}) return true;
  const auto bytes = DataBytes();
  return !bytes || Lower(RLIMIT_DATA, *bytes + new_bytes);
}

// Closes [first, last].
bool CloseRange(unsigned first, unsigned last) {
  if (first > last) return true;
  if (syscall(SYS_close_range, first, last, 0) == 0) return true;
  if (errno != ENOSYS) return false;
  // Kernels before 5.9: one by one, as far as descriptors can go.
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  const unsigned end = static_cast<unsigned>(std::min<rlim_t>(limit.rlim_cur, 1u << 20));
  for (unsigned fd = first; fd <= last && fd < end; ++fd) close(static_cast<int>(fd));
  return true;
}

}  // namespace

absl::Status CloseAllBut(std::span<const int> keep) {
  std::vector<int> kept(keep.begin(), keep.end());
  std::ranges::sort(kept);
  unsigned next = 0;
  for (const int fd : kept) {
    if (fd < 0 || static_cast<unsigned>(fd) < next) continue;
    if (static_cast<unsigned>(fd) > next && !CloseRange(next, static_cast<unsigned>(fd) - 1)) {
      return Failed("close stray descriptors");
    }
    next = static_cast<unsigned>(fd) + 1;
  }
  return CloseRange(next, ~0u) ? absl::OkStatus() : Failed("close stray descriptors");
}

absl::Status LimitProcess(const ProcessLimits& limits) {
  std::signal(SIGXFSZ, SIG_IGN);
  const bool ok = Lower(RLIMIT_CORE, 0) && Lower(RLIMIT_FSIZE, limits.file_bytes) &&
                  Lower(RLIMIT_NOFILE, limits.descriptors) && LimitData(limits.new_data_bytes);
  return ok ? absl::OkStatus() : Failed("set resource limits");
}

absl::Status RenouncePrivileges() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Failed("set no_new_privs");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return Failed("become undumpable");
  return absl::OkStatus();
}

absl::Status DropCapabilities(const KeptCapabilities& keep) {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> sets{};
  if (syscall(SYS_capget, &header, sets.data()) != 0) return Failed("read capabilities");
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);  // kernels before 4.3 have none
  const bool may_lower_bounds = (sets[0].effective >> CAP_SETPCAP & 1) != 0;
  if (may_lower_bounds) {
    for (unsigned capability = 0; capability < 64; ++capability) {
      // EINVAL: beyond the last capability this kernel knows.
      if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
      if (errno == EINVAL) break;
      return Failed("drop capabilities from the bounding set");
    }
    // User id 0 means nothing any more, and cannot come to mean something again.
    constexpr unsigned long kLocked = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
                                      SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
                                      SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                                      SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    if (prctl(PR_SET_SECUREBITS, kLocked, 0, 0, 0) != 0) return Failed("lock the secure bits");
  }
  const std::uint32_t kept = (keep.read_any_file ? 1u << CAP_DAC_READ_SEARCH : 0) |
                             (keep.change_any_file ? 1u << CAP_DAC_OVERRIDE : 0);
  sets[0].effective &= kept;
  sets[0].permitted &= kept;
  sets[0].inheritable = 0;
  sets[1] = {};
  if (syscall(SYS_capset, &header, sets.data()) != 0) return Failed("drop capabilities");
  return absl::OkStatus();
}

void ForbidProcesses() { Lower(RLIMIT_NPROC, 0); }

}  // namespace instar::vmm
