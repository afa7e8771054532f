// What decides the identities of an image: the content ID of a VMDK, the unique ID of a VHD, the
// GUIDs of a VHDX. Header-only, for the host as well as for the writers.
#ifndef FORMATS_BASE_IDENTITY_H_
#define FORMATS_BASE_IDENTITY_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "formats/base/ids.h"

namespace instar {

// 128 bits from which a writer makes all identities of one image: random ones, or a digest. Equal
// seeds give equal identities.
using IdentitySeed = std::array<std::byte, 16>;

// The seed in `bytes`, or nothing unless they are as many as one has.
[[nodiscard]] inline std::optional<IdentitySeed> IdentitySeedFrom(std::string_view bytes) {
  IdentitySeed seed{};
  if (bytes.size() != seed.size()) return std::nullopt;
  std::ranges::copy(std::as_bytes(std::span(bytes)), seed.begin());
  return seed;
}

// Whether writing an image of `format` gives it an identity. What is written into an existing image
// (`keep`) changes that of its content, which a VHD has none of: its unique ID names the disk.
[[nodiscard]] constexpr bool GetsIdentity(FormatId format, bool keep) {
  return format == FormatId::kVmdk || format == FormatId::kVhdx ||
         (format == FormatId::kVpc && !keep);
}

}  // namespace instar

#endif  // FORMATS_BASE_IDENTITY_H_
