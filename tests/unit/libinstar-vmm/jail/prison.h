// Child processes in the jail, for tests that look at what they can still do.
#ifndef TESTS_UNIT_LIBINSTAR_VMM_JAIL_PRISON_H_
#define TESTS_UNIT_LIBINSTAR_VMM_JAIL_PRISON_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <functional>

#include "jail/jail.h"
#include "libinstar-vmm/temporary_directory.h"

// The sanitizers' own system calls are not on the list.
#if defined(__SANITIZE_ADDRESS__)
#define INSTAR_SKIP_UNDER_SANITIZERS() GTEST_SKIP() << "the sanitizer needs more system calls"
#else
#define INSTAR_SKIP_UNDER_SANITIZERS() static_cast<void>(0)
#endif

namespace instar::vmm {

inline constexpr int kCouldNotEnter = 101;
inline constexpr int kFailed = 102;

// What the jailed child has.
struct Inside {
  int file = -1;       // open for reading and writing
  int directory = -1;  // O_PATH, may be read
  int target = -1;     // O_PATH of a directory with a created file
  int elsewhere = -1;  // O_PATH, kept open but not allowed
};

class Prison {
 public:
  Prison() {
    directory_.Write("read/file", "content");
    directory_.Write("target/created", "x");
    directory_.Write("elsewhere/file", "secret");
    directory_.Write("file", "0123456789");
  }

  // The wait status of a child that runs `work` in the jail and exits 0 if it returns true.
  int Run(const std::function<bool(const Inside&)>& work, JailNeeds needs = {}, bool seal = true,
          bool with_directories = true) {
    const pid_t child = fork();
    if (child == 0) {
      Inside inside;
      inside.file = open((directory_ / "file").c_str(), O_RDWR);
      inside.elsewhere = open((directory_ / "elsewhere").c_str(), O_PATH);
      needs.keep_fds.push_back(inside.file);
      needs.keep_fds.push_back(inside.elsewhere);
      if (with_directories) {
        inside.directory = open((directory_ / "read").c_str(), O_PATH);
        inside.target = open((directory_ / "target").c_str(), O_PATH);
        needs.read_directories.push_back(inside.directory);
        needs.keep_fds.push_back(inside.target);
      }
      needs.max_open_files = 8;
      if (!EnterJail(needs).ok()) _exit(kCouldNotEnter);
      if (seal && !SealJail(needs).ok()) _exit(kCouldNotEnter);
      _exit(work(inside) ? 0 : kFailed);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status;
  }

  TemporaryDirectory directory_;
};

inline bool Survived(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }
inline bool KilledByFilter(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS; }

inline long OpenAt2(int directory, const char* path, std::uint64_t flags) {
  open_how how{};
  how.flags = flags;
  return syscall(SYS_openat2, directory, path, &how, sizeof(how));
}

}  // namespace instar::vmm

#endif  // TESTS_UNIT_LIBINSTAR_VMM_JAIL_PRISON_H_
