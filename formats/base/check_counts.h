// What a check of an image finds and counts: the words that checkers, guests and the host share.
#ifndef FORMATS_BASE_CHECK_COUNTS_H_
#define FORMATS_BASE_CHECK_COUNTS_H_

#include <cstdint>
#include <optional>

namespace instar {

enum class FindingKind : std::uint32_t {
  kCorruption = 1,  // reading or writing the image can give wrong data
  kLeak = 2,        // storage is occupied that nothing uses
  kError = 3,       // a part could not be checked
  kWarning = 4,     // worth telling, counted as nothing
};
[[nodiscard]] constexpr bool IsKnown(FindingKind kind) {
  return kind >= FindingKind::kCorruption && kind <= FindingKind::kWarning;
}

// What a check counted. Clusters are the format's units (clusters, grains, blocks). What a format
// does not count stays empty; qemu-img's JSON leaves it out likewise.
struct CheckCounts {
  std::uint64_t corruptions = 0;
  std::uint64_t leaks = 0;
  std::uint64_t check_errors = 0;
  std::optional<std::uint64_t> image_end_offset;  // bytes: end of the last unit in use
  std::optional<std::uint64_t> total_clusters;
  std::optional<std::uint64_t> allocated_clusters;
  std::optional<std::uint64_t> fragmented_clusters;
  std::optional<std::uint64_t> compressed_clusters;

  // Under qemu-img's keys, in the order of its JSON.
  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("image-end-offset", image_end_offset);
    visit("compressed-clusters", compressed_clusters);
    visit("total-clusters", total_clusters);
    visit("corruptions", corruptions);
    visit("check-errors", check_errors);
    visit("leaks", leaks);
    visit("allocated-clusters", allocated_clusters);
    visit("fragmented-clusters", fragmented_clusters);
  }
};

}  // namespace instar

#endif  // FORMATS_BASE_CHECK_COUNTS_H_
