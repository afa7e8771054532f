#include "formats/base/stored_bytes.h"

#include <algorithm>
#include <array>

namespace instar {

Result<std::uint64_t> StoredBytes::CountUpTo(const BlockDevice& device, std::uint64_t wanted) {
  std::array<FileRun, 64> runs;
  const std::uint64_t file_bytes = device.size_bytes();
  while (stored_ < wanted && end_ < file_bytes) {
    INSTAR_ASSIGN_OR_RETURN(const std::size_t count,
                            device.NextRuns(end_, file_bytes - end_, runs));
    if (count == 0) return MakeError(ErrorCode::kIo, "the holes of the file cannot be told");
    for (std::size_t i = 0; i < std::min(count, runs.size()) && end_ < file_bytes; ++i) {
      const std::uint64_t length =
          std::clamp<std::uint64_t>(runs[i].length_bytes, 1, file_bytes - end_);
      end_ += length;
      if (!runs[i].hole) stored_ += length;
    }
  }
  return stored_;
}

}  // namespace instar
