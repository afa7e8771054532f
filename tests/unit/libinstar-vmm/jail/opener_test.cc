// A jailed child, as in seccomp_filter_test.cc, that has an opener.
#include "jail/opener.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>

#include "broker/created_targets.h"
#include "io/file_status.h"
#include "libinstar-vmm/jail/prison.h"

namespace instar::vmm {
namespace {

namespace fs = std::filesystem;

class OpenerTest : public testing::Test {
 protected:
  void SetUp() override {
    INSTAR_SKIP_UNDER_SANITIZERS();
    directory_.Write("read/file", "content");
    directory_.Write("read/below/deep", "deep");
    directory_.Write("elsewhere/file", "secret");
    directory_.Write("target/created", "x");
    directory_.Write("target/other", "y");
    fs::create_symlink("../elsewhere/file", directory_ / "read/out");
  }

  // The wait status of a jailed child that exits 0 if `work` returns true.
  int Run(
      const std::function<bool(const Inside&)>& work,
      const std::function<void()>& meanwhile = [] {}) {
    const pid_t child = fork();
    if (child == 0) {
      Inside in;
      in.directory = open((directory_ / "read").c_str(), O_PATH);
      in.target = open((directory_ / "target").c_str(), O_PATH);
      in.elsewhere = open((directory_ / "elsewhere").c_str(), O_PATH);
      in.file = open((directory_ / "target/created").c_str(), O_RDWR);
      struct stat status{};
      if (FileStatus(in.file, &status) != 0) _exit(kCouldNotEnter);
      CreatedTargets created;
      created.Add(in.target, "created", {.device = status.st_dev, .inode = status.st_ino});
      JailNeeds needs = {.keep_fds = {in.file, in.elsewhere, keep_}, .max_open_files = 8};
      needs.read_directories = {in.directory};
      needs.unlink_directories = {in.target};
      if (!StartOpener({.read_directories = needs.read_directories,
                        .unlink_directories = needs.unlink_directories,
                        .remove = CreatedTargets::RemoveNumber})
               .ok()) {
        _exit(kCouldNotEnter);
      }
      needs.opener_sockets = OpenerSockets();
      needs.opener_pidfd = OpenerProcess();
      needs.keep_fds.push_back(needs.opener_pidfd);
      if (!EnterJail(needs).ok() || !SealJail(needs).ok()) _exit(kCouldNotEnter);
      _exit(work(in) ? 0 : kFailed);
    }
    meanwhile();
    int status = 0;
    waitpid(child, &status, 0);
    return status;
  }

  TemporaryDirectory directory_;
  int keep_ = 0;  // a further descriptor of the jailed child
};

constexpr std::uint64_t kRead = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

bool Refuses(int directory, const char* path, std::uint64_t flags, int error) {
  return OpenBeneath(directory, path, flags) == -1 && errno == error;
}

TEST_F(OpenerTest, OpensFilesBeneathAnAllowedDirectory) {
  EXPECT_TRUE(Survived(Run([](const Inside& in) {
    char text[8] = {};
    const int file = OpenBeneath(in.directory, "file", kRead);
    return file >= 0 && pread(file, text, 7, 0) == 7 && std::strcmp(text, "content") == 0 &&
           OpenBeneath(in.directory, "below/deep", kRead) >= 0 &&
           OpenBeneath(in.directory, "file", O_PATH | O_CLOEXEC) >= 0;
  })));
}

TEST_F(OpenerTest, PassesOnWhyAFileDoesNotOpen) {
  EXPECT_TRUE(Survived(Run([](const Inside& in) {
    return Refuses(in.directory, "missing", kRead, ENOENT) &&
           Refuses(in.directory, "file/x", kRead, ENOTDIR);
  })));
}

TEST_F(OpenerTest, OpensNothingOutside) {
  EXPECT_TRUE(Survived(Run([](const Inside& in) {
    return Refuses(in.directory, "../elsewhere/file", kRead, EXDEV) &&
           Refuses(in.directory, "/etc/passwd", O_PATH, EXDEV) &&
           Refuses(in.directory, "out", kRead, EACCES) &&
           Refuses(in.elsewhere, "file", kRead, EACCES) &&
           Refuses(in.target, "other", kRead, EACCES) &&
           Refuses(AT_FDCWD, "/etc/passwd", O_PATH, EACCES);
  })));
}

TEST_F(OpenerTest, OpensForReadingOnly) {
  EXPECT_TRUE(Survived(Run([](const Inside& in) {
    return Refuses(in.directory, "file", O_RDWR, EACCES) &&
           Refuses(in.directory, "file", O_WRONLY | O_TRUNC, EACCES) &&
           Refuses(in.directory, "new", O_RDONLY | O_CREAT, EACCES) &&
           Refuses(in.directory, ".", kRead, EACCES);
  })));
  EXPECT_FALSE(fs::exists(directory_ / "read/new"));
}

TEST_F(OpenerTest, TakesFurtherStepsFromTheDirectoriesOfAWalk) {
  EXPECT_TRUE(Survived(Run([](const Inside& in) {
    BeginWalk();
    int below = -1;
    if (OpenBeneath(in.directory, "below", O_PATH | O_CLOEXEC, &below) < 0 || below < 0) {
      return false;
    }
    if (OpenBeneath(below, "deep", kRead) < 0 || !Refuses(below, "..", O_PATH, EXDEV)) return false;
    BeginWalk();
    // Forgotten with the first step of the next walk.
    return OpenBeneath(in.directory, "file", kRead) >= 0 && Refuses(below, "deep", kRead, EACCES);
  })));
}

TEST_F(OpenerTest, ReadsLinksOfAllowedDirectories) {
  EXPECT_TRUE(Survived(Run([](const Inside& in) {
    std::array<char, 64> text{};
    const auto reads = [&](int directory, const char* name) {
      return ReadLinkBeneath(directory, name, -1, text);
    };
    if (reads(in.directory, "out") != 17) return false;
    if (std::strcmp(text.data(), "../elsewhere/file") != 0) return false;
    return reads(in.directory, "file") == -1 && errno == EINVAL &&
           reads(in.directory, "below/../out") == -1 && errno == EACCES &&
           reads(in.elsewhere, "file") == -1 && errno == EACCES &&
           reads(AT_FDCWD, "/proc/self/exe") == -1 && errno == EACCES;
  })));
}

TEST_F(OpenerTest, SurvivesForgedMessages) {
  EXPECT_TRUE(Survived(Run([](const Inside& in) {
    const int socket = OpenerSockets()[0];
    std::array<char, 5000> junk{};
    junk.fill('x');
    for (const std::size_t bytes :
         {std::size_t{1}, std::size_t{16}, std::size_t{17}, junk.size()}) {
      int error = 0;
      if (send(socket, junk.data(), bytes, 0) < 0) return false;
      if (recv(socket, &error, sizeof error, 0) != sizeof error || error != EACCES) return false;
    }
    return OpenBeneath(in.directory, "file", kRead) >= 0;
  })));
}

TEST_F(OpenerTest, RemovesWhatTheRunCreatedAndNothingElse) {
  EXPECT_TRUE(Survived(Run([](const Inside&) {
    for (const unsigned number : {1u, 77u, 5000u, ~0u - 1}) {
      if (!RemoveThroughOpener(number)) return false;
    }
    CreatedTargets::RemoveAll();
    return true;
  })));
  EXPECT_FALSE(fs::exists(directory_ / "target/created"));
  EXPECT_TRUE(fs::exists(directory_ / "target/other"));
}

TEST_F(OpenerTest, IsGoneWhenTheRunHasEndedIt) {
  EXPECT_TRUE(Survived(Run([](const Inside&) {
    EndOpener();
    // Nobody is there any more, and nothing waits for an answer.
    return RemoveThroughOpener(0) && OpenBeneath(0, "x", O_RDONLY) < 0;
  })));
  EXPECT_TRUE(fs::exists(directory_ / "target/created"));
}

TEST_F(OpenerTest, RemovesNothingThatWasPutInThePlaceOfACreatedFile) {
  std::array<int, 2> go{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, go.data()), 0);
  keep_ = go[1];
  const int status = Run(
      [&](const Inside&) {
        char c = 'r';
        return write(go[1], &c, 1) == 1 && read(go[1], &c, 1) == 1 && RemoveThroughOpener(0);
      },
      [&] {
        char c = 0;
        EXPECT_EQ(read(go[0], &c, 1), 1);
        fs::rename(directory_ / "target/other", directory_ / "target/created");
        EXPECT_EQ(write(go[0], &c, 1), 1);
      });
  EXPECT_TRUE(Survived(status));
  EXPECT_TRUE(fs::exists(directory_ / "target/created"));
  for (const int end : go) close(end);
}

TEST_F(OpenerTest, RemovesFromASignalHandler) {
  EXPECT_TRUE(Survived(Run([](const Inside&) {
    std::signal(SIGUSR1, [](int) { CreatedTargets::RemoveAll(); });
    return pthread_kill(pthread_self(), SIGUSR1) == 0;
  })));
  EXPECT_FALSE(fs::exists(directory_ / "target/created"));
}

TEST_F(OpenerTest, LeavesTheJailedProcessNoCallThatTakesAPath) {
  const std::function<bool(const Inside&)> forbidden[] = {
      [](const Inside& in) { return OpenAt2(in.directory, "file", O_RDONLY) >= 0; },
      [](const Inside&) { return OpenAt2(AT_FDCWD, "/etc/passwd", O_PATH) >= 0; },
      [](const Inside& in) { return unlinkat(in.target, "other", 0) == 0; },
      [](const Inside& in) {
        struct stat status{};
        return fstatat(in.target, "other", &status, AT_SYMLINK_NOFOLLOW) == 0;
      },
  };
  for (const auto& work : forbidden) EXPECT_TRUE(KilledByFilter(Run(work)));
}

TEST_F(OpenerTest, CannotBeSentDescriptors) {
  EXPECT_TRUE(KilledByFilter(Run([](const Inside&) {
    msghdr message{};
    return sendmsg(OpenerSockets()[0], &message, 0) >= 0;
  })));
}

TEST_F(OpenerTest, EndsWithTheJailedProcess) {
  // This process inherits it, and would wait for it for ever if it did not end.
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  EXPECT_TRUE(Survived(Run([](const Inside&) { return true; })));
  EXPECT_GT(waitpid(-1, nullptr, 0), 0) << "the opener was not inherited";
  EXPECT_EQ(waitpid(-1, nullptr, 0), -1);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

}  // namespace
}  // namespace instar::vmm
