#include "cli/interruption.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>

#include "broker/broker.h"

namespace instar::cli {
namespace {

// All signals that end a process and can be caught, but for SIGXFSZ and the real-time ones.
constexpr std::array kEndProcess = {SIGINT,  SIGTERM, SIGHUP,    SIGQUIT, SIGALRM, SIGVTALRM,
                                    SIGPROF, SIGUSR1, SIGUSR2,   SIGXCPU, SIGPIPE, SIGIO,
                                    SIGPWR,  SIGSYS,  SIGSTKFLT, SIGABRT, SIGSEGV, SIGBUS,
                                    SIGFPE,  SIGILL,  SIGTRAP};

// A signal that waits until a change in place is over; 0: none.
constinit std::atomic<int> deferred{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler uses it");

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
  // Where a change took effect the first signal waits for what follows it, and the second does not.
  const bool first = deferred.exchange(signal) == 0;
  const bool waits =
      found == vmm::Interruption::kFlipping || (found == vmm::Interruption::kReclaiming && first);
  if (waits && !IsFault(signal)) {
    if (signal != SIGALRM) Handle(signal);
    return;
  }
  // The signal is blocked until the handler returns. Then this one acts.
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void ActOnDeferredInterruption() {
  if (const int signal = deferred) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
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

}  // namespace instar::cli
