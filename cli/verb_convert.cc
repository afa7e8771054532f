// instar convert: copies a virtual disk into a new image.
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cli/begin_run.h"
#include "cli/byte_size.h"
#include "cli/commands.h"
#include "cli/create_option_help.h"
#include "cli/interruption.h"
#include "cli/program.h"
#include "cli/progress_line.h"
#include "cli/strict_profile.h"
#include "cli/verb.h"
#include "formats/base/create_options.h"
#include "instar/verb_table.h"
#include "instar/vmm/convert.h"
#include "verbs/open_image.h"

namespace instar::cli {
namespace {

constexpr std::uint64_t kLargestSparseSize = 16 << 20;

OrStop<std::uint64_t> ReadSparseSize(const GivenOption& given) {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t bytes,
                          ReadSize(given, "buffer size for sparse output"));
  if (bytes % 512 != 0 || bytes > kLargestSparseSize) {
    return Refusal(
        "Invalid buffer size for sparse output specified. Valid sizes are multiples of 512 up to " +
        std::to_string(kLargestSparseSize) +
        ". Select 0 to disable sparse detection (fully allocates output).");
  }
  return bytes;
}

OrStop<std::uint64_t> ReadCompressLevel(const GivenOption& given) {
  return OrRefuse(ParseDecimal(given.value, "compression level", 1, 9));
}

OrStop<std::string> ReadBacking(const GivenOption& given) {
  if (given.value.empty()) return Refusal("-B needs the name of a backing file");
  return given.value;
}

// More processors than there are do not help.
OrStop<unsigned> ReadParallel(const GivenOption& given) {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t count,
                          ReadNumber(given, "number of coroutines", 1, 16));
  return std::min(static_cast<unsigned>(count), std::max(1u, std::thread::hardware_concurrency()));
}

using Command = ConvertCommand;
using Options = vmm::ConvertOptions;

constexpr OptionRow kRows[] = {
    Text<&Command::source, &ImageForm::format>(
        "source-format,f", "FORMAT",
        "take the sources for this format instead of looking at their content"),
    kImageOptsRow<&Command::source, &ImageForm::options>,
    Text<&Command::target_format>("target-format,O", "FORMAT",
                                  "format of the target (default raw)"),
    OptionLists<&Command::options, &Options::target_options>(
        "target-format-options,o",
        "options of the target's format; may be repeated; '-o help' lists them; a comma in a\n"
        "value is doubled"),
    Flag<&Command::options, &Options::compress>("compress,c", "compress the data (qcow2)"),
    Value<ReadCompressLevel, &Command::compress_level>(
        "compress-level", "N",
        "how hard, 1 (fastest) to 9 (smallest), with -c or to streamOptimized (default 3 for "
        "zstd,\n"
        "else 5); the same as -o compression_level=N"),
    kSnapshotRow<&Command::snapshot>,
    Value<ReadBacking, &Command::options, &Options::backing_file>(
        "backing,b", "FILE",
        "make the target an overlay on FILE, which holds what the source's backing file does;\n"
        "-B is the same"),
    Value<ReadBacking, &Command::options, &Options::backing_file>(",B", "FILE", ""),
    Text<&Command::options, &Options::backing_format>("backing-format,F", "FORMAT",
                                                      "format of that backing file"),
    Flag<&Command::options, &Options::keep_target>(
        "no-create,n", "write into an existing target, keep its size and format"),
    Flag<&Command::target_image_opts>("target-image-opts",
                                      "TARGET is such a list of options (with -n, without -O)"),
    Flag<&Command::options, &Options::target_is_zero>(
        "target-is-zero", "that target reads as zeros everywhere (with -n)"),
    Value<ReadSparseSize, &Command::options, &Options::zero_run_bytes>(
        "sparse-size,S", "SIZE",
        "leave out runs of zeros at least so long (default 4k, a multiple of 512, at most 16M);\n"
        "0 writes everything"),
    Flag<&Command::options, &Options::bitmaps>("bitmaps", "copy the persistent bitmaps too"),
    Flag<&Command::options, &Options::skip_broken_bitmaps>("skip-broken-bitmaps",
                                                           "leave out those that are inconsistent"),
    Flag<&Command::options, &Options::salvage>(
        "salvage", "take what cannot be read for zeros, warn, and go on"),
    Text<&Command::source_cache>("source-cache,T", kAlternatives<kCacheModes>.data(),
                                 "how to read (default writeback)"),
    Text<&Command::target_cache>("target-cache,t", kAlternatives<kCacheModes>.data(),
                                 "how to write (default unsafe: nothing is flushed)"),
    Value<ReadParallel, &Command::settings, &SandboxSettings::sandbox,
          &vmm::SandboxOptions::workers>("parallel,m", "N",
                                         "work on N processors, 1 to 16 (default: all)"),
    Flag<&Command::options, &Options::out_of_order>(
        "oob-writes,W", "accepted; the layout of the target does not depend on it"),
    Flag<&Command::options, &Options::copy_offloading>(
        "copy-range-offloading,C",
        "share blocks with the source; done anyway in pieces of 32 KiB and more where the file\n"
        "system can (btrfs, XFS), unless -S or preallocation asks for something else"),
    Size<"rate limit", &Command::options, &Options::rate_limit_bytes_per_second>(
        "rate-limit,r", "bytes written a second at most"),
    kForceShareRow<&Command::options, &Options::force_share>,
    Flag<&Command::progress>("progress,p", "show how far it is"),
    Flag<&Command::quiet>("quiet,q", "print nothing but errors"),
    kHelpRow,
    kObjectRow,
};

}  // namespace

OrStop<void> ConvertCommand::TakeOperands(std::vector<std::string> files) {
  INSTAR_TRY(CheckAgreement());
  if (target_format) options.target_format = *target_format;
  if (AsksForHelp(options.target_options)) return CreateOptionHelp(options.target_format);
  INSTAR_TRY(TakeCompressLevel());
  if (files.size() < 2) return Refusal("Must specify image file name");
  INSTAR_TRY(TakeTarget(std::move(files.back())));
  files.pop_back();
  for (const std::string& file : files) {
    INSTAR_ASSIGN_OR_RETURN(options.sources.emplace_back(), ReadImageSpec(file, source));
  }
  INSTAR_ASSIGN_OR_RETURN(options.source_cache, ReadCacheMode(source_cache, "source cache"));
  INSTAR_ASSIGN_OR_RETURN(options.target_cache, ReadCacheMode(target_cache, "cache"));
  if (snapshot) {
    if (options.sources.size() > 1) {
      return Refusal("No support for concatenating multiple snapshot");
    }
    options.snapshot = *std::move(snapshot);
  }
  if (quiet) progress = false;
  return {};
}

OrStop<void> ConvertCommand::CheckAgreement() const {
  if (target_image_opts && !options.keep_target) {
    return Refusal("--target-image-opts requires use of -n flag");
  }
  if (target_image_opts && target_format) return Refusal(kImageOptsExclusive);
  if (options.skip_broken_bitmaps && !options.bitmaps) {
    return Refusal("Use of --skip-broken-bitmaps requires --bitmaps");
  }
  if (options.copy_offloading && options.compress) {
    return Refusal("Cannot enable copy offloading when -c is used");
  }
  if (options.copy_offloading && options.zero_run_bytes) {
    return Refusal("Cannot enable copy offloading when -S is used");
  }
  if (options.copy_offloading && options.salvage) {
    return Refusal("Cannot use copy offloading in salvaging mode");
  }
  if (options.out_of_order && options.compress) {
    return Refusal("Cannot write out of order (-W) when -c is used");
  }
  if (options.keep_target && !options.target_options.empty()) {
    return Refusal("-o has no effect when skipping image creation");
  }
  if (options.keep_target && compress_level) {
    return Refusal("--compress-level has no effect when skipping image creation");
  }
  if (compress_level && !options.compress &&
      OptionValue(options.target_options, "subformat") != "streamOptimized") {
    return Refusal("--compress-level has no effect without -c");
  }
  if (options.target_is_zero && !options.keep_target) {
    return Refusal("--target-is-zero requires use of -n flag");
  }
  return {};
}

// Makes --compress-level an option of the target's format.
OrStop<void> ConvertCommand::TakeCompressLevel() {
  if (!compress_level) return {};
  if (const auto other = OptionValue(options.target_options, "compression_level")) {
    if (ParseDigits(*other, 10) == compress_level) return {};
    return Refusal("--compress-level and -o compression_level say different things");
  }
  return AddOptionList("compression_level=" + std::to_string(*compress_level),
                       options.target_options);
}

OrStop<void> ConvertCommand::TakeTarget(std::string file) {
  // What is made anew is named, not described.
  if (!options.keep_target) {
    options.target = std::move(file);
    return {};
  }
  INSTAR_ASSIGN_OR_RETURN(TargetSpec target,
                          ReadTargetSpec(file, target_image_opts, options.target_format));
  options.target = std::move(target.path);
  options.target_format = std::move(target.format);
  options.target_window = target.window;
  return {};
}

int ConvertCommand::Run(const Verb& verb) {
  std::vector<vmm::ImageSpec> sources = options.sources;
  if (auto backing = BackingOf(options.target, options.backing_file, options.backing_format,
                               options.target_options)) {
    sources.push_back(*std::move(backing));
  }
  if (const int failure = Begin(*this, verb, vmm::ShownName(options.sources.front()), sources)) {
    return failure;
  }
  RemoveTargetsOnInterruption();
  // Nothing but the image goes where the image goes.
  const bool to_output = vmm::WritesStandardOutput(options.target);
  ProgressLine line(progress, to_output ? STDERR_FILENO : STDOUT_FILENO);
  options.progress = [&line](std::uint64_t done, std::uint64_t total) { line.Update(done, total); };
  const absl::StatusOr<vmm::ConvertReport> report = vmm::Convert(options);
  line.Finish(report.ok());
  if (!report.ok()) return PrintError(report.status());
  ConfirmIsolation(settings, report->isolation);
  if (!quiet) PrintWarnings(report->warnings);
  return 0;
}

extern constinit const Verb kConvert = {
    kGuestVerb<ConvertRequest>.name,
    kGuestVerb<ConvertRequest>.brief,
    "[OPTION...] SOURCE... TARGET",
    "Copies the virtual disk of SOURCE (several are put one after another) into the new image\n"
    "TARGET.\n",
    kRows,
    RunAs<ConvertCommand>,
};

}  // namespace instar::cli
