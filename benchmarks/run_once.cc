// Runs one command and tells what it took; compare.py starts everything through it that it
// measures. Linux counts the peak memory of whoever starts a program as the program's own, so
// this one has few pages; and it has nothing to do between reading the clock and starting.
//
// DESCRIPTOR COMMAND [ARGUMENT]...: the command has nothing on standard input, and what it writes
// to standard output is thrown away. To the descriptor goes one line: the seconds it took, the peak
// memory in KiB of it and of those that it left behind (a child in a sandbox), and its exit code,
// or the negative of the signal that ended it. Whoever tells this program to stop stops the
// command.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <initializer_list>

namespace {

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

double Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// Blocks the signals that are waited for later; those to stop by only where they are not ignored,
// as they are for what goes on when its terminal is closed.
sigset_t Block(sigset_t* before) {
  std::signal(SIGCHLD, SIG_DFL);  // were it ignored, nobody would be left to wait for
  sigset_t awaited;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGCHLD);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction present{};
    sigaction(number, nullptr, &present);
    if (present.sa_handler != SIG_IGN) sigaddset(&awaited, number);
  }
  sigprocmask(SIG_BLOCK, &awaited, before);
  return awaited;
}

// In a process group of its own, so that what it starts is stopped with it.
pid_t Start(char** command, int null, const sigset_t& mask) {
  volatile int failed = 0;  // set by the child, whose memory is that of this process
  const pid_t parent = getpid();
  const pid_t child = vfork();
  if (child == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    sigprocmask(SIG_SETMASK, &mask, nullptr);
    execvp(command[0], command);
    failed = errno;
    _exit(1);
  }
  if (child < 0) Fail("vfork");
  if (failed != 0) {
    errno = failed;
    Fail(command[0]);
  }
  return child;
}

}  // namespace

int main(int count, char** arguments) {
  char* end = nullptr;
  const long descriptor = count < 3 ? -1 : std::strtol(arguments[1], &end, 10);
  if (descriptor < 0 || end == arguments[1] || *end != '\0') {
    std::fprintf(stderr, "run_once DESCRIPTOR COMMAND [ARGUMENT]...\n");
    return 2;
  }
  const int told = static_cast<int>(descriptor);
  if (fcntl(told, F_SETFD, FD_CLOEXEC) != 0) Fail(arguments[1]);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) Fail("/dev/null");
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  // What the command leaves behind becomes a child of this process.
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) Fail("prctl");
  sigset_t before;
  const sigset_t awaited = Block(&before);

  const double begin = Now();
  const pid_t command = Start(arguments + 2, null, before);
  double seconds = 0;
  long peak_kib = 0;
  int ended_with = 0;
  int stopped_by = 0;
  for (;;) {
    int status = 0;
    rusage usage{};
    const pid_t ended = wait4(-1, &status, WNOHANG, &usage);
    if (ended < 0) break;  // there is nobody left
    if (ended == 0) {
      const int number = sigwaitinfo(&awaited, nullptr);
      if (number > 0 && number != SIGCHLD) {
        stopped_by = number;
        kill(-command, SIGKILL);
      }
      continue;
    }
    if (ended == command) {
      seconds = Now() - begin;
      ended_with = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    }
    peak_kib += usage.ru_maxrss;
  }
  if (stopped_by != 0) return 128 + stopped_by;
  if (dprintf(told, "%.9f %ld %d\n", seconds, peak_kib, ended_with) < 0) Fail(arguments[1]);
  return 0;
}
