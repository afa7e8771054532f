// Where a file has data and holes, asked for several runs at a time and remembered: for walks over
// files that are cut up finely.
#ifndef FORMATS_BASE_RUN_CACHE_H_
#define FORMATS_BASE_RUN_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"

namespace instar {

// Not thread-safe. For files that nobody changes meanwhile.
class RunCache {
 public:
  // The run that stands at `offset`, which is below the end of the file, at most `max_length` (not
  // 0) bytes of it. kIo.
  Result<FileRun> At(const BlockDevice& device, std::uint64_t offset, std::uint64_t max_length);

 private:
  static constexpr std::size_t kMaxRuns = 512;
  // Who looks this little before what is remembered is taken to walk backwards.
  static constexpr std::uint64_t kBackBytes = std::uint64_t{64} << 20;

  [[nodiscard]] bool Holds(const BlockDevice& device, std::uint64_t offset) const {
    return device.id() == device_ && offset >= start_ && offset < end_;
  }
  Status Ask(const BlockDevice& device, std::uint64_t offset, std::size_t most);

  DeviceId device_ = kNoDevice;
  std::uint64_t start_ = 0;  // of the first run
  std::uint64_t end_ = 0;    // of the last run
  std::size_t count_ = 0;
  std::size_t wanted_ = 1;  // runs to ask for next
  std::size_t at_ = 0;      // the run found last, and where it starts
  std::uint64_t at_start_ = 0;
  std::vector<FileRun> runs_;
};

}  // namespace instar

#endif  // FORMATS_BASE_RUN_CACHE_H_
