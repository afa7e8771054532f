// How much there is to read in the files of a run: the bound within which reading is progress.
//
// The length of a file says little: an image of 8 KiB of storage can be 2^62 bytes long. What
// counts is the data that SEEK_DATA finds. To look for it costs a walk over the file, so it is done
// only when a guest has read more than the file's storage (st_blocks), and no further than what was
// read. A file whose file system cannot tell counts with its length.
#ifndef LIBINSTAR_VMM_SRC_IO_READABLE_BYTES_H_
#define LIBINSTAR_VMM_SRC_IO_READABLE_BYTES_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

namespace instar::vmm {

class ReadableBytes {
 public:
  // A file that was opened for the run and stays open. `storage_bytes`: what it occupies, at most
  // `length_bytes`; what can be relied on without a look.
  void Add(int fd, std::uint64_t length_bytes, std::uint64_t storage_bytes);

  // Whether there is as much data as `bytes`, in all files together.
  [[nodiscard]] bool Reaches(std::uint64_t bytes);
  [[nodiscard]] std::uint64_t known() const { return known_.load(std::memory_order_relaxed); }
  // Lengths of all files together.
  [[nodiscard]] std::uint64_t length() const { return length_.load(std::memory_order_relaxed); }

 private:
  struct File {
    int fd;
    std::uint64_t length;
    std::uint64_t counted;  // as known without a look
    std::uint64_t walked;   // up to here
    std::uint64_t data;     // found in that
    bool finished;
  };
  // Looks at the next stretch of data.
  static void Step(File& file);

  std::mutex mutex_;
  std::vector<File> files_;
  std::atomic<std::uint64_t> known_{0};
  std::atomic<std::uint64_t> length_{0};
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_READABLE_BYTES_H_
