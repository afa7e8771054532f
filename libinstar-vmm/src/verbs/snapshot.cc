#include "instar/vmm/snapshot.h"

#include <chrono>

#include "broker/broker.h"
#include "instar/requests.h"
#include "report/one_record.h"
#include "verbs/edit_run.h"
#include "verbs/open_image.h"
#include "verbs/verb_run.h"

namespace instar::vmm {
namespace {

absl::StatusOr<Isolation> SnapshotHere(const SnapshotOptions& options, VerbRun& run) {
  const auto since_epoch = options.time.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch - seconds);
  return EditHere(
      {.image = options.image, .data_file = {}, .cache = options.cache}, run,
      [&](Broker& broker, const EditedSource& source, const GuestChoice& choice) {
        return run.Guest(
            broker,
            SnapshotRequest{.image = source.image,
                            .action = options.action,
                            .name = options.name,
                            .date_seconds = static_cast<std::uint64_t>(seconds.count()),
                            .date_nanoseconds = static_cast<std::uint64_t>(rest.count())},
            choice);
      });
}

}  // namespace

absl::StatusOr<SnapshotReport> Snapshot(const SnapshotOptions& options) {
  OneRecord<SnapshotRecord> told;
  VerbRun run("snapshot", ShownName(options.image), options.sandbox, told);
  const absl::StatusOr<Isolation> isolation = run.Run([&] { return SnapshotHere(options, run); });
  SnapshotReport report;
  TakeRecord(told, isolation, options, report);
  if (!isolation.ok()) return isolation.status();
  report.isolation = *isolation;
  return report;
}

}  // namespace instar::vmm
