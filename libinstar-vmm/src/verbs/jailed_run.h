// Where the sandboxed part of a verb runs: in this process, or in a child that is jailed for it.
#ifndef LIBINSTAR_VMM_SRC_VERBS_JAILED_RUN_H_
#define LIBINSTAR_VMM_SRC_VERBS_JAILED_RUN_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include "timing/mark.h"
#include "verbs/child.h"

namespace instar::vmm {

// What `run(options)` came to. It runs where `options.sandbox.jail` says. From a child process the
// report comes as the bytes `encode` makes of it, which `decode` must check; a verb that reports
// progress (`options.progress`) does so through the parent.
template <typename Options, typename Run,
          typename Report = typename std::invoke_result_t<Run, const Options&>::value_type>
absl::StatusOr<Report> RunWhereAsked(const Options& options, const Run& run,
                                     std::vector<std::byte> (*encode)(const Report&),
                                     absl::StatusOr<Report> (*decode)(std::span<const std::byte>)) {
  if (options.sandbox.jail != Jail::kChildProcess) {
    absl::StatusOr<Report> report = run(options);
    Mark(options.sandbox.timing, TimingPhase::kResult);
    return report;
  }
  Options jailed = options;
  jailed.sandbox.jail = Jail::kThisProcess;
  ProgressCallback told;
  constexpr bool kTellsProgress = requires { options.progress; };
  if constexpr (kTellsProgress) told = options.progress;
  const ChildResult result = RunInChild(
      [&](const ProgressCallback& progress) -> ChildResult {
        if constexpr (kTellsProgress) jailed.progress = progress;
        const absl::StatusOr<Report> report = run(jailed);
        if (!report.ok()) return report.status();
        return encode(*report);
      },
      told, options.sandbox.timing);
  if (!result.ok()) return result.status();
  return decode(*result);
}

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_JAILED_RUN_H_
