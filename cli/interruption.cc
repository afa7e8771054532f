#include "cli/interruption.h"

#include <array>
#include <csignal>

#include "broker/broker.h"

namespace instar::cli {
namespace {

// All signals that end a process and can be caught, but for SIGXFSZ and the real-time ones.
constexpr std::array kEndProcess = {SIGINT,  SIGTERM, SIGHUP,    SIGQUIT, SIGALRM, SIGVTALRM,
                                    SIGPROF, SIGUSR1, SIGUSR2,   SIGXCPU, SIGPIPE, SIGIO,
                                    SIGPWR,  SIGSYS,  SIGSTKFLT, SIGABRT, SIGSEGV, SIGBUS,
                                    SIGFPE,  SIGILL,  SIGTRAP};

void OnInterruption(int signal) {
  vmm::Broker::DiscardFromSignalHandler();
  // The handler is reset (SA_RESETHAND) and the signal blocked until it returns. Then this one
  // acts.
  std::raise(signal);
}

}  // namespace

void RemoveTargetsOnInterruption() {
  const auto take = [](int signal) {
    struct sigaction before{};
    // What is ignored stays so, and what somebody else handles, as a sanitizer does faults.
    if (sigaction(signal, nullptr, &before) != 0 || before.sa_handler != SIG_DFL) return;
    struct sigaction action{};
    action.sa_handler = OnInterruption;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(signal, &action, nullptr);
  };
  for (const int signal : kEndProcess) take(signal);
  // Then a write beyond the limit fails, and the run reports that.
  std::signal(SIGXFSZ, SIG_IGN);
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) take(signal);
}

}  // namespace instar::cli
