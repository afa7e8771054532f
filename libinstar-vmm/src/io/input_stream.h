// A pipe that is read once, from its start to its end, in pieces that whoever reads it can look at
// until the next one.
#ifndef LIBINSTAR_VMM_SRC_IO_INPUT_STREAM_H_
#define LIBINSTAR_VMM_SRC_IO_INPUT_STREAM_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include "io/io_result.h"
#include "io/run_stop.h"
#include "io/staging_buffer.h"

namespace instar::vmm {

// As much of `fd`, which is at `offset`, as there is for `out`: less only at its end. Waits where
// the descriptor does not block. Gives up with ECANCELED when a wait is interrupted and the run has
// been stopped.
IoResult ReadStream(int fd, std::uint64_t offset, std::span<std::byte> out, std::size_t& bytes,
                    const RunStop* stop = nullptr);

class InputStream {
 public:
  static constexpr std::size_t kPieceBytes = std::size_t{2} << 20;

  // `fd` must outlive the stream.
  explicit InputStream(int fd);

  // What ends a wait; must outlive the stream.
  void set_stop(const RunStop* stop) { stop_ = stop; }

  // How much has been read.
  [[nodiscard]] std::uint64_t position() const { return position_.load(std::memory_order_acquire); }

  // Sets `length` to how much there is at `offset`, at most `max_length`: of the piece at hand, or,
  // at its end, of the next one, which is then read. 0 at the end of the stream. ESPIPE elsewhere.
  IoResult Fetch(std::uint64_t offset, std::uint64_t max_length, std::uint64_t& length);

  // What the piece at hand has at `offset`, at most `length` bytes; empty where it has nothing.
  // No other is read while this is held.
  struct Held {
    std::unique_lock<std::mutex> lock;
    std::span<const std::byte> bytes;
  };
  [[nodiscard]] Held Hold(std::uint64_t offset, std::uint64_t length);

 private:
  [[nodiscard]] std::span<const std::byte> PieceLocked(std::uint64_t offset,
                                                       std::uint64_t length) const;

  const int fd_;
  const RunStop* stop_ = nullptr;
  std::mutex mutex_;
  StagingBuffer buffer_{kPieceBytes};
  std::span<std::byte> piece_;  // ends at position_
  std::atomic<std::uint64_t> position_{0};
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_INPUT_STREAM_H_
