#include "instar/vmm/convert.h"

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "broker/broker.h"
#include "broker/local_path.h"
#include "broker/stream_opening.h"
#include "formats/base/create_options.h"
#include "instar/abi/call_table.h"
#include "instar/requests.h"
#include "instar/verb_table.h"
#include "operation/operation.h"
#include "report/printable_text.h"
#include "verbs/convert_streams.h"
#include "verbs/convert_target.h"
#include "verbs/description.h"
#include "verbs/hidden_reference.h"
#include "verbs/identity.h"
#include "verbs/jailed_run.h"
#include "verbs/open_image.h"
#include "verbs/result_codec.h"
#include "verbs/target_bound.h"
#include "verbs/target_extents.h"
#include "verbs/unfit_footer.h"

namespace instar::vmm {
namespace {

unsigned WorkerCount(unsigned wanted) {
  if (wanted == 0) wanted = std::max(1u, std::thread::hardware_concurrency());
  return std::min<unsigned>(wanted, INSTAR_MAX_WORKERS);
}

// The devices of one convert, opened in the order in which their absence is worth telling.
struct Devices {
  std::vector<ImageSource> sources;
  std::vector<DeviceId> streams;  // those of the sources that are pipes
  DeviceId backing = kNoDevice;
  DeviceId target = kNoDevice;
  DeviceId data_file = kNoDevice;
  std::vector<DeviceId> extents;
};

absl::Status OpenSources(Broker& broker, const ConvertOptions& options, Devices& devices) {
  for (const ImageSpec& image : options.sources) {
    if (IsInputStream(image.path)) {
      if (absl::Status status = CheckInputStream(image); !status.ok()) return status;
      const auto stream = broker.OpenInputStream(image.path);
      if (!stream.ok()) return stream.status();
      devices.sources.emplace_back(*stream, FormatId::kRaw);
      devices.streams.push_back(*stream);
      continue;
    }
    auto source = OpenImage(broker, image,
                            {.force_share = options.force_share, .cache = options.source_cache});
    if (!source.ok()) return source.status();
    devices.sources.push_back(*std::move(source));
  }
  return absl::OkStatus();
}

// Makes files of the sources that are pipes, unless what comes in can be written as it comes.
absl::Status KeepStreams(Broker& broker, const ConvertOptions& options, const TargetPlan& plan,
                         const Devices& devices) {
  if (devices.streams.empty() || IsWrittenAsItComes(options, plan)) return absl::OkStatus();
  for (const DeviceId id : devices.streams) {
    absl::Status status = broker.Spool(id, options.target, options.sandbox.max_virtual_bytes);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status OpenBacking(Broker& broker, const ConvertOptions& options, const TargetPlan& plan,
                         Devices& devices) {
  if (plan.backing_name.empty() || options.keep_target) return absl::OkStatus();
  if (absl::Status status = CheckStoredName(plan.backing_name); !status.ok()) return status;
  // The name goes into the target, so it means what it will mean there.
  const auto device = broker.OpenSource(CombinePath(options.target, plan.backing_name),
                                        {.force_share = options.force_share});
  if (!device.ok()) return device.status();
  devices.backing = *device;
  return absl::OkStatus();
}

// `status` with the words in front that qemu-img has for a target it cannot make.
absl::Status CannotWrite(const ConvertOptions& options, const absl::Status& status) {
  if (options.keep_target) return status;
  return absl::Status(status.code(),
                      absl::StrCat(PrintableText(options.target), ": error while converting ",
                                   options.target_format, ": ", status.message()));
}

absl::Status OpenTargets(Broker& broker, const ConvertOptions& options, const TargetPlan& plan,
                         Devices& devices) {
  if (IsOutputStream(options.target)) {
    const auto stream = broker.OpenOutputStream(options.target);
    if (!stream.ok()) return stream.status();
    devices.target = *stream;
    return absl::OkStatus();
  }
  const TargetOptions how{.keep = options.keep_target, .cache = options.target_cache};
  const auto target = broker.OpenTarget(options.target, how);
  if (!target.ok()) return CannotWrite(options, target.status());
  devices.target = *target;
  if (!options.keep_target) {
    auto extents = OpenTargetExtents(
        broker, options.target,
        {.format = plan.format, .options = plan.options, .size_bytes = plan.extents_bytes}, how);
    if (!extents.ok()) return CannotWrite(options, extents.status());
    devices.extents = *std::move(extents);
  }
  if (plan.data_file.empty()) return absl::OkStatus();
  const auto data_file = broker.OpenTarget(CombinePath(options.target, plan.data_file), how);
  if (!data_file.ok()) return CannotWrite(options, data_file.status());
  devices.data_file = *data_file;
  return absl::OkStatus();
}

// What the guest may meet, or make, in compressed units. The host does not know what a source
// holds.
PartSet PartsFor(const ConvertOptions& options, const TargetPlan& plan) {
  constexpr PartSet kZstdIn = 1 << INSTAR_PART_ZSTD_IN;
  constexpr PartSet kDeflate = 1 << INSTAR_PART_DEFLATE;
  constexpr PartSet kZstdOut = 1 << INSTAR_PART_ZSTD_OUT;
  PartSet parts = kZstdIn;
  if (options.compress && options.keep_target) {
    parts |= kDeflate | kZstdOut;  // the image that exists says which of them
  } else if (options.compress && plan.zstd) {
    parts |= kZstdOut;
  } else if (options.compress || TextOption(plan.options, "subformat") == "streamOptimized") {
    parts |= kDeflate;
  }
  return parts;
}

// Learns the size of the disk where the target is divided into files by it.
void MeasureDisk(const Broker& broker, const ConvertOptions& options, const Devices& devices,
                 TargetPlan& plan) {
  if (options.keep_target || !HasTargetExtents(plan.format, plan.options)) return;
  const auto whole_sectors = [](std::uint64_t bytes) { return (bytes + 511) / 512 * 512; };
  std::uint64_t bytes = 0;
  for (const DeviceId stream : devices.streams) {  // of which the host knows all there is to know
    bytes += whole_sectors(broker.device(stream).size_bytes);
  }
  for (const ImageSpec& source : options.sources) {
    if (IsInputStream(source.path)) continue;
    bytes += whole_sectors(VirtualBytes(source, options.sandbox));
  }
  const std::uint64_t end = std::min(options.window.end, bytes);
  plan.extents_bytes = whole_sectors(end - std::min(options.window.start, end));
}

// What the guest has to say besides success, as sentences.
std::vector<std::string> Warnings(const std::vector<ReportTree>& reports,
                                  const std::vector<ImageSpec>& sources) {
  const std::string source = ShownName(sources.front());
  std::vector<std::string> warnings;
  for (const ReportTree& report : reports) {
    const auto window = report.Find("window");
    if (window && window->BooleanAt("beyond-end")) {
      warnings.push_back(absl::StrCat(PrintableText(source), ": cannot skip to specified offset"));
    }
    if (const auto salvage = report.Find("salvage")) {
      warnings.push_back(absl::StrCat(
          salvage->UnsignedAt("unreadable-bytes"), " bytes in ",
          salvage->UnsignedAt("unreadable-ranges"),
          " places could not be read and were taken for zeros; the first is at offset ",
          salvage->UnsignedAt("first-offset")));
    }
    if (report.Find(kUnfitFooter)) {
      const std::uint64_t index = report.UnsignedAt(kUnfitFooter);
      if (index < sources.size()) warnings.push_back(UnfitFooterWarning(sources[index]));
    }
    const auto skipped = report.Find("skipped-bitmaps");
    if (!skipped || skipped->kind() != ReportTree::Kind::kArray) continue;
    for (const auto& [none, name] : skipped->members()) {
      const auto text = name.AsString();
      if (!text) continue;
      warnings.push_back(absl::StrCat("Skipping inconsistent bitmap '", PrintableText(*text), "'"));
    }
  }
  return warnings;
}

absl::StatusOr<ConvertReport> Run(Broker& broker, const ConvertOptions& options,
                                  const TargetPlan& plan, const Devices& devices) {
  const unsigned workers = WorkerCount(options.sandbox.workers);
  // The names that are no file's own must not show in the image.
  const std::string target_name =
      IsStandardOutputName(options.target) ? std::string() : TargetName(options.target);
  const auto seed = NewIdentitySeed(plan.format, options.keep_target, options.reproducible);
  if (!seed.ok()) return seed.status();
  WireWriter request;
  EncodeRequest(
      ConvertRequest{
          .sources = devices.sources,
          .snapshot = ViewOf(options.snapshot),
          .target = devices.target,
          .target_format = plan.format,
          .target_options = plan.options,
          .target_data_file = devices.data_file,
          .backing_name = plan.backing_name,
          .backing_format = plan.backing_format,
          .backing = devices.backing,
          .compress = options.compress,
          .keep_target = options.keep_target,
          .target_is_zero = options.target_is_zero,
          .salvage = options.salvage,
          .bitmaps = options.bitmaps,
          .skip_broken_bitmaps = options.skip_broken_bitmaps,
          .out_of_order = options.out_of_order,
          .zero_run_bytes = options.zero_run_bytes.value_or(kDefaultZeroRunBytes),
          .workers = workers,
          .max_chain_depth = options.sandbox.max_chain_depth,
          .max_virtual_bytes = options.sandbox.max_virtual_bytes,
          .target_extents = devices.extents,
          .target_name = target_name,
          .identity_seed = *seed,
          .window_start = options.window.start,
          .window_end = options.window.end,
          .target_window = WindowOf(options.target_window).value_or(instar::RawWindow{})},
      request);
  const auto isolation = RunOperation(broker, options.sandbox,
                                      {.guest = kGuestVerb<ConvertRequest>,
                                       .request = request.bytes(),
                                       .parts = PartsFor(options, plan),
                                       .workers = workers});
  if (!isolation.ok()) return isolation.status();
  const auto reports = broker.TakeReports();
  if (!reports.ok()) return reports.status();
  return ConvertReport{.isolation = *isolation, .warnings = Warnings(*reports, options.sources)};
}

// Whether the target may share blocks with a source: not where the user asked for storage of its
// own, or for zeros to be looked for.
Sharing SharingOf(const ConvertOptions& options) {
  const auto preallocation = OptionValue(options.target_options, "preallocation");
  const bool reserved = preallocation && (*preallocation == "falloc" || *preallocation == "full");
  if (options.zero_run_bytes || reserved) return Sharing::kNever;
  return options.copy_offloading ? Sharing::kAlways : Sharing::kLosingNothing;
}

absl::StatusOr<ConvertReport> ConvertHere(const ConvertOptions& options,
                                          const TellCreated& created) {
  if (options.sources.empty()) return absl::InvalidArgumentError("there is no source to convert");
  const FormatId target_format = FormatFromName(options.target_format);
  Broker broker({.max_output_bytes = options.sandbox.max_output_bytes,
                 .max_disk_file_bytes = MostFileBytes(
                     target_format, options.sandbox.max_virtual_bytes, options.bitmaps),
                 .kept_targets_grow = target_format != FormatId::kRaw,
                 .rate_limit_bytes_per_second = options.rate_limit_bytes_per_second,
                 .max_chain_depth = options.sandbox.max_chain_depth,
                 .sharing = SharingOf(options)});
  if (options.progress) broker.set_progress(options.progress);
  Devices devices;
  if (absl::Status status = OpenSources(broker, options, devices); !status.ok()) return status;
  auto plan = PlanTarget(options);
  if (!plan.ok()) return plan.status();
  if (IsOutputStream(options.target)) {
    if (absl::Status status = CheckOutputStream(options, *plan); !status.ok()) return status;
  }
  if (absl::Status status = KeepStreams(broker, options, *plan, devices); !status.ok()) {
    return status;
  }
  MeasureDisk(broker, options, devices, *plan);
  if (absl::Status status = OpenBacking(broker, options, *plan, devices); !status.ok()) {
    return status;
  }
  if (absl::Status status = broker.AllowReferences(options.sandbox.references); !status.ok()) {
    return status;
  }
  absl::StatusOr<ConvertReport> report = ConvertReport{};
  if (absl::Status status = OpenTargets(broker, options, *plan, devices); !status.ok()) {
    report = status;
  } else {
    if (created) created(broker.created_files());
    report = Run(broker, options, *plan, devices);
  }
  if (report.ok()) {
    if (absl::Status status = broker.Commit(); !status.ok()) report = status;
  }
  if (!report.ok()) broker.Discard();
  return report;
}

}  // namespace

bool WritesStandardOutput(const std::string& target) { return IsStandardOutputName(target); }

absl::StatusOr<ConvertReport> Convert(const ConvertOptions& options) {
  ConvertOptions settled = options;
  FixDeadline(settled.sandbox);
  for (ImageSpec& source : settled.sources) source.path = ReopenedInput(source.path);
  OwnedFd output;
  if (IsStandardOutputName(options.target) && options.sandbox.jail == Jail::kChildProcess) {
    // The child has another standard output.
    output = OwnedFd(dup(STDOUT_FILENO));
    settled.target = absl::StrCat("/dev/fd/", output.get());
  }
  const RunName name{
      .verb = "convert",
      .image = options.sources.empty() ? std::string_view() : ShownName(options.sources.front())};
  const std::string& target_options = options.target_options;
  const ReferencePolicy& policy = options.sandbox.references;
  const std::string hidden_backing = HiddenReferenceWarning(
      policy, options.target,
      options.backing_file.empty() ? TextOption(target_options, "backing_file")
                                   : options.backing_file,
      ReferenceRole::kBacking);
  const std::string hidden_data_file = HiddenReferenceWarning(
      policy, options.target, TextOption(target_options, "data_file"), ReferenceRole::kDataFile);
  auto report = RunWhereAsked(name, settled, ConvertHere, EncodeResult, DecodeConvertResult);
  if (report.ok() && !options.keep_target) {
    Warn(options.sandbox.notices, {hidden_backing, hidden_data_file});
  }
  return report;
}

}  // namespace instar::vmm
