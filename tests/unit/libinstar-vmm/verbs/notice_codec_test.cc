#include "verbs/notice_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "instar/wire.h"
#include "verbs/child.h"

namespace instar::vmm {
namespace {

using ::testing::ElementsAre;

// Keeps all that it is told, as text.
struct Told {
  std::vector<std::string> lines;
  Notices notices = {.reference_opened =
                         [this](const OpenedReference& reference) {
                           lines.push_back(std::string(ReferenceKindName(reference.kind)) + " " +
                                           reference.path + " of " + reference.image);
                         },
                     .warning = [this](const std::string& line) { lines.push_back(line); }};
};

TEST(NoticeCodec, NoticesComeThroughAsTheyWere) {
  Told told;
  const Notices encoded = EncodedNotices(
      [&](std::span<const std::byte> bytes) { EXPECT_TRUE(DecodeNotice(bytes, told.notices)); });
  encoded.reference_opened(
      {.kind = ReferenceKind::kExtent, .image = "top\n.vmdk", .path = "flat.vmdk"});
  encoded.warning("a warning");
  EXPECT_THAT(told.lines, ElementsAre("extent flat.vmdk of top\n.vmdk", "a warning"));
}

TEST(NoticeCodec, AWarningIsMadeFitForATerminal) {
  Told told;
  const Notices encoded = EncodedNotices(
      [&](std::span<const std::byte> bytes) { EXPECT_TRUE(DecodeNotice(bytes, told.notices)); });
  encoded.warning("a\nb");
  EXPECT_THAT(told.lines, ElementsAre("a\\x0ab"));
}

TEST(NoticeCodec, NonsenseIsRefused) {
  Told told;
  EXPECT_FALSE(DecodeNotice({}, told.notices));
  WireWriter writer;
  writer.Unsigned(2, 7);  // no such kind
  writer.Text(3, "image");
  EXPECT_FALSE(DecodeNotice(writer.bytes(), told.notices));
  writer.Text(4, "path");
  EXPECT_FALSE(DecodeNotice(writer.bytes(), told.notices));
  WireWriter two_warnings;
  two_warnings.Text(1, "one");
  two_warnings.Text(1, "two");
  EXPECT_FALSE(DecodeNotice(two_warnings.bytes(), told.notices));
  EXPECT_TRUE(told.lines.empty());
}

TEST(NoticeCodec, AChildsNoticesReachTheParent) {
  Told told;
  const auto result = RunInChild(
      [](const ChildChannel& channel) -> ChildResult {
        channel.notices.warning("from the child");
        return std::vector<std::byte>(1);
      },
      ChildChannel{.progress = {}, .records = {}, .created = {}, .notices = told.notices});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(told.lines, ElementsAre("from the child"));
}

TEST(NoticeCodec, AChildThatNoticesWithoutEndIsNotBelieved) {
  Told told;
  const auto result = RunInChild(
      [](const ChildChannel& channel) -> ChildResult {
        for (int i = 0; i < 5000; ++i) channel.notices.warning("again");
        return std::vector<std::byte>(1);
      },
      ChildChannel{.progress = {}, .records = {}, .created = {}, .notices = told.notices});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kAborted);
}

}  // namespace
}  // namespace instar::vmm
