#include "cli/progress_line.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "cli/program.h"

namespace instar::cli {
namespace {

constinit std::atomic<bool> asked{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set by a signal handler");

void OnAsked(int) { asked.store(true, std::memory_order_relaxed); }

}  // namespace

std::string ProgressText(std::uint64_t done, std::uint64_t total) {
  double percent = 100.0;
  if (done < total) percent = 100.0 * static_cast<double>(done) / static_cast<double>(total);
  char text[40];
  std::snprintf(text, sizeof(text), "    (%3.2f/100%%)", percent);
  return text;
}

ProgressLine::ProgressLine(bool shown, int descriptor) : shown_(shown), descriptor_(descriptor) {
  struct sigaction action{};
  action.sa_handler = OnAsked;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, nullptr);
  Update(0, 1);
}

void ProgressLine::Update(std::uint64_t done, std::uint64_t total) {
  if (asked.load(std::memory_order_relaxed) && asked.exchange(false, std::memory_order_relaxed)) {
    WriteAll(STDERR_FILENO, ProgressText(done, total) + '\n');
  }
  if (!shown_) return;
  // A line for each per cent is enough; the last one is Finish's.
  const int percent =
      done < total
          ? static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total))
          : 99;
  int printed = printed_percent_.load(std::memory_order_relaxed);
  while (percent > printed) {
    if (printed_percent_.compare_exchange_weak(printed, percent, std::memory_order_relaxed)) {
      WriteAll(descriptor_, ProgressText(done, total) + '\r');
      return;
    }
  }
}

void ProgressLine::Complete() {
  if (shown_) WriteAll(descriptor_, ProgressText(1, 1) + '\r');
}

void ProgressLine::End() {
  if (shown_) WriteAll(descriptor_, "\n");
}

void ProgressLine::Finish(bool success) {
  if (success) Complete();
  End();
}

}  // namespace instar::cli
