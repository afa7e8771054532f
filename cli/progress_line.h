// How far a verb is, in the form programs that drive qemu-img look for: "    (12.34/100%)" and a
// carriage return.
#ifndef CLI_PROGRESS_LINE_H_
#define CLI_PROGRESS_LINE_H_

#include <atomic>
#include <cstdint>
#include <string>

namespace instar::cli {

// The text for `done` of `total`, without what ends it. Nothing to do counts as done.
[[nodiscard]] std::string ProgressText(std::uint64_t done, std::uint64_t total);

// Prints progress to standard output or another descriptor, and whenever the process has received
// SIGUSR1 once to standard error. Updates may come from several threads.
class ProgressLine {
 public:
  // `shown`: print to `descriptor`. Installs the handler of SIGUSR1.
  explicit ProgressLine(bool shown, int descriptor = 1);

  void Update(std::uint64_t done, std::uint64_t total);

  void Complete();  // says 100 %; what is printed next stands in its place
  void End();       // ends the line

  // Ends the line: with 100 % if all went well.
  void Finish(bool success);

 private:
  bool shown_;
  int descriptor_;
  std::atomic<int> printed_percent_{-1};
};

}  // namespace instar::cli

#endif  // CLI_PROGRESS_LINE_H_
