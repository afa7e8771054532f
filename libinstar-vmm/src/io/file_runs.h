// Where a file has data and where holes, as the file system tells (SEEK_DATA, SEEK_HOLE).
#ifndef LIBINSTAR_VMM_SRC_IO_FILE_RUNS_H_
#define LIBINSTAR_VMM_SRC_IO_FILE_RUNS_H_

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace instar::vmm {

struct RunOfFile {
  std::uint64_t length = 0;
  bool hole = false;
};

// The run that starts at `offset`, at most `max_length` (not 0) bytes of it. What lies beyond the
// end of the file is a hole. A file that cannot tell (device nodes, some file systems) is data.
// One byte of data is told by one seek, which is cheap everywhere; to find where data ends, some
// file systems walk over every page of it. `after_hole` says that a hole was found to end at
// `offset`, so that there is data.
RunOfFile FindRun(int fd, std::uint64_t offset, std::uint64_t max_length, bool after_hole = false);

// The same, but from where data is found on, its unit of `unit_bytes` (a power of two) of the file
// is taken for data to its end.
RunOfFile FindUnits(int fd, std::uint64_t offset, std::uint64_t max_length,
                    std::uint64_t unit_bytes, bool after_hole);

// Remembers the runs found of a file that nobody changes meanwhile, for all who ask. Thread-safe.
class FileRuns {
 public:
  // As FindRun.
  RunOfFile Find(int fd, std::uint64_t offset, std::uint64_t max_length);

 private:
  struct Known {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    bool hole = false;
  };
  // Of more, a file is in so small pieces that it is gone through in its order: all are forgotten.
  static constexpr std::size_t kMostKnown = 4096;

  std::mutex mutex_;
  std::vector<Known> known_;    // in order; none reaches into the next
  std::uint64_t hole_end_ = 0;  // of the last hole that was found; 0: none
};

// As FindRun; asks `runs`, which is of the file, unless it is null.
RunOfFile FindRun(FileRuns* runs, int fd, std::uint64_t offset, std::uint64_t max_length);

// For one worker that goes through a file in small steps and need not find every hole. Where data
// ends is not asked: what follows data is taken for data, first kFirstStep bytes, then twice as
// many each time, up to kLongestStep.
class RunMemory {
 public:
  static constexpr std::uint64_t kFirstStep = std::uint64_t{256} << 10;
  static constexpr std::uint64_t kLongestStep = std::uint64_t{8} << 20;

  // The hole at `offset`, or what is taken for data, at most `max_length` bytes; of a file that
  // nobody changes meanwhile. `key` tells files apart; `shared` is that of the file, or null. Of
  // data, steps are taken until there are `wanted_length` bytes, if it goes on.
  RunOfFile Find(std::uint32_t key, int fd, FileRuns* shared, std::uint64_t offset,
                 std::uint64_t max_length, std::uint64_t wanted_length = 1);

 private:
  std::uint32_t key_ = 0;
  std::uint64_t start_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t step_ = kFirstStep;
  bool hole_ = true;  // nothing to follow yet
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_FILE_RUNS_H_
