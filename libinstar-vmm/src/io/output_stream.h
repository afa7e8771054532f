// A file that only takes what follows: a pipe, a socket, whatever standard output is.
//
// Its offsets count from what the first write puts there. What is left out between two writes comes
// out as zeros, so that a writer of sparse files can leave out zeros here too; nothing can be
// written twice. Copies from a file into a pipe are spliced: the pages of the file's cache go into
// the pipe without being copied. A descriptor that does not block (O_NONBLOCK is shared with
// whoever made it) is waited for.
#ifndef LIBINSTAR_VMM_SRC_IO_OUTPUT_STREAM_H_
#define LIBINSTAR_VMM_SRC_IO_OUTPUT_STREAM_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include "io/io_result.h"
#include "io/run_stop.h"

namespace instar::vmm {

class OutputStream {
 public:
  // `fd` must outlive the stream. Makes the pipe, if it is one, as large as the system lets it.
  explicit OutputStream(int fd);

  // What ends a wait; must outlive the stream.
  void set_stop(const RunStop* stop) { stop_ = stop; }

  // How much has been written.
  [[nodiscard]] std::uint64_t position() const { return position_.load(std::memory_order_acquire); }

  // Zeros up to `offset`, then `data`. ESPIPE if `offset` lies before the position.
  IoResult Write(std::uint64_t offset, std::span<const std::byte> data);
  // Zeros up to `end`; ESPIPE as Write.
  IoResult Fill(std::uint64_t end);
  // Zeros up to `offset`, then `length` bytes of the file `source_fd` from `source_offset`. Sets
  // `moved` to how much of them there was, or could be, moved: the caller does the rest.
  IoResult Splice(std::uint64_t offset, int source_fd, std::uint64_t source_offset,
                  std::uint64_t length, std::uint64_t& moved);

 private:
  IoResult FillLocked(std::uint64_t end);
  IoResult Append(std::span<const std::byte> data);
  // After a call that failed: whether to try again. Waits where the descriptor is not ready.
  [[nodiscard]] bool Again(int error) const;
  [[nodiscard]] IoResult Failed(int error) const;

  const int fd_;
  const RunStop* stop_ = nullptr;
  bool splices_ = false;
  std::mutex mutex_;
  std::atomic<std::uint64_t> position_{0};
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_OUTPUT_STREAM_H_
