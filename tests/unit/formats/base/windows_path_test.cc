#include "formats/base/windows_path.h"

#include <gtest/gtest.h>

#include <string>

namespace instar {
namespace {

std::string Plain(std::string_view path) {
  const auto plain = PlainPath({path.data(), path.size()});
  return {plain.begin(), plain.end()};
}

std::optional<std::string> FromUtf16(std::initializer_list<int> units) {
  std::vector<std::byte> bytes;
  for (const int unit : units) {
    bytes.push_back(static_cast<std::byte>(unit >> 8));
    bytes.push_back(static_cast<std::byte>(unit));
  }
  const auto text = Utf8FromUtf16(bytes, std::endian::big);
  if (!text) return std::nullopt;
  return std::string(text->begin(), text->end());
}

TEST(WindowsPath, BackslashesOfARelativePathBecomeSlashes) {
  EXPECT_EQ(Plain("parent.vhd"), "parent.vhd");
  EXPECT_EQ(Plain(".\\parent.vhd"), "parent.vhd");
  EXPECT_EQ(Plain(".\\.\\a\\b.vhd"), "a/b.vhd");
  EXPECT_EQ(Plain("..\\..\\secret"), "../../secret");
}

TEST(WindowsPath, OfAnAbsoluteWindowsPathTheFileNameStays) {
  EXPECT_EQ(Plain("C:\\vm\\parent.vhd"), "parent.vhd");
  EXPECT_EQ(Plain("c:parent.vhd"), "parent.vhd");
  EXPECT_EQ(Plain("\\\\server\\share\\parent.vhd"), "parent.vhd");
  EXPECT_EQ(Plain("\\\\?\\Volume{1}\\parent.vhd"), "parent.vhd");
  EXPECT_EQ(Plain("\\parent.vhd"), "parent.vhd");
}

TEST(WindowsPath, APathWithSlashesStaysForTheGateToJudge) {
  EXPECT_EQ(Plain("/etc/passwd"), "/etc/passwd");
  EXPECT_EQ(Plain("./base/parent.vhd"), "base/parent.vhd");
}

TEST(WindowsPath, Utf16OfEveryLengthBecomesUtf8) {
  EXPECT_EQ(FromUtf16({'a', 0xE9, 0x20AC, 0xD83D, 0xDE00}),
            "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(FromUtf16({'a', 0, 'b'}), "a");
  EXPECT_EQ(FromUtf16({}), "");
}

TEST(WindowsPath, BrokenUtf16IsRefused) {
  EXPECT_FALSE(FromUtf16({0xD83D}));
  EXPECT_FALSE(FromUtf16({0xD83D, 'a'}));
  EXPECT_FALSE(FromUtf16({0xDE00}));
  const std::byte odd[3] = {std::byte{'a'}, std::byte{0}, std::byte{'b'}};
  EXPECT_FALSE(Utf8FromUtf16(odd, std::endian::little));
}

}  // namespace
}  // namespace instar
