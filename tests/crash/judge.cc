#include "crash/judge.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"

namespace instar::crash {
namespace {

// The first finding of `facts` that `allowed` has not.
std::string NewFinding(const ImageFacts& facts, const ImageFacts& allowed) {
  for (const std::string& finding : facts.findings) {
    if (std::ranges::find(allowed.findings, finding) == allowed.findings.end()) return finding;
  }
  return "";
}

// Why an image that looks like `facts` is not the one of `expected`.
std::string WhyNotThis(const ImageFacts& facts, const ImageFacts& expected) {
  if (std::string difference = Difference(facts, expected); !difference.empty()) return difference;
  const std::string finding = NewFinding(facts, expected);
  return finding.empty() ? "" : absl::StrCat("the check finds: ", finding);
}

// Why an image that looks like `facts` is none into whose disk is being written. Half sectors are
// looked at, because a call that fails may have done half of its work.
std::string WhyNotBetween(ImageFacts facts, const Between& between) {
  constexpr std::uint64_t kPartBytes = kSectorBytes / 2;
  std::vector<std::byte> is(kPartBytes);
  std::vector<std::byte> old(kPartBytes);
  std::vector<std::byte> written(kPartBytes);
  for (std::uint64_t at = 0; at < between.written_bytes; at += kPartBytes) {
    facts.disk.Read(at, is);
    between.facts.disk.Read(at, old);
    between.new_disk.Read(at, written);
    if (is == old) continue;
    if (is != written) {
      return absl::StrCat("what stands at ", at, " is neither old nor new");
    }
    facts.disk.Write(at, old);
  }
  return WhyNotThis(facts, between.facts);
}

}  // namespace

std::string WhyNot(const ImageFiles& files, const ImageFacts& before, const ImageFacts& after,
                   bool may_be_old, bool may_be_new, const Between* between) {
  const auto facts = Observe(files);
  if (!facts) return facts.error();
  const std::string not_old = may_be_old ? WhyNotThis(*facts, before) : "";
  if (may_be_old && not_old.empty()) return "";
  const std::string not_new = may_be_new ? WhyNotThis(*facts, after) : "";
  if (may_be_new && not_new.empty()) return "";
  const std::string not_between = between != nullptr ? WhyNotBetween(*facts, *between) : "";
  if (between != nullptr && not_between.empty()) return "";
  std::string why;
  if (between != nullptr)
    absl::StrAppend(&why, "not one that is written into: ", not_between, "; ");
  if (may_be_old) absl::StrAppend(&why, "not the old image: ", not_old);
  if (may_be_old && may_be_new) absl::StrAppend(&why, "; ");
  if (may_be_new) absl::StrAppend(&why, "not the new image: ", not_new);
  return why;
}

Verdict JudgeStates(const Recording& recording, const ImageFiles& files, const ImageFacts& before,
                    const ImageFacts& after, const JudgeOptions& options, QemuCheck* qemu) {
  Verdict verdict;
  ImageFiles state_files = files;
  std::mt19937_64 random(options.states.seed);
  verdict.states =
      ForEachCrashState(recording, options.states, [&](const CrashState& state) -> bool {
        state_files.image = state.files[0];
        if (state.files.size() > 1) state_files.data_file = state.files[1];
        bool may_be_old = !(options.has_root && state.root_written);
        const bool may_be_new = !options.has_root || state.root_written;
        if (state.at_end && options.must_be_new_at_end) may_be_old = false;
        const Between* between = options.between;
        if (between != nullptr && between->after_root && !state.root_written) between = nullptr;
        if (state.at_end && options.must_be_new_at_end) between = nullptr;
        ++verdict.judged;
        std::string why =
            WhyNot(state_files, before, after, may_be_old,
                   may_be_new || (state.at_end && options.must_be_new_at_end), between);
        if (why.empty() && options.go_on && random() % 8 == 0) {
          ++verdict.gone_on_with;
          why = options.go_on(state_files);
          if (!why.empty()) why = "going on: " + why;
        }
        if (!why.empty()) {
          verdict.failures.push_back(absl::StrCat(why, "\n    after ", state.describe()));
          return verdict.failures.size() < options.most_failures;
        }
        if (qemu != nullptr) {
          const std::uint64_t disk_bytes =
              std::min(before.disk.size_bytes(), after.disk.size_bytes());
          qemu->Add(state_files, disk_bytes, may_be_old, state.describe);
        }
        return true;
      });
  if (qemu != nullptr) {
    verdict.judged_by_qemu += qemu->Finish(verdict.failures);
  }
  return verdict;
}

}  // namespace instar::crash
