#include "formats/base/blake2b.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace instar {
namespace {

template <typename Bytes>
std::string Hex(const Bytes& bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    for (const unsigned shift : {4U, 0U}) {
      text += "0123456789abcdef"[static_cast<unsigned>(byte) >> shift & 15];
    }
  }
  return text;
}

std::string DigestOf(std::span<const std::byte> bytes, std::size_t digest_bytes) {
  Blake2b digest(digest_bytes);
  digest.Add(bytes);
  std::vector<std::byte> out(digest_bytes);
  digest.Finish(out);
  return Hex(out);
}

TEST(Blake2b, GivesTheDigestsOfTheRfc) {
  EXPECT_EQ(DigestOf(std::as_bytes(std::span(std::string_view("abc"))), 64),
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
            "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
  EXPECT_EQ(DigestOf({}, 64),
            "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419"
            "d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce");
}

// What Python's hashlib gives.
TEST(Blake2b, ShortDigestsOfAllLengthsAroundABlock) {
  std::vector<std::byte> bytes;
  for (unsigned i = 0; i < 1000; ++i) bytes.push_back(static_cast<std::byte>(i % 251));
  struct Case {
    std::size_t length;
    const char* digest;
  };
  for (const Case& c :
       {Case{0, "cae66941d9efbd404e4d88758ea67670"}, Case{1, "7025e075d5e2f6cde3cc051a31f07660"},
        Case{127, "28b1296c7d4807883de6ee4ec04dcc0a"},
        Case{128, "a74787004ef589e31149183900d0294a"},
        Case{129, "aaf1b0371f6d4ee49ee4fb5ddd9c49ef"},
        Case{255, "e2f3b2a57bcf64d626b37fc9c12674a1"},
        Case{256, "1142c504dcd26338b7cbcf41424540d0"},
        Case{257, "b77b55d3dddcc45c6a52774565cd0dd6"},
        Case{1000, "bca120dfd89cd95d82898473a5b01c90"}}) {
    EXPECT_EQ(DigestOf(std::span(bytes).first(c.length), 16), c.digest) << c.length;
  }
}

TEST(Blake2b, HowTheBytesAreDividedDoesNotMatter) {
  std::vector<std::byte> bytes(1000, std::byte{7});
  for (const std::size_t part : {1, 63, 127, 128, 129, 256, 999}) {
    Blake2b digest(16);
    for (std::span<const std::byte> rest = bytes; !rest.empty();) {
      const auto piece = rest.first(std::min(part, rest.size()));
      digest.Add(piece);
      rest = rest.subspan(piece.size());
    }
    std::vector<std::byte> out(16);
    digest.Finish(out);
    EXPECT_EQ(Hex(out), DigestOf(bytes, 16)) << part;
  }
}

TEST(Blake2b, TwoTextsAreNotTwoOthers) {
  const auto of = [](std::string_view first, std::string_view second) {
    Blake2b digest(16);
    digest.AddText(first);
    digest.AddText(second);
    std::vector<std::byte> out(16);
    digest.Finish(out);
    return Hex(out);
  };
  EXPECT_NE(of("ab", "c"), of("a", "bc"));
}

}  // namespace
}  // namespace instar
