#include "jail/jail.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>

#include "jail/landlock.h"
#include "jail/privileges.h"
#include "jail/seccomp_filter.h"
#include "timing/mark.h"

namespace instar::vmm {

absl::Status EnterJail(const JailNeeds& needs, Timing* timing) {
  std::vector<int> keep = {0, 1, 2};
  // What the opener holds need not be held here.
  const bool opens_itself = needs.opener_sockets.empty();
  const std::vector<int> none;
  const std::vector<int>& directories = opens_itself ? needs.read_directories : none;
  const std::vector<int>& walked = opens_itself ? needs.walked_directories : none;
  for (const auto* fds : {&needs.keep_fds, &directories, &walked, &needs.opener_sockets}) {
    keep.insert(keep.end(), fds->begin(), fds->end());
  }
  if (absl::Status status = CloseAllBut(keep); !status.ok()) return status;
  clearenv();
  // One heap for all threads: a thread's own is given back to the system in a way that opens files
  // of /proc, which the filter does not allow.
  mallopt(M_ARENA_MAX, 1);
  // A reference takes up to two descriptors, and a third while it is looked at.
  constexpr std::uint64_t kSpare = 64;
  const auto highest = static_cast<std::uint64_t>(*std::ranges::max_element(keep));
  const ProcessLimits limits = {
      .file_bytes = needs.max_file_bytes,
      .descriptors = highest + kSpare + 2 * std::uint64_t{needs.max_open_files},
      .new_data_bytes = needs.max_new_data_bytes};
  if (absl::Status status = LimitProcess(limits); !status.ok()) return status;
  if (absl::Status status = RenouncePrivileges(); !status.ok()) return status;
  Mark(timing, TimingPhase::kPrivileges);

  absl::Status landlock =
      EnterLandlock({.read_directories = directories,
                     .signal_other_processes = needs.isolation == Isolation::kProcess});
  if (!landlock.ok() && !absl::IsUnavailable(landlock)) return landlock;
  Mark(timing, TimingPhase::kLandlock);
  // Without Landlock nothing would confine them.
  const bool confined = landlock.ok();
  const absl::Status dropped =
      DropCapabilities({.read_any_file = confined && !directories.empty()});
  Mark(timing, TimingPhase::kCapabilities);
  return dropped;
}

absl::Status SealJail(const JailNeeds& needs) {
  ForbidProcesses();
  return InstallSeccompFilter(needs);
}

}  // namespace instar::vmm
