// The verb `snapshot`: has the format take, apply or delete an internal snapshot.
#include "formats/snapshot.h"

#include "disk/host_workers.h"
#include "edit/edited_image.h"
#include "formats/base/formats.h"
#include "instar/chain.h"
#include "instar/records.h"
#include "instar/result_records.h"
#include "instar/verbs.h"

namespace instar {
namespace {

Status Change(SnapshotAction action, const SnapshotOptions& options) {
  switch (action) {
    case SnapshotAction::kCreate:
      return CreateSnapshot(options);
    case SnapshotAction::kApply:
      return ApplySnapshot(options);
    case SnapshotAction::kDelete:
      return DeleteSnapshot(options);
  }
  return InvalidArgument("there is no action {0}", static_cast<std::uint32_t>(action));
}

}  // namespace

Status RunSnapshot(Host& host, const SnapshotRequest& request) {
  FormatId format = FormatId::kUnknown;
  SnapshotRecord told;
  {
    INSTAR_ASSIGN_OR_RETURN(const auto chain, Chain::Open(host, {.image = request.image,
                                                                 .references = References::kNone}));
    const Layer& top = chain->layers().front();
    format = top.reader->format();
    told.guessed_raw = request.image.format == FormatId::kUnknown && IsBareDisk(format);
    told.unfit_footer = top.unfit_footer;
  }
  RecordWriter records(host);
  Tell(records, told);
  // Told before anything is changed: what follows cannot fail for want of a listener.
  INSTAR_TRY(records.Finish());
  INSTAR_ASSIGN_OR_RETURN(HostDevice device, HostDevice::Open(host, request.image.device));
  disk::HostWorkers workers(host);
  const Status changed = Change(
      request.action, {.format = format,
                       .device = &device,
                       .workers = &workers,
                       .name = request.name,
                       .date_seconds = static_cast<std::uint32_t>(request.date_seconds),
                       .date_nanoseconds = static_cast<std::uint32_t>(request.date_nanoseconds)});
  return edit::On(changed, request.image.device);
}

}  // namespace instar
