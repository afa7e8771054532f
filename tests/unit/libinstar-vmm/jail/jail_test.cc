// Each test puts a child process into the jail and looks at what it can still do.
#include "jail/jail.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "libinstar-vmm/jail/prison.h"

namespace instar::vmm {
namespace {

TEST(Jail, ProcStatusShowsIt) {
  INSTAR_SKIP_UNDER_SANITIZERS();
  int ready[2];
  int go[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(go), 0);
  const pid_t child = fork();
  if (child == 0) {
    JailNeeds needs;
    needs.keep_fds = {ready[1], go[0]};
    if (!EnterJail(needs).ok() || !SealJail(needs).ok()) _exit(kCouldNotEnter);
    char c = 'r';
    if (write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1) _exit(kFailed);
    _exit(0);
  }
  char c = 0;
  ASSERT_EQ(read(ready[0], &c, 1), 1);
  const std::string status = ReadWholeFile("/proc/" + std::to_string(child) + "/status");
  ASSERT_EQ(write(go[1], &c, 1), 1);
  int exit_status = 0;
  waitpid(child, &exit_status, 0);
  for (const int fd : {ready[0], ready[1], go[0], go[1]}) close(fd);
  EXPECT_TRUE(Survived(exit_status));
  EXPECT_NE(status.find("\nSeccomp:\t2\n"), std::string::npos) << status;
  EXPECT_NE(status.find("\nNoNewPrivs:\t1\n"), std::string::npos) << status;
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
    EXPECT_NE(status.find(std::string("\n") + set + ":\t0000000000000000\n"), std::string::npos)
        << status;
  }
  if (geteuid() == 0) {
    EXPECT_NE(status.find("\nCapBnd:\t0000000000000000\n"), std::string::npos) << status;
  }
}

TEST(Jail, PrivateMemoryMayGrowByWhatIsNeededAndNoMore) {
  INSTAR_SKIP_UNDER_SANITIZERS();
  const pid_t child = fork();
  if (child == 0) {
    JailNeeds needs;
    needs.max_new_data_bytes = std::uint64_t{32} << 20;
    if (!EnterJail(needs).ok() || !SealJail(needs).ok()) _exit(kCouldNotEnter);
    void* const fits = std::malloc(std::size_t{24} << 20);
    void* const beyond = std::malloc(std::size_t{24} << 20);
    const bool held = fits != nullptr && beyond == nullptr;
    std::free(fits);
    std::free(beyond);
    _exit(held ? 0 : kFailed);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(Survived(status));
}

TEST(Jail, ClosesStrayDescriptorsAndKeepsTheNeeded) {
  const int stray = open("/dev/null", O_RDONLY);
  const int far = fcntl(stray, F_DUPFD, 500);
  const int status = Prison().Run(
      [&](const Inside& in) {
        return fcntl(stray, F_GETFD) == -1 && fcntl(far, F_GETFD) == -1 &&
               fcntl(in.file, F_GETFD) >= 0 && fcntl(in.directory, F_GETFD) >= 0 &&
               fcntl(2, F_GETFD) >= 0;
      },
      {}, /*seal=*/false);
  close(stray);
  close(far);
  EXPECT_TRUE(Survived(status)) << std::hex << status;
}

TEST(Jail, ClearsTheEnvironment) {
  setenv("INSTAR_JAIL_TEST", "secret", 1);
  const int status = Prison().Run(
      [](const Inside&) {
        return getenv("INSTAR_JAIL_TEST") == nullptr && getenv("PATH") == nullptr;
      },
      {}, /*seal=*/false);
  unsetenv("INSTAR_JAIL_TEST");
  EXPECT_TRUE(Survived(status)) << std::hex << status;
}

TEST(Jail, SetsLimits) {
  const int status = Prison().Run(
      [](const Inside& in) {
        rlimit core{};
        rlimit file{};
        return getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 &&
               getrlimit(RLIMIT_FSIZE, &file) == 0 && file.rlim_max == 8192 &&
               prctl(PR_GET_DUMPABLE) == 0 &&
               // Too long a file is an error, not the end of the process.
               pwrite(in.file, "x", 1, 8192) == -1 && errno == EFBIG;
      },
      {.max_file_bytes = 8192}, /*seal=*/false);
  EXPECT_TRUE(Survived(status)) << std::hex << status;
}

// Landlock alone, without the filter, so that calls fail and do not kill.
class Landlock : public testing::Test {
 protected:
  void SetUp() override {
    if (LandlockVersion() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  }
};

TEST_F(Landlock, DeniesEveryPathOutside) {
  const int status = Prison().Run(
      [](const Inside& in) {
        return open("/etc/passwd", O_RDONLY) == -1 && errno == EACCES &&
               openat(in.elsewhere, "file", O_RDONLY) == -1 && errno == EACCES &&
               open("/", O_RDONLY) == -1 && errno == EACCES;
      },
      {}, /*seal=*/false);
  EXPECT_TRUE(Survived(status)) << std::hex << status;
}

TEST_F(Landlock, AllowsReadingAndNothingElseBeneathAReadDirectory) {
  const int status = Prison().Run(
      [](const Inside& in) {
        return openat(in.directory, "file", O_RDONLY) >= 0 &&
               openat(in.directory, "file", O_RDWR) == -1 && errno == EACCES &&
               openat(in.directory, "new", O_WRONLY | O_CREAT, 0600) == -1 && errno == EACCES &&
               openat(in.directory, ".", O_RDONLY | O_DIRECTORY) == -1 && errno == EACCES &&
               unlinkat(in.directory, "file", 0) == -1 && errno == EACCES;
      },
      {}, /*seal=*/false);
  EXPECT_TRUE(Survived(status)) << std::hex << status;
}

TEST_F(Landlock, AllowsNothingBeneathTheDirectoryOfATarget) {
  const int status = Prison().Run(
      [](const Inside& in) {
        return openat(in.target, "created", O_RDONLY) == -1 && errno == EACCES &&
               openat(in.target, "new", O_WRONLY | O_CREAT, 0600) == -1 && errno == EACCES &&
               unlinkat(in.target, "created", 0) == -1 && errno == EACCES;
      },
      {}, /*seal=*/false);
  EXPECT_TRUE(Survived(status)) << std::hex << status;
}

TEST_F(Landlock, DeniesTcp) {
  if (LandlockVersion() < 4) GTEST_SKIP() << "this kernel's Landlock knows no network";
  const int status = Prison().Run(
      [](const Inside&) {
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0) return errno == EACCES || errno == EAFNOSUPPORT;
        sockaddr address{};
        address.sa_family = AF_INET;
        return bind(fd, &address, sizeof(address)) == -1 && errno == EACCES;
      },
      {}, /*seal=*/false);
  EXPECT_TRUE(Survived(status)) << std::hex << status;
}

}  // namespace
}  // namespace instar::vmm
