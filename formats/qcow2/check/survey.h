// What a change in place has to know of an image before it begins, learned by a check of it: where
// there is room, and whether the counts can be relied on.
#ifndef FORMATS_QCOW2_CHECK_SURVEY_H_
#define FORMATS_QCOW2_CHECK_SURVEY_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "formats/base/error.h"
#include "formats/check.h"
#include "formats/edit/cluster_space.h"
#include "formats/qcow2/check/damage.h"

namespace instar::qcow2 {

struct Survey {
  // A refcount that is not the number of references.
  struct WrongCount {
    std::uint64_t cluster = 0;
    std::uint64_t on_disk = 0;
    std::uint64_t references = 0;
    friend bool operator==(const WrongCount&, const WrongCount&) = default;
  };
  // Is told of wrong counts as they are met, in ascending order, instead of having them listed.
  class CountSink {
   public:
    virtual ~CountSink() = default;
    virtual Status Add(const WrongCount& wrong) = 0;
  };
  // So many runs of free clusters, and wrong counts, are kept.
  static constexpr std::size_t kMaxFreeRuns = 65536;
  static constexpr std::size_t kMaxWrongCounts = std::size_t{1} << 20;

  // Asked for: that wrong counts are listed instead of found, because the image says that its
  // counts may be stale (the dirty bit).
  bool recount = false;
  CountSink* counts = nullptr;  // with `recount`: where to
  Damage* damage = nullptr;     // of a repair: filled; wrong counts are found, and listed, too

  // Clusters without refcount and reference, in ascending order, the first ones that there are.
  std::vector<ClusterRun> free;
  // From this cluster on nothing has a refcount or a reference, in the file or behind its end.
  std::uint64_t end = 0;
  std::vector<WrongCount> wrong_counts;
  // Whether something else is wrong that a change can pass over: a flag COPIED.
  bool harmless = false;
  // Why the image cannot be changed before it is repaired.
  std::optional<Finding> obstacle;

  void Recount(std::uint64_t cluster, std::uint64_t on_disk, std::uint64_t references);
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_CHECK_SURVEY_H_
