#include <functional>
#include <optional>

#include "absl/strings/str_cat.h"
#include "crash/judge.h"
#include "crash/proofs.h"
#include "crash/scenario.h"

namespace instar::crash {
namespace {

constexpr std::uint64_t kStatesForQemu = 6;  // of each run, and some more where there are many

std::string TextOf(const Error& error) {
  return absl::StrCat(error.message, " (", error.numbers[0], ", ", error.numbers[1], ", ",
                      error.numbers[2], ")");
}

// The first root that is more than a sector of the disk writes whole, where the format could do
// with one: clusters of 1 and 2 KiB may have no room beside the old header.
std::string TooLargeRoot(const Recording& recording, const ImageRecipe& recipe, ProofLog& log) {
  for (const Step& step : recording.steps()) {
    if (!step.root || step.offset % kSectorBytes + step.length <= kSectorBytes) continue;
    log.Count("roots of more than a sector", 1);
    const bool in_a_page = step.offset + step.length <= SparseFile::kPageBytes;
    if (recipe.cluster_bits > 11 || !in_a_page) return step.Describe();
  }
  return "";
}

bool MayBeRefused(const Scenario& scenario, const Error& error) {
  const auto& may_be_refused = scenario.changes.back()->may_be_refused;
  return may_be_refused && may_be_refused(*scenario.recipe, error);
}

void ProveOne(const ProofOptions& options, const Scenario& scenario, ProofLog& log) {
  const std::string name = scenario.Name();
  auto prepared = Prepare(scenario);
  if (!prepared) return log.Failed(name, prepared.error());
  if (!*prepared) return;
  Prepared& start = **prepared;
  log.Begin(name);

  Recording recording;
  ImageFiles files = start.files;
  const Status status = Run(start.change, files, recording);
  if (!status && MayBeRefused(scenario, status.error())) {
    log.Refused(name, TextOf(status.error()));
  } else if (!status) {
    log.Failed(name, "refused: " + TextOf(status.error()));
  }
  if (const std::string root = TooLargeRoot(recording, *scenario.recipe, log); !root.empty()) {
    return log.Failed(name, "more than a sector: " + root);
  }
  ImageFacts after = start.change.after;
  // Of what the check found before, a change may keep the leaks, or mend all.
  if (status) {
    if (std::string why = WhyNot(files, start.before, after, false, true); !why.empty()) {
      return log.Failed(name, absl::StrCat("without any crash: ", why));
    }
    after.findings = Observe(files)->findings;
  }
  const std::uint64_t seed = SeedOf(options.seed, name);
  std::optional<QemuCheck> qemu;
  if (options.qemu && start.files.format == FormatId::kQcow2) {
    qemu.emplace(seed, kStatesForQemu);
    qemu->Expect(start.files, files);
  }
  const bool may_change = status.has_value();
  // The same again, after the crash, makes the new image of either, unless it is refused because it
  // is done: a second bitmap of the name.
  const std::function<std::string(const ImageFiles&)> again = [&](const ImageFiles& crashed) {
    ImageFiles twice = crashed;
    Recording second;
    const Status done = Run(start.change, twice, second);
    std::string why = WhyNot(twice, start.before, after, false, true);
    if (why.empty() || done) return why;
    return absl::StrCat(TextOf(done.error()), ", and it is ", why);
  };
  const Verdict verdict =
      JudgeStates(recording, start.files, start.before, may_change ? after : start.before,
                  {.states = {.seed = seed},
                   .has_root = start.files.format == FormatId::kQcow2,
                   .must_be_new_at_end = may_change,
                   .between = BetweenOf(start.change),
                   .go_on = may_change ? again : nullptr},
                  qemu ? &*qemu : nullptr);
  log.Count(verdict.states);
  log.Count("states judged by our own check", verdict.judged);
  log.Count("states judged by qemu-img check", verdict.judged_by_qemu);
  log.Count("states that were changed again", verdict.gone_on_with);
  for (const std::string& failure : verdict.failures) log.Failed(name, failure);
}

}  // namespace

void ProveCrashes(const ChangeSet& changes, const ProofOptions& options, ProofLog& log) {
  for (const Scenario& scenario : AllScenarios(changes, options.seed)) {
    if (!log.MayGoOn()) break;
    if (log.Wants(scenario.Name())) ProveOne(options, scenario, log);
  }
}

}  // namespace instar::crash
