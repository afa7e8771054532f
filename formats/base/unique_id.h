// Identifiers of images, made from the seed that the writer was given.
#ifndef FORMATS_BASE_UNIQUE_ID_H_
#define FORMATS_BASE_UNIQUE_ID_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "formats/base/blake2b.h"
#include "formats/base/identity.h"

namespace instar {

using UniqueId = std::array<std::byte, 16>;

// Gives one identifier after another, each in the form of a random UUID (version 4, RFC 9562) whose
// bytes stand in the order of its text. Sources of other kinds give other identifiers.
class UniqueIdSource {
 public:
  UniqueIdSource(std::string_view kind, const IdentitySeed& seed);

  // Adds what the identifiers shall depend on besides the seed. Before the first Next.
  void Mix(std::uint64_t number) { mixed_.AddNumber(number); }
  void Mix(std::span<const std::byte> bytes) { mixed_.Add(bytes); }

  UniqueId Next();

 private:
  Blake2b mixed_;
  std::uint64_t given_ = 0;
};

}  // namespace instar

#endif  // FORMATS_BASE_UNIQUE_ID_H_
