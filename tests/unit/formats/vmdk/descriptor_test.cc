#include "formats/vmdk/descriptor.h"

#include <gtest/gtest.h>

#include <string>

namespace instar::vmdk {
namespace {

TEST(VmdkDescriptor, TellsWhatTheImageIs) {
  const auto found = Descriptor::Parse(
      "# Disk DescriptorFile\r\nversion=1\r\nCID=fffffffE\r\n parentCID = 12ab \n"
      "createType=\"monolithicFlat\"\nparentFileNameHint=\"a b.vmdk\"\n");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->cid, 0xFFFFFFFE);
  EXPECT_EQ(found->parent_cid, 0x12AB);
  EXPECT_EQ(found->create_type, "monolithicFlat");
  EXPECT_EQ(found->parent_name, "a b.vmdk");
}

TEST(VmdkDescriptor, OfAKeyThatStandsTwiceTheFirstCounts) {
  const auto found = Descriptor::Parse("CID=1\nCID=2\ncreateType=\"a\"\ncreateType=\"b\"\n");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->cid, 1);
  EXPECT_EQ(found->create_type, "a");
}

TEST(VmdkDescriptor, EndsAtItsFirstZeroByte) {
  const auto found = Descriptor::Parse(std::string_view("CID=1\n\0createType=\"a\"\n", 23));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->create_type, "");
}

TEST(VmdkDescriptor, RefusesContentIdsThatAreNone) {
  for (const char* text : {"CID=123456789\n", "CID=\n", "parentCID=xyz\n"}) {
    EXPECT_FALSE(Descriptor::Parse(text)) << text;
  }
}

TEST(VmdkExtents, AreReadInOrder) {
  const auto found = ParseExtents(
      "RW 100 FLAT \"a-flat.vmdk\" 7\nRDONLY 20 SPARSE \"a b-s001.vmdk\"\n# RW 5 ZERO\n"
      "NOACCESS 3 ZERO\nRW 4 VMFS \"v.vmdk\"\n");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 4u);
  EXPECT_EQ((*found)[0].type, ExtentType::kFlat);
  EXPECT_EQ((*found)[0].sectors, 100u);
  EXPECT_EQ((*found)[0].file_sector, 7u);
  EXPECT_EQ((*found)[1].access, ExtentAccess::kReadOnly);
  EXPECT_EQ((*found)[1].name, "a b-s001.vmdk");
  EXPECT_EQ((*found)[2].access, ExtentAccess::kNone);
  EXPECT_EQ((*found)[3].type, ExtentType::kVmfs);
  EXPECT_EQ((*found)[3].file_sector, 0u);
}

TEST(VmdkExtents, OfAnotherTypeAreNamedAndRefused) {
  for (const char* type : {"VMFSSPARSE", "SESPARSE", "VMFSRDM", "flat"}) {
    const auto found = ParseExtents("RW 100 " + std::string(type) + " \"a\" 0\n");
    ASSERT_FALSE(found) << type;
    EXPECT_EQ(found.error().code, ErrorCode::kUnsupported);
  }
}

TEST(VmdkExtents, ThatMakeNoSenseAreCorrupt) {
  for (const char* line : {"RW 0 FLAT \"a\" 0", "RW -1 FLAT \"a\" 0", "RW x FLAT \"a\" 0",
                           "RW 1 FLAT a 0", "RW 1 FLAT \"\" 0", "RW 1 FLAT \"a", "RW 1 FLAT \"a\"",
                           "RW 1 FLAT \"a\" -5", "RW 1 FLAT \"a\" 99999999999999999999",
                           "RW 18446744073709551615 FLAT \"a\" 0", "RW 1 SPARSE", "RW"}) {
    const auto found = ParseExtents(line);
    ASSERT_FALSE(found) << line;
  }
}

TEST(VmdkExtents, ALineThatIsNothingKnownIsCorrupt) {
  for (const char* line : {"rw 2048 flat \"a\" 0", "RX 1 ZERO", "R", "# c\nRW 1 ZERO\nRDO"}) {
    const auto found = ParseExtents(line);
    ASSERT_FALSE(found) << line;
    EXPECT_EQ(found.error().code, ErrorCode::kCorrupt) << line;
  }
}

TEST(VmdkExtents, ThatAreMissingAreCorruptUnlessWhatFollowsThemIsThere) {
  for (const char* text :
       {"", "# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\n"}) {
    const auto found = ParseExtents(text);
    ASSERT_FALSE(found) << text;
    EXPECT_EQ(found.error().code, ErrorCode::kCorrupt);
  }
  const auto none = ParseExtents("version=1\n# Extent description\n\nddb.adapterType = \"ide\"\n");
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

TEST(VmdkExtents, AreBounded) {
  std::string text;
  for (std::uint64_t i = 0; i <= kMaxExtents; ++i) text += "RW 1 ZERO\n";
  const auto many = ParseExtents(text);
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().code, ErrorCode::kLimit);
  const auto large = ParseExtents("RW 18014398509481980 ZERO\nRW 18014398509481980 ZERO\n");
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, ErrorCode::kLimit);
}

}  // namespace
}  // namespace instar::vmdk
