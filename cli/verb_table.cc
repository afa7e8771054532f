#include <algorithm>

#include "cli/verb.h"

namespace instar::cli {

extern const Verb kCheck, kCompare, kConvert, kCreate, kDd, kDoctor, kInfo, kMap, kMeasure;

namespace {

constexpr Verb kAmend = {"amend", "change options of an image"};
constexpr Verb kBench = {"bench", "measure the speed of reading or writing"};
constexpr Verb kBitmap = {"bitmap", "change persistent dirty bitmaps"};
constexpr Verb kCommit = {"commit", "write an overlay's changes into its backing file"};
constexpr Verb kRebase = {"rebase", "change the backing file of an overlay"};
constexpr Verb kResize = {"resize", "change the size of a virtual disk"};
constexpr Verb kSnapshot = {"snapshot", "list, make, apply and delete internal snapshots"};

// In the order --help lists them.
constexpr const Verb* kVerbs[] = {
    &kAmend, &kBench,  &kBitmap, &kCheck, &kCommit,  &kCompare, &kConvert, &kCreate,
    &kDd,    &kDoctor, &kInfo,   &kMap,   &kMeasure, &kRebase,  &kResize,  &kSnapshot,
};

}  // namespace

std::span<const Verb* const> Verbs() { return kVerbs; }

const Verb* FindVerb(std::string_view name) {
  const auto verb = std::ranges::find(kVerbs, name, &Verb::name);
  return verb == std::end(kVerbs) ? nullptr : *verb;
}

}  // namespace instar::cli
