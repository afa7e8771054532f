// Where the time of a sandboxed verb goes. A program that wants to know sets SandboxOptions::timing
// and reads it when the verb has returned, whether that succeeded or not:
//
//   instar::vmm::Timing timing;
//   options.sandbox.timing = &timing;
//   auto report = instar::vmm::Info(options);
//   auto landlock = timing.Of(instar::vmm::TimingPhase::kLandlock);
//
// Several verbs, one after another, add up in the same object. Where none is given no clock is
// read.
#ifndef INSTAR_VMM_TIMING_H_
#define INSTAR_VMM_TIMING_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace instar::vmm {

// What a verb does, in the order in which it is done.
enum class TimingPhase : unsigned {
  kCommandLine,   // reading options; of the program, verbs of the library have none
  kFiles,         // opening files, taking their locks, opening what references may lie in
  kSandbox,       // making the virtual machine, or the process
  kMemory,        // giving it memory
  kImage,         // guest image, page tables and request into that memory
  kVcpus,         // making vCPUs and setting their state
  kPrivileges,    // jail: stray descriptors, environment, limits, no_new_privs
  kLandlock,      // jail: the files that remain within reach
  kCapabilities,  // jail: dropping them
  kThreads,       // starting the watchdog, and a thread for each further vCPU
  kSeccomp,       // jail: building and installing the filter of system calls
  kGuest,         // from the guest's first instruction to its end
  kTeardown,      // taking the sandbox down; without timing the end of the process does that
  kResult,        // flushing targets, reading the report and showing it
};
inline constexpr std::size_t kTimingPhases = 14;

// What a phase is called: "files", "virtual machine".
[[nodiscard]] const char* TimingPhaseName(TimingPhase phase);

// Operations that a guest requests are numbered as in the call table's mailbox.
inline constexpr std::size_t kTimingOperations = 21;
// "read", "transfer", ...; null for numbers that mean nothing.
[[nodiscard]] const char* TimingOperationName(std::size_t operation);

struct Timing {
  using Clock = std::chrono::steady_clock;
  struct Requests {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;  // of files and records asked for; 0 where an operation moves none
    std::chrono::nanoseconds time{0};

    template <typename Visitor>
    void Visit(Visitor&& visit) {
      visit("count", count);
      visit("bytes", bytes);
      visit("time", time);
    }
  };

  std::array<std::chrono::nanoseconds, kTimingPhases> phases{};
  // Within kGuest, by operation. All vCPUs together: more than kGuest lasted when several work.
  std::array<Requests, kTimingOperations> requests{};
  // How long vCPUs were at work, all together. The guest's own code ran for what `requests` leave
  // of it.
  std::chrono::nanoseconds vcpu_time{0};
  Clock::time_point last = Clock::now();  // when the phase began that is not recorded yet

  [[nodiscard]] std::chrono::nanoseconds Of(TimingPhase phase) const {
    return phases[static_cast<std::size_t>(phase)];
  }
  // All that was recorded, for the way from a child process.
  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("phases", phases);
    visit("requests", requests);
    visit("vcpu-time", vcpu_time);
  }
  // What was done since the last call was `phase`.
  void Mark(TimingPhase phase) {
    const Clock::time_point now = Clock::now();
    phases[static_cast<std::size_t>(phase)] += now - last;
    last = now;
  }
};

}  // namespace instar::vmm

#endif  // INSTAR_VMM_TIMING_H_
