#include "bridge/host_bridge.h"

#include <gtest/gtest.h>

#include <numeric>

#include "recording_call_table.h"

namespace instar {
namespace {

class HostBridgeTest : public ::testing::Test {
 protected:
  HostBridgeTest() {
    calls_.files = {{.bytes = std::vector<std::byte>(4096, std::byte{7})},
                    {.bytes = std::vector<std::byte>(4096), .writable = true}};
  }
  RecordingCallTable calls_;
  CallTableHost host_{calls_.table()};
};

TEST_F(HostBridgeTest, FlagsOfADeviceArriveAsTheyStand) {
  EXPECT_FALSE(host_.Info(DeviceId{0})->writable);
  EXPECT_TRUE(host_.Info(DeviceId{1})->writable);
  EXPECT_TRUE(host_.Info(DeviceId{1})->fresh_reads_zero);
  EXPECT_EQ(host_.Info(DeviceId{1})->size_bytes, 4096u);
}

TEST_F(HostBridgeTest, FailureKeepsCodeErrnoAndDevice) {
  calls_.FailCall(0, ErrorCode::kNoSpace, ENOSPC);
  const Status status = host_.Resize(DeviceId{1}, 1 << 20, Preallocation::kOff);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(status.error().os_errno, ENOSPC);
  EXPECT_EQ(status.error().device, DeviceId{1});
}

TEST_F(HostBridgeTest, LongListsOfReadsAreAllServed) {
  std::vector<std::byte> out(200);
  std::vector<ReadRequest> requests;
  for (std::size_t i = 0; i < out.size(); ++i) {
    requests.push_back({.device = DeviceId{0}, .offset = i, .out = std::span(out).subspan(i, 1)});
  }
  ASSERT_TRUE(host_.Read(requests));
  EXPECT_EQ(out, std::vector<std::byte>(200, std::byte{7}));
}

TEST_F(HostBridgeTest, LongListsOfStepsAreAllCarriedOut) {
  std::vector<TransferStep> steps;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    steps.push_back({.kind = TransferStep::Kind::kCopy,
                     .source = DeviceId{0},
                     .source_offset = i,
                     .target = DeviceId{1},
                     .target_offset = i,
                     .length_bytes = 1});
  }
  ASSERT_TRUE(host_.Transfer(steps));
  EXPECT_EQ(calls_.files[1].bytes[999], std::byte{7});
  EXPECT_EQ(calls_.files[1].bytes[1000], std::byte{0});
}

TEST_F(HostBridgeTest, ScanOfManyRangesIsOneBitmap) {
  std::vector<ScanRange> ranges;
  for (std::uint32_t i = 0; i < 600; ++i)
    ranges.push_back({.device = DeviceId{i % 2}, .offset = 0, .length_bytes = 512});
  std::uint64_t bitmap[10] = {};
  ASSERT_TRUE(host_.ScanZero(ranges, 512, bitmap));
  EXPECT_EQ(bitmap[0], 0xAAAAAAAAAAAAAAAAu);
  EXPECT_EQ(bitmap[9], 0xAAAAAAAAAAAAAAAAu & ((1ull << 24) - 1));
}

TEST_F(HostBridgeTest, CompareTellsTheFirstDifference) {
  calls_.files[1].bytes.assign(4096, std::byte{7});
  const ScanRange a = {.device = DeviceId{0}, .offset = 0, .length_bytes = 100};
  const ScanRange b = {.device = DeviceId{1}, .offset = 0, .length_bytes = 100};
  EXPECT_EQ(*host_.Compare(a, b), std::nullopt);
  calls_.files[1].bytes[42] = std::byte{8};
  EXPECT_EQ(*host_.Compare(a, b), 42u);
}

TEST_F(HostBridgeTest, EndIsToldOnceAndWithTheError) {
  ReportEnd(calls_.table(), {});
  EXPECT_TRUE(calls_.finished);
  EXPECT_FALSE(calls_.failure.has_value());
  Error error = Corrupt("bad {0}", 5).error();
  ReportEnd(calls_.table(), std::unexpected(error.On(DeviceId{0})));
  ASSERT_TRUE(calls_.failure.has_value());
  EXPECT_EQ(calls_.failure->message, "bad {0}");
  EXPECT_EQ(calls_.failure->device, 0u);
}

}  // namespace
}  // namespace instar
