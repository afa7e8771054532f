// What can be read of an image that may be damaged: the disk and those of its snapshots, cluster by
// cluster, its bitmaps, and what the check finds.
#ifndef TESTS_CRASH_READABLE_H_
#define TESTS_CRASH_READABLE_H_

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crash/image_facts.h"

namespace instar::crash {

struct Readable {
  // The content of each cluster; nothing where it cannot be read.
  using Disk = std::vector<std::optional<Digest>>;
  static constexpr const char* kBehindEnd = "clusters behind the end of the file";

  Disk disk;
  std::map<std::string, Disk> snapshots;  // by ID and name
  std::vector<std::string> findings;      // in order
  std::uint64_t found = 0;                // of these

  // Clusters that cannot be read.
  [[nodiscard]] std::uint64_t Unreadable() const;
};

// Nothing where the image cannot be opened; what is wrong then.
// `file_bytes`: length of its file before it was changed.
std::expected<Readable, std::string> Read(const ImageFiles& files, std::uint64_t file_bytes);

// The first cluster that could be read in `before` and reads otherwise in `after`, or not at all;
// empty if there is none.
std::string Lost(const Readable& before, const Readable& after);

}  // namespace instar::crash

#endif  // TESTS_CRASH_READABLE_H_
