#include "formats/luks/header.h"

#include <gtest/gtest.h>

#include <string>

#include "support/memory_device.h"
#include "support/text_sink.h"

namespace instar::luks {
namespace {

using test::MemoryDevice;

MemoryDevice Example(std::string_view mode, std::uint32_t key_bytes) {
  MemoryDevice file(1024);
  file.PutText(0, std::string_view("LUKS\xBA\xBE\0\1", 8));
  file.PutText(8, "aes");
  file.PutText(40, mode);
  file.PutText(72, "sha256");
  file.PutBe32(104, 4040);
  file.PutBe32(108, key_bytes);
  file.PutBe32(164, 8070);
  file.PutText(168, "cb7d9a3b-b747-496a-8540-8553a82990af");
  for (std::uint32_t slot = 0; slot < 8; ++slot) {
    file.PutBe32(208 + 48 * slot, slot == 0 ? 0x00AC71F3 : 0x0000DEAD);
    file.PutBe32(208 + 48 * slot + 4, slot == 0 ? 31016 : 0);
    file.PutBe32(208 + 48 * slot + 40, 8 + 504 * slot);
    file.PutBe32(208 + 48 * slot + 44, 4000);
  }
  return file;
}

std::string Description(const MemoryDevice& file) {
  const auto header = Header::ReadFrom(file, 0);
  EXPECT_TRUE(header);
  test::TextSink sink;
  header->Describe(sink);
  return sink.text;
}

// What qemu-img 7.2 prints of such a header.
TEST(LuksHeader, IsDescribedAsQemuImgDoes) {
  EXPECT_EQ(Description(Example("xts-plain64", 64)),
            "ivgen-alg: 'plain64', hash-alg: 'sha256', cipher-alg: 'aes-256', uuid: "
            "'cb7d9a3b-b747-496a-8540-8553a82990af', format: 'luks', cipher-mode: 'xts', slots: "
            "[{active: true, iters: 31016, key-offset: 4096, stripes: 4000}, "
            "{active: false, key-offset: 262144}, {active: false, key-offset: 520192}, "
            "{active: false, key-offset: 778240}, {active: false, key-offset: 1036288}, "
            "{active: false, key-offset: 1294336}, {active: false, key-offset: 1552384}, "
            "{active: false, key-offset: 1810432}], payload-offset: 2068480, "
            "master-key-iters: 8070");
}

TEST(LuksHeader, TheHashOfTheVectorGeneratorIsToldWhereThereIsOne) {
  const std::string text = Description(Example("cbc-essiv:sha1", 16));
  EXPECT_TRUE(text.starts_with("ivgen-alg: 'essiv', hash-alg: 'sha256', cipher-alg: 'aes-128', "))
      << text;
  EXPECT_NE(text.find("ivgen-hash-alg: 'sha1', format: 'luks', cipher-mode: 'cbc'"),
            std::string::npos)
      << text;
}

TEST(LuksHeader, TextThatFillsItsFieldNeedsNoNul) {
  const auto header = Header::ReadFrom(Example(std::string(32, 'm'), 64), 0);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->cipher_mode(), std::string(32, 'm'));
  EXPECT_EQ(header->hash(), "sha256");
}

TEST(LuksHeader, OtherMagicAndOtherVersionsAreRefused) {
  MemoryDevice file = Example("xts-plain64", 64);
  file.PutBe16(6, 2);
  EXPECT_EQ(Header::ReadFrom(file, 0).error().code, ErrorCode::kUnsupported);
  file.PutText(0, "SKUL");
  EXPECT_EQ(Header::ReadFrom(file, 0).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(Header::ReadFrom(MemoryDevice(0), 0).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace instar::luks
