#include "instar/vmm/resize.h"

#include <string>

#include "broker/broker.h"
#include "instar/requests.h"
#include "report/one_record.h"
#include "verbs/edit_run.h"
#include "verbs/open_image.h"
#include "verbs/verb_run.h"

namespace instar::vmm {
namespace {

absl::StatusOr<Isolation> ResizeHere(const ResizeOptions& options, const std::string& data_file,
                                     VerbRun& run) {
  return EditHere({.image = options.image,
                   .data_file = data_file,
                   .cache = options.cache,
                   .virtual_bytes = options.bytes},
                  run, [&](Broker& broker, const EditedSource& source, const GuestChoice& choice) {
                    return run.Guest(
                        broker,
                        ResizeRequest{.image = source.image,
                                      .data_file = source.data_file,
                                      .change = options.change,
                                      .bytes = options.bytes,
                                      .shrink = options.shrink,
                                      .growth = options.growth,
                                      .max_chain_depth = run.sandbox().max_chain_depth},
                        choice);
                  });
}

}  // namespace

absl::StatusOr<ResizeReport> Resize(const ResizeOptions& options) {
  const absl::StatusOr<std::string> data_file = DataFileOf(options.image, options.sandbox);
  if (!data_file.ok()) return data_file.status();
  OneRecord<ResizeRecord> told;
  VerbRun run("resize", ShownName(options.image), options.sandbox, told);
  const absl::StatusOr<Isolation> isolation =
      run.Run([&] { return ResizeHere(options, *data_file, run); });
  ResizeReport report;
  TakeRecord(told, isolation, options, report);
  if (!isolation.ok()) return isolation.status();
  report.isolation = *isolation;
  return report;
}

}  // namespace instar::vmm
