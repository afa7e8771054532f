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

// What a repair makes of something that was found. The values are told by guests: append only.
enum class FixKind : std::uint32_t {
  kNone = 0,      // nothing
  kCount = 1,     // a refcount becomes the number of references
  kCopied = 2,    // an entry's flag COPIED becomes what the refcount says
  kEntry = 3,     // an entry of a table becomes one that makes sense and reads the same
  kRebuild = 4,   // the refcount table and its blocks are made anew from the references
  kCopy = 5,      // what shares a place that only one can have gets a copy of its own
  kSnapshot = 6,  // an entry of the snapshot table is completed, or taken out where it is none
  kBitmap = 7,    // a bitmap is dropped
};
[[nodiscard]] constexpr bool IsKnown(FixKind kind) { return kind <= FixKind::kBitmap; }

enum class RepairMode : std::uint32_t {
  kNone = 0,   // nothing is repaired
  kLeaks = 1,  // what only wastes storage
  kAll = 2,
};
[[nodiscard]] constexpr bool IsKnown(RepairMode mode) { return mode <= RepairMode::kAll; }

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
