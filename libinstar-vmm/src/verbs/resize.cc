#include "instar/vmm/resize.h"

#include <algorithm>

#include "broker/broker.h"
#include "formats/base/formats.h"
#include "instar/abi/part.h"
#include "instar/requests.h"
#include "operation/status_macros.h"
#include "report/one_record.h"
#include "verbs/open_image.h"
#include "verbs/requested_format.h"
#include "verbs/target_bound.h"
#include "verbs/unfit_footer.h"
#include "verbs/verb_run.h"

namespace instar::vmm {
namespace {

// A vCPU costs some tenths of a millisecond, as much as one takes for the tables of some GiB.
unsigned WorkersFor(std::uint64_t file_bytes) {
  constexpr std::uint64_t kBytesAWorker = std::uint64_t{8} << 30;
  return static_cast<unsigned>(
      1 + std::min<std::uint64_t>(file_bytes / kBytesAWorker, INSTAR_MAX_WORKERS));
}

// How much longer the file may become: a disk of the size that is asked for, or of as much as a
// disk may have, could need that.
std::uint64_t MostBytes(const ResizeOptions& options) {
  return MostFileBytes(FormatId::kQcow2,
                       std::max(options.bytes, options.sandbox.max_virtual_bytes));
}

absl::StatusOr<Isolation> ResizeHere(const ResizeOptions& options, VerbRun& run) {
  const SandboxOptions& sandbox = run.sandbox();
  Broker broker({.max_output_bytes = sandbox.max_output_bytes,
                 .max_disk_file_bytes = MostBytes(options),
                 .kept_targets_grow = true,
                 .max_chain_depth = sandbox.max_chain_depth});
  INSTAR_ASSIGN_OR_RETURN_STATUS(
      const ImageSource image,
      OpenImageToEdit(broker, options.image, {.keep = true, .edit = true, .cache = options.cache}));
  INSTAR_RETURN_IF_ERROR(broker.AllowReferences(sandbox.references));
  return VerbRun::Change(broker, [&]() -> absl::StatusOr<Isolation> {
    return run.Guest(
        broker,
        ResizeRequest{.image = image,
                      .change = options.change,
                      .bytes = options.bytes,
                      .shrink = options.shrink,
                      .growth = options.growth,
                      .max_chain_depth = sandbox.max_chain_depth},
        {.parts = 1 << INSTAR_PART_ZSTD_IN, .max_workers = WorkersFor(broker.readable_bytes())});
  });
}

}  // namespace

absl::StatusOr<ResizeReport> Resize(const ResizeOptions& options) {
  OneRecord<ResizeRecord> told;
  VerbRun run("resize", ShownName(options.image), options.sandbox, told);
  const absl::StatusOr<Isolation> isolation = run.Run([&] { return ResizeHere(options, run); });
  ResizeReport report;
  if (isolation.ok() || told.Complete()) {
    static_cast<ResizeRecord&>(report) = told.record();
    if (report.unfit_footer) report.warnings.push_back(UnfitFooterWarning(options.image));
    if (options.opened) options.opened(report);
  }
  if (!isolation.ok()) return isolation.status();
  report.isolation = *isolation;
  return report;
}

}  // namespace instar::vmm
