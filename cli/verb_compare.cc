// instar compare: compares the contents of two images.
#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "cli/begin_run.h"
#include "cli/program.h"
#include "cli/progress_line.h"
#include "cli/shared_options.h"
#include "cli/text_output.h"
#include "cli/verb.h"
#include "instar/verb_table.h"
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

struct CompareCommand {
  SandboxSettings settings;
  vmm::CompareOptions options;
  std::string first_format;
  std::string second_format;
  bool image_opts = false;
  std::string cache = "writeback";
  bool progress = false;
  bool quiet = false;

  OrStop<void> TakeOperands(std::vector<std::string> operands) {
    if (operands.size() != 2) return UsageError("Expecting two image file names");
    INSTAR_ASSIGN_OR_RETURN(options.cache, ReadCacheMode(cache, "source cache"));
    INSTAR_ASSIGN_OR_RETURN(
        options.first, ReadImageSpec(operands[0], {.options = image_opts, .format = first_format}));
    INSTAR_ASSIGN_OR_RETURN(options.second, ReadImageSpec(operands[1], {.options = image_opts,
                                                                        .format = second_format}));
    if (quiet) progress = false;
    return {};
  }
  int Run(const Verb& verb);
};

constexpr OptionRow kRows[] = {
    Text<&CompareCommand::first_format>(
        "a-format,f", "FORMAT",
        "take the first image for this format instead of looking at its content"),
    Text<&CompareCommand::second_format>("b-format,F", "FORMAT",
                                         "take the second one for this format"),
    kImageOptsRow<&CompareCommand::image_opts>,
    Flag<&CompareCommand::options, &vmm::CompareOptions::strict>(
        "strict,s", "the disks must have the same size and hold data in the same places, too"),
    Text<&CompareCommand::cache>("cache,T", kAlternatives<kCacheModes>.data(),
                                 "how to read (default writeback)"),
    kForceShareRow<&CompareCommand::options, &vmm::CompareOptions::force_share>,
    Flag<&CompareCommand::progress>("progress,p", "show how far it is"),
    Flag<&CompareCommand::quiet>("quiet,q", "print nothing but errors"),
    kHelpRow,
    kObjectRow,
};

struct Outcome {
  int exit_code = kNotOpened;
  std::string sentence;
};

Outcome OutcomeOf(const vmm::CompareReport& report) {
  using Verdict = vmm::CompareReport::Verdict;
  const std::string offset = std::to_string(report.offset);
  switch (report.verdict) {
    case Verdict::kIdentical:
      return {kSame, "Images are identical.\n"};
    case Verdict::kContentDiffers:
      return {kDifferent, "Content mismatch at offset " + offset + "!\n"};
    case Verdict::kSizesDiffer:
      return {kDifferent, "Strict mode: Image size mismatch!\n"};
    case Verdict::kAllocationDiffers:
      return {kDifferent, "Strict mode: Offset " + offset + " block status mismatch!\n"};
    case Verdict::kMapUnreadable:
      return {kNotMapped, {}};
    case Verdict::kDataUnreadable:
      return {kNotRead, {}};
  }
  return {};
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

int CompareCommand::Run(const Verb& verb) {
  const std::array images = {options.first, options.second};
  if (const int failure =
          Begin(*this, verb, vmm::ShownName(options.first), images, {.exit_code = kNotRead})) {
    return failure;
  }
  ProgressLine line(progress);
  options.progress = [&line](std::uint64_t done, std::uint64_t total) { line.Update(done, total); };
  const absl::StatusOr<vmm::CompareReport> report = vmm::Compare(options);
  if (!report.ok()) {
    line.Finish(/*success=*/false);
    PrintError(report.status());
    return CodeOf(report.status());
  }
  if (report->verdict == vmm::CompareReport::Verdict::kIdentical) line.Complete();
  const Outcome outcome = OutcomeOf(*report);
  int printed = 0;
  if (!quiet) {
    const char* const warning =
        PassedTheShorterEnd(*report) ? "Warning: Image size mismatch!\n" : "";
    TextOutput out(settings.sandbox.max_output_bytes, PrintOutput);
    out.Add(warning + outcome.sentence);
    printed = out.Finish();
  }
  line.End();
  PrintWarnings(report->warnings);
  if (!report->failure.ok()) {
    PrintError(report->failure);
  } else {
    ConfirmIsolation(settings, report->isolation);
  }
  return printed != 0 ? static_cast<int>(kNotRead) : outcome.exit_code;
}

}  // namespace

// 1 says that the images differ, so its failures are 2.
extern constinit const Verb kCompare = {
    kGuestVerb<CompareRequest>.name,
    kGuestVerb<CompareRequest>.brief,
    "[OPTION...] FILE1 FILE2",
    "Compares the virtual disks of two images. What the shorter one lacks counts as zeros.\n"
    "Exit code: 0 the same, 1 different, 2 an image could not be opened, 3 where its data is\n"
    "could not be found out, 4 data could not be read, or the run was ended (--timeout).\n",
    kRows,
    RunAs<CompareCommand>,
    kNotOpened,
};

}  // namespace instar::cli
