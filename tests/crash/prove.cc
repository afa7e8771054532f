// Runs the proofs of changes in place. tests/crash/prove.py calls it; docs/testing.md tells of it.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "crash/amend_changes.h"
#include "crash/bitmap_changes.h"
#include "crash/overwrite_changes.h"
#include "crash/proofs.h"
#include "crash/qemu_check.h"
#include "crash/resize_changes.h"
#include "crash/snapshot_changes.h"

namespace instar::crash {

ProofLog::ProofLog(std::string proof, const ProofOptions& options)
    : proof_(std::move(proof)), options_(options) {
  absl::PrintF("%s: seed %d\n", proof_, options.seed);
}

bool ProofLog::MayGoOn() const {
  if (runs_ >= options_.runs) return false;
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start_;
  return options_.seconds == 0 || taken.count() < options_.seconds;
}

bool ProofLog::Wants(const std::string& name) const {
  return options_.only.empty() || absl::StrContains(name, options_.only);
}

void ProofLog::Begin(const std::string& name) {
  ++runs_;
  if (options_.verbose) {
    absl::PrintF("  %s\n", name);
    std::fflush(stdout);
  }
}

void ProofLog::Refused(const std::string& name, const std::string& why) {
  refusals_[why].push_back(name);
}

void ProofLog::Failed(const std::string& name, const std::string& why) {
  ++failures_;
  absl::PrintF("  FAILED %s\n    %s\n    again: ./dev prove %s --seed %d --only '%s'\n", name, why,
               proof_, options_.seed, name);
  std::fflush(stdout);
}

void ProofLog::Count(const StateCounts& states) {
  Count("states enumerated", states.enumerated);
  Count("states that differ", states.distinct);
}

bool ProofLog::Finish() const {
  absl::PrintF("  runs: %d\n", runs_);
  for (const auto& [what, number] : counts_) absl::PrintF("  %s: %d\n", what, number);
  for (const auto& [why, names] : refusals_) {
    absl::PrintF("  refused %d times: %s (%s)\n", names.size(), why, names.front());
  }
  for (const auto& [why, number] : skips_) absl::PrintF("  skipped %d: %s\n", number, why);
  absl::PrintF("  failures: %d\n", failures_);
  return failures_ == 0 && (runs_ != 0 || !skips_.empty());
}

namespace {

// Those of all verbs.
const ChangeSet& AllChanges() {
  static const ChangeSet kAll = [] {
    ChangeSet all;
    const auto append = [](auto& to, const auto& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    for (const ChangeSet* set : {&ResizeChanges(), &SnapshotChanges(), &AmendChanges(),
                                 &BitmapChanges(), &OverwriteChanges()}) {
      append(all.first, set->first);
      append(all.last, set->last);
      append(all.cycles, set->cycles);
    }
    return all;
  }();
  return kAll;
}

// The main ones of all verbs, before and after one another.
const ChangeSet& MainChanges() {
  static const ChangeSet kMain{.first = AllChanges().first, .last = AllChanges().first};
  return kMain;
}

struct Proof {
  const char* name;
  const char* brief;
  void (*run)(const ChangeSet& changes, const ProofOptions& options, ProofLog& log);
  const ChangeSet& (*changes)();
};
constexpr Proof kProofs[] = {
    {"resize", "every crash of a resize leaves the old image or the new one", ProveCrashes,
     ResizeChanges},
    {"snapshot", "every crash while snapshots change leaves the old image or the new one",
     ProveCrashes, SnapshotChanges},
    {"amend", "every crash of an amend leaves the old image or the new one", ProveCrashes,
     AmendChanges},
    {"bitmap", "every crash of a change of bitmaps does", ProveCrashes, BitmapChanges},
    {"overwrite", "every crash of a convert -n leaves a sound image, and never a wrong bitmap",
     ProveCrashes, OverwriteChanges},
    {"repair", "a repair of an image that is damaged at random loses nothing, in any crash",
     ProveRepair, MainChanges},
    {"sequences", "every crash in up to three changes of any verbs does", ProveCrashes,
     MainChanges},
    {"guard", "a change without a flush, or with a write that is forbidden, is found out",
     ProveGuard, AllChanges},
    {"faults", "a change of which a call fails leaves the old image or the new one", ProveFaults,
     AllChanges},
    {"cycles", "an image that is changed and changed back very often does not grow", ProveCycles,
     AllChanges},
};

int Usage() {
  std::fputs(
      "usage: prove [NAME...] [--seed N] [--seconds N] [--runs N] [--only TEXT] [--no-qemu] "
      "[-v]\n       prove --list\n",
      stderr);
  return 2;
}

int Main(int count, char** arguments) {
  ProofOptions options;
  std::vector<std::string> names;
  for (int i = 1; i < count; ++i) {
    const std::string word = arguments[i];
    if (word == "--list") {
      for (const Proof& proof : kProofs) absl::PrintF("%-12s %s\n", proof.name, proof.brief);
      return 0;
    }
    if (word == "-v") {
      options.verbose = true;
    } else if (word == "--no-qemu") {
      options.qemu = false;
    } else if (word.starts_with("--")) {
      if (++i == count) return Usage();
      const std::string value = arguments[i];
      const bool good = word == "--seed"      ? absl::SimpleAtoi(value, &options.seed)
                        : word == "--runs"    ? absl::SimpleAtoi(value, &options.runs)
                        : word == "--seconds" ? absl::SimpleAtod(value, &options.seconds)
                        : word == "--only"    ? (options.only = value, true)
                                              : false;
      if (!good) return Usage();
    } else {
      names.push_back(word);
    }
  }
  options.qemu = options.qemu && HaveQemu();
  bool good = true;
  std::size_t found = 0;
  for (const Proof& proof : kProofs) {
    if (!names.empty() && std::ranges::find(names, proof.name) == names.end()) continue;
    ++found;
    ProofLog log(proof.name, options);
    if (HaveQemu()) {
      proof.run(proof.changes(), options, log);
    } else {
      log.Skipped("qemu-img or qemu-io is not installed, which make the images");
    }
    good = log.Finish() && good;
  }
  return found < std::max<std::size_t>(names.size(), 1) ? Usage() : good ? 0 : 1;
}

}  // namespace
}  // namespace instar::crash

int main(int count, char** arguments) { return instar::crash::Main(count, arguments); }
