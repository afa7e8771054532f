#include "io/readable_bytes.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace instar::vmm {
namespace {

// A look may not itself take long: who reads on asks again.
constexpr unsigned kStepsOfALook = 4096;

void AddSaturating(std::atomic<std::uint64_t>& total, std::uint64_t bytes) {
  std::uint64_t old = total.load(std::memory_order_relaxed);
  std::uint64_t sum = 0;
  do {
    if (__builtin_add_overflow(old, bytes, &sum)) sum = ~std::uint64_t{0};
  } while (!total.compare_exchange_weak(old, sum, std::memory_order_relaxed));
}

}  // namespace

void ReadableBytes::Add(int fd, std::uint64_t length_bytes, std::uint64_t storage_bytes) {
  const std::uint64_t counted = std::min(length_bytes, storage_bytes);
  AddSaturating(length_, length_bytes);
  AddSaturating(known_, counted);
  const std::lock_guard lock(mutex_);
  files_.push_back({.fd = fd,
                    .length = length_bytes,
                    .counted = counted,
                    .walked = 0,
                    .data = 0,
                    .finished = fd < 0 || counted == length_bytes});
}

void ReadableBytes::Step(File& file) {
  const off_t data = lseek(file.fd, static_cast<off_t>(file.walked), SEEK_DATA);
  if (data < 0) {
    if (errno != ENXIO) file.data = file.length;  // the file system cannot tell
    file.finished = true;
    return;
  }
  const off_t hole = lseek(file.fd, data, SEEK_HOLE);
  if (hole <= data) {
    file.finished = true;
    return;
  }
  file.data += static_cast<std::uint64_t>(hole - data);
  file.walked = static_cast<std::uint64_t>(hole);
  file.finished = file.walked >= file.length;
}

bool ReadableBytes::Reaches(std::uint64_t bytes) {
  if (bytes <= known()) return true;
  const std::lock_guard lock(mutex_);
  unsigned steps = kStepsOfALook;
  for (File& file : files_) {
    while (!file.finished && bytes > known() && steps-- > 0) {
      Step(file);
      if (file.data > file.counted) {
        AddSaturating(known_, file.data - file.counted);
        file.counted = file.data;
      }
    }
    if (bytes <= known()) return true;
  }
  return false;
}

}  // namespace instar::vmm
