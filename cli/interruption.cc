#include "cli/interruption.h"

#include <csignal>

#include "broker/broker.h"

namespace instar::cli {
namespace {

void OnInterruption(int signal) {
  vmm::Broker::DiscardFromSignalHandler();
  // The handler is reset (SA_RESETHAND) and the signal blocked until it returns; then this one
  // acts.
  std::raise(signal);
}

}  // namespace

void RemoveTargetsOnInterruption() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before{};
    if (sigaction(signal, nullptr, &before) != 0 || before.sa_handler == SIG_IGN) continue;
    struct sigaction action{};
    action.sa_handler = OnInterruption;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(signal, &action, nullptr);
  }
}

}  // namespace instar::cli
