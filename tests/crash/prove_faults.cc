// Calls that fail: the nth, once or from then on, with and without having done half of their work;
// and each read.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "crash/judge.h"
#include "crash/proofs.h"
#include "crash/scenario.h"

namespace instar::crash {
namespace {

std::string TextOf(const Disturbance& fault) {
  if (fault.failing_read != kNever) return absl::StrCat("read ", fault.failing_read, " fails");
  return absl::StrCat("call ", fault.failing_call,
                      fault.fails_for_ever ? " and all behind it fail" : " fails",
                      fault.half_done ? ", half done" : "",
                      fault.error == ErrorCode::kNoSpace ? ", no space" : ", I/O error");
}

void FailOne(const Prepared& start, const std::string& name, std::uint64_t seed,
             const Disturbance& fault, ProofLog& log) {
  Recording recording(fault);
  ImageFiles files = start.files;
  const Status status = Run(start.change, files, recording);
  log.Count(fault.failing_read == kNever ? "calls that were made to fail"
                                         : "reads that were made to fail",
            1);
  const auto failed = [&](const std::string& why) {
    log.Failed(name, absl::StrCat(TextOf(fault), ": ", why));
  };
  // What the program has left behind: it has to have said which image it is. Where the write of the
  // root has failed, nobody knows.
  const bool has_root = start.files.format == FormatId::kQcow2;
  const bool may_be_old = !status;
  const bool may_be_new = status || recording.root_failed() || !has_root;
  // Where data is written, what was written before the failure stays.
  const Between* const between = BetweenOf(start.change);
  if (std::string why = WhyNot(files, start.before, start.change.after, may_be_old, may_be_new,
                               status ? nullptr : between);
      !why.empty()) {
    return failed(absl::StrCat(status ? "it has succeeded: " : "it has failed: ", why));
  }
  // A first change that has taken effect may have made the file longer.
  const bool one_changed =
      between != nullptr && std::ranges::any_of(recording.steps(), &Step::root);
  if (!status && !may_be_new && !fault.fails_for_ever && !one_changed &&
      files.image.size_bytes() > start.files.image.size_bytes()) {
    return failed(absl::StrCat("it has failed, and left a file of ", files.image.size_bytes(),
                               " bytes, which had ", start.files.image.size_bytes()));
  }
  const Verdict verdict = JudgeStates(
      recording, start.files, start.before, start.change.after,
      {.states = {.seed = seed, .all_subsets_of = 2, .drawn_subsets = 2, .drawn_tears = 1},
       .has_root = has_root,
       .must_be_new_at_end = status.has_value(),
       .between = between},
      nullptr);
  log.Count(verdict.states);
  if (!verdict.failures.empty()) failed(verdict.failures.front());
}

void FailAll(const ProofOptions& options, const Scenario& scenario, ProofLog& log) {
  const std::string name = scenario.Name();
  auto prepared = Prepare(scenario);
  if (!prepared || !*prepared) return;  // the proof of crashes tells of it
  Recording whole;
  ImageFiles files = (*prepared)->files;
  if (!Run((*prepared)->change, files, whole)) return;
  log.Begin(name);
  const std::uint64_t seed = SeedOf(options.seed, name);
  for (std::size_t read = 0; read < whole.reads(); ++read) {
    FailOne(**prepared, name, seed, {.failing_read = read}, log);
  }
  for (std::size_t call = 0; call < whole.calls(); ++call) {
    for (const bool for_ever : {false, true}) {
      for (const bool half : {false, true}) {
        FailOne(**prepared, name, seed,
                {.failing_call = call,
                 .fails_for_ever = for_ever,
                 .half_done = half,
                 .error = half ? ErrorCode::kNoSpace : ErrorCode::kIo},
                log);
      }
    }
  }
}

}  // namespace

void ProveFaults(const ChangeSet& changes, const ProofOptions& options, ProofLog& log) {
  for (const Scenario& scenario : AllScenarios(changes, options.seed)) {
    if (!log.MayGoOn()) break;
    if (log.Wants(scenario.Name())) FailAll(options, scenario, log);
  }
}

}  // namespace instar::crash
