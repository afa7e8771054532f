// What a check learns for a change in place.
#include <algorithm>
#include <optional>

#include "formats/base/checked.h"
#include "formats/qcow2/check/checker.h"
#include "formats/qcow2/check/survey.h"
#include "formats/qcow2/structures/refcount_entry.h"

namespace instar::qcow2 {

void Survey::Recount(std::uint64_t cluster, std::uint64_t on_disk, std::uint64_t references) {
  if (wrong_counts.size() < kMaxWrongCounts) {
    wrong_counts.push_back({cluster, on_disk, references});
  } else if (damage != nullptr) {
    damage->more_counts = true;
  } else if (!obstacle) {
    obstacle = Finding{.kind = FindingKind::kCorruption,
                       .message = "more than {0} refcounts are wrong",
                       .numbers = {kMaxWrongCounts}};
  }
}

void Checker::ReferBehindEnd(std::uint64_t offset, std::uint64_t bytes) {
  const std::uint64_t first =
      std::max(offset >> header_.cluster_bits, DivideRoundUp(device_.size_bytes(), cluster_bytes_));
  const std::uint64_t end = DivideRoundUp(offset + bytes, cluster_bytes_);
  if (survey_->damage != nullptr) {
    auto& runs = survey_->damage->behind_end;
    if (end <= first) return;
    if (!runs.empty() && runs.back().end() == first) {
      runs.back().count += end - first;
    } else if (runs.size() < Damage::kMaxBehindEnd) {
      runs.push_back({first, end - first});
    } else {
      survey_->damage->more_behind_end = true;
      survey_->end = std::max(survey_->end, end);
    }
    return;
  }
  survey_->end = std::max(survey_->end, end);
  if (end > first && end - first > kMaxL1Bytes >> kMinClusterBits) {
    survey_->obstacle =
        Finding{.kind = FindingKind::kCorruption,
                .message = "{1} bytes at {0x} are referred to, far behind the end of the file",
                .numbers = {offset, bytes}};
    return;
  }
  for (std::uint64_t cluster = first; cluster < end; ++cluster) {
    const auto count = elsewhere_.At(cluster);
    const std::optional<std::uint64_t> known = count ? *count : std::nullopt;
    if (known.value_or(0) != 0) continue;
    if (survey_->recount && known) {
      survey_->Recount(cluster, 0, 1);
    } else if (!survey_->obstacle) {
      survey_->obstacle =
          Finding{.kind = FindingKind::kCorruption,
                  .message =
                      "the cluster at {0x}, behind the end of the file, is referred to and "
                      "not counted",
                  .numbers = {cluster << header_.cluster_bits}};
    }
  }
}

void Checker::SurveyWindow() {
  const std::uint64_t end = std::min(counts_.end(), device_.size_bytes() >> header_.cluster_bits);
  if (end <= counts_.first()) return;
  counts_.VisitFree(end, [&](std::uint64_t first, std::uint64_t count) {
    if (survey_->free.size() < Survey::kMaxFreeRuns) AddRun(survey_->free, {first, count});
  });
}

// Looks through the refcounts of clusters that are not in the file.
Status Checker::SurveyBehindEnd() {
  survey_->end = std::max(survey_->end, highest_ + 1);
  const std::uint64_t per_block = RefcountsPerBlock(header_.cluster_bits, header_.refcount_order);
  // A cluster that nothing refers to has not been compared.
  std::uint64_t file_end = DivideRoundUp(device_.size_bytes(), cluster_bytes_);
  // Nor one that only begins in it, unless something refers to what is in it.
  if (damage() != nullptr) file_end = std::max(file_end, clusters_);
  if (damage() != nullptr) std::ranges::sort(damage()->behind_end, {}, &ClusterRun::first);
  for (std::uint64_t i = disk_.table_entries(); i-- > file_end / per_block;) {
    INSTAR_ASSIGN_OR_RETURN(const std::uint64_t entry, disk_.TableEntry(i));
    if (entry == 0 || (damage() == nullptr && (i + 1) * per_block <= survey_->end)) continue;
    const std::uint64_t first = std::max(i * per_block, file_end);
    for (std::uint64_t cluster = first; cluster < (i + 1) * per_block;) {
      INSTAR_ASSIGN_OR_RETURN(const auto run, disk_.RunAt(cluster));
      if (run.misplaced && damage() == nullptr) return Corrupt("a refcount block is misplaced");
      const std::uint64_t stop = std::min(run.end, (i + 1) * per_block);
      if (!run.counts.empty()) {
        ForEachRefcount(run.counts, header_.refcount_order, cluster - run.first, stop - run.first,
                        [&](std::uint64_t number, std::uint64_t count) {
                          if (count != 0) SurveyCountBehindEnd(run.first + number, count);
                        });
      }
      cluster = stop;
    }
  }
  // What is free at the end of the file is part of what lies behind.
  while (!survey_->free.empty() && survey_->free.back().end() > survey_->end) {
    ClusterRun& last = survey_->free.back();
    last.count = survey_->end > last.first ? survey_->end - last.first : 0;
    if (last.count == 0) survey_->free.pop_back();
  }
  return {};
}

void Checker::SurveyCountBehindEnd(std::uint64_t cluster, std::uint64_t on_disk) {
  if (damage() == nullptr || damage()->counted_behind_end.size() >= Damage::kMaxBehindEnd) {
    survey_->end = std::max(survey_->end, cluster + 1);
  } else {
    AddRun(damage()->counted_behind_end, {cluster, 1});
  }
  if (damage() == nullptr) return;
  const std::uint64_t references = damage()->ReferencesBehindEnd(cluster);
  if (references != on_disk) survey_->Recount(cluster, on_disk, references);
}

std::uint64_t Damage::ReferencesBehindEnd(std::uint64_t cluster) const {
  std::uint64_t references = 0;
  for (const ClusterRun& run : behind_end) {
    if (run.first > cluster) break;
    if (cluster < run.end()) ++references;
  }
  return references;
}

}  // namespace instar::qcow2
