#include "cli/interruption.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <string>

#include "broker/broker.h"
#include "cli/program.h"
#include "cli/terminal_text.h"

namespace instar::cli {
namespace {

// All signals that end a process and can be caught, but for SIGXFSZ and the real-time ones.
constexpr std::array kEndProcess = {SIGINT,  SIGTERM, SIGHUP,    SIGQUIT, SIGALRM, SIGVTALRM,
                                    SIGPROF, SIGUSR1, SIGUSR2,   SIGXCPU, SIGPIPE, SIGIO,
                                    SIGPWR,  SIGSYS,  SIGSTKFLT, SIGABRT, SIGSEGV, SIGBUS,
                                    SIGFPE,  SIGILL,  SIGTRAP};

// Whether a signal was let pass because a change had taken effect.
constinit std::atomic<bool> passed{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler uses it");

// For the handler, set before there is one: what it says when it has undone a change in place.
constinit std::string_view undone_line;

// What the program itself did wrong cannot wait: it would happen again at once.
bool IsFault(int signal) {
  constexpr std::array kFaults = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
  return std::ranges::find(kFaults, signal) != kFaults.end();
}

void OnInterruption(int signal) { ActOnInterruption(signal); }

void Handle(int signal) {
  struct sigaction action{};
  action.sa_handler = OnInterruption;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(signal, &action, nullptr);
}

}  // namespace

void ActOnInterruption(int signal) {
  const vmm::Interruption found = vmm::Broker::DiscardFromSignalHandler();
  if (!IsFault(signal)) {
    // Where a change took effect the first signal waits for what follows it, and the second does
    // not.
    const bool first = !passed.exchange(true);
    if (found == vmm::Interruption::kFlipping ||
        (found == vmm::Interruption::kReclaiming && first)) {
      if (signal != SIGALRM) Handle(signal);
      return;
    }
    if (found == vmm::Interruption::kUndone && !undone_line.empty()) {
      (void)!write(STDERR_FILENO, undone_line.data(), undone_line.size());
      _exit(1);
    }
  }
  // The signal is blocked until the handler returns. Then this one acts.
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void RemoveTargetsOnInterruption() {
  const auto take = [](int signal) {
    struct sigaction before{};
    // What is ignored stays so, and what somebody else handles, as a sanitizer does faults.
    if (sigaction(signal, nullptr, &before) != 0 || before.sa_handler != SIG_DFL) return;
    Handle(signal);
  };
  for (const int signal : kEndProcess) take(signal);
  // Then a write beyond the limit fails, and the run reports that.
  std::signal(SIGXFSZ, SIG_IGN);
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) take(signal);
}

void EndChangesOnInterruption(std::string_view file, std::string_view verb) {
  static std::string line;
  line = std::string(ProgramName()) + ": " + TerminalText(file) + ": " + std::string(verb) +
         ": interrupted before the change took effect; the file is as it was\n";
  undone_line = line;
  RemoveTargetsOnInterruption();
}

}  // namespace instar::cli
