#include "verbs/child.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace instar::vmm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::vector<std::byte> Bytes(std::size_t count) {
  return std::vector<std::byte>(count, std::byte{7});
}

TEST(Child, TheResultComesBack) {
  const auto result =
      RunInChild([](const ProgressCallback&) -> ChildResult { return Bytes(3); }, {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(*result, Bytes(3));
}

TEST(Child, AResultLargerThanThePipeComesBack) {
  const auto result =
      RunInChild([](const ProgressCallback&) -> ChildResult { return Bytes(1 << 20); }, {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->size(), 1u << 20);
}

TEST(Child, RunsInAnotherProcess) {
  const pid_t parent = getpid();
  const auto result = RunInChild(
      [parent](const ProgressCallback&) -> ChildResult {
        return Bytes(getpid() == parent ? 1 : 2);
      },
      {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->size(), 2u);
}

TEST(Child, AFailureKeepsItsCodeAndText) {
  const auto result = RunInChild(
      [](const ProgressCallback&) -> ChildResult { return absl::DataLossError("disk: broken"); },
      {});
  EXPECT_EQ(result.status(), absl::DataLossError("disk: broken"));
}

TEST(Child, ProgressIsHandedOnInOrder) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> seen;
  const auto result = RunInChild(
      [](const ProgressCallback& progress) -> ChildResult {
        progress(1, 10);
        progress(10, 10);
        return Bytes(0);
      },
      [&seen](std::uint64_t done, std::uint64_t total) { seen.emplace_back(done, total); });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(seen, ElementsAre(Pair(1, 10), Pair(10, 10)));
}

TEST(Child, AKilledChildIsAnErrorThatNamesTheSignal) {
  const auto result = RunInChild(
      [](const ProgressCallback&) -> ChildResult {
        raise(SIGKILL);
        return Bytes(1);
      },
      {});
  EXPECT_TRUE(absl::IsAborted(result.status()));
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("signal 9"));
}

TEST(Child, AChildThatExitsSilentlyIsAnError) {
  const auto result = RunInChild([](const ProgressCallback&) -> ChildResult { _exit(0); }, {});
  EXPECT_TRUE(absl::IsAborted(result.status()));
}

TEST(Child, NonsenseOnThePipeIsAnError) {
  const auto result = RunInChild(
      [](const ProgressCallback&) -> ChildResult {
        const char nonsense[] = "hello, world, this is not a field";
        if (write(STDOUT_FILENO, nonsense, sizeof(nonsense)) < 0) _exit(1);
        _exit(0);
      },
      {});
  EXPECT_TRUE(absl::IsAborted(result.status()));
}

// What a child that was taken over may do: writes `bytes` to its parent and goes on for ever. If
// nobody ends it, an alarm does in the end.
[[noreturn]] void SayAndGoOn(std::span<const std::byte> bytes) {
  constexpr unsigned kMuchTooLong = 20;
  std::signal(SIGALRM, SIG_DFL);
  alarm(kMuchTooLong);
  if (write(STDOUT_FILENO, bytes.data(), bytes.size()) < 0) _exit(1);
  while (true) pause();
}

TEST(Child, AChildThatSaysNonsenseAndGoesOnIsEnded) {
  const auto result = RunInChild(
      [](const ProgressCallback&) -> ChildResult {
        SayAndGoOn(std::as_bytes(std::span("hello, world, this is not a field")));
      },
      {});
  EXPECT_TRUE(absl::IsAborted(result.status()));
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("signal 9"));
}

TEST(Child, AnExceptionIsAFailure) {
  const auto result = RunInChild(
      [](const ProgressCallback&) -> ChildResult { throw std::runtime_error("oops"); }, {});
  EXPECT_EQ(result.status(), absl::InternalError("oops"));
}

TEST(Child, TheParentIsToldWhatAKilledChildMade) {
  std::vector<std::string> told;
  ChildChannel channel;
  channel.created = [&told](const std::vector<CreatedFile>& files) {
    for (const CreatedFile& file : files) told.push_back(file.path);
  };
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> ChildResult {
        parent.created({{.path = "/a", .device = 1, .inode = 2}, {.path = "/b"}});
        std::raise(SIGKILL);
        return Bytes(0);
      },
      channel);
  EXPECT_TRUE(absl::IsAborted(result.status()));
  EXPECT_THAT(told, ElementsAre("/a", "/b"));
}

TEST(Child, OnlyTheFirstListOfFilesIsBelieved) {
  std::vector<std::string> told;
  ChildChannel channel;
  channel.created = [&told](const std::vector<CreatedFile>& files) {
    for (const CreatedFile& file : files) told.push_back(file.path);
  };
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> ChildResult {
        parent.created({{.path = "/a"}});
        parent.created({{.path = "/precious"}});
        return Bytes(0);
      },
      channel);
  EXPECT_TRUE(absl::IsAborted(result.status()));
  EXPECT_THAT(told, ElementsAre("/a"));
}

TEST(Child, AChildThatIsNotDoneAtTheDeadlineIsEndedAndWhatItMadeTold) {
  std::vector<std::string> told;
  ChildChannel channel;
  channel.created = [&told](const std::vector<CreatedFile>& files) {
    for (const CreatedFile& file : files) told.push_back(file.path);
  };
  channel.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
  channel.late = "x.raw: convert: too late";
  pid_t child = 0;
  channel.progress = [&child](std::uint64_t done, std::uint64_t) {
    child = static_cast<pid_t>(done);
  };
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> ChildResult {
        parent.created({{.path = "/a", .device = 1, .inode = 2}});
        parent.progress(static_cast<std::uint64_t>(getpid()), 1);
        for (;;) pause();
      },
      channel);
  EXPECT_EQ(result.status(), absl::DeadlineExceededError("x.raw: convert: too late"));
  EXPECT_THAT(told, ElementsAre("/a"));
  ASSERT_GT(child, 0);
  EXPECT_EQ(kill(child, 0), -1);  // and has been waited for
}

TEST(Child, AChildThatIsDoneBeforeTheDeadlineIsHeard) {
  ChildChannel channel;
  channel.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
  const auto result =
      RunInChild([](const ChildChannel&) -> ChildResult { return Bytes(1 << 20); }, channel);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->size(), 1u << 20);
}

TEST(Child, FilesOfAChildThatEndsWithAResultAreItsOwnMatter) {
  bool told = false;
  ChildChannel channel;
  channel.created = [&told](const std::vector<CreatedFile>&) { told = true; };
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> ChildResult {
        parent.created({{.path = "/a"}});
        return Bytes(0);
      },
      channel);
  EXPECT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(told);
}

}  // namespace
}  // namespace instar::vmm
