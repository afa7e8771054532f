#include "verbs/child.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
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

using Ended = absl::StatusOr<Isolation>;

TEST(Child, TheIsolationComesBack) {
  const auto result =
      RunInChild([](const ChildChannel&) -> Ended { return Isolation::kProcess; }, {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(*result, Isolation::kProcess);
}

TEST(Child, ABatchOfRecordsLargerThanThePipeComesThrough) {
  const std::vector<std::byte> batch(1 << 20, std::byte{7});
  std::vector<std::byte> taken;
  ChildChannel channel;
  channel.records = [&taken](std::span<const std::byte> records) {
    taken.assign(records.begin(), records.end());
    return true;
  };
  const auto result = RunInChild(
      [&batch](const ChildChannel& parent) -> Ended {
        EXPECT_TRUE(parent.records(batch));
        return Isolation::kKvm;
      },
      channel);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(taken, batch);
}

TEST(Child, RecordsThatNobodyWantsEndTheChild) {
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        const std::vector<std::byte> batch(8);
        while (parent.records(batch)) continue;
        for (;;) pause();
      },
      {});
  EXPECT_TRUE(absl::IsCancelled(result.status())) << result.status();
}

TEST(Child, RunsInAnotherProcess) {
  const pid_t parent = getpid();
  const auto result = RunInChild(
      [parent](const ChildChannel&) -> Ended {
        return getpid() == parent ? Isolation::kInline : Isolation::kKvm;
      },
      {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(*result, Isolation::kKvm);
}

TEST(Child, FilesComeInTheOrderInWhichTheyWereOpened) {
  std::vector<std::string> paths;
  ChildChannel channel;
  channel.file = [&paths](const DeviceRecord& file) {
    paths.push_back(file.path);
    EXPECT_EQ(file.size_bytes, paths.size());
  };
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        parent.file({.path = "top", .size_bytes = 1});
        parent.file({.path = "base\xff", .size_bytes = 2});
        return Isolation::kKvm;
      },
      channel);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(paths, ElementsAre("top", "base\xff"));
}

TEST(Child, NamesOfFilesAreBounded) {
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        const DeviceRecord file{.path = std::string(1 << 20, 'x')};
        for (int i = 0; i < 16; ++i) parent.file(file);
        return Isolation::kKvm;
      },
      {});
  EXPECT_TRUE(absl::IsAborted(result.status())) << result.status();
}

TEST(Child, AFailureKeepsItsCodeAndText) {
  const auto result = RunInChild(
      [](const ChildChannel&) -> Ended { return absl::DataLossError("disk: broken"); }, {});
  EXPECT_EQ(result.status(), absl::DataLossError("disk: broken"));
}

TEST(Child, ProgressIsHandedOnInOrder) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> seen;
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        parent.progress(1, 10);
        parent.progress(10, 10);
        return Isolation::kKvm;
      },
      {.progress = [&seen](std::uint64_t done, std::uint64_t total) {
        seen.emplace_back(done, total);
      }});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(seen, ElementsAre(Pair(1, 10), Pair(10, 10)));
}

TEST(Child, AKilledChildIsAnErrorThatNamesTheSignal) {
  const auto result = RunInChild(
      [](const ChildChannel&) -> Ended {
        raise(SIGKILL);
        return Isolation::kKvm;
      },
      {});
  EXPECT_TRUE(absl::IsAborted(result.status()));
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("signal 9"));
}

TEST(Child, AChildThatExitsSilentlyIsAnError) {
  const auto result = RunInChild([](const ChildChannel&) -> Ended { _exit(0); }, {});
  EXPECT_TRUE(absl::IsAborted(result.status()));
}

TEST(Child, NonsenseOnThePipeIsAnError) {
  const auto result = RunInChild(
      [](const ChildChannel&) -> Ended {
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
      [](const ChildChannel&) -> Ended {
        SayAndGoOn(std::as_bytes(std::span("hello, world, this is not a field")));
      },
      {});
  EXPECT_TRUE(absl::IsAborted(result.status()));
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("signal 9"));
}

TEST(Child, AnExceptionIsAFailure) {
  const auto result =
      RunInChild([](const ChildChannel&) -> Ended { throw std::runtime_error("oops"); }, {});
  EXPECT_EQ(result.status(), absl::InternalError("oops"));
}

TEST(Child, TheParentIsToldWhatAKilledChildMade) {
  std::vector<std::string> told;
  ChildChannel channel;
  channel.created = [&told](const std::vector<CreatedFile>& files) {
    for (const CreatedFile& file : files) told.push_back(file.path);
  };
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        parent.created({{.path = "/a", .device = 1, .inode = 2}, {.path = "/b"}});
        std::raise(SIGKILL);
        return Isolation::kKvm;
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
      [](const ChildChannel& parent) -> Ended {
        parent.created({{.path = "/a"}});
        parent.created({{.path = "/precious"}});
        return Isolation::kKvm;
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
      [](const ChildChannel& parent) -> Ended {
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
  std::size_t bytes = 0;
  ChildChannel channel;
  channel.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
  channel.records = [&bytes](std::span<const std::byte> batch) {
    bytes += batch.size();
    return true;
  };
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        parent.records(std::vector<std::byte>(1 << 20));
        return Isolation::kKvm;
      },
      channel);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(bytes, 1u << 20);
}

TEST(Child, FilesOfAChildThatEndsWithAResultAreItsOwnMatter) {
  bool told = false;
  ChildChannel channel;
  channel.created = [&told](const std::vector<CreatedFile>&) { told = true; };
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        parent.created({{.path = "/a"}});
        return Isolation::kKvm;
      },
      channel);
  EXPECT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(told);
}

constexpr std::chrono::milliseconds kSoon{700};  // a child says what it has to say before that

// Keeps which edited files the parent is told of, to cut them back.
struct ToldOfEdits {
  std::vector<std::pair<std::string, std::uint64_t>> files;
  ChildChannel channel{.edited =
                           [this](const std::vector<EditedFile>& edited) {
                             for (const EditedFile& file : edited) {
                               files.emplace_back(file.path, file.old_bytes);
                             }
                           },
                       .late = "x.qcow2: resize: too late"};

  void EndAfter(std::chrono::milliseconds time) {
    channel.deadline = std::chrono::steady_clock::now() + time;
  }
};

TEST(ChildThatEdits, HasItsFilesToldWhenItIsKilledBeforeTheFlip) {
  ToldOfEdits told;
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        parent.edited({{.path = "/a", .old_bytes = 512}, {.path = "/b", .old_bytes = 7}});
        std::raise(SIGKILL);
        return Isolation::kKvm;
      },
      told.channel);
  EXPECT_EQ(result.status(), absl::AbortedError("the sandboxed process ended by signal 9"));
  EXPECT_THAT(told.files, ElementsAre(Pair("/a", 512), Pair("/b", 7)));
}

TEST(ChildThatEdits, HasItsFilesToldWhenTheDeadlineComesBeforeTheFlip) {
  ToldOfEdits told;
  told.EndAfter(kSoon);
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        parent.edited({{.path = "/a", .old_bytes = 512}});
        for (;;) pause();
      },
      told.channel);
  EXPECT_EQ(result.status(), absl::DeadlineExceededError("x.qcow2: resize: too late"));
  EXPECT_THAT(told.files, ElementsAre(Pair("/a", 512)));
}

TEST(ChildThatEdits, KeepsItsFilesWhenItIsKilledFromTheFlipOn) {
  ToldOfEdits told;
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        parent.edited({{.path = "/a", .old_bytes = 512}});
        parent.flip();
        std::raise(SIGKILL);
        return Isolation::kKvm;
      },
      told.channel);
  EXPECT_EQ(result.status(),
            absl::AbortedError("the sandboxed process ended by signal 9; the change may have taken "
                               "effect: the file holds the old image or the new one"));
  EXPECT_THAT(told.files, ::testing::IsEmpty());
}

// What the child said before it was ended counts, though nobody read it before the deadline.
TEST(ChildThatEdits, KeepsItsFilesWhenTheFlipIsHeardOfAfterTheDeadline) {
  std::array<int, 2> has_flipped{};
  ASSERT_EQ(pipe(has_flipped.data()), 0);
  ToldOfEdits told;
  told.channel.progress = [&](std::uint64_t, std::uint64_t) {
    char byte = 0;
    EXPECT_EQ(read(has_flipped[0], &byte, 1), 1);
    while (std::chrono::steady_clock::now() < told.channel.deadline) usleep(1000);
  };
  told.EndAfter(kSoon);
  const auto result = RunInChild(
      [&](const ChildChannel& parent) -> Ended {
        parent.edited({{.path = "/a", .old_bytes = 512}});
        parent.progress(1, 2);
        parent.flip();
        EXPECT_EQ(write(has_flipped[1], "x", 1), 1);
        for (;;) pause();
      },
      told.channel);
  close(has_flipped[0]);
  close(has_flipped[1]);
  EXPECT_TRUE(absl::IsDeadlineExceeded(result.status())) << result.status();
  EXPECT_THAT(result.status().message(), HasSubstr("the change may have taken effect"));
  EXPECT_THAT(told.files, ::testing::IsEmpty());
}

TEST(ChildThatEdits, HasTimeForTheFlipBeyondTheDeadline) {
  ToldOfEdits told;
  told.EndAfter(kSoon);
  const auto deadline = told.channel.deadline;
  const auto result = RunInChild(
      [deadline](const ChildChannel& parent) -> Ended {
        parent.edited({{.path = "/a", .old_bytes = 512}});
        parent.flip();
        while (std::chrono::steady_clock::now() < deadline + std::chrono::milliseconds(300)) {
          usleep(1000);
        }
        return Isolation::kKvm;
      },
      told.channel);
  EXPECT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(told.files, ::testing::IsEmpty());
}

TEST(ChildThatEdits, CannotPutTheDeadlineOffForEver) {
  ToldOfEdits told;
  told.EndAfter(kSoon);
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        parent.edited({{.path = "/a", .old_bytes = 512}});
        for (;;) {
          parent.flip();
          usleep(100'000);
        }
      },
      told.channel);
  EXPECT_TRUE(absl::IsDeadlineExceeded(result.status())) << result.status();
  EXPECT_THAT(told.files, ::testing::IsEmpty());
}

// What it did before is anybody's guess, so nothing is cut.
TEST(ChildThatEdits, IsNotBelievedWithoutFilesOrWithASecondList) {
  ToldOfEdits told;
  const auto flips = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        parent.flip();
        return Isolation::kKvm;
      },
      told.channel);
  EXPECT_TRUE(absl::IsAborted(flips.status())) << flips.status();
  EXPECT_THAT(told.files, ::testing::IsEmpty());
  const auto twice = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        parent.edited({{.path = "/a", .old_bytes = 512}});
        parent.edited({{.path = "/precious", .old_bytes = 0}});
        return Isolation::kKvm;
      },
      told.channel);
  EXPECT_TRUE(absl::IsAborted(twice.status())) << twice.status();
  EXPECT_THAT(twice.status().message(), HasSubstr("the change may have taken effect"));
  EXPECT_THAT(told.files, ::testing::IsEmpty());
}

TEST(ChildThatEdits, HasSettledItsFilesWhenItEndsWithAResult) {
  ToldOfEdits told;
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        parent.edited({{.path = "/a", .old_bytes = 512}});
        return absl::InternalError("oops");
      },
      told.channel);
  EXPECT_EQ(result.status(), absl::InternalError("oops"));
  EXPECT_THAT(told.files, ::testing::IsEmpty());
}

// Keeps all that is noticed, as text.
struct Told {
  std::vector<std::string> lines;
  ChildChannel channel{
      .notices = {.reference_opened =
                      [this](const OpenedReference& reference) {
                        lines.push_back(std::string(ReferenceKindName(reference.kind)) + " " +
                                        reference.path + " of " + reference.image);
                      },
                  .warning = [this](const std::string& line) { lines.push_back(line); }}};
};

TEST(Child, NoticesReachTheParent) {
  Told told;
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        parent.notices.reference_opened(
            {.kind = ReferenceKind::kExtent, .image = "top\n.vmdk", .path = "flat.vmdk"});
        parent.notices.warning("from the child");
        return Isolation::kKvm;
      },
      told.channel);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(told.lines, ElementsAre("extent flat.vmdk of top\n.vmdk", "from the child"));
}

TEST(Child, AWarningIsMadeFitForATerminal) {
  Told told;
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        parent.notices.warning("a\nb");
        return Isolation::kKvm;
      },
      told.channel);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(told.lines, ElementsAre("a\\x0ab"));
}

TEST(Child, AReferenceOfNoKindIsNonsense) {
  Told told;
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        parent.notices.reference_opened({.kind = ReferenceKind{7}, .image = "i", .path = "p"});
        return Isolation::kKvm;
      },
      told.channel);
  EXPECT_TRUE(absl::IsAborted(result.status())) << result.status();
  EXPECT_TRUE(told.lines.empty());
}

TEST(Child, AnIsolationThatThereIsNotIsNonsense) {
  for (const Isolation isolation : {Isolation::kAuto, Isolation{7}}) {
    const auto result =
        RunInChild([isolation](const ChildChannel&) -> Ended { return isolation; }, {});
    EXPECT_TRUE(absl::IsAborted(result.status())) << result.status();
  }
}

TEST(Child, AChildThatNoticesWithoutEndIsNotBelieved) {
  Told told;
  const auto result = RunInChild(
      [](const ChildChannel& parent) -> Ended {
        for (int i = 0; i < 5000; ++i) parent.notices.warning("again");
        return Isolation::kKvm;
      },
      told.channel);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kAborted);
}

}  // namespace
}  // namespace instar::vmm
