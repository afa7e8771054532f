#include "cli/deadline.h"

#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <string>

#include "broker/broker.h"
#include "cli/interruption.h"
#include "cli/program.h"
#include "cli/terminal_text.h"
#include "verbs/time_limit.h"

namespace instar::cli {
namespace {

// The handler may block, because standard error is a pipe that nobody reads. Then it is called
// again, and ends the process, after this time.
constexpr std::chrono::milliseconds kHandlerTimeout{500};
// The run's own watchdog is a second line of defence. It acts a little later.
constexpr std::chrono::seconds kSecondLine{2};

// For the handler: set before there is a timer.
struct Last {
  const char* line = nullptr;
  std::size_t bytes = 0;
  int exit_code = 1;
};
constinit Last last;
constinit std::atomic<bool> ending{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler uses it");

// A change in place that is just taking effect, or did, has a right to its end. The timer rings
// again; how often it is let pass then.
constexpr int kPatience = 20;
constinit std::atomic<int> patience{0};

bool MustWait(vmm::Interruption found) {
  switch (found) {
    case vmm::Interruption::kFlipping:
      patience = kPatience;
      return true;
    case vmm::Interruption::kReclaiming:
      if (patience == 0) patience = kPatience;
      break;
    case vmm::Interruption::kEnd:
    case vmm::Interruption::kUndone:
      break;  // the rest of the patience is for what there is to say of the change
  }
  return patience > 0 && --patience > 0;
}

void OnAlarm(int signal, siginfo_t* info, void*) {
  // The kernel's timers say SI_KERNEL; from others it is a signal like those that interrupt.
  if (info->si_code != SI_KERNEL) {
    ActOnInterruption(signal);
    return;
  }
  if (!ending && MustWait(vmm::Broker::DiscardFromSignalHandler())) return;
  if (!ending.exchange(true)) (void)!write(STDERR_FILENO, last.line, last.bytes);
  _exit(last.exit_code);
}

timeval ToTimeval(std::chrono::milliseconds time) {
  return {.tv_sec = time.count() / 1000, .tv_usec = time.count() % 1000 * 1000};
}

}  // namespace

void StartDeadline(vmm::SandboxOptions& sandbox, const DeadlineWords& words,
                   std::chrono::milliseconds own) {
  if (sandbox.time_limit.count() == 0) sandbox.time_limit = own;
  if (sandbox.time_limit.count() == 0) return;
  sandbox.deadline = std::chrono::steady_clock::now() + sandbox.time_limit + kSecondLine;

  static std::string line;
  line = ProgramName();
  line += ": ";
  line += TerminalMessage(vmm::LateText(words.file, words.verb, sandbox.time_limit));
  line += '\n';
  last = {.line = line.data(), .bytes = line.size(), .exit_code = words.exit_code};

  struct sigaction action{};
  action.sa_sigaction = OnAlarm;
  // The signal comes again while the handler runs; no other interrupts it.
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART;
  sigfillset(&action.sa_mask);
  sigdelset(&action.sa_mask, SIGALRM);
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  const itimerval timer = {.it_interval = ToTimeval(kHandlerTimeout),
                           .it_value = ToTimeval(sandbox.time_limit)};
  sigaction(SIGALRM, &action, nullptr);
  sigprocmask(SIG_UNBLOCK, &alarm, nullptr);
  setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace instar::cli
