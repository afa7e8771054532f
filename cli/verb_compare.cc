// instar compare: compares the contents of two images.
#include <algorithm>
#include <string>
#include <vector>

#include "cli/compare_arguments.h"
#include "cli/deadline.h"
#include "cli/program.h"
#include "cli/progress_line.h"
#include "cli/strict_profile.h"
#include "cli/text_output.h"
#include "cli/verb.h"
#include "instar/vmm/compare.h"
#include "verbs/open_image.h"

namespace instar::cli {
namespace {

enum ExitCode : int {
  kSame = 0,
  kDifferent = 1,
  kNotOpened = 2,
  kNotMapped = 3,
  kNotRead = 4,
};

std::string Sentence(const vmm::CompareReport& report) {
  using Verdict = vmm::CompareReport::Verdict;
  const std::string offset = std::to_string(report.offset);
  switch (report.verdict) {
    case Verdict::kIdentical:
      return "Images are identical.\n";
    case Verdict::kContentDiffers:
      return "Content mismatch at offset " + offset + "!\n";
    case Verdict::kSizesDiffer:
      return "Strict mode: Image size mismatch!\n";
    case Verdict::kAllocationDiffers:
      return "Strict mode: Offset " + offset + " block status mismatch!\n";
    case Verdict::kMapUnreadable:
    case Verdict::kDataUnreadable:
      break;
  }
  return {};
}

int CodeOf(vmm::CompareReport::Verdict verdict) {
  using Verdict = vmm::CompareReport::Verdict;
  switch (verdict) {
    case Verdict::kIdentical:
      return kSame;
    case Verdict::kContentDiffers:
    case Verdict::kSizesDiffer:
    case Verdict::kAllocationDiffers:
      return kDifferent;
    case Verdict::kMapUnreadable:
      return kNotMapped;
    case Verdict::kDataUnreadable:
      return kNotRead;
  }
  return kNotOpened;
}

// What a failure of the whole run means. A run that was ended opened its images, or was doing so at
// a length no sound image takes, and did not come to the end of their data.
int CodeOf(const absl::Status& failure) {
  return absl::IsAborted(failure) || absl::IsCancelled(failure) || absl::IsDeadlineExceeded(failure)
             ? kNotRead
             : kNotOpened;
}

// Whether the comparison came to where only the longer disk goes on.
bool PassedTheShorterEnd(const vmm::CompareReport& report) {
  using Verdict = vmm::CompareReport::Verdict;
  if (report.first_size == report.second_size || report.verdict == Verdict::kSizesDiffer) {
    return false;
  }
  return report.verdict == Verdict::kIdentical ||
         report.offset >= std::min(report.first_size, report.second_size);
}

}  // namespace

int RunCompare(std::span<const std::string> arguments, SandboxSettings settings) {
  OrStop<CompareCommand> command = ReadCompareArguments(arguments, std::move(settings));
  if (!command) {
    // Mistakes in the form of the command are 1, as with every verb of qemu-img.
    const int code = Conclude(command.error());
    return command.error().kind == Stop::Kind::kError ? kNotOpened : code;
  }
  StartDeadline(
      command->settings.sandbox,
      {.file = vmm::ShownName(command->options.first), .verb = "compare", .exit_code = kNotRead});
  if (SettleIsolation(command->settings) != 0) return kNotOpened;
  const std::vector<vmm::ImageSpec> images = {command->options.first, command->options.second};
  if (JudgeSources(command->settings, images, command->options.force_share) != Judgement::kPassed) {
    return kNotOpened;
  }
  command->options.sandbox = command->settings.sandbox;

  ProgressLine progress(command->progress);
  command->options.progress = [&progress](std::uint64_t done, std::uint64_t total) {
    progress.Update(done, total);
  };
  const absl::StatusOr<vmm::CompareReport> report = vmm::Compare(command->options);
  if (!report.ok()) {
    progress.Finish(/*success=*/false);
    PrintError(report.status());
    return CodeOf(report.status());
  }
  if (report->verdict == vmm::CompareReport::Verdict::kIdentical) progress.Complete();
  int printed = 0;
  if (!command->quiet) {
    const char* const warning =
        PassedTheShorterEnd(*report) ? "Warning: Image size mismatch!\n" : "";
    TextOutput out(command->settings.sandbox.max_output_bytes, PrintOutput);
    out.Add(warning + Sentence(*report));
    printed = out.Finish();
  }
  progress.End();
  for (const std::string& warning : report->warnings) PrintError("warning: " + warning);
  if (!report->failure.ok()) {
    PrintError(report->failure);
  } else {
    ConfirmIsolation(command->settings, report->isolation);
  }
  return printed != 0 ? static_cast<int>(kNotRead) : CodeOf(report->verdict);
}

}  // namespace instar::cli
