// The part of a file that is a raw disk, where it is not all of it.
#ifndef FORMATS_BASE_RAW_WINDOW_H_
#define FORMATS_BASE_RAW_WINDOW_H_

#include <cstdint>

namespace instar {

struct RawWindow {
  static constexpr std::uint64_t kToTheEnd = ~std::uint64_t{0};

  std::uint64_t offset_bytes = 0;
  std::uint64_t size_bytes = kToTheEnd;  // else a multiple of 512

  bool operator==(const RawWindow&) const = default;

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, offset_bytes);
    visit(2, size_bytes);
  }
};

}  // namespace instar

#endif  // FORMATS_BASE_RAW_WINDOW_H_
