#include "io/staging_buffer.h"

#include <sys/mman.h>

#include <cstdint>

namespace instar::vmm {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

StagingBuffer::~StagingBuffer() {
  if (mapping_ != nullptr) munmap(mapping_, mapping_bytes_);
}

std::span<std::byte> StagingBuffer::Get() {
  if (start_ == nullptr) {
    const bool huge = bytes_ >= kHugePage;
    const std::size_t length = huge ? bytes_ + kHugePage : bytes_;
    void* const mapping =
        mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) return {};
    mapping_ = mapping;
    mapping_bytes_ = length;
    auto* start = static_cast<std::byte*>(mapping);
    if (huge) {
      const auto address = reinterpret_cast<std::uintptr_t>(start);
      start += (kHugePage - address % kHugePage) % kHugePage;
      madvise(start, bytes_, MADV_HUGEPAGE);
    }
    start_ = start;
  }
  return {start_, bytes_};
}

}  // namespace instar::vmm
