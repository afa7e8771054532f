#include "cli/timing_trace.h"

#include <absl/strings/str_format.h>
#include <unistd.h>

#include <cstddef>
#include <ctime>

#include "cli/program.h"

namespace instar::cli {
namespace {

using std::chrono::nanoseconds;

// The kernel tells when a process began only to a hundredth of a second, but counts the processor's
// time exactly; what it did before main is to load the program.
nanoseconds ProcessorTime() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

void AddLine(std::string& text, std::string_view name, nanoseconds time,
             std::string_view detail = {}) {
  absl::StrAppendFormat(&text, "  %-26s %9.2f%s%s\n", name, static_cast<double>(time.count()) / 1e6,
                        detail.empty() ? "" : "  ", detail);
}

// What the guest's time went into.
void AddGuest(std::string& text, const vmm::Timing& timing) {
  nanoseconds running = timing.vcpu_time;
  for (const vmm::Timing::Requests& requests : timing.requests) running -= requests.time;
  AddLine(text, "  running", running);
  for (std::size_t i = 0; i < timing.requests.size(); ++i) {
    const vmm::Timing::Requests& requests = timing.requests[i];
    const char* name = vmm::TimingOperationName(i);
    if (name == nullptr || requests.count == 0) continue;
    std::string detail = absl::StrFormat("%d x", requests.count);
    if (requests.bytes != 0) absl::StrAppendFormat(&detail, ", %d bytes", requests.bytes);
    AddLine(text, std::string("  ") + name, requests.time, detail);
  }
}

}  // namespace

TimingTrace::TimingTrace() : processor_time_before_(ProcessorTime()) {}

vmm::Timing* TimingTrace::Want() {
  wanted_ = true;
  return &timing_;
}

void TimingTrace::Print() {
  if (!wanted_) return;
  timing_.Mark(vmm::TimingPhase::kResult);
  WriteAll(STDERR_FILENO, TimingText(timing_, processor_time_before_, timing_.last - begin_));
}

std::string TimingText(const vmm::Timing& timing, nanoseconds before, nanoseconds total) {
  std::string text = absl::StrFormat("%-28s %9s\n", "timing", "ms");
  AddLine(text, "before main", before, "of the processor");
  for (std::size_t i = 0; i < vmm::kTimingPhases; ++i) {
    const auto phase = static_cast<vmm::TimingPhase>(i);
    AddLine(text, vmm::TimingPhaseName(phase), timing.Of(phase));
    if (phase == vmm::TimingPhase::kGuest) AddGuest(text, timing);
  }
  AddLine(text, "total from main", total);
  return text;
}

}  // namespace instar::cli
