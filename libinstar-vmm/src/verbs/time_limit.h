// When a run has to be over.
#ifndef LIBINSTAR_VMM_SRC_VERBS_TIME_LIMIT_H_
#define LIBINSTAR_VMM_SRC_VERBS_TIME_LIMIT_H_

#include <chrono>
#include <string>
#include <string_view>

#include "instar/vmm/create.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

// What verbs have by themselves that are done in an instant, whatever the image.
inline constexpr std::chrono::seconds kShortTimeLimit{60};

// Fixes the deadline of `sandbox`, unless it has one. `own`: the verb's time limit where the caller
// asks for none; 0: no limit.
void FixDeadline(SandboxOptions& sandbox, std::chrono::milliseconds own = {});

// That of Create: none where storage has to be reserved or written, which takes as long as there is
// of it.
[[nodiscard]] std::chrono::milliseconds OwnTimeLimit(const CreateOptions& options);

// "NAME: VERB: ended by the watchdog: not done after N seconds (--timeout)". NAME may be empty.
[[nodiscard]] std::string LateText(std::string_view name, std::string_view verb,
                                   std::chrono::milliseconds limit);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_TIME_LIMIT_H_
