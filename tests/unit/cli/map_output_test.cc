#include "cli/map_output.h"

#include <gtest/gtest.h>

#include <string>

namespace instar::cli {
namespace {

std::string printed;
int print_result = 0;

int Print(std::string_view text) {
  printed += text;
  return print_result;
}

class MapOutputTest : public ::testing::Test {
 protected:
  void SetUp() override {
    printed.clear();
    print_result = 0;
  }
};

const vmm::MapEntry kData{.start = 0,
                          .length = 65536,
                          .depth = 1,
                          .present = true,
                          .data = true,
                          .offset = 327680,
                          .filename = "base.qcow2"};
const vmm::MapEntry kHole{.start = 65536, .length = 512, .zero = true};

TEST_F(MapOutputTest, JsonIsOneArrayWithALineForEachEntry) {
  MapOutput output(/*json=*/true, {8, 2}, TextOutput::kNoLimit, Print);
  output.Begin();
  EXPECT_TRUE(output.Add(kData));
  EXPECT_TRUE(output.Add(kHole));
  EXPECT_EQ(output.Finish(/*complete=*/true), 0);
  EXPECT_EQ(printed,
            "[{ \"start\": 0, \"length\": 65536, \"depth\": 1, \"present\": true, \"zero\": false, "
            "\"data\": true, \"compressed\": false, \"offset\": 327680},\n"
            "{ \"start\": 65536, \"length\": 512, \"depth\": 0, \"present\": false, \"zero\": "
            "true, \"data\": false, \"compressed\": false}]\n");
}

TEST_F(MapOutputTest, OlderVersionsKnowNoCompressionAndNoPresence) {
  MapOutput older(/*json=*/true, {7, 2}, TextOutput::kNoLimit, Print);
  older.Add(kHole);
  older.Finish(true);
  EXPECT_EQ(printed.find("compressed"), std::string::npos);
  EXPECT_NE(printed.find("present"), std::string::npos);
  printed.clear();
  MapOutput oldest(/*json=*/true, {6, 0}, TextOutput::kNoLimit, Print);
  oldest.Add(kHole);
  oldest.Finish(true);
  EXPECT_EQ(printed.find("present"), std::string::npos);
}

TEST_F(MapOutputTest, TextHasALineForWhatHoldsData) {
  MapOutput output(/*json=*/false, {8, 2}, TextOutput::kNoLimit, Print);
  output.Begin();
  output.Add(kData);
  output.Add(kHole);
  output.Finish(true);
  EXPECT_EQ(printed,
            "Offset          Length          Mapped to       File\n"
            "0               0x10000         0x50000         base.qcow2\n");
}

TEST_F(MapOutputTest, TextLeavesOutDataThatReadsAsZeros) {
  MapOutput output(/*json=*/false, {8, 2}, TextOutput::kNoLimit, Print);
  vmm::MapEntry entry = kData;
  entry.zero = true;
  EXPECT_TRUE(output.Add(entry));
  output.Finish(true);
  EXPECT_EQ(printed, "");
}

TEST_F(MapOutputTest, TextEndsAtDataThatStandsNowhere) {
  MapOutput output(/*json=*/false, {8, 2}, TextOutput::kNoLimit, Print);
  vmm::MapEntry entry = kData;
  entry.offset.reset();
  EXPECT_FALSE(output.Add(entry));
  EXPECT_EQ(output.failure(), "File contains external, encrypted or compressed clusters.");
}

TEST_F(MapOutputTest, FileNamesCannotDriveTheTerminal) {
  MapOutput output(/*json=*/false, {8, 2}, TextOutput::kNoLimit, Print);
  vmm::MapEntry entry = kData;
  entry.filename = "a\x1b[31m";
  output.Add(entry);
  output.Finish(true);
  EXPECT_EQ(printed.find('\x1b'), std::string::npos);
}

TEST_F(MapOutputTest, MemoryDoesNotGrowWithTheEntries) {
  MapOutput output(/*json=*/true, {8, 2}, TextOutput::kNoLimit, Print);
  for (int i = 0; i < 2000; ++i) output.Add(kData);
  EXPECT_GT(printed.size(), 64u * 1024) << "nothing was printed on the way";
}

TEST_F(MapOutputTest, AFailureToPrintEndsIt) {
  print_result = 1;
  MapOutput output(/*json=*/true, {8, 2}, TextOutput::kNoLimit, Print);
  bool more = true;
  for (int i = 0; more && i < 2000; ++i) more = output.Add(kData);
  EXPECT_FALSE(more);
  EXPECT_EQ(output.failure(), "");
}

TEST_F(MapOutputTest, NoMoreIsPrintedThanTheLimit) {
  MapOutput output(/*json=*/true, {8, 2}, /*max_bytes=*/1000, Print);
  output.Begin();
  bool more = true;
  int entries = 0;
  for (; more && entries < 2000; ++entries) more = output.Add(kHole);
  EXPECT_FALSE(more);
  EXPECT_LT(entries, 20);
  EXPECT_EQ(output.Finish(/*complete=*/false), 1);
  EXPECT_EQ(printed.size(), 1000u);
}

}  // namespace
}  // namespace instar::cli
