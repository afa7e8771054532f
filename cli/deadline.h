// The end of a run whose time is over (--timeout).
//
// A timer of the process acts whatever any thread stands in: a FIFO that nobody opens, a pipe that
// nobody reads or fills, a wait for the rate limit, rendering into a full pipe. Its handler removes
// what the run created, writes one line and ends the process. The library has no such timer: there
// the caller's process ends the one that it started (verbs/child.h).
#ifndef CLI_DEADLINE_H_
#define CLI_DEADLINE_H_

#include <chrono>
#include <string_view>

#include "instar/vmm/sandbox.h"

namespace instar::cli {

struct DeadlineWords {
  std::string_view file;  // for the line; may be empty
  std::string_view verb;
  int exit_code = 1;
};

// Starts the time of `sandbox`, once a process; `own` is the verb's where the user asks for none,
// 0: no limit. From now on the process ends when it is over:
// "instar: FILE: VERB: ended by the watchdog: not done after N seconds (--timeout)".
void StartDeadline(vmm::SandboxOptions& sandbox, const DeadlineWords& words,
                   std::chrono::milliseconds own = {});

}  // namespace instar::cli

#endif  // CLI_DEADLINE_H_
