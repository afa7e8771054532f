// The hash BLAKE2b (RFC 7693), without a key: fast on 64-bit processors without special
// instructions. Tests compare it with the vectors of the RFC and with Python's.
#ifndef FORMATS_BASE_BLAKE2B_H_
#define FORMATS_BASE_BLAKE2B_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace instar {

class Blake2b {
 public:
  static constexpr std::size_t kMaxDigestBytes = 64;

  // A digest of `digest_bytes`, 1 to kMaxDigestBytes.
  explicit Blake2b(std::size_t digest_bytes);

  void Add(std::span<const std::byte> bytes);
  // The number's eight bytes, the lowest first.
  void AddNumber(std::uint64_t number);
  // The length of the text and the text, so that two texts cannot be taken for two others.
  void AddText(std::string_view text);

  // Stores the digest, of as many bytes as the constructor was given. Once, at the end.
  void Finish(std::span<std::byte> out);

 private:
  static constexpr std::size_t kBlockBytes = 128;

  void Compress(std::span<const std::byte> block, bool last);

  std::array<std::uint64_t, 8> state_;
  std::array<std::byte, kBlockBytes> block_{};
  std::size_t filled_ = 0;  // of block_; a full block waits for what follows it
  std::uint64_t count_ = 0;
};

}  // namespace instar

#endif  // FORMATS_BASE_BLAKE2B_H_
