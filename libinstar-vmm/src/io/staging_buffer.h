// Memory of one worker that file data passes through. Mapped when first used, so that a verb that
// moves no data pays nothing; aligned to and advised for 2 MiB pages, which makes its first touch
// some ten times cheaper and keeps copying out of the TLB's way.
#ifndef LIBINSTAR_VMM_SRC_IO_STAGING_BUFFER_H_
#define LIBINSTAR_VMM_SRC_IO_STAGING_BUFFER_H_

#include <cstddef>
#include <span>

namespace instar::vmm {

class StagingBuffer {
 public:
  explicit StagingBuffer(std::size_t bytes) : bytes_(bytes) {}
  ~StagingBuffer();
  StagingBuffer(const StagingBuffer&) = delete;
  StagingBuffer& operator=(const StagingBuffer&) = delete;

  // The memory; empty if the system gives none.
  std::span<std::byte> Get();

 private:
  std::size_t bytes_;
  void* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0;
  std::byte* start_ = nullptr;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_STAGING_BUFFER_H_
