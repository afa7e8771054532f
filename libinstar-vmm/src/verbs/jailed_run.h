// Where the sandboxed part of a verb runs: in this process, or in a child that is jailed for it.
#ifndef LIBINSTAR_VMM_SRC_VERBS_JAILED_RUN_H_
#define LIBINSTAR_VMM_SRC_VERBS_JAILED_RUN_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "timing/mark.h"
#include "verbs/child.h"
#include "verbs/time_limit.h"

namespace instar::vmm {

namespace internal {

template <typename Options, typename Run>
auto CallRun(const Run& run, const Options& options, const TellCreated& created) {
  if constexpr (std::is_invocable_v<const Run&, const Options&, const TellCreated&>) {
    return run(options, created);
  } else {
    return run(options);
  }
}

}  // namespace internal

// What a message calls a run.
struct RunName {
  std::string_view verb;
  std::string_view image;
};

// What `run(options)` came to. It runs where `options.sandbox.jail` says. From a child process the
// report comes as the bytes `encode` makes of it, which `decode` must check; a verb that reports
// progress (`options.progress`) does so through the parent. A verb that makes files is
// `run(options, created)`, and calls `created` (if it is not empty) with them when they are open
// and nothing has run in the sandbox yet: should the child be killed, the parent removes them. The
// deadline of the options has been fixed (time_limit.h); a child that is not done by then is ended.
template <typename Options, typename Run,
          typename Report = typename decltype(internal::CallRun(std::declval<const Run&>(),
                                                                std::declval<const Options&>(),
                                                                TellCreated()))::value_type>
absl::StatusOr<Report> RunWhereAsked(const RunName& name, const Options& options, const Run& run,
                                     std::vector<std::byte> (*encode)(const Report&),
                                     absl::StatusOr<Report> (*decode)(std::span<const std::byte>)) {
  if (options.sandbox.jail != Jail::kChildProcess) {
    absl::StatusOr<Report> report = internal::CallRun(run, options, TellCreated());
    Mark(options.sandbox.timing, TimingPhase::kResult);
    return report;
  }
  Options jailed = options;
  jailed.sandbox.jail = Jail::kThisProcess;
  ChildChannel told;
  told.timing = options.sandbox.timing;
  told.deadline = options.sandbox.deadline;
  told.late = LateText(name.image, name.verb, options.sandbox.time_limit);
  told.notices = options.sandbox.notices;
  constexpr bool kTellsProgress = requires { options.progress; };
  if constexpr (kTellsProgress) told.progress = options.progress;
  if constexpr (std::is_invocable_v<const Run&, const Options&, const TellCreated&>) {
    told.created = [](const std::vector<CreatedFile>& files) {
      for (const CreatedFile& file : files) RemoveCreatedFile(file);
    };
  }
  const ChildResult result = RunInChild(
      [&](const ChildChannel& channel) -> ChildResult {
        if constexpr (kTellsProgress) jailed.progress = channel.progress;
        jailed.sandbox.notices = channel.notices;
        const absl::StatusOr<Report> report = internal::CallRun(run, jailed, channel.created);
        if (!report.ok()) return report.status();
        return encode(*report);
      },
      told);
  if (!result.ok()) return result.status();
  return decode(*result);
}

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_JAILED_RUN_H_
