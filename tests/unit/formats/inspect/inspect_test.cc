#include "formats/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "formats/base/table_budget.h"
#include "formats/other_signatures.h"
#include "support/memory_device.h"

namespace instar {
namespace {

using test::MemoryDevice;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<ReasonCode> Judge(const MemoryDevice& file, FormatId format,
                              std::uint64_t max_virtual_bytes = ~std::uint64_t{0}) {
  Reasons reasons;
  const Status judged = InspectImage({.device = &file,
                                      .format = format,
                                      .max_virtual_bytes = max_virtual_bytes,
                                      .reasons = &reasons});
  EXPECT_TRUE(judged);
  std::vector<ReasonCode> codes;
  for (const Reason& reason : reasons.all()) codes.push_back(reason.code);
  return codes;
}

TEST(ReasonNames, AreDistinctAndCoverEveryCode) {
  std::set<std::string_view> names;
  for (const ReasonName& entry : kReasonNames) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    EXPECT_EQ(NameOf(entry.code), entry.name);
  }
  EXPECT_EQ(NameOf(ReasonCode{0}), "");
  EXPECT_EQ(NameOf(ReasonCode{static_cast<std::uint32_t>(kReasonNames.size() + 1)}), "");
}

TEST(Reasons, KeepAMessageOnceWithItsFirstPlace) {
  Reasons reasons;
  reasons.Add(ReasonCode::kBeyondEnd, 8, "a table at {0}", 1);
  reasons.Add(ReasonCode::kBeyondEnd, 16, "a table at {0}", 2);
  reasons.Add(ReasonCode::kMalformed, 24, "a table at {0}", 3);
  ASSERT_EQ(reasons.all().size(), 2u);
  EXPECT_EQ(reasons.all()[0].offset, 8u);
  EXPECT_EQ(reasons.all()[0].numbers[0], 1u);
}

TEST(Reasons, TakeFaultsOfTheImageAndReturnThoseOfTheFile) {
  Reasons reasons;
  EXPECT_TRUE(reasons.AddError(Corrupt("bad").error(), 0));
  EXPECT_TRUE(reasons.AddError(Corrupt("x lies beyond the end of the file").error(), 0));
  EXPECT_TRUE(reasons.AddError(Unsupported("new").error(), 0));
  EXPECT_TRUE(reasons.AddError(OverLimit("large").error(), 0));
  EXPECT_FALSE(reasons.AddError(MakeError(ErrorCode::kIo, "no").error(), 0));
  std::vector<ReasonCode> codes;
  for (const Reason& reason : reasons.all()) codes.push_back(reason.code);
  EXPECT_THAT(codes, ElementsAre(ReasonCode::kMalformed, ReasonCode::kBeyondEnd,
                                 ReasonCode::kUnknownFeature, ReasonCode::kOverLimit));
}

TEST(Inspect, AnythingWithoutASignatureIsRaw) {
  EXPECT_THAT(Judge(MemoryDevice(0), FormatId::kRaw), IsEmpty());
  EXPECT_THAT(Judge(MemoryDevice(3), FormatId::kRaw), IsEmpty());
  EXPECT_THAT(Judge(MemoryDevice(1 << 20), FormatId::kRaw), IsEmpty());
}

TEST(Inspect, DiskStructuresAreARawImagesOwn) {
  MemoryDevice file(1 << 20);
  file.PutText(510, "\x55\xAA");
  file.PutText(512, "EFI PART");
  file.PutText(32769, "CD001");
  EXPECT_THAT(Judge(file, FormatId::kRaw), IsEmpty());
  const auto found = FindDiskStructures(file);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->size(), 3u);
}

TEST(Inspect, ASignatureInWhatIsSaidToBeRawIsAMismatch) {
  MemoryDevice file(8192);
  file.PutText(0, "QFI\xFB");
  EXPECT_THAT(Judge(file, FormatId::kRaw), ElementsAre(ReasonCode::kFormatMismatch));
}

TEST(Inspect, AFooterNeedsNoChecksumToBeFound) {
  MemoryDevice file(8192);
  file.PutText(8192 - 512, "conectix");
  EXPECT_THAT(Judge(file, FormatId::kRaw), ElementsAre(ReasonCode::kFormatMismatch));
  MemoryDevice shorter(8191);
  shorter.PutText(8191 - 511, "conectix");
  EXPECT_THAT(Judge(shorter, FormatId::kRaw), ElementsAre(ReasonCode::kFormatMismatch));
  MemoryDevice elsewhere(8192);
  elsewhere.PutText(8192 - 500, "conectix");
  EXPECT_THAT(Judge(elsewhere, FormatId::kRaw), IsEmpty());
}

TEST(Inspect, TheStatedFormatMustBeThere) {
  for (const FormatName& entry : kFormatNames) {
    if (entry.id == FormatId::kRaw) continue;
    EXPECT_THAT(Judge(MemoryDevice(1 << 20), entry.id), ElementsAre(ReasonCode::kFormatMismatch))
        << entry.name;
  }
}

TEST(Inspect, ARawDiskHasALimitToo) {
  EXPECT_THAT(Judge(MemoryDevice(4096), FormatId::kRaw, 4096), IsEmpty());
  EXPECT_THAT(Judge(MemoryDevice(4097), FormatId::kRaw, 4096),
              ElementsAre(ReasonCode::kVirtualSize));
}

TEST(Inspect, AFileThatCannotBeReadIsNoVerdict) {
  MemoryDevice file(1 << 20);
  file.fail_reads_from = 0;
  Reasons reasons;
  const Status judged =
      InspectImage({.device = &file, .format = FormatId::kQcow2, .reasons = &reasons});
  ASSERT_FALSE(judged);
  EXPECT_EQ(judged.error().code, ErrorCode::kIo);
}

TEST(TableBudget, FollowsWhatTheFileStores) {
  MemoryDevice file(1 << 20);  // nothing but holes
  TableBudget budget(file);
  EXPECT_TRUE(budget.Spend(TableBudget::kFreeBytes));
  EXPECT_FALSE(budget.Spend(1));

  MemoryDevice stored(1 << 20);
  for (std::uint64_t at = 0; at < 1 << 19; at += MemoryDevice::kBlock) stored.PutText(at, "x");
  TableBudget larger(stored);
  EXPECT_TRUE(larger.Spend(TableBudget::kFreeBytes + (1 << 19)));
  const Status spent = larger.Spend(1);
  ASSERT_FALSE(spent);
  EXPECT_EQ(spent.error().code, ErrorCode::kLimit);
}

}  // namespace
}  // namespace instar
