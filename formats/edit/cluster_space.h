// Which clusters of a file a change in place may write to: those that nothing of the old image
// reaches.
//
// There are two kinds: clusters inside that are known to be free, and everything from `end` on,
// behind which nothing is counted or referred to. Space is taken from the lowest place that fits,
// so that a file which is changed again and again does not grow. What was taken may be given back.
//
// Not thread-safe.
#ifndef FORMATS_EDIT_CLUSTER_SPACE_H_
#define FORMATS_EDIT_CLUSTER_SPACE_H_

#include <cstdint>
#include <vector>

#include "formats/base/error.h"

namespace instar {

// Clusters [first, first + count).
struct ClusterRun {
  std::uint64_t first = 0;
  std::uint64_t count = 0;

  [[nodiscard]] std::uint64_t end() const { return first + count; }
  friend bool operator==(const ClusterRun&, const ClusterRun&) = default;
};

// Adds `run` to `runs`, which are in ascending order and do not touch, nor overlap `run`.
void AddRun(std::vector<ClusterRun>& runs, const ClusterRun& run);

class ClusterSpace {
 public:
  // `free`: in ascending order, apart from each other and below `end`. `limit`: clusters from here
  // on do not exist (the end of a disk; the largest offset of the format).
  ClusterSpace(std::vector<ClusterRun> free, std::uint64_t end, std::uint64_t limit);

  // kNoSpace, with how many are missing, if there are no `count` clusters.
  [[nodiscard]] Status Require(std::uint64_t count) const;
  // `count` clusters that follow one another; the first. kNoSpace tells how many are missing.
  Result<std::uint64_t> Take(std::uint64_t count);
  // From 1 to `count` clusters that follow one another, where there is most room. kNoSpace.
  Result<ClusterRun> TakeSome(std::uint64_t count);
  // From 1 to `count` clusters that follow one another, as low as there are any. kNoSpace.
  Result<ClusterRun> TakeLowest(std::uint64_t count);
  // Gives back what Take returned.
  void Give(const ClusterRun& run);

  // Whether all of [first, first + count) was taken and not given back: what may be written.
  [[nodiscard]] bool IsTaken(std::uint64_t first, std::uint64_t count) const;
  // What was taken, in ascending order; runs that touch are one.
  [[nodiscard]] const std::vector<ClusterRun>& taken() const { return taken_; }
  // Behind this nothing was ever in use, and nothing was taken.
  [[nodiscard]] std::uint64_t end() const { return end_; }

 private:
  [[nodiscard]] std::uint64_t free_clusters() const;

  std::vector<ClusterRun> free_;
  std::uint64_t end_;
  std::uint64_t limit_;
  std::vector<ClusterRun> taken_;
};

}  // namespace instar

#endif  // FORMATS_EDIT_CLUSTER_SPACE_H_
