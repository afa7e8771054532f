#include "instar/vmm/measure.h"

#include <absl/strings/str_cat.h>

#include <string>
#include <string_view>

#include "broker/broker.h"
#include "formats/base/create_options.h"
#include "instar/requests.h"
#include "operation/operation.h"
#include "report/printable_text.h"
#include "verbs/convert_target.h"
#include "verbs/single_report.h"

namespace instar::vmm {
namespace {

// For the tables in use of a long chain.
constexpr std::uint64_t kHeapBytes = 256 << 20;

absl::StatusOr<SingleReport> MeasureHere(const MeasureOptions& options) {
  if (!options.format.empty() && FormatFromName(options.format) == FormatId::kUnknown) {
    return absl::InvalidArgumentError(absl::StrCat("Could not open '", PrintableText(options.path),
                                                   "': Unknown driver '",
                                                   PrintableText(options.format), "'"));
  }
  const auto format = WritableFormat(options.target_format);
  if (!format.ok()) return format.status();
  if (absl::Status status = CheckOptionList(*format, options.target_options); !status.ok()) {
    return status;
  }
  Broker broker({});
  DeviceId image = kNoDevice;
  if (!options.path.empty()) {
    const auto device = broker.OpenSource(options.path, {.force_share = options.force_share});
    if (!device.ok()) return device.status();
    image = *device;
    if (absl::Status status = broker.AllowReferences(options.sandbox.references); !status.ok()) {
      return status;
    }
  }
  WireWriter request;
  EncodeRequest(MeasureRequest{.image = image,
                               .format = FormatFromName(options.format),
                               .snapshot_label = LabelOf(options.snapshot_kind),
                               .snapshot = options.snapshot,
                               .size_bytes = options.size_bytes,
                               .target_format = *format,
                               .target_options = options.target_options,
                               .max_chain_depth = options.sandbox.max_chain_depth},
                request);
  const auto isolation = RunOperation(broker, options.sandbox,
                                      {.image_name = "measure",
                                       .verb = "measure",
                                       .request = request.bytes(),
                                       .workers = 1,
                                       .max_heap_bytes = kHeapBytes});
  if (!isolation.ok()) return isolation.status();
  return TakeSingleReport(broker, "measure", *isolation);
}

}  // namespace

absl::StatusOr<MeasureReport> Measure(const MeasureOptions& options) {
  absl::StatusOr<SingleReport> single;
  if (options.sandbox.jail != Jail::kChildProcess) {
    single = MeasureHere(options);
  } else {
    MeasureOptions jailed = options;
    jailed.sandbox.jail = Jail::kThisProcess;
    single = SingleReportFromChild([&jailed] { return MeasureHere(jailed); });
  }
  if (!single.ok()) return single.status();
  MeasureReport report{.isolation = single->isolation,
                       .required_bytes = single->report.UnsignedAt("required"),
                       .fully_allocated_bytes = single->report.UnsignedAt("fully-allocated"),
                       .bitmap_bytes = std::nullopt};
  if (single->report.Find("bitmaps") != nullptr) {
    report.bitmap_bytes = single->report.UnsignedAt("bitmaps");
  }
  return report;
}

}  // namespace instar::vmm
