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

}  // namespace instar

#endif  // FORMATS_BASE_IDENTITY_H_
