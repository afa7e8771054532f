// Each test lets a jailed child do something that the filter of system calls allows or does not.
#include "jail/seccomp_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/kvm.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "io/file_status.h"
#include "libinstar-vmm/jail/prison.h"

namespace instar::vmm {
namespace {

struct Deed {
  const char* name;
  std::function<bool(const Inside&)> work;
};
void PrintTo(const Deed& deed, std::ostream* out) { *out << deed.name; }
const auto kDeedName = [](const auto& test) { return std::string(test.param.name); };

class AllowedDeed : public testing::TestWithParam<Deed> {};

TEST_P(AllowedDeed, WorksInTheJail) {
  INSTAR_SKIP_UNDER_SANITIZERS();
  const int status = Prison().Run(GetParam().work, {.isolation = Isolation::kKvm});
  EXPECT_TRUE(Survived(status)) << std::hex << status;
}

char buffer[16];

const std::vector<Deed> kAllowed = {
    {"Pread", [](const Inside& in) { return pread(in.file, buffer, 10, 0) == 10; }},
    {"Pwrite", [](const Inside& in) { return pwrite(in.file, "x", 1, 3) == 1; }},
    {"Preadv",
     [](const Inside& in) {
       iovec v{buffer, 4};
       return preadv(in.file, &v, 1, 2) == 4;
     }},
    {"Pwritev",
     [](const Inside& in) {
       iovec v{buffer, 4};
       return pwritev(in.file, &v, 1, 2) == 4;
     }},
    {"ReadAndWrite",
     [](const Inside& in) { return read(in.file, buffer, 2) == 2 && write(in.file, "a", 1) == 1; }},
    {"WriteToStandardError", [](const Inside&) { return write(2, "", 0) == 0; }},
    {"Seek",
     [](const Inside& in) {
       return lseek(in.file, 0, SEEK_DATA) == 0 && lseek(in.file, 0, SEEK_HOLE) == 10;
     }},
    {"Truncate", [](const Inside& in) { return ftruncate(in.file, 5) == 0; }},
    {"PunchHole",
     [](const Inside& in) {
       return fallocate(in.file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0 ||
              errno == EOPNOTSUPP;
     }},
    {"Flush", [](const Inside& in) { return fdatasync(in.file) == 0 && fsync(in.file) == 0; }},
    {"StatOfADescriptor",
     [](const Inside& in) {
       struct stat s{};
       return FileStatus(in.file, &s) == 0;
     }},
    {"OfdLock",
     [](const Inside& in) {
       struct flock lock{};
       lock.l_type = F_RDLCK;
       lock.l_start = 100;
       lock.l_len = 1;
       return fcntl(in.file, F_OFD_SETLK, &lock) == 0;
     }},
    {"Close", [](const Inside& in) { return close(in.file) == 0; }},
    {"AllocateMemory",
     [](const Inside&) {
       for (const std::size_t size :
            {std::size_t{100}, std::size_t{1} << 20, std::size_t{64} << 20}) {
         auto* memory = static_cast<char*>(malloc(size));
         if (memory == nullptr) return false;
         memory[size - 1] = 1;
         free(memory);
       }
       return true;
     }},
    {"OpenAllowedFile",
     [](const Inside& in) { return OpenAt2(in.directory, "file", O_RDONLY | O_CLOEXEC) >= 0; }},
    {"AccessListOfAnOpenFile",
     [](const Inside& in) {
       return fgetxattr(in.file, "system.posix_acl_access", buffer, sizeof buffer) == -1;
     }},
    {"Clocks",
     [](const Inside&) {
       timespec t{};
       return syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t) == 0;
     }},
    {"Sleep",
     [](const Inside&) {
       const timespec t{.tv_sec = 0, .tv_nsec = 1000};
       return nanosleep(&t, nullptr) == 0 && clock_nanosleep(CLOCK_MONOTONIC, 0, &t, nullptr) == 0;
     }},
    {"SignalAThreadOfItsOwn",
     [](const Inside&) {
       signal(SIGUSR1, SIG_IGN);
       return pthread_kill(pthread_self(), SIGUSR1) == 0;
     }},
    {"AskATerminal",
     [](const Inside& in) { return ioctl(in.file, 0x5401, buffer) == -1 && errno == ENOTTY; }},
    {"PrintThroughTheCLibrary",
     [](const Inside&) { return printf("%s", "") == 0 && fflush(stdout) == 0; }},
    {"KvmRequests",
     [](const Inside& in) {
       return ioctl(in.file, KVM_RUN, 0) == -1 && ioctl(in.file, KVM_GET_REGS, buffer) == -1 &&
              ioctl(in.file, KVM_GET_SREGS, buffer) == -1;
     }},
};
INSTANTIATE_TEST_SUITE_P(Deeds, AllowedDeed, testing::ValuesIn(kAllowed), kDeedName);

constexpr char kLinkPath[1] = "";

bool ReadLink(const char* path) {
  return syscall(SYS_readlinkat, AT_FDCWD, path, buffer, sizeof buffer) >= 0 || errno == ENOENT;
}

TEST(SeccompFilter, LinksAreReadThroughTheOneEmptyPathOnly) {
  INSTAR_SKIP_UNDER_SANITIZERS();
  const JailNeeds needs = {.link_path = kLinkPath};
  EXPECT_TRUE(Survived(Prison().Run([](const Inside&) { return ReadLink(kLinkPath); }, needs)));
  const auto another = [](const Inside&) { return ReadLink("/proc/self/exe"); };
  EXPECT_TRUE(KilledByFilter(Prison().Run(another, needs)));
  EXPECT_TRUE(KilledByFilter(Prison().Run(another)));
  const auto without_directories = [](const Inside&) { return ReadLink(kLinkPath); };
  EXPECT_TRUE(KilledByFilter(Prison().Run(without_directories, needs, true, false)));
}

class ForbiddenDeed : public testing::TestWithParam<Deed> {};

TEST_P(ForbiddenDeed, KillsTheProcess) {
  INSTAR_SKIP_UNDER_SANITIZERS();
  const int status = Prison().Run(GetParam().work, {.isolation = Isolation::kKvm});
  EXPECT_TRUE(KilledByFilter(status)) << std::hex << status;
}

const std::vector<Deed> kForbidden = {
    {"Open", [](const Inside&) { return syscall(SYS_open, "/etc/passwd", O_RDONLY) >= 0; }},
    {"OpenAt", [](const Inside& in) { return openat(in.directory, "file", O_RDONLY) >= 0; }},
    {"OpenByHandle",
     [](const Inside& in) { return syscall(SYS_open_by_handle_at, in.file, buffer, 0) >= 0; }},
    {"StatOfAPath",
     [](const Inside&) {
       struct stat s{};
       return fstatat(AT_FDCWD, "/etc/passwd", &s, 0) == 0;
     }},
    {"StatOfAnEmptyPath",
     [](const Inside& in) {
       struct stat s{};
       return syscall(SYS_newfstatat, in.file, "", &s, AT_EMPTY_PATH) == 0;
     }},
    {"StatOfAPathThatOnlySaysItIsEmpty",
     [](const Inside&) {
       struct stat s{};
       return syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &s, AT_EMPTY_PATH) == 0;
     }},
    {"StatBesideATarget",
     [](const Inside& in) {
       struct stat s{};
       return fstatat(in.target, "created", &s, AT_SYMLINK_NOFOLLOW) == 0;
     }},
    {"RemoveATarget", [](const Inside& in) { return unlinkat(in.target, "created", 0) == 0; }},
    {"Access", [](const Inside&) { return access("/etc/passwd", F_OK) == 0; }},
    {"ReadLink", [](const Inside&) { return readlink("/proc/self/exe", buffer, 16) > 0; }},
    {"Unlink", [](const Inside&) { return syscall(SYS_unlink, "/nonexistent") == 0; }},
    {"RemoveElsewhere", [](const Inside& in) { return unlinkat(in.elsewhere, "file", 0) == 0; }},
    {"RemoveFromTheWorkingDirectory",
     [](const Inside&) { return unlinkat(AT_FDCWD, "x", 0) == 0; }},
    {"RemoveADirectory",
     [](const Inside& in) { return unlinkat(in.target, "x", AT_REMOVEDIR) == 0; }},
    {"Rename", [](const Inside& in) { return renameat(in.target, "a", in.target, "b") == 0; }},
    {"ChangeMode", [](const Inside& in) { return fchmod(in.file, 0777) == 0; }},
    {"ChangeOwner", [](const Inside& in) { return fchown(in.file, 0, 0) == 0; }},
    {"Socket", [](const Inside&) { return socket(AF_UNIX, SOCK_STREAM, 0) >= 0; }},
    {"Fork", [](const Inside&) { return fork() >= 0; }},
    {"Execute",
     [](const Inside&) {
       char* none[] = {nullptr};
       return execve("/bin/true", none, none) == 0;
     }},
    {"Trace", [](const Inside&) { return ptrace(PTRACE_TRACEME, 0, 0, 0) == 0; }},
    {"KillAnotherProcess", [](const Inside&) { return kill(1, 0) == 0; }},
    {"SignalAThreadOfAnotherProcess",
     [](const Inside&) { return syscall(SYS_tgkill, 1, 1, 0) == 0; }},
    {"MapExecutableMemory",
     [](const Inside&) {
       return mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
              MAP_FAILED;
     }},
    {"MakeMemoryExecutable",
     [](const Inside&) {
       void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
       return mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
     }},
    {"DuplicateADescriptor", [](const Inside& in) { return dup(in.file) >= 0; }},
    {"ReceiveOwnershipSignals", [](const Inside& in) { return fcntl(in.file, F_SETOWN, 1) == 0; }},
    {"PushTerminalInput", [](const Inside&) { return ioctl(0, 0x5412 /* TIOCSTI */, "x") == 0; }},
    {"MakeAVirtualMachine", [](const Inside& in) { return ioctl(in.file, KVM_CREATE_VM, 0) >= 0; }},
    {"ChangeVcpuSegments",
     [](const Inside& in) { return ioctl(in.file, KVM_SET_SREGS, buffer) == 0; }},
    {"ProcessControl", [](const Inside&) { return prctl(PR_SET_DUMPABLE, 1) == 0; }},
    {"RaiseALimit",
     [](const Inside&) {
       rlimit limit{};
       return getrlimit(RLIMIT_NOFILE, &limit) == 0;
     }},
    {"WaitForAChild", [](const Inside&) { return waitpid(-1, nullptr, WNOHANG) >= 0; }},
    {"IoUring", [](const Inside&) { return syscall(SYS_io_uring_setup, 1, buffer) >= 0; }},
    {"MountAFileSystem", [](const Inside&) { return syscall(SYS_mount, "", "/", "", 0, "") == 0; }},
    {"LoadBpf", [](const Inside&) { return syscall(SYS_bpf, 0, buffer, 16) == 0; }},
};
INSTANTIATE_TEST_SUITE_P(Deeds, ForbiddenDeed, testing::ValuesIn(kForbidden), kDeedName);

TEST(Seccomp, WithoutDirectoriesNothingOpensAndNothingIsRemoved) {
  INSTAR_SKIP_UNDER_SANITIZERS();
  const auto open_one = [](const Inside& in) {
    return OpenAt2(in.elsewhere, "file", O_RDONLY) < 0;
  };
  const auto remove_one = [](const Inside& in) { return unlinkat(in.elsewhere, "file", 0) < 0; };
  EXPECT_TRUE(KilledByFilter(Prison().Run(open_one, {}, true, false)));
  EXPECT_TRUE(KilledByFilter(Prison().Run(remove_one, {}, true, false)));
}

TEST(Seccomp, SplicingAndWaitingAreForPipesOnly) {
  INSTAR_SKIP_UNDER_SANITIZERS();
  // What of the arguments is wrong the kernel says, not the filter.
  const auto splice_one = [](const Inside& in) {
    return splice(in.file, nullptr, in.file, nullptr, 1, 0) < 0;
  };
  const auto wait = [](const Inside&) { return poll(nullptr, 0, 0) == 0; };
  EXPECT_TRUE(KilledByFilter(Prison().Run(splice_one)));
  EXPECT_TRUE(KilledByFilter(Prison().Run(wait)));
  EXPECT_TRUE(Survived(Prison().Run(splice_one, {.streams = true})));
  EXPECT_TRUE(Survived(Prison().Run(wait, {.streams = true})));
}

TEST(Seccomp, KvmRequestsAreForTheKvmExecutorOnly) {
  INSTAR_SKIP_UNDER_SANITIZERS();
  const auto run = [](const Inside& in) { return ioctl(in.file, KVM_RUN, 0) == -1; };
  EXPECT_TRUE(KilledByFilter(Prison().Run(run, {.isolation = Isolation::kProcess})));
}

TEST(Seccomp, TheProcessExecutorMayKillItsChildAndNobodyElse) {
  INSTAR_SKIP_UNDER_SANITIZERS();
  const pid_t guest = fork();
  if (guest == 0) {
    pause();
    _exit(0);
  }
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, guest, 0));
  ASSERT_GE(pidfd, 0);
  const auto send = [](int process, int signal) {
    return syscall(SYS_pidfd_send_signal, process, signal, nullptr, 0) == 0;
  };
  const auto kill_guest = [=](const Inside&) { return send(pidfd, SIGKILL); };
  const auto kill_other = [=](const Inside& in) { return send(in.file, SIGKILL); };
  const auto stop_guest = [=](const Inside&) { return send(pidfd, SIGSTOP); };
  const auto by_number = [=](const Inside&) { return kill(guest, SIGKILL) == 0; };
  const auto wait_by_number = [=](const Inside&) { return waitpid(guest, nullptr, WNOHANG) >= 0; };
  const JailNeeds needs = {
      .keep_fds = {pidfd}, .isolation = Isolation::kProcess, .child_pidfd = pidfd};
  for (const auto& forbidden : {std::function<bool(const Inside&)>(kill_other),
                                {stop_guest},
                                {by_number},
                                {wait_by_number}}) {
    EXPECT_TRUE(KilledByFilter(Prison().Run(forbidden, needs)));
  }
  const JailNeeds without = {.keep_fds = {pidfd}, .isolation = Isolation::kProcess};
  EXPECT_TRUE(KilledByFilter(Prison().Run(kill_guest, without)));
  EXPECT_TRUE(Survived(Prison().Run(kill_guest, needs)));
  close(pidfd);
  int status = 0;
  ASSERT_EQ(waitpid(guest, &status, 0), guest);
  EXPECT_TRUE(WIFSIGNALED(status));
}

TEST(Seccomp, HoldsForThreadsMadeBefore) {
  INSTAR_SKIP_UNDER_SANITIZERS();
  const auto work = [](const Inside&) { return true; };
  static std::atomic<bool> sealed{false};
  const pid_t child = fork();
  if (child == 0) {
    JailNeeds needs;
    if (!EnterJail(needs).ok()) _exit(kCouldNotEnter);
    std::thread thread([] {
      while (!sealed) sched_yield();
      syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
    });
    if (!SealJail(needs).ok()) _exit(kCouldNotEnter);
    sealed = true;
    thread.join();
    _exit(work({}) ? 0 : kFailed);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(KilledByFilter(status)) << std::hex << status;
}

TEST(Seccomp, ThreadsCanAllocateAndWait) {
  INSTAR_SKIP_UNDER_SANITIZERS();
  const pid_t child = fork();
  if (child == 0) {
    JailNeeds needs;
    if (!EnterJail(needs).ok()) _exit(kCouldNotEnter);
    std::mutex mutex;
    std::condition_variable changed;
    bool go = false;
    std::atomic<int> done{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return go; });
        lock.unlock();
        std::vector<std::string> many(1000, std::string(1000, 'x'));
        done += many.size() == 1000 ? 1 : 0;
      });
    }
    if (!SealJail(needs).ok()) _exit(kCouldNotEnter);
    {
      const std::lock_guard lock(mutex);
      go = true;
    }
    changed.notify_all();
    for (auto& thread : threads) thread.join();
    _exit(done == 3 ? 0 : kFailed);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(Survived(status)) << std::hex << status;
}

}  // namespace
}  // namespace instar::vmm
