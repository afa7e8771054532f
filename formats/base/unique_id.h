// Identifiers of fresh images. Pure code has no source of randomness: an identifier is made from
// what the image is, so that the same request gives the same bytes wherever it runs.
#ifndef FORMATS_BASE_UNIQUE_ID_H_
#define FORMATS_BASE_UNIQUE_ID_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace instar {

using UniqueId = std::array<std::byte, 16>;

// Gives one identifier after another, each in the form of a random UUID (version 4, RFC 9562) whose
// bytes stand in the order of its text.
class UniqueIdSource {
 public:
  constexpr explicit UniqueIdSource(std::string_view kind) { Mix(kind); }

  // What tells the image from others.
  constexpr void Mix(std::uint64_t number) { state_ = Scramble(state_ ^ number); }
  constexpr void Mix(std::string_view text) {
    for (const char c : text) Mix(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
    Mix(text.size());
  }

  constexpr UniqueId Next() {
    UniqueId id{};
    for (std::size_t i = 0; i < id.size(); ++i) {
      if (i % 8 == 0) Mix(i + 1);
      id[i] = static_cast<std::byte>(state_ >> (i % 8 * 8));
    }
    id[6] = (id[6] & std::byte{0x0F}) | std::byte{0x40};
    id[8] = (id[8] & std::byte{0x3F}) | std::byte{0x80};
    return id;
  }

 private:
  // The finalizer of SplitMix64.
  static constexpr std::uint64_t Scramble(std::uint64_t value) {
    value += 0x9E3779B97F4A7C15;
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9;
    value = (value ^ value >> 27) * 0x94D049BB133111EB;
    return value ^ value >> 31;
  }
  std::uint64_t state_ = 0;
};

}  // namespace instar

#endif  // FORMATS_BASE_UNIQUE_ID_H_
