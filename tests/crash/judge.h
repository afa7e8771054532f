// Judges crash states of a run that changed an image as one transaction: the image is the old one
// or the new one, and clean. Where the run writes into the disk, what it writes may be there in
// part.
#ifndef TESTS_CRASH_JUDGE_H_
#define TESTS_CRASH_JUDGE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "crash/change.h"
#include "crash/crash_states.h"
#include "crash/image_facts.h"
#include "crash/qemu_check.h"

namespace instar::crash {

struct JudgeOptions {
  StateOptions states;
  // Whether the format has a root that is written with WriteRoot: then the image is the new one if
  // and only if that is on the disk.
  bool has_root = true;
  bool must_be_new_at_end = true;  // the run has said that it has succeeded
  std::size_t most_failures = 1;   // the judge stops behind so many
  // What else the image may be before the run has succeeded; null: nothing.
  const Between* between = nullptr;
  // Is given one state in eight, to go on with it; what is wrong then. May be empty.
  std::function<std::string(const ImageFiles&)> go_on;
};

struct Verdict {
  StateCounts states;
  std::uint64_t judged = 0;  // by our own check and reader
  std::uint64_t judged_by_qemu = 0;
  std::uint64_t gone_on_with = 0;
  std::vector<std::string> failures;
};

// Judges every state of `recording`, whose files are the image and its data file, if it has one.
// `qemu`: also judges states, as many as it likes; may be null. `files`: what does not change, and
// the format.
Verdict JudgeStates(const Recording& recording, const ImageFiles& files, const ImageFacts& before,
                    const ImageFacts& after, const JudgeOptions& options, QemuCheck* qemu);

// Why `files` are neither the image of `before` nor that of `after`; empty if they are one of them.
// `may_be_old`, `may_be_new`: which of them is allowed. `between`: what is allowed besides.
std::string WhyNot(const ImageFiles& files, const ImageFacts& before, const ImageFacts& after,
                   bool may_be_old, bool may_be_new, const Between* between = nullptr);

}  // namespace instar::crash

#endif  // TESTS_CRASH_JUDGE_H_
