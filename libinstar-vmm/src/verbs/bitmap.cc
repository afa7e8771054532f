#include "instar/vmm/bitmap.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <string>
#include <utility>

#include "broker/broker.h"
#include "instar/requests.h"
#include "instar/result_records.h"
#include "report/one_record.h"
#include "verbs/edit_run.h"
#include "verbs/open_image.h"
#include "verbs/table_workers.h"
#include "verbs/unfit_footer.h"
#include "verbs/verb_run.h"

namespace instar::vmm {
namespace {

const char* NameOf(BitmapOperation operation) {
  switch (operation) {
    case BitmapOperation::kAdd:
      return "add";
    case BitmapOperation::kRemove:
      return "remove";
    case BitmapOperation::kClear:
      return "clear";
    case BitmapOperation::kEnable:
      return "enable";
    case BitmapOperation::kDisable:
      return "disable";
    case BitmapOperation::kMerge:
      return "merge";
    case BitmapOperation::kRemoveAll:
      return "remove-all";
  }
  return "";
}

// Why the action that failed cannot be done, in the words of qemu-img.
std::string ReasonOf(const BitmapRecord& told, const BitmapOptions& options,
                     const std::string& source) {
  const std::string& name = options.name;
  const auto not_found = [](const std::string& bitmap) {
    return absl::StrCat("Dirty bitmap '", bitmap, "' not found");
  };
  const auto inconsistent = [](const std::string& bitmap) {
    return absl::StrCat("Bitmap '", bitmap, "' is inconsistent and cannot be used");
  };
  // qemu-img names a node that it has made up for the image here.
  const auto not_stored = [&](const std::string& why) {
    return absl::StrCat("Can't make bitmap '", name, "' persistent in '", ShownName(options.image),
                        "': ", why);
  };
  switch (told.fault) {
    case BitmapFault::kNone:
      break;
    case BitmapFault::kNotFound:
      return not_found(name);
    case BitmapFault::kSourceNotFound:
      return not_found(source);
    case BitmapFault::kExists:
      return absl::StrCat("Bitmap already exists: ", name);
    case BitmapFault::kNameEmpty:
      return "Bitmap name cannot be empty";
    case BitmapFault::kNameTooLong:
      return not_stored(
          absl::StrCat("Name length exceeds maximum (", told.details[0], " characters)"));
    case BitmapFault::kGranularity:
      return "Granularity must be power of 2 and at least 512";
    case BitmapFault::kNoBitmaps:
      return absl::StrCat("Can't store persistent bitmaps to ", ShownName(options.image),
                          ": Operation not supported");
    case BitmapFault::kOldVersion:
      return not_stored("Cannot store dirty bitmaps in qcow2 v2 files");
    case BitmapFault::kTooLarge:
      return not_stored("Too much space will be occupied by the bitmap. Use larger granularity");
    case BitmapFault::kTooMany:
      return not_stored("Maximum number of persistent bitmaps is already reached");
    case BitmapFault::kDirectoryFull:
      return not_stored("Not enough space in the bitmap directory");
    case BitmapFault::kInconsistent:
      return inconsistent(name);
    case BitmapFault::kSourceInconsistent:
      return inconsistent(source);
    case BitmapFault::kOtherSize:
      return absl::StrCat("Bitmaps are of different sizes (destination size is ", told.details[0],
                          ", source size is ", told.details[1], ") and can't be merged");
    case BitmapFault::kNoDisk:
      return not_stored("The disk has no bytes");
  }
  return "";
}

absl::Status Refusal(const BitmapRecord& told, const BitmapOptions& options) {
  if (told.action >= options.actions.size()) {
    return absl::AbortedError("bitmap: the guest's report is malformed");
  }
  const BitmapAction& action = options.actions[told.action];
  return absl::InvalidArgumentError(
      absl::StrCat("Operation ", NameOf(action.operation), " on bitmap ", options.name,
                   " failed: ", ReasonOf(told, options, action.source)));
}

absl::StatusOr<Isolation> BitmapHere(const BitmapOptions& options, VerbRun& run) {
  return EditHere(
      {.image = options.image, .data_file = {}}, run,
      [&](Broker& broker, const EditedSource& edited,
          const GuestChoice& choice) -> absl::StatusOr<Isolation> {
        BitmapRequest request{.image = edited.image,
                              .name = options.name,
                              .granularity_bytes = options.granularity_bytes,
                              .has_source = options.source.has_value()};
        for (const BitmapAction& action : options.actions) {
          request.steps.push_back({action.operation, action.source});
        }
        if (options.source) {
          INSTAR_ASSIGN_OR_RETURN_STATUS(request.source, OpenImage(broker, *options.source, {}));
        }
        // The image is looked over once, and each action may read a bitmap.
        const auto looks =
            static_cast<unsigned>(1 + std::min<std::size_t>(options.actions.size(), 1000));
        broker.set_read_passes(TablePassesFor(broker.readable_bytes(), looks));
        return run.Guest(broker, request,
                         {.max_workers = choice.max_workers, .seldom_opens = choice.seldom_opens});
      });
}

}  // namespace

absl::StatusOr<BitmapReport> Bitmap(const BitmapOptions& options) {
  OneRecord<BitmapRecord> told;
  VerbRun run("bitmap", ShownName(options.image), options.sandbox, told);
  const absl::StatusOr<Isolation> isolation = run.Run([&] { return BitmapHere(options, run); });
  BitmapReport report;
  const bool complete = isolation.ok() || told.Complete();
  if (complete) {
    const BitmapRecord& record = told.record();
    report.guessed_raw = record.guessed_raw;
    if (record.unfit_footer) report.warnings.push_back(UnfitFooterWarning(options.image));
    if (record.source_unfit_footer) {
      report.warnings.push_back(UnfitFooterWarning(*options.source));
    }
    if (options.opened) options.opened(report);
    if (record.fault != BitmapFault::kNone) return Refusal(record, options);
  }
  if (!isolation.ok()) return isolation.status();
  report.isolation = *isolation;
  return report;
}

}  // namespace instar::vmm
