// Resizing up and down, many times: new tables are written beside the old ones each time, and the
// file must not grow by them.
#include <algorithm>

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

void Cycle(const ImageRecipe& recipe, const SizeChange& up, ProofLog& log) {
  const std::string name = absl::StrCat(recipe.name, ", ", up.name, " and back");
  if (!log.Wants(name)) return;
  const auto prepared = Prepare({&recipe, {up}});
  if (!prepared) return log.Failed(name, prepared.error());
  if (!*prepared) return;
  log.Begin(name);
  const ImageFacts& before = (*prepared)->before;
  ImageFiles files = (*prepared)->files;
  std::uint64_t longest = 0;
  std::uint64_t stored = 0;
  for (int cycle = 0; cycle < kCycles; ++cycle) {
    for (const std::uint64_t size : {(*prepared)->size_bytes, before.disk.size_bytes()}) {
      Recording recording({.discarded = std::byte{0}});
      const Status status = RunResize(files, size, up.growth, recording);
      if (!status && cycle == 0) return log.Refused(name, status.error().message);
      if (!status)
        return log.Failed(name, absl::StrCat("cycle ", cycle, ": ", status.error().message));
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
  log.Count("resizes", 2 * kCycles);
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

void ProveCycles(const ProofOptions&, ProofLog& log) {
  for (const ImageRecipe& recipe : AllImages()) {
    for (const SizeChange& up :
         {SizeChange{.name = "+90C", .clusters = 90}, SizeChange{.name = "+3C+512 metadata",
                                                                 .clusters = 3,
                                                                 .bytes = 512,
                                                                 .growth = Growth::kMetadata}}) {
      if (!log.MayGoOn()) return;
      Cycle(recipe, up, log);
    }
  }
}

}  // namespace instar::crash
