#include "crash/crash_states.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "crash/crash_device.h"

namespace instar::crash {
namespace {

std::vector<std::byte> Bytes(std::size_t count, char value) {
  return std::vector<std::byte>(count, static_cast<std::byte>(value));
}

// The first bytes of the sectors of `file`, '.' for zero.
std::string TextOf(const SparseFile& file) {
  std::string text;
  for (std::uint64_t at = 0; at < file.size_bytes(); at += kSectorBytes) {
    std::byte byte{};
    file.Read(at, {&byte, 1});
    text += byte == std::byte{0} ? '.' : static_cast<char>(byte);
  }
  return text;
}

// What a crash may leave of the first file, and of all files with a bar in between.
std::set<std::string> States(const Recording& recording, const StateOptions& options = {}) {
  std::set<std::string> found;
  ForEachCrashState(recording, options, [&](const CrashState& state) {
    std::string text;
    for (const SparseFile& file : state.files) text += (text.empty() ? "" : "|") + TextOf(file);
    found.insert(text + (state.root_written ? "!" : ""));
    return true;
  });
  return found;
}

class CrashStates : public testing::Test {
 protected:
  Recording recording_;
  CrashDevice device_{SparseFile(Bytes(4 * kSectorBytes, 'o')), DeviceId{1}, recording_};
};

TEST_F(CrashStates, WritesBehindTheLastFlushAreDoneInAnyOrder) {
  ASSERT_TRUE(device_.Write(0, Bytes(512, 'a')));
  ASSERT_TRUE(device_.Write(1024, Bytes(512, 'b')));
  EXPECT_EQ(States(recording_), (std::set<std::string>{"oooo", "aooo", "oobo", "aobo"}));
}

TEST_F(CrashStates, AFlushKeepsWhatWasWrittenBefore) {
  ASSERT_TRUE(device_.Write(0, Bytes(512, 'a')));
  ASSERT_TRUE(device_.Flush());
  ASSERT_TRUE(device_.Write(1024, Bytes(512, 'b')));
  EXPECT_EQ(States(recording_), (std::set<std::string>{"oooo", "aooo", "aobo"}));
}

TEST_F(CrashStates, AFlushOfOneFileKeepsNothingOfAnother) {
  CrashDevice other(SparseFile(Bytes(512, 'p')), DeviceId{2}, recording_);
  ASSERT_TRUE(device_.Write(0, Bytes(512, 'a')));
  ASSERT_TRUE(other.Write(0, Bytes(512, 'b')));
  ASSERT_TRUE(other.Flush());
  EXPECT_EQ(States(recording_), (std::set<std::string>{"oooo|p", "aooo|p", "oooo|b", "aooo|b"}));
}

TEST_F(CrashStates, ARootIsOnTheDiskThoughWhatWasWrittenBeforeNeedNotBe) {
  ASSERT_TRUE(device_.Write(1024, Bytes(512, 'b')));
  ASSERT_TRUE(device_.WriteRoot(0, Bytes(512, 'r')));
  ASSERT_TRUE(device_.Write(1536, Bytes(512, 'c')));
  EXPECT_EQ(States(recording_),
            (std::set<std::string>{"oooo", "oobo", "rooo!", "robo!", "rooc!", "robc!"}));
}

TEST_F(CrashStates, AWriteIsTornBetweenSectors) {
  ASSERT_TRUE(device_.Write(0, Bytes(1024, 'a')));
  const std::set<std::string> states = States(recording_);
  EXPECT_TRUE(states.contains("aooo"));
  EXPECT_TRUE(states.contains("oaoo"));
}

TEST_F(CrashStates, TheLengthIsLostOrEarly) {
  ASSERT_TRUE(device_.Write(2048, Bytes(512, 'a')));
  ASSERT_TRUE(device_.Write(2560, Bytes(512, 'b')));
  const std::set<std::string> states = States(recording_);
  EXPECT_TRUE(states.contains("oooo"));
  EXPECT_TRUE(states.contains("oooo.."));
  EXPECT_TRUE(states.contains("ooooa."));
  EXPECT_TRUE(states.contains("oooo.b"));
}

TEST_F(CrashStates, WhatIsDiscardedIsKeptOrGarbage) {
  ASSERT_TRUE(device_.Discard(0, 512));
  const std::set<std::string> states = States(recording_);
  EXPECT_EQ(states, (std::set<std::string>{"oooo", "\xD5ooo"}));
}

TEST_F(CrashStates, AreTheSameForTheSameSeed) {
  for (std::uint64_t i = 0; i < 9; ++i) {
    ASSERT_TRUE(device_.Write(i * 1024, Bytes(1024, static_cast<char>('a' + i))));
  }
  EXPECT_EQ(States(recording_, {.seed = 5}), States(recording_, {.seed = 5}));
  EXPECT_NE(States(recording_, {.seed = 5}), States(recording_, {.seed = 6}));
}

TEST(CrashDevice, ALostFlushKeepsNothing) {
  Recording recording({.lost_flush = 0});
  CrashDevice device(SparseFile(Bytes(1024, 'o')), DeviceId{1}, recording);
  ASSERT_TRUE(device.Write(0, Bytes(512, 'a')));
  ASSERT_TRUE(device.Flush());
  ASSERT_TRUE(device.Write(512, Bytes(512, 'b')));
  EXPECT_TRUE(States(recording).contains("ob"));
}

TEST(CrashDevice, ACallThatFailsHasDoneNothingOrHalf) {
  for (const bool half : {false, true}) {
    Recording recording({.failing_call = 1, .half_done = half, .error = ErrorCode::kNoSpace});
    CrashDevice device(SparseFile(Bytes(2048, 'o')), DeviceId{1}, recording);
    ASSERT_TRUE(device.Write(0, Bytes(512, 'a')));
    const Status failed = device.Write(1024, Bytes(1024, 'b'));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, ErrorCode::kNoSpace);
    EXPECT_TRUE(device.Flush());
    EXPECT_EQ(TextOf(device.file()), half ? "aobo" : "aooo");
  }
}

TEST(SparseFile, FilesOfTheSameBytesHaveTheSameDigest) {
  SparseFile written(Bytes(10000, 'x'));
  SparseFile grown(Bytes(6000, 'x'));
  grown.Resize(std::uint64_t{1} << 40);
  grown.Resize(10000);
  EXPECT_NE(written.digest(), grown.digest());
  grown.Write(6000, Bytes(4000, 'x'));
  EXPECT_EQ(written.digest(), grown.digest());
  grown.Zero(5000, 5000);
  written.Resize(5000);
  written.Resize(10000);
  EXPECT_EQ(written.digest(), grown.digest());
}

}  // namespace
}  // namespace instar::crash
