#include "instar/vmm/convert.h"

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "broker/broker.h"
#include "broker/local_path.h"
#include "broker/stream_opening.h"
#include "formats/base/target_files.h"
#include "instar/abi/call_table.h"
#include "instar/requests.h"
#include "report/one_record.h"
#include "report/printable_text.h"
#include "verbs/convert_streams.h"
#include "verbs/convert_target.h"
#include "verbs/description.h"
#include "verbs/edit_run.h"
#include "verbs/hidden_reference.h"
#include "verbs/identity.h"
#include "verbs/open_image.h"
#include "verbs/table_workers.h"
#include "verbs/target_bound.h"
#include "verbs/target_extents.h"
#include "verbs/unfit_footer.h"
#include "verbs/verb_run.h"

namespace instar::vmm {
namespace {

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
      INSTAR_RETURN_IF_ERROR(CheckInputStream(image));
      INSTAR_ASSIGN_OR_RETURN_STATUS(const DeviceId stream, broker.OpenInputStream(image.path));
      devices.sources.emplace_back(stream, FormatId::kRaw);
      devices.streams.push_back(stream);
      continue;
    }
    INSTAR_ASSIGN_OR_RETURN_STATUS(
        ImageSource source,
        OpenImage(broker, image,
                  {.force_share = options.force_share, .cache = options.source_cache}));
    devices.sources.push_back(std::move(source));
  }
  return absl::OkStatus();
}

// Makes files of the sources that are pipes, unless what comes in can be written as it comes.
absl::Status KeepStreams(Broker& broker, const ConvertOptions& options, const TargetPlan& plan,
                         const Devices& devices) {
  if (devices.streams.empty() || IsWrittenAsItComes(options, plan)) return absl::OkStatus();
  for (const DeviceId id : devices.streams) {
    INSTAR_RETURN_IF_ERROR(broker.Spool(id, options.target, options.sandbox.max_virtual_bytes));
  }
  return absl::OkStatus();
}

absl::Status OpenBacking(Broker& broker, const ConvertOptions& options, const TargetPlan& plan,
                         Devices& devices) {
  if (plan.backing_name.empty() || options.keep_target) return absl::OkStatus();
  INSTAR_RETURN_IF_ERROR(CheckStoredName(plan.backing_name));
  // The name goes into the target, so it means what it will mean there.
  INSTAR_ASSIGN_OR_RETURN_STATUS(devices.backing,
                                 broker.OpenSource(CombinePath(options.target, plan.backing_name),
                                                   {.force_share = options.force_share}));
  return absl::OkStatus();
}

// `status` with the words in front that qemu-img has for a target it cannot make.
absl::Status CannotWrite(const ConvertOptions& options, const absl::Status& status) {
  if (options.keep_target) return status;
  return absl::Status(status.code(),
                      absl::StrCat(PrintableText(options.target), ": error while converting ",
                                   options.target_format, ": ", status.message()));
}

absl::Status OpenFiles(Broker& broker, const ConvertOptions& options, const TargetPlan& plan,
                       Devices& devices) {
  const TargetOptions how{.keep = options.keep_target, .cache = options.target_cache};
  INSTAR_ASSIGN_OR_RETURN_STATUS(devices.target, broker.OpenTarget(options.target, how));
  if (!options.keep_target) {
    INSTAR_ASSIGN_OR_RETURN_STATUS(devices.extents,
                                   OpenTargetExtents(broker, options.target,
                                                     {.format = plan.format,
                                                      .options = plan.options.settings(),
                                                      .size_bytes = plan.extents_bytes},
                                                     how));
  }
  if (plan.data_file.empty()) return absl::OkStatus();
  INSTAR_ASSIGN_OR_RETURN_STATUS(
      devices.data_file, broker.OpenTarget(CombinePath(options.target, plan.data_file), how));
  return absl::OkStatus();
}

absl::Status OpenTargets(Broker& broker, const ConvertOptions& options, const TargetPlan& plan,
                         Devices& devices) {
  if (IsOutputStream(options.target)) {
    INSTAR_ASSIGN_OR_RETURN_STATUS(devices.target, broker.OpenOutputStream(options.target));
    return absl::OkStatus();
  }
  const absl::Status status = OpenFiles(broker, options, plan, devices);
  return status.ok() ? status : CannotWrite(options, status);
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
  } else if (options.compress ||
             SettingText(plan.options.settings(), "subformat") == "streamOptimized") {
    parts |= kDeflate;
  }
  return parts;
}

// Learns the size of the disk where the target is divided into files by it.
void MeasureDisk(const Broker& broker, const ConvertOptions& options, const SandboxOptions& sandbox,
                 const Devices& devices, TargetPlan& plan) {
  if (options.keep_target || !HasTargetExtents(plan.format, plan.options.settings())) return;
  const auto whole_sectors = [](std::uint64_t bytes) { return (bytes + 511) / 512 * 512; };
  std::uint64_t bytes = 0;
  for (const DeviceId stream : devices.streams) {  // of which the host knows all there is to know
    bytes += whole_sectors(broker.device(stream).size_bytes);
  }
  for (const ImageSpec& source : options.sources) {
    if (IsInputStream(source.path)) continue;
    bytes += whole_sectors(VirtualBytes(source, sandbox));
  }
  const std::uint64_t end = std::min(options.window.end, bytes);
  plan.extents_bytes = whole_sectors(end - std::min(options.window.start, end));
}

// What the guest has to say besides success, as sentences.
std::vector<std::string> Warnings(const ConvertRecord& told,
                                  const std::vector<ImageSpec>& sources) {
  std::vector<std::string> warnings;
  if (told.salvage) {
    warnings.push_back(
        absl::StrCat(told.salvage->bytes, " bytes in ", told.salvage->ranges,
                     " places could not be read and were taken for zeros; the first is at offset ",
                     told.salvage->first_offset));
  }
  if (told.beyond_end) {
    warnings.push_back(absl::StrCat(PrintableText(ShownName(sources.front())),
                                    ": cannot skip to specified offset"));
  }
  for (const std::uint64_t source : told.unfit_footers) {
    if (source < sources.size()) warnings.push_back(UnfitFooterWarning(sources[source]));
  }
  return warnings;
}

absl::StatusOr<Isolation> RunGuest(Broker& broker, const ConvertOptions& options,
                                   const TargetPlan& plan, const Devices& devices, VerbRun& run) {
  const SandboxOptions& sandbox = run.sandbox();
  // The names that are no file's own must not show in the image.
  const std::string target_name =
      IsStandardOutputName(options.target) ? std::string() : TargetName(options.target);
  INSTAR_ASSIGN_OR_RETURN_STATUS(
      const std::string seed,
      NewIdentitySeed(plan.format, options.keep_target, options.reproducible));
  return run.Guest(
      broker,
      ConvertRequest{.sources = devices.sources,
                     .snapshot = ViewOf(options.snapshot),
                     .target = devices.target,
                     .target_format = plan.format,
                     .target_options = plan.options.settings(),
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
                     .workers = INSTAR_MAX_WORKERS,
                     .max_chain_depth = sandbox.max_chain_depth,
                     .max_virtual_bytes = sandbox.max_virtual_bytes,
                     .target_extents = devices.extents,
                     .target_name = target_name,
                     .identity_seed = seed,
                     .window_start = options.window.start,
                     .window_end = options.window.end,
                     .target_window = options.target_window.value_or(RawWindow{})},
      {.parts = PartsFor(options, plan)});
}

// Whether the target may share blocks with a source: not where the user asked for storage of its
// own, or for zeros to be looked for.
Sharing SharingOf(const ConvertOptions& options, const TargetPlan& plan) {
  const std::string_view how = SettingText(plan.options.settings(), "preallocation");
  const bool reserved = how == "falloc" || how == "full";
  if (options.zero_run_bytes || reserved) return Sharing::kNever;
  return options.copy_offloading ? Sharing::kAlways : Sharing::kLosingNothing;
}

// Whether the target is changed as resize changes an image (edit_run.h).
bool ChangesTarget(const ConvertOptions& options) {
  const FormatId format = FormatFromName(options.target_format);
  return options.keep_target && PropertyOf<&FormatProperties::overwritten_by_changes>(format);
}

// Opens a target that is changed in place, and runs the guest.
absl::StatusOr<Isolation> ChangeTarget(Broker& broker, const ConvertOptions& options,
                                       const TargetPlan& plan, Devices& devices,
                                       const std::string& data_file, VerbRun& run) {
  const TargetOptions how{
      .keep = true, .edit = true, .several_changes = true, .cache = options.target_cache};
  INSTAR_ASSIGN_OR_RETURN_STATUS(devices.target, broker.OpenTarget(options.target, how));
  INSTAR_RETURN_IF_ERROR(broker.AllowReferences(run.sandbox().references));
  if (!data_file.empty()) {
    INSTAR_ASSIGN_OR_RETURN_STATUS(devices.data_file,
                                   broker.OpenDataFile(devices.target, data_file, how));
  }
  // What is copied is looked into first, and the tables are looked over for each of two changes.
  broker.set_read_passes(2 + TablePassesFor(broker.readable_bytes(), /*looks=*/2));
  return VerbRun::Change(broker, [&] { return RunGuest(broker, options, plan, devices, run); });
}

// `data_file`: of a target that is changed in place.
absl::StatusOr<Isolation> ConvertHere(const ConvertOptions& options, const std::string& data_file,
                                      VerbRun& run) {
  if (options.sources.empty()) return absl::InvalidArgumentError("there is no source to convert");
  const SandboxOptions& sandbox = run.sandbox();
  const FormatId target_format = FormatFromName(options.target_format);
  auto planned = PlanTarget(options);  // that a source cannot be opened is worth telling first
  Broker broker({.max_output_bytes = sandbox.max_output_bytes,
                 .max_disk_file_bytes =
                     MostFileBytes(target_format, sandbox.max_virtual_bytes, options.bitmaps),
                 .kept_targets_grow = !IsBareDisk(target_format),
                 .rate_limit_bytes_per_second = options.rate_limit_bytes_per_second,
                 .max_chain_depth = sandbox.max_chain_depth,
                 .sharing = planned.ok() ? SharingOf(options, *planned) : Sharing::kNever});
  Devices devices;
  INSTAR_RETURN_IF_ERROR(OpenSources(broker, options, devices));
  INSTAR_ASSIGN_OR_RETURN_STATUS(TargetPlan plan, std::move(planned));
  if (IsOutputStream(options.target)) INSTAR_RETURN_IF_ERROR(CheckOutputStream(options, plan));
  INSTAR_RETURN_IF_ERROR(KeepStreams(broker, options, plan, devices));
  MeasureDisk(broker, options, sandbox, devices, plan);
  INSTAR_RETURN_IF_ERROR(OpenBacking(broker, options, plan, devices));
  if (ChangesTarget(options)) return ChangeTarget(broker, options, plan, devices, data_file, run);
  INSTAR_RETURN_IF_ERROR(broker.AllowReferences(sandbox.references));
  return VerbRun::Write(broker, [&]() -> absl::StatusOr<Isolation> {
    INSTAR_RETURN_IF_ERROR(OpenTargets(broker, options, plan, devices));
    return RunGuest(broker, options, plan, devices, run);
  });
}

}  // namespace

bool WritesStandardOutput(const std::string& target) { return IsStandardOutputName(target); }

absl::StatusOr<ConvertReport> Convert(const ConvertOptions& options) {
  ConvertOptions reopened = options;
  for (ImageSpec& source : reopened.sources) source.path = ReopenedInput(source.path);
  OwnedFd output;
  if (IsStandardOutputName(options.target) && options.sandbox.jail == Jail::kChildProcess) {
    // The child has another standard output.
    output = OwnedFd(dup(STDOUT_FILENO));
    reopened.target = absl::StrCat("/dev/fd/", output.get());
  }
  const std::string& target_options = options.target_options;
  const ReferencePolicy& policy = options.sandbox.references;
  const std::string hidden_backing = HiddenReferenceWarning(
      policy, options.target,
      options.backing_file.empty() ? TextOption(target_options, "backing_file")
                                   : options.backing_file,
      ReferenceRole::kBacking);
  const std::string hidden_data_file = HiddenReferenceWarning(
      policy, options.target, TextOption(target_options, "data_file"), ReferenceRole::kDataFile);
  std::string data_file;
  if (ChangesTarget(options)) {
    INSTAR_ASSIGN_OR_RETURN_STATUS(
        data_file,
        DataFileOf({.path = options.target, .format = options.target_format}, options.sandbox));
  }
  OneRecord<ConvertRecord> told(/*optional=*/true);
  VerbRun run("convert",
              options.sources.empty() ? std::string_view() : ShownName(options.sources.front()),
              options.sandbox, told);
  run.set_progress(options.progress);
  INSTAR_ASSIGN_OR_RETURN_STATUS(const Isolation isolation,
                                 run.Run([&] { return ConvertHere(reopened, data_file, run); }));
  if (!options.keep_target) Warn(options.sandbox.notices, {hidden_backing, hidden_data_file});
  return ConvertReport{.isolation = isolation,
                       .warnings = Warnings(told.record(), reopened.sources)};
}

}  // namespace instar::vmm
