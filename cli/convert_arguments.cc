#include "cli/convert_arguments.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "cli/byte_size.h"
#include "cli/cache_mode.h"
#include "cli/create_option_help.h"
#include "cli/image_spec.h"
#include "cli/snapshot_choice.h"
#include "cli/verb_arguments.h"
#include "formats/base/create_options.h"

namespace instar::cli {
namespace {

enum Id : int {
  kHelp = 1,
  kSourceFormat,
  kSourceCache,
  kSnapshot,
  kTargetFormat,
  kTargetOptions,
  kTargetCache,
  kBacking,
  kBackingFormat,
  kSparseSize,
  kNoCreate,
  kTargetIsZero,
  kCompress,
  kCompressLevel,
  kBitmaps,
  kSkipBrokenBitmaps,
  kSalvage,
  kParallel,
  kOutOfOrder,
  kCopyOffloading,
  kRateLimit,
  kForceShare,
  kProgress,
  kQuiet,
  kImageOpts,
  kTargetImageOpts,
  kObject,
};

constexpr OptionRow kRows[] = {
    {kSourceFormat, "source-format,f", "FORMAT",
     "take the sources for this format instead of looking at their content"},
    {kImageOpts, "image-opts", nullptr, kImageOptsHelp},
    {kTargetFormat, "target-format,O", "FORMAT", "format of the target (default raw)"},
    {kTargetOptions, "target-format-options,o", "NAME=VALUE,...",
     "options of the target's format; may be repeated; '-o help' lists them"},
    {kCompress, "compress,c", nullptr, "compress the data (qcow2)"},
    {kCompressLevel, "compress-level", "N",
     "how hard, 1 (fastest) to 9 (smallest), with -c or to streamOptimized; the same as\n"
     "-o compression_level=N"},
    {kSnapshot, "snapshot,l", "SNAPSHOT",
     "convert this internal snapshot: an ID, a name, snapshot.id=ID, snapshot.name=NAME\n"
     "or both with a comma"},
    {kBacking, "backing,b", "FILE",
     "make the target an overlay on FILE, which holds what the source's backing file does;\n"
     "-B is the same"},
    {kBacking, ",B", "FILE", ""},
    {kBackingFormat, "backing-format,F", "FORMAT", "format of that backing file"},
    {kNoCreate, "no-create,n", nullptr, "write into an existing target, keep its size and format"},
    {kTargetImageOpts, "target-image-opts", nullptr, "TARGET is such a list of options (with -n)"},
    {kTargetIsZero, "target-is-zero", nullptr, "that target reads as zeros everywhere (with -n)"},
    {kSparseSize, "sparse-size,S", "SIZE",
     "leave out runs of zeros at least so long (default 4k, a multiple of 512, at most 16M);\n"
     "0 writes everything"},
    {kBitmaps, "bitmaps", nullptr, "copy the persistent bitmaps too"},
    {kSkipBrokenBitmaps, "skip-broken-bitmaps", nullptr, "leave out those that are inconsistent"},
    {kSalvage, "salvage", nullptr, "take what cannot be read for zeros and go on"},
    {kSourceCache, "source-cache,T", "MODE",
     "how to read: writeback (default), none, writethrough, directsync or unsafe"},
    {kTargetCache, "target-cache,t", "MODE", "how to write: the same (default unsafe)"},
    {kParallel, "parallel,m", "N", "work on N processors, 1 to 16"},
    {kOutOfOrder, "oob-writes,W", nullptr,
     "accepted; the layout of the target does not depend on it"},
    {kCopyOffloading, "copy-range-offloading,C", nullptr,
     "share blocks with the source; done anyway, unless -S is given, where the target gives up no\n"
     "storage by it"},
    {kRateLimit, "rate-limit,r", "SIZE", "bytes written a second at most"},
    {kForceShare, "force-share,U", nullptr,
     "read sources even while somebody writes to them; the result may be inconsistent"},
    {kProgress, "progress,p", nullptr, "show how far it is"},
    {kQuiet, "quiet,q", nullptr, "print nothing but errors"},
    {kHelp, "help,h", nullptr, "show this text"},
    {kObject, "object", "DEFINITION", ""},
};

constexpr std::uint64_t kLargestSparseSize = 16 << 20;

constexpr std::string_view kUsage =
    " convert [OPTION...] SOURCE... TARGET\n"
    "Copies the virtual disk of SOURCE (several are put one after another) into the new image\n"
    "TARGET.\n";

OrStop<std::uint64_t> ReadSparseSize(const std::string& text) {
  const auto bytes = ParseByteSize(text, "buffer size for sparse output");
  if (!bytes) return Refusal(bytes.error());
  if (*bytes % 512 != 0 || *bytes > kLargestSparseSize) {
    return Refusal(
        "Invalid buffer size for sparse output specified. Valid sizes are multiples of 512 up to " +
        std::to_string(kLargestSparseSize) +
        ". Select 0 to disable sparse detection (fully allocates output).");
  }
  return *bytes;
}

// Collects options one at a time, then judges them together.
class Reader {
 public:
  explicit Reader(SandboxSettings& settings) : settings_(settings) {}

  // Takes one option. Stops where it is wrong by itself.
  OrStop<void> Take(GivenOption& option) {
    vmm::ConvertOptions& options = command_.options;
    switch (static_cast<Id>(option.id)) {
      case kHelp:
        return Answer(VerbHelp(kUsage, kRows));
      case kSourceFormat:
        source_.format = std::move(option.value);
        return {};
      case kSourceCache:
        source_cache_ = std::move(option.value);
        return {};
      case kSnapshot: {
        auto snapshot = ReadSnapshot(option.value);
        if (!snapshot) return std::unexpected(snapshot.error());
        options.snapshot = *std::move(snapshot);
        snapshot_given_ = true;
        return {};
      }
      case kTargetFormat:
        options.target_format = std::move(option.value);
        target_format_given_ = true;
        return {};
      case kTargetOptions:
        return AddOptionList(option.value, options.target_options);
      case kTargetCache:
        target_cache_ = std::move(option.value);
        return {};
      case kBacking:
        if (option.value.empty()) return Refusal("-B needs the name of a backing file");
        options.backing_file = std::move(option.value);
        return {};
      case kBackingFormat:
        options.backing_format = std::move(option.value);
        return {};
      case kSparseSize: {
        const auto bytes = ReadSparseSize(option.value);
        if (!bytes) return std::unexpected(bytes.error());
        options.sparse_bytes = *bytes;
        return {};
      }
      case kNoCreate:
        options.keep_target = true;
        return {};
      case kTargetIsZero:
        options.target_is_zero = true;
        return {};
      case kCompress:
        options.compress = true;
        return {};
      case kCompressLevel: {
        const auto level = ParseDecimal(option.value, "compression level", 1, 9);
        if (!level) return Refusal(level.error());
        compress_level_ = *level;
        return {};
      }
      case kBitmaps:
        options.bitmaps = true;
        return {};
      case kSkipBrokenBitmaps:
        options.skip_broken_bitmaps = true;
        return {};
      case kSalvage:
        options.salvage = true;
        return {};
      case kParallel: {
        const auto count = ParseNumber(option.value, "number of coroutines", 1, 16);
        if (!count) return Refusal(count.error());
        const unsigned processors = std::max(1u, std::thread::hardware_concurrency());
        settings_.sandbox.workers = std::min(static_cast<unsigned>(*count), processors);
        return {};
      }
      case kOutOfOrder:
        options.out_of_order = true;
        return {};
      case kCopyOffloading:
        options.copy_offloading = true;
        return {};
      case kRateLimit: {
        const auto bytes = ParseByteSize(option.value, "rate limit");
        if (!bytes) return Refusal(bytes.error());
        options.rate_limit_bytes_per_second = *bytes;
        return {};
      }
      case kForceShare:
        options.force_share = true;
        return {};
      case kProgress:
        command_.progress = true;
        return {};
      case kQuiet:
        command_.quiet = true;
        return {};
      case kImageOpts:
        source_.options = true;
        return {};
      case kTargetImageOpts:
        target_image_opts_ = true;
        return {};
      case kObject:
        return NotAvailable(option);
    }
    return {};
  }

  OrStop<ConvertCommand> Finish(std::vector<std::string> files) {
    if (auto agree = CheckAgreement(); !agree) return std::unexpected(agree.error());
    if (AsksForHelp(command_.options.target_options)) {
      return CreateOptionHelp(command_.options.target_format);
    }
    if (auto level = TakeCompressLevel(); !level) return std::unexpected(level.error());
    if (files.size() < 2) return Refusal("Must specify image file name");
    vmm::ConvertOptions& options = command_.options;
    if (auto target = TakeTarget(files.back()); !target) return std::unexpected(target.error());
    files.pop_back();
    for (const std::string& file : files) {
      auto image = ReadImageSpec(file, source_);
      if (!image) return std::unexpected(image.error());
      options.sources.push_back(*std::move(image));
    }

    const auto source_cache = ReadCacheMode(source_cache_, "source cache");
    if (!source_cache) return std::unexpected(source_cache.error());
    options.source_cache = *source_cache;
    const auto target_cache = ReadCacheMode(target_cache_, "cache");
    if (!target_cache) return std::unexpected(target_cache.error());
    options.target_cache = *target_cache;
    if (snapshot_given_ && options.sources.size() > 1) {
      return Refusal("No support for concatenating multiple snapshot");
    }
    if (command_.quiet) command_.progress = false;
    command_.settings = std::move(settings_);
    return std::move(command_);
  }

 private:
  // Makes --compress-level an option of the target's format.
  OrStop<void> TakeCompressLevel() {
    if (!compress_level_) return {};
    std::string& list = command_.options.target_options;
    if (const auto other = OptionValue(list, "compression_level")) {
      if (ParseDigits(*other, 10) == compress_level_) return {};
      return Refusal("--compress-level and -o compression_level say different things");
    }
    return AddOptionList("compression_level=" + std::to_string(*compress_level_), list);
  }

  OrStop<void> TakeTarget(std::string& file) {
    vmm::ConvertOptions& options = command_.options;
    // What is made anew is named, not described.
    if (!options.keep_target) {
      options.target = std::move(file);
      return {};
    }
    auto target = ReadTargetSpec(file, target_image_opts_, options.target_format);
    if (!target) return std::unexpected(target.error());
    options.target = std::move(target->path);
    options.target_format = std::move(target->format);
    options.target_window = target->window;
    return {};
  }

  [[nodiscard]] OrStop<void> CheckAgreement() const {
    const vmm::ConvertOptions& options = command_.options;
    if (target_image_opts_ && !options.keep_target) {
      return Refusal("--target-image-opts requires use of -n flag");
    }
    if (target_image_opts_ && target_format_given_) return Refusal(kImageOptsExclusive);
    if (options.skip_broken_bitmaps && !options.bitmaps) {
      return Refusal("Use of --skip-broken-bitmaps requires --bitmaps");
    }
    if (options.copy_offloading && options.compress) {
      return Refusal("Cannot enable copy offloading when -c is used");
    }
    if (options.copy_offloading && options.sparse_bytes) {
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
    if (options.keep_target && compress_level_) {
      return Refusal("--compress-level has no effect when skipping image creation");
    }
    if (compress_level_ && !options.compress &&
        OptionValue(options.target_options, "subformat") != "streamOptimized") {
      return Refusal("--compress-level has no effect without -c");
    }
    if (options.target_is_zero && !options.keep_target) {
      return Refusal("--target-is-zero requires use of -n flag");
    }
    return {};
  }

  SandboxSettings& settings_;
  ConvertCommand command_;
  std::string source_cache_ = "writeback";
  std::string target_cache_ = "unsafe";
  ImageForm source_;
  std::optional<std::uint64_t> compress_level_;
  bool snapshot_given_ = false;
  bool target_image_opts_ = false;
  bool target_format_given_ = false;
};

}  // namespace

OrStop<ConvertCommand> ReadConvertArguments(std::span<const std::string> arguments,
                                            SandboxSettings settings) {
  Reader reader(settings);
  OrStop<std::vector<std::string>> files = ReadVerbArguments(
      kRows, arguments, settings, [&](GivenOption& option) { return reader.Take(option); });
  if (!files) return std::unexpected(files.error());
  return reader.Finish(std::move(*files));
}

}  // namespace instar::cli
