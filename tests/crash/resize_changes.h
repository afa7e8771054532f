// The sizes that the proofs give to disks.
#ifndef TESTS_CRASH_RESIZE_CHANGES_H_
#define TESTS_CRASH_RESIZE_CHANGES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "crash/change.h"
#include "formats/base/growth.h"

namespace instar::crash {

// A size relative to the disk: so many clusters and bytes more, or less.
struct SizeStep {
  std::int64_t clusters = 0;
  std::int64_t bytes = 0;
  bool absolute = false;  // the size is that, and not the disk's and that
  Growth growth = Growth::kOff;
};

// The size that a disk of `disk_bytes` gets; nothing where it is none, or no change.
std::optional<std::uint64_t> SizeAfter(const SizeStep& step, std::uint64_t disk_bytes,
                                       unsigned cluster_bits);

// `size`: as it is to be called, "+3C-512" for three clusters more and 512 bytes less.
Change Resize(const std::string& size, const SizeStep& step);

const ChangeSet& ResizeChanges();

}  // namespace instar::crash

#endif  // TESTS_CRASH_RESIZE_CHANGES_H_
