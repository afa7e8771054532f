#include "jail/landlock.h"

#include <absl/strings/str_format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "jail/jail.h"

// The system's header may be older than the running kernel, whose rights are all to be handled; so
// the kernel's interface (Documentation/userspace-api/landlock.rst) is spelled out here.
namespace instar::vmm {
namespace {

constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;

constexpr std::uint32_t kVersionQuery = 1;
constexpr int kRuleBeneath = 1;

constexpr std::uint64_t kReadFile = std::uint64_t{1} << 2;

constexpr std::uint64_t kScopeAbstractSockets = 1;
constexpr std::uint64_t kScopeSignals = 2;

struct Ruleset {
  std::uint64_t files = 0;
  std::uint64_t network = 0;
  std::uint64_t scopes = 0;
};

struct BeneathRule {
  std::uint64_t allowed = 0;
  std::int32_t directory = -1;
} __attribute__((packed));

// How many rights on files each version knows (they are numbered from bit 0).
constexpr int FileRights(int version) {
  if (version >= 5) return 16;
  if (version >= 3) return 15;
  return version == 2 ? 14 : 13;
}

absl::Status Failed(const char* what) {
  return absl::InternalError(absl::StrFormat("Landlock: %s: %s", what, std::strerror(errno)));
}

}  // namespace

int LandlockVersion() {
  // The kernel stays the same, and a start asks several times.
  static const long version = syscall(kCreateRuleset, nullptr, 0, kVersionQuery);
  return version > 0 ? static_cast<int>(version) : 0;
}

absl::Status EnterLandlock(const LandlockNeeds& needs) {
  const int version = LandlockVersion();
  if (version == 0) return absl::UnavailableError("this kernel has no Landlock");
  Ruleset ruleset{.files = (std::uint64_t{1} << FileRights(version)) - 1};
  std::size_t size = sizeof(ruleset.files);
  if (version >= 4) {
    ruleset.network = 0b11;  // bind and connect
    size = offsetof(Ruleset, scopes);
  }
  if (version >= 6) {
    ruleset.scopes = kScopeAbstractSockets | (needs.signal_other_processes ? 0 : kScopeSignals);
    size = sizeof(ruleset);
  }
  const long fd = syscall(kCreateRuleset, &ruleset, size, 0);
  if (fd < 0) return Failed("could not make rules");
  const bool allowed = std::ranges::all_of(needs.read_directories, [&](int directory) {
    const BeneathRule rule{.allowed = kReadFile, .directory = directory};
    return syscall(kAddRule, fd, kRuleBeneath, &rule, 0) == 0;
  });
  absl::Status status;
  if (!allowed) {
    status = Failed("could not allow a directory");
  } else if (syscall(kRestrictSelf, fd, 0) != 0) {
    status = Failed("could not apply the rules");
  }
  close(static_cast<int>(fd));
  return status;
}

}  // namespace instar::vmm
