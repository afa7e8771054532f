// Whether bytes are zeros.
// tests/unit/formats/base/zero_bytes_test.cc covers this file.
#ifndef FORMATS_BASE_ZERO_BYTES_H_
#define FORMATS_BASE_ZERO_BYTES_H_

#include <cstddef>
#include <span>

namespace instar {

// True for no bytes at all.
[[nodiscard]] bool IsZero(std::span<const std::byte> bytes);

}  // namespace instar

#endif  // FORMATS_BASE_ZERO_BYTES_H_
