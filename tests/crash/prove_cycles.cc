// Changing an image and changing it back, many times: new tables are written beside the old ones
// each time, and the file must not grow by them.
#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "crash/judge.h"
#include "crash/proofs.h"
#include "crash/scenario.h"

namespace instar::crash {
namespace {

constexpr int kCycles = 1000;
constexpr int kFirstCycles = 3;  // as long as the file may find its length

std::uint64_t Stored(const ImageFiles& files, const ImageRecipe& recipe) {
  const std::uint64_t cluster_bytes = std::uint64_t{1} << recipe.cluster_bits;
  return files.image.StoredBlocks(std::max(cluster_bytes, SparseFile::kPageBytes));
}

// Whether `status`, of a change, ends the cycles.
bool Ends(const Status& status, const Change& change, const ImageRecipe& recipe, int cycle,
          const std::string& name, ProofLog& log) {
  if (status) return false;
  if (change.may_be_refused && change.may_be_refused(recipe, status.error())) {
    log.Refused(name, status.error().message);
  } else {
    log.Failed(name, absl::StrCat("cycle ", cycle, ": ", status.error().message));
  }
  return true;
}

void Cycle(const ImageRecipe& recipe, const Change& there, const Change& back, ProofLog& log) {
  const std::string name = absl::StrCat(recipe.name, ", ", there.name, ", ", back.name);
  if (!log.Wants(name)) return;
  const auto prepared = Prepare({&recipe, {&there}});
  if (!prepared) return log.Failed(name, prepared.error());
  if (!*prepared) return;
  const auto planned_back = back.plan(recipe, (*prepared)->change.after);
  if (!planned_back) return;
  log.Begin(name);
  const ImageFacts& before = (*prepared)->before;
  ImageFiles files = (*prepared)->files;
  std::uint64_t longest = 0;
  std::uint64_t stored = 0;
  for (int cycle = 0; cycle < kCycles; ++cycle) {
    for (const auto& [change, planned] :
         {std::pair(&there, &(*prepared)->change), std::pair(&back, &*planned_back)}) {
      Recording recording({.discarded = std::byte{0}});
      if (Ends(Run(*planned, files, recording), *change, recipe, cycle, name, log)) return;
    }
    const std::uint64_t length = files.image.size_bytes();
    if (cycle < kFirstCycles) {
      longest = std::max(longest, length);
      stored = std::max(stored, Stored(files, recipe));
    } else if (length > longest || Stored(files, recipe) > stored) {
      return log.Failed(name, absl::StrCat("after cycle ", cycle, " the file has ", length,
                                           " bytes and stores ", Stored(files, recipe),
                                           " clusters; at first ", longest, " and ", stored));
    }
  }
  log.Count("changes", 2 * kCycles);
  // A cluster across the end that is shared or compressed is copied for good, and its L2 table.
  const bool copies = absl::StrContains(recipe.name, "stale-bytes-in-a-snapshot") ||
                      absl::StrContains(recipe.name, "compressed-across");
  const std::uint64_t at_start = Stored((*prepared)->files, recipe) + (copies ? 2 : 0);
  if (Stored(files, recipe) > at_start) {
    log.Failed(name, absl::StrCat("the file stores ", Stored(files, recipe), " clusters, and ",
                                  at_start, " at the start"));
  }
  if (std::string why = WhyNot(files, before, before, true, false); !why.empty()) {
    log.Failed(name, why);
  }
}

}  // namespace

void ProveCycles(const ChangeSet& changes, const ProofOptions&, ProofLog& log) {
  for (const ImageRecipe& recipe : AllImages()) {
    for (const auto& [there, back] : changes.cycles) {
      if (!log.MayGoOn()) return;
      Cycle(recipe, there, back, log);
    }
  }
}

}  // namespace instar::crash
