#include "instar/vmm/create.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/broker.h"
#include "broker/local_path.h"
#include "formats/base/target_files.h"
#include "instar/requests.h"
#include "report/one_record.h"
#include "report/printable_text.h"
#include "verbs/convert_target.h"
#include "verbs/description.h"
#include "verbs/hidden_reference.h"
#include "verbs/identity.h"
#include "verbs/target_bound.h"
#include "verbs/target_extents.h"
#include "verbs/time_limit.h"
#include "verbs/verb_run.h"

namespace instar::vmm {
namespace {

// What was asked for, its parts put together from where they can stand.
struct Plan {
  FormatId format = FormatId::kRaw;
  CreateOptionList options;  // without those that have a field of their own here
  std::optional<std::uint64_t> size_bytes;
  std::uint64_t extents_bytes = 0;  // where that is the backing file's, and files are made by it
  std::string backing_name;
  std::string backing_format;
  std::string data_file;
};

absl::Status Invalid(const std::string& text) { return absl::InvalidArgumentError(text); }

absl::Status CheckBacking(const CreateOptions& options, const Plan& plan) {
  INSTAR_RETURN_IF_ERROR(CheckTakesBacking(plan.format, plan.backing_name, plan.backing_format));
  if (plan.backing_name.empty()) return absl::OkStatus();
  if (plan.backing_name == options.path) {
    return Invalid("Error: Trying to create an image with the same filename as the backing file");
  }
  if (plan.backing_format.empty()) {
    return Invalid("Backing file specified without backing format");
  }
  if (FormatFromName(plan.backing_format) == FormatId::kUnknown) {
    return Invalid(absl::StrCat("Unknown driver '", PrintableText(plan.backing_format), "'"));
  }
  return options.check_backing ? CheckStoredName(plan.backing_name) : absl::OkStatus();
}

// The path that the backing file's name will mean in the new image.
std::string BackingPath(const CreateOptions& options, const Plan& plan) {
  return CombinePath(options.path, plan.backing_name);
}

absl::StatusOr<Plan> MakePlan(const CreateOptions& options, const SandboxOptions& sandbox) {
  const auto format = WritableFormat(options.format);
  if (!format.ok()) return format.status();
  INSTAR_ASSIGN_OR_RETURN_STATUS(CreateOptionList read,
                                 ReadOptionList(*format, options.format_options));
  Plan plan{.format = *format,
            .options = std::move(read),
            .backing_name = options.backing_file,
            .backing_format = options.backing_format};
  const OptionSettings settings = plan.options.settings();
  plan.data_file = SettingText(settings, "data_file");
  if (const OptionSetting* const size = FindSetting(settings, "size")) {
    plan.size_bytes = size->number;
  }
  if (options.size_bytes) {
    if (plan.size_bytes) return Invalid("The image size must be specified only once");
    plan.size_bytes = options.size_bytes;
  }
  const OptionSetting* const backing = FindSetting(settings, "backing_file");
  if (plan.backing_name.empty() && backing != nullptr && backing->text.empty()) {
    return Invalid("Expected backing file name, got empty string");
  }
  TakeBacking(plan.options, plan.backing_name, plan.backing_format);
  INSTAR_RETURN_IF_ERROR(CheckBacking(options, plan));
  if (!plan.size_bytes && (plan.backing_name.empty() || !options.check_backing)) {
    return Invalid("Image creation needs a size parameter");
  }
  if (!plan.size_bytes && HasTargetExtents(plan.format, plan.options.settings())) {
    // How many files there are has to be known before they are made.
    plan.extents_bytes =
        VirtualBytes({.path = BackingPath(options, plan), .format = plan.backing_format}, sandbox);
  }
  return plan;
}

struct Devices {
  DeviceId backing = kNoDevice;
  DeviceId target = kNoDevice;
  DeviceId data_file = kNoDevice;
  std::vector<DeviceId> extents;
};

bool OpensBacking(const CreateOptions& options, const Plan& plan) {
  const bool needed = options.check_backing || PropertiesOf(plan.format).records_parent;
  return !plan.backing_name.empty() && needed;
}

absl::Status OpenBacking(Broker& broker, const CreateOptions& options, const Plan& plan,
                         Devices& devices) {
  if (!OpensBacking(options, plan)) return absl::OkStatus();
  // Only looked at, so whoever writes to it need not stop: a backup's overlay is made like this.
  INSTAR_ASSIGN_OR_RETURN_STATUS(
      devices.backing, broker.OpenSource(BackingPath(options, plan), {.force_share = true}));
  // Extents are parts of the backing file itself; what else it names nobody asks for.
  return broker.AllowReferences(options.sandbox.references);
}

absl::Status OpenTargets(Broker& broker, const CreateOptions& options, const Plan& plan,
                         Devices& devices) {
  const TargetOptions how{.keep = false, .cache = CacheMode::kWriteback};
  INSTAR_ASSIGN_OR_RETURN_STATUS(devices.target, broker.OpenTarget(options.path, how));
  INSTAR_ASSIGN_OR_RETURN_STATUS(
      devices.extents,
      OpenTargetExtents(broker, options.path,
                        {.format = plan.format,
                         .options = plan.options.settings(),
                         .size_bytes = plan.size_bytes.value_or(plan.extents_bytes)},
                        how));
  if (plan.data_file.empty()) return absl::OkStatus();
  INSTAR_ASSIGN_OR_RETURN_STATUS(devices.data_file,
                                 broker.OpenTarget(CombinePath(options.path, plan.data_file), how));
  return absl::OkStatus();
}

absl::StatusOr<Isolation> CreateHere(const CreateOptions& options, const Plan& plan, VerbRun& run) {
  const SandboxOptions& sandbox = run.sandbox();
  const std::uint64_t disk_bytes = plan.size_bytes.value_or(sandbox.max_virtual_bytes);
  Broker broker({.max_output_bytes = sandbox.max_output_bytes,
                 .max_disk_file_bytes = MostFileBytes(plan.format, disk_bytes),
                 .max_chain_depth = sandbox.max_chain_depth});
  Devices devices;
  INSTAR_RETURN_IF_ERROR(OpenBacking(broker, options, plan, devices));
  return VerbRun::Write(broker, [&]() -> absl::StatusOr<Isolation> {
    INSTAR_RETURN_IF_ERROR(OpenTargets(broker, options, plan, devices));
    INSTAR_ASSIGN_OR_RETURN_STATUS(const std::string seed,
                                   NewIdentitySeed(plan.format, false, options.reproducible));
    const std::string target_name = TargetName(options.path);
    return run.Guest(broker, CreateRequest{.target = devices.target,
                                           .format = plan.format,
                                           .options = plan.options.settings(),
                                           .size_bytes = plan.size_bytes.value_or(0),
                                           .size_of_backing = !plan.size_bytes,
                                           .backing_name = plan.backing_name,
                                           .backing_format = plan.backing_format,
                                           .backing = devices.backing,
                                           .data_file = devices.data_file,
                                           .extents = devices.extents,
                                           .target_name = target_name,
                                           .identity_seed = seed});
  });
}

// `status` said of the image that was to be made, as qemu-img does.
absl::Status Named(const CreateOptions& options, const absl::Status& status) {
  const std::string prefix = PrintableText(options.path) + ": ";
  if (absl::StartsWith(status.message(), prefix)) return status;
  return absl::Status(status.code(), absl::StrCat(prefix, status.message()));
}

}  // namespace

absl::StatusOr<CreateReport> Create(const CreateOptions& options) {
  OneRecord<CreateRecord> told;
  VerbRun run("create", options.path, options.sandbox, told, OwnTimeLimit(options));
  const auto plan = MakePlan(options, run.sandbox());
  if (!plan.ok()) return Named(options, plan.status());
  CreateReport made{.isolation = Isolation::kAuto,
                    .virtual_size_bytes = plan->size_bytes.value_or(0),
                    .backing_file = plan->backing_name,
                    .backing_format = plan->backing_format};
  const ReferencePolicy& policy = options.sandbox.references;
  const std::string hidden_backing =
      HiddenReferenceWarning(policy, options.path, plan->backing_name, ReferenceRole::kBacking);
  const std::string hidden_data_file =
      HiddenReferenceWarning(policy, options.path, plan->data_file, ReferenceRole::kDataFile);
  // Whether a backing file is an image of its format, and how large its disk is, a guest tells.
  const bool known = !OpensBacking(options, *plan);
  if (known && options.announce) options.announce(made);
  const auto isolation = run.Run([&] { return CreateHere(options, *plan, run); });
  if (!isolation.ok()) return Named(options, isolation.status());
  made.isolation = *isolation;
  made.virtual_size_bytes = told.record().virtual_size;
  if (!known && options.announce) options.announce(made);
  Warn(options.sandbox.notices, {hidden_backing, hidden_data_file});
  return made;
}

}  // namespace instar::vmm
