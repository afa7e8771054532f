#include "formats/edit/cluster_space.h"

#include <algorithm>
#include <utility>

namespace instar {
namespace {

// The first run that ends behind `cluster`.
auto FirstBehind(const std::vector<ClusterRun>& runs, std::uint64_t cluster) {
  return std::ranges::upper_bound(runs, cluster, {}, &ClusterRun::end);
}

// Takes `run`, which is part of one of `runs`, out of them.
void Remove(std::vector<ClusterRun>& runs, const ClusterRun& run) {
  const auto at = runs.begin() + (FirstBehind(runs, run.first) - runs.begin());
  const ClusterRun before{at->first, run.first - at->first};
  const ClusterRun behind{run.end(), at->end() - run.end()};
  if (before.count == 0 && behind.count == 0) {
    runs.erase(at);
  } else if (before.count == 0) {
    *at = behind;
  } else {
    *at = before;
    if (behind.count != 0) runs.insert(at + 1, behind);
  }
}

}  // namespace

void AddRun(std::vector<ClusterRun>& runs, const ClusterRun& run) {
  if (run.count == 0) return;
  auto next = runs.begin() + (FirstBehind(runs, run.first) - runs.begin());
  const bool joins_next = next != runs.end() && next->first == run.end();
  const bool joins_last = next != runs.begin() && (next - 1)->end() == run.first;
  if (joins_last) {
    (next - 1)->count += run.count + (joins_next ? next->count : 0);
    if (joins_next) runs.erase(next);
  } else if (joins_next) {
    next->first = run.first;
    next->count += run.count;
  } else {
    runs.insert(next, run);
  }
}

ClusterSpace::ClusterSpace(std::vector<ClusterRun> free, std::uint64_t end, std::uint64_t limit)
    : free_(std::move(free)), end_(end), limit_(limit) {}

std::uint64_t ClusterSpace::free_clusters() const {
  std::uint64_t clusters = limit_ > end_ ? limit_ - end_ : 0;
  for (const ClusterRun& run : free_) clusters += run.count;
  return clusters;
}

Status ClusterSpace::Require(std::uint64_t count) const {
  const std::uint64_t have = free_clusters();
  if (have >= count) return {};
  return MakeError(ErrorCode::kNoSpace, "{0} more clusters are needed for the change",
                   count - have);
}

Result<std::uint64_t> ClusterSpace::Take(std::uint64_t count) {
  const auto fits = [count](const ClusterRun& run) { return run.count >= count; };
  const auto place = std::ranges::find_if(free_, fits);
  std::uint64_t first = end_;
  if (place != free_.end()) {
    first = place->first;
    Remove(free_, {first, count});
  } else {
    if (!free_.empty() && free_.back().end() == end_) first = free_.back().first;
    if (first > limit_ || limit_ - first < count) {
      const std::uint64_t have = free_clusters();
      return MakeError(ErrorCode::kNoSpace,
                       "{0} clusters are needed for the change, but of those that are free no {0} "
                       "follow one another ({1} are free)",
                       count, have);
    }
    if (first != end_) free_.pop_back();
    end_ = first + count;
  }
  AddRun(taken_, {first, count});
  return first;
}

Result<ClusterRun> ClusterSpace::TakeSome(std::uint64_t count) {
  if (limit_ > end_ && limit_ - end_ >= count) {
    const ClusterRun run{std::exchange(end_, end_ + count), count};
    AddRun(taken_, run);
    return run;
  }
  const auto largest = std::ranges::max_element(free_, {}, &ClusterRun::count);
  const std::uint64_t behind = limit_ > end_ ? limit_ - end_ : 0;
  const std::uint64_t room = largest == free_.end() ? 0 : largest->count;
  const std::uint64_t most = std::min(count, std::max(behind, room));
  if (most == 0) return std::unexpected(Require(count).error());
  ClusterRun run{.count = most};
  if (behind >= room) {
    run.first = std::exchange(end_, end_ + most);
  } else {
    run.first = largest->first;
    Remove(free_, run);
  }
  AddRun(taken_, run);
  return run;
}

Result<ClusterRun> ClusterSpace::TakeLowest(std::uint64_t count) {
  if (!free_.empty()) {
    const ClusterRun run{free_.front().first, std::min(count, free_.front().count)};
    Remove(free_, run);
    AddRun(taken_, run);
    return run;
  }
  const std::uint64_t most = std::min(count, limit_ > end_ ? limit_ - end_ : 0);
  if (most == 0) return std::unexpected(Require(count).error());
  const ClusterRun run{std::exchange(end_, end_ + most), most};
  AddRun(taken_, run);
  return run;
}

void ClusterSpace::Give(const ClusterRun& run) {
  Remove(taken_, run);
  if (run.end() == end_) {
    end_ = run.first;
    if (!free_.empty() && free_.back().end() == end_) {
      end_ = free_.back().first;
      free_.pop_back();
    }
  } else {
    AddRun(free_, run);
  }
}

bool ClusterSpace::IsTaken(std::uint64_t first, std::uint64_t count) const {
  const auto run = FirstBehind(taken_, first);
  return run != taken_.end() && run->first <= first && run->end() - first >= count;
}

}  // namespace instar
