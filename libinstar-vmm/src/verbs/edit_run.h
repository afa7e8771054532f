// What is the same in every verb that changes an image in place: open the image and its data file
// for writing, bound how long they can get, run the guest, and cut the files back where the change
// failed before it took effect.
//
//   const auto data_file = DataFileOf(options.image, options.sandbox);
//   OneRecord<ResizeRecord> told;
//   VerbRun run("resize", ShownName(options.image), options.sandbox, told);
//   const auto isolation = run.Run([&] {
//     return EditHere({.image = options.image, .data_file = *data_file}, run,
//                     [&](Broker& broker, const EditedSource& source, const GuestChoice& choice) {
//                       return run.Guest(broker, ResizeRequest{.image = source.image}, choice);
//                     });
//   });
#ifndef LIBINSTAR_VMM_SRC_VERBS_EDIT_RUN_H_
#define LIBINSTAR_VMM_SRC_VERBS_EDIT_RUN_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <string>

#include "broker/broker.h"
#include "instar/image_source.h"
#include "instar/vmm/convert.h"
#include "instar/vmm/image_spec.h"
#include "instar/vmm/sandbox.h"
#include "report/one_record.h"
#include "verbs/unfit_footer.h"
#include "verbs/verb_run.h"

namespace instar::vmm {

// The name of the external data file as `image` gives it; empty if it has none. For the caller of
// VerbRun::Run: a guest in a run of its own tells, where the image may have one.
absl::StatusOr<std::string> DataFileOf(const ImageSpec& image, const SandboxOptions& sandbox);

struct EditOptions {
  const ImageSpec& image;
  std::string data_file;  // as DataFileOf returned it
  CacheMode cache = CacheMode::kWriteback;
  // The disk that the image may get: its file can become as long as that takes. A disk of
  // max_virtual_bytes of the sandbox is always allowed.
  std::uint64_t virtual_bytes = 0;
};

// What the guest is told of the files.
struct EditedSource {
  ImageSource image;
  DeviceId data_file = kNoDevice;
};

// Runs the guest for the change; `choice` is what changes of whole tables need.
using EditWork = std::function<absl::StatusOr<Isolation>(Broker& broker, const EditedSource& source,
                                                         const GuestChoice& choice)>;

// For the body of `run`: opens the files, does `work`, and cuts the files back if it failed before
// the change took effect (VerbRun::Change).
absl::StatusOr<Isolation> EditHere(const EditOptions& options, VerbRun& run, const EditWork& work);

// What the guest told, if it came to that: `report` is the record, with a warning of a footer that
// does not fit, and `options.opened` gets it, even if the run failed later.
template <typename Record, typename Report, typename Options>
void TakeRecord(OneRecord<Record>& told, const absl::StatusOr<Isolation>& isolation,
                const Options& options, Report& report) {
  if (!isolation.ok() && !told.Complete()) return;
  static_cast<Record&>(report) = told.record();
  if (report.unfit_footer) report.warnings.push_back(UnfitFooterWarning(options.image));
  if (options.opened) options.opened(report);
}

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_EDIT_RUN_H_
