#include "report/report_builder.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "support/report_of.h"

namespace instar::vmm {
namespace {

using Verdict = ReportBuilder::Verdict;

// Records as a guest would write them, right or wrong.
class Records {
 public:
  Records& Key(std::string_view key) { return Text(ReportTag::kKey, key); }
  Records& Text(ReportTag tag, std::string_view text) {
    writer_.Text(static_cast<std::uint32_t>(tag), text);
    return *this;
  }
  Records& Mark(ReportTag tag) { return Text(tag, ""); }
  Records& Number(ReportTag tag, std::uint64_t value) {
    writer_.Unsigned(static_cast<std::uint32_t>(tag), value);
    return *this;
  }
  Records& Raw(std::uint32_t tag, std::string_view payload) {
    writer_.Text(tag, payload);
    return *this;
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return writer_.bytes(); }

 private:
  WireWriter writer_;
};

constexpr auto kObject = ReportTag::kBeginObject;
constexpr auto kEndObject = ReportTag::kEndObject;
constexpr auto kArray = ReportTag::kBeginArray;
constexpr auto kEndArray = ReportTag::kEndArray;

TEST(ReportBuilder, BuildsTheTree) {
  ReportBuilder builder;
  Records records;
  records.Mark(kObject)
      .Key("virtual-size")
      .Number(ReportTag::kUnsigned, 1 << 20)
      .Key("delta")
      .Number(ReportTag::kSigned, static_cast<std::uint64_t>(-5))
      .Key("dirty-flag")
      .Number(ReportTag::kBoolean, 1)
      .Key("snapshots")
      .Mark(kArray)
      .Mark(kObject)
      .Key("name")
      .Text(ReportTag::kString, "one")
      .Mark(kEndObject)
      .Number(ReportTag::kUnsigned, 7)
      .Mark(kEndArray)
      .Mark(kEndObject)
      .Mark(kObject)
      .Mark(kEndObject);
  ASSERT_EQ(builder.Accept(records.bytes()), Verdict::kAccepted);
  const auto reports = builder.Take();
  ASSERT_TRUE(reports);
  ASSERT_EQ(reports->size(), 2u);
  const ReportTree& top = (*reports)[0];
  EXPECT_EQ(top.UnsignedAt("virtual-size"), 1u << 20);
  EXPECT_TRUE(top.BooleanAt("dirty-flag"));
  EXPECT_EQ(top.Find("delta")->AsSigned(), -5);
  std::vector<ReportMember> snapshots;
  for (const auto& item : top.Find("snapshots")->members()) snapshots.push_back(item);
  ASSERT_EQ(snapshots.size(), 2u);
  EXPECT_EQ(snapshots[0].key, "");
  EXPECT_EQ(snapshots[0].value.StringAt("name"), "one");
  EXPECT_EQ(snapshots[1].value.AsUnsigned(), 7u);
}

TEST(ReportBuilder, BatchesMayEndBetweenAnyTwoRecords) {
  ReportBuilder builder;
  EXPECT_EQ(builder.Accept(Records().Mark(kObject).bytes()), Verdict::kAccepted);
  EXPECT_FALSE(builder.Take());
  EXPECT_EQ(builder.Accept(Records().Key("a").bytes()), Verdict::kAccepted);
  EXPECT_EQ(builder.Accept(Records().Number(ReportTag::kUnsigned, 1).bytes()), Verdict::kAccepted);
  EXPECT_EQ(builder.Accept({}), Verdict::kAccepted);
  EXPECT_EQ(builder.Accept(Records().Mark(kEndObject).bytes()), Verdict::kAccepted);
  EXPECT_TRUE(builder.Take());
}

TEST(ReportBuilder, StringsMayHoldAnyBytes) {
  ReportBuilder builder;
  const std::string bytes("\0\xff\x1b", 3);
  ASSERT_EQ(builder.Accept(Records()
                               .Mark(kObject)
                               .Key("a")
                               .Text(ReportTag::kString, bytes)
                               .Mark(kEndObject)
                               .bytes()),
            Verdict::kAccepted);
  EXPECT_EQ((*builder.Take())[0].StringAt("a"), bytes);
}

struct Malformed {
  const char* name;
  std::function<void(Records&)> write;
};
void PrintTo(const Malformed& m, std::ostream* out) { *out << m.name; }

class MalformedReport : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedReport, IsRefusedForGood) {
  ReportBuilder builder;
  Records records;
  GetParam().write(records);
  EXPECT_EQ(builder.Accept(records.bytes()), Verdict::kMalformed);
  EXPECT_EQ(builder.Accept(Records().Mark(kObject).Mark(kEndObject).bytes()), Verdict::kMalformed);
  EXPECT_FALSE(builder.Take());
}

INSTANTIATE_TEST_SUITE_P(
    Cases, MalformedReport,
    testing::Values(
        Malformed{"UnknownTag", [](Records& r) { r.Raw(10, ""); }},
        Malformed{"TagZero", [](Records& r) { r.Raw(0, ""); }},
        Malformed{"ValueOutsideAnObject", [](Records& r) { r.Number(ReportTag::kUnsigned, 1); }},
        Malformed{"ArrayOutsideAnObject", [](Records& r) { r.Mark(kArray); }},
        Malformed{"KeyOutsideAnObject",
                  [](Records& r) { r.Key("a").Number(ReportTag::kUnsigned, 1); }},
        Malformed{"TopObjectWithKey", [](Records& r) { r.Key("a").Mark(kObject); }},
        Malformed{"ValueWithoutKey",
                  [](Records& r) { r.Mark(kObject).Number(ReportTag::kUnsigned, 1); }},
        Malformed{"ObjectWithoutKey", [](Records& r) { r.Mark(kObject).Mark(kObject); }},
        Malformed{"KeyInAnArray",
                  [](Records& r) {
                    r.Mark(kObject).Key("a").Mark(kArray).Key("b").Number(ReportTag::kUnsigned, 1);
                  }},
        Malformed{"TwoKeys", [](Records& r) { r.Mark(kObject).Key("a").Key("b"); }},
        Malformed{"KeyAtTheEndOfAnObject",
                  [](Records& r) { r.Mark(kObject).Key("a").Mark(kEndObject); }},
        Malformed{"EmptyKey", [](Records& r) { r.Mark(kObject).Key(""); }},
        Malformed{"LongKey", [](Records& r) { r.Mark(kObject).Key(std::string(65, 'a')); }},
        Malformed{"KeyWithOddCharacters", [](Records& r) { r.Mark(kObject).Key("a\"b"); }},
        Malformed{"KeyTwice",
                  [](Records& r) {
                    r.Mark(kObject)
                        .Key("a")
                        .Number(ReportTag::kUnsigned, 1)
                        .Key("a")
                        .Number(ReportTag::kUnsigned, 2);
                  }},
        Malformed{"EndOfNothing", [](Records& r) { r.Mark(kEndObject); }},
        Malformed{"ObjectClosedAsArray", [](Records& r) { r.Mark(kObject).Mark(kEndArray); }},
        Malformed{"ArrayClosedAsObject",
                  [](Records& r) { r.Mark(kObject).Key("a").Mark(kArray).Mark(kEndObject); }},
        Malformed{"BeginWithPayload", [](Records& r) { r.Text(kObject, "x"); }},
        Malformed{"EndWithPayload", [](Records& r) { r.Mark(kObject).Text(kEndObject, "x"); }},
        Malformed{"ShortNumber",
                  [](Records& r) { r.Mark(kObject).Key("a").Text(ReportTag::kUnsigned, "1234"); }},
        Malformed{"ShortSigned",
                  [](Records& r) { r.Mark(kObject).Key("a").Text(ReportTag::kSigned, ""); }},
        Malformed{
            "LongNumber",
            [](Records& r) { r.Mark(kObject).Key("a").Text(ReportTag::kUnsigned, "123456789"); }},
        Malformed{"BooleanOfTwo",
                  [](Records& r) { r.Mark(kObject).Key("a").Number(ReportTag::kBoolean, 2); }}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ReportBuilder, ACutRecordIsMalformed) {
  Records records;
  records.Mark(kObject).Key("abc");
  for (std::size_t cut = 1; cut < records.bytes().size(); ++cut) {
    ReportBuilder builder;
    const Verdict verdict = builder.Accept(records.bytes().first(cut));
    EXPECT_EQ(verdict, cut == 8 ? Verdict::kAccepted : Verdict::kMalformed) << cut;
  }
}

TEST(ReportBuilder, DepthIsBounded) {
  ReportBuilder builder;
  Records records;
  records.Mark(kObject);
  for (unsigned i = 1; i < kMaxReportDepth; ++i) records.Key("a").Mark(kObject);
  ASSERT_EQ(builder.Accept(records.bytes()), Verdict::kAccepted);
  EXPECT_EQ(builder.Accept(Records().Key("a").Mark(kObject).bytes()), Verdict::kOverLimit);
}

TEST(ReportBuilder, BytesThatAreKeptAreBounded) {
  ReportBuilder builder;
  Records records;
  records.Text(ReportTag::kString, std::string(60'000, 'x'));
  ASSERT_EQ(builder.Accept(Records().Mark(kObject).Key("a").Mark(kArray).bytes()),
            Verdict::kAccepted);
  std::uint64_t accepted = 0;
  while (builder.Accept(records.bytes()) == Verdict::kAccepted) accepted += records.bytes().size();
  EXPECT_EQ(builder.Accept({}), Verdict::kOverLimit);
  EXPECT_LE(accepted, kMaxKeptReportBytes);
  EXPECT_GT(accepted, kMaxKeptReportBytes - 70'000);
}

TEST(ReportBuilder, BytesThatAreEmittedAreBounded) {
  ReportBuilder builder;
  builder.set_object_sink([](const ReportTree&) { return true; });
  Records records;
  records.Mark(kObject)
      .Key("a")
      .Text(ReportTag::kString, std::string(60'000, 'x'))
      .Mark(kEndObject);
  std::uint64_t accepted = 0;
  while (builder.Accept(records.bytes()) == Verdict::kAccepted) accepted += records.bytes().size();
  EXPECT_EQ(builder.Accept({}), Verdict::kOverLimit);
  EXPECT_LE(accepted, kMaxReportBytes);
  EXPECT_GT(accepted, kMaxReportBytes - 70'000);
}

// What a guest can send at most, in shapes that cost a tree of objects the most.
TEST(ReportBuilder, NoRecordTakesMoreMemoryThanItHasBytes) {
  const std::function<void(Records&)> shapes[] = {
      [](Records& r) { r.Mark(kArray).Mark(kEndArray); },
      [](Records& r) { r.Mark(kObject).Mark(kEndObject); },
      [](Records& r) { r.Text(ReportTag::kString, ""); },
      [](Records& r) { r.Text(ReportTag::kString, "x"); },
      [](Records& r) { r.Number(ReportTag::kBoolean, 1); },
      [](Records& r) { r.Number(ReportTag::kUnsigned, 1); },
      [](Records& r) { r.Mark(kObject).Key("a").Mark(kArray).Mark(kEndArray).Mark(kEndObject); },
      [](Records& r) {
        for (int i = 0; i < 13; ++i) r.Mark(kArray);
        for (int i = 0; i < 13; ++i) r.Mark(kEndArray);
      }};
  for (const auto& shape : shapes) {
    ReportBuilder builder;
    Records records;
    records.Mark(kObject).Key("a").Mark(kArray);
    for (int i = 0; i < 1000; ++i) shape(records);
    records.Mark(kEndArray).Mark(kEndObject);
    ASSERT_EQ(builder.Accept(records.bytes()), Verdict::kAccepted);
    const auto reports = builder.Take();
    ASSERT_TRUE(reports);
    EXPECT_LE(ReportStore::StoreOf(reports->front())->records.size(), records.bytes().size());
  }
}

TEST(ReportBuilder, TopLevelObjectsThatAreKeptAreBounded) {
  ReportBuilder builder;
  const Records object = Records().Mark(kObject).Mark(kEndObject);
  for (std::uint64_t i = 0; i < kMaxReportObjects; ++i) {
    ASSERT_EQ(builder.Accept(object.bytes()), Verdict::kAccepted);
  }
  EXPECT_EQ(builder.Accept(object.bytes()), Verdict::kOverLimit);
}

TEST(ReportBuilder, KeysAreBounded) {
  ReportBuilder builder;
  Records records;
  records.Mark(kObject).Key("a").Mark(kArray);
  for (std::size_t i = 0; i < ReportBuilder::kMaxKeys; ++i) {
    records.Mark(kObject)
        .Key("k" + std::to_string(i))
        .Number(ReportTag::kUnsigned, 1)
        .Mark(kEndObject);
  }
  EXPECT_EQ(builder.Accept(records.bytes()), Verdict::kOverLimit);
}

TEST(ReportBuilder, AKeyOfOneObjectIsFreeInEveryOther) {
  ReportBuilder builder;
  Records records;
  records.Mark(kObject).Key("a").Mark(kObject).Key("a").Number(ReportTag::kUnsigned, 1);
  records.Mark(kEndObject).Key("b").Mark(kObject).Key("a").Number(ReportTag::kUnsigned, 1);
  records.Mark(kEndObject).Mark(kEndObject);
  records.Mark(kObject).Key("a").Number(ReportTag::kUnsigned, 1).Mark(kEndObject);
  EXPECT_EQ(builder.Accept(records.bytes()), Verdict::kAccepted);
}

TEST(ReportBuilder, AMemberIsRepeatedWhateverStandsBetween) {
  ReportBuilder builder;
  Records records;
  records.Mark(kObject).Key("a").Mark(kObject).Key("a").Number(ReportTag::kUnsigned, 1);
  records.Mark(kEndObject).Key("b").Mark(kObject).Key("c").Mark(kArray).Mark(kEndArray);
  records.Mark(kEndObject).Key("a");
  ASSERT_EQ(builder.Accept(records.bytes()), Verdict::kAccepted);
  EXPECT_EQ(builder.Accept(Records().Number(ReportTag::kUnsigned, 1).bytes()), Verdict::kMalformed);
}

TEST(ReportBuilder, WithASinkObjectsGoOnOneByOne) {
  ReportBuilder builder;
  std::vector<std::uint64_t> told;
  builder.set_object_sink([&told](const ReportTree& object) {
    told.push_back(object.UnsignedAt("n"));
    return told.size() < 3;
  });
  const auto object = [](std::uint64_t n) {
    return Records().Mark(kObject).Key("n").Number(ReportTag::kUnsigned, n).Mark(kEndObject);
  };
  EXPECT_EQ(builder.Accept(object(1).bytes()), Verdict::kAccepted);
  EXPECT_EQ(builder.Accept(object(2).bytes()), Verdict::kAccepted);
  EXPECT_EQ(builder.Accept(object(3).bytes()), Verdict::kMalformed);
  EXPECT_EQ(told, (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST(ReportBuilder, ValuesAreBounded) {
  ReportBuilder builder;
  Records records;
  for (int i = 0; i < 4000; ++i) records.Number(ReportTag::kUnsigned, 1);
  ASSERT_EQ(builder.Accept(Records().Mark(kObject).Key("a").Mark(kArray).bytes()),
            Verdict::kAccepted);
  std::uint64_t accepted = 2;
  while (builder.Accept(records.bytes()) == Verdict::kAccepted) accepted += 4000;
  EXPECT_LE(accepted, kMaxReportValues);
  EXPECT_GT(accepted + 4000, kMaxReportValues);
}

TEST(ReportBuilder, MembersOfAnObjectAreBounded) {
  ReportBuilder builder;
  Records records;
  records.Mark(kObject);
  for (std::size_t i = 0; i <= ReportBuilder::kMaxMembers; ++i) {
    records.Key("k" + std::to_string(i)).Number(ReportTag::kUnsigned, i);
  }
  EXPECT_EQ(builder.Accept(records.bytes()), Verdict::kOverLimit);
}

TEST(ReportTree, TypedAccessFallsBack) {
  const ReportTree value = ReportOf([](ReportSink& sink) {
    sink.Unsigned("n", 3);
    sink.String("s", "text");
  });
  EXPECT_EQ(value.UnsignedAt("n", 9), 3u);
  EXPECT_EQ(value.UnsignedAt("s", 9), 9u);
  EXPECT_EQ(value.UnsignedAt("absent", 9), 9u);
  EXPECT_EQ(value.StringAt("s"), "text");
  EXPECT_EQ(value.StringAt("n"), "");
  EXPECT_FALSE(value.BooleanAt("n"));
  EXPECT_FALSE(value.Find("absent"));
  EXPECT_FALSE(value.Find("n")->Find("n"));
  EXPECT_TRUE(value.Find("n")->members().empty());
}

TEST(ReportTree, WithoutAReportItIsAnEmptyObject) {
  const ReportTree value;
  EXPECT_EQ(value.kind(), ReportTree::Kind::kObject);
  EXPECT_TRUE(value.members().empty());
  EXPECT_FALSE(value.Find("a"));
}

TEST(ReportTree, KeepsItsReportAlive) {
  ReportTree text;
  {
    const ReportTree report = ReportOf([](ReportSink& sink) { sink.String("s", "text"); });
    text = *report.Find("s");
  }
  EXPECT_EQ(text.AsString(), "text");
}

}  // namespace
}  // namespace instar::vmm
