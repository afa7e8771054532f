// The guard on the proof: what the proof of crashes rests on is taken away, one thing at a time,
// and the judge has to notice each time.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "crash/judge.h"
#include "crash/proofs.h"
#include "crash/scenario.h"
#include "formats/qcow2/read/refcount_reader.h"
#include "formats/qcow2/structures/header.h"

namespace instar::crash {
namespace {

// Whether the judge finds something wrong with a run that is disturbed.
bool IsFoundOut(const Prepared& start, std::uint64_t seed, const Disturbance& disturbance,
                ProofLog& log) {
  Recording recording(disturbance);
  ImageFiles files = start.files;
  const Status status = Run(start.change, files, recording);
  if (!status) return true;
  const Verdict verdict = JudgeStates(recording, start.files, start.before, start.change.after,
                                      {.states = {.seed = seed},
                                       .has_root = start.files.format == FormatId::kQcow2,
                                       .between = BetweenOf(start.change)},
                                      nullptr);
  log.Count(verdict.states);
  return !verdict.failures.empty();
}

// Whether some clusters of the image are in use although no reader shows them: places that the disk
// does not reach or that were given out and not written.
bool HidesClusters(const ImageRecipe& recipe) {
  for (const char* word :
       {"entries-behind", "stale", "extended-l2", "across-the-end", "in-use", "zero-clusters"}) {
    if (absl::StrContains(recipe.name, word)) return true;
  }
  return false;
}

// Whether `files` would look the same with other bytes in [offset, offset + length), but for what
// is written into the disk anyway.
bool IsHidden(const Prepared& start, std::uint64_t offset, std::uint64_t length) {
  ImageFiles files = start.files;
  std::vector<std::byte> bytes(length);
  files.image.Read(offset, bytes);
  for (std::byte& byte : bytes) byte ^= std::byte{0x2D};
  files.image.Write(offset, bytes);
  if (!start.change.between) {
    return WhyNot(files, start.before, start.before, true, false).empty();
  }
  auto facts = Observe(files);
  if (!facts) return false;
  ImageFacts before = start.before;
  for (SparseFile* disk : {&facts->disk, &before.disk}) {
    disk->Zero(0, start.change.between->written_bytes);
  }
  return facts->findings == before.findings && Difference(*facts, before).empty();
}

// Writes to each cluster that the old image uses.
void ProveProtection(const Prepared& start, const ImageRecipe& recipe, const std::string& name,
                     std::uint64_t seed, ProofLog& log) {
  std::vector<std::byte> head(qcow2::Header::kFullBytes);
  start.files.image.Read(0, head);
  const qcow2::Header header = qcow2::Header::DecodeFrom(head).value();
  const ReadOnlyDevice device(start.files.image, kImageId);
  qcow2::RefcountReader refcounts(device, header, 0);
  const std::uint64_t bytes = header.cluster_bytes();
  for (std::uint64_t at = 0; at < start.files.image.size_bytes(); at += bytes) {
    const auto count = refcounts.At(at >> header.cluster_bits);
    if (!count || count->value_or(0) == 0) continue;
    if ((HidesClusters(recipe) || start.change.between) && IsHidden(start, at, bytes)) {
      log.Count("clusters in use that nothing shows, or that are written anyway", 1);
      continue;
    }
    log.Count("clusters in use that were written to", 1);
    if (!IsFoundOut(start, seed, {.stray_after = 0, .stray_offset = at, .stray_bytes = bytes},
                    log)) {
      log.Failed(name, absl::StrFormat("nothing is wrong with a write to the cluster at %#x", at));
    }
  }
}

void GuardOne(const ProofOptions& options, const Scenario& scenario, ProofLog& log) {
  const std::string name = scenario.Name();
  auto prepared = Prepare(scenario);
  if (!prepared || !*prepared) return;  // the proof of crashes tells of it
  const Prepared& start = **prepared;
  if (!start.before.findings.empty()) return;  // which clusters are in use is told from the counts
  Recording whole;
  ImageFiles files = start.files;
  if (!Run(start.change, files, whole)) return;
  log.Begin(name);
  const std::uint64_t seed = SeedOf(options.seed, name);

  for (std::size_t flush = 0; flush < whole.flushes(); ++flush) {
    if (std::ranges::find(whole.idle_flushes(), flush) != whole.idle_flushes().end()) {
      log.Count("flushes with nothing to flush", 1);
      continue;
    }
    if (std::ranges::find(whole.length_flushes(), flush) != whole.length_flushes().end() &&
        !IsFoundOut(start, seed, {.lost_flush = flush}, log)) {
      log.Count("flushes that only keep a length that no reader needs", 1);
      continue;
    }
    log.Count("flushes left out", 1);
    if (!IsFoundOut(start, seed, {.lost_flush = flush}, log)) {
      log.Failed(name, absl::StrCat("nothing is wrong without flush ", flush));
    }
  }
  if (start.files.format != FormatId::kQcow2 || whole.writes() == 0) return;
  ProveProtection(start, *scenario.recipe, name, seed, log);
}

}  // namespace

void ProveGuard(const ChangeSet& changes, const ProofOptions& options, ProofLog& log) {
  for (const Scenario& scenario : AllScenarios(changes, options.seed)) {
    if (!log.MayGoOn()) break;
    if (log.Wants(scenario.Name())) GuardOne(options, scenario, log);
  }
}

}  // namespace instar::crash
