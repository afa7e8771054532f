// The signatures by which a file is known to be a disk image. The probe asks for the first one; the
// strict profile asks for all, since a file that carries two is two images.
#ifndef FORMATS_SIGNATURES_H_
#define FORMATS_SIGNATURES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "formats/base/ids.h"

namespace instar {

struct Signature {
  FormatId format = FormatId::kUnknown;
  std::uint64_t offset = 0;  // in the file
};

inline constexpr std::size_t kSignatureHeadBytes =
    2048;  // no signature at the start reaches beyond

// Bytes at `offset` by which a format is known, unless `but_not` follows them.
struct HeadSignature {
  std::uint64_t offset = 0;
  std::string_view bytes;
  std::string_view but_not{};
};

// Signatures at the start of a file: at most one at its first byte, that of VDI, and that of a
// VMDK descriptor, whose comments may be anything.
struct HeadSignatures {
  std::array<Signature, 3> found{};
  std::size_t count = 0;
};

// `head` is the start of the file: kSignatureHeadBytes of it, or all. What a probe must believe
// stands first.
[[nodiscard]] HeadSignatures FindHeadSignatures(std::span<const std::byte> head);

}  // namespace instar

#endif  // FORMATS_SIGNATURES_H_
