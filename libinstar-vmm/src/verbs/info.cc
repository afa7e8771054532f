#include "instar/vmm/info.h"

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "broker/broker.h"
#include "instar/requests.h"
#include "instar/verb_table.h"
#include "operation/operation.h"
#include "report/report_builder.h"
#include "report/report_encoder.h"
#include "timing/mark.h"
#include "verbs/child.h"
#include "verbs/info_images.h"
#include "verbs/open_image.h"
#include "verbs/result_codec.h"
#include "verbs/time_limit.h"
#include "verbs/unfit_footer.h"

namespace instar::vmm {
namespace {

// Nothing that an image names is opened unless the chain was asked for.
unsigned MostImages(const InfoOptions& options) {
  return options.backing_chain ? options.sandbox.max_chain_depth : 1;
}

// What the guest reported, and what the host knows of the files.
struct Described {
  std::vector<ReportTree> reports;
  InfoFacts facts;
};

absl::StatusOr<Described> DescribeHere(const InfoOptions& options) {
  Broker broker({.max_chain_depth = MostImages(options)});
  const auto image = OpenImage(broker, options.image, {.force_share = options.force_share});
  if (!image.ok()) return image.status();
  if (absl::Status status = broker.AllowReferences(options.sandbox.references); !status.ok()) {
    return status;
  }
  WireWriter request;
  EncodeRequest(InfoRequest{.image = *image,
                            .backing_chain = options.backing_chain,
                            .partitions = options.partitions,
                            .max_chain_depth = options.sandbox.max_chain_depth},
                request);
  const auto isolation = RunOperation(
      broker, options.sandbox, {.guest = kGuestVerb<InfoRequest>, .request = request.bytes()});
  if (!isolation.ok()) return isolation.status();

  auto reports = broker.TakeReports();
  if (!reports.ok()) return reports.status();
  return Described{.reports = *std::move(reports),
                   .facts = {.isolation = *isolation, .files = FilesOf(broker)}};
}

// The child hands its parent the guest's own records, and what it knows of the files.
absl::StatusOr<Described> DescribeInChild(const InfoOptions& options) {
  InfoOptions jailed = options;
  jailed.sandbox.jail = Jail::kThisProcess;
  ReportBuilder builder;
  const ChildResult result = RunInChild(
      [&jailed](const ChildChannel& channel) -> ChildResult {
        jailed.sandbox.notices = channel.notices;
        const auto described = DescribeHere(jailed);
        if (!described.ok()) return described.status();
        ReportEncoder encoder(channel.records);
        for (const ReportTree& report : described->reports) encoder.Add(report);
        encoder.Flush();
        return EncodeInfoFacts(described->facts);
      },
      ChildChannel{.progress = {},
                   .records =
                       [&builder](std::span<const std::byte> batch) {
                         return builder.Accept(batch) == ReportBuilder::Verdict::kAccepted;
                       },
                   .created = {},
                   .notices = options.sandbox.notices,
                   .timing = options.sandbox.timing,
                   .deadline = options.sandbox.deadline,
                   .late = LateText(ShownName(options.image), "info", options.sandbox.time_limit)});
  if (!result.ok()) return result.status();
  auto facts = DecodeInfoFacts(*result);
  if (!facts.ok()) return facts.status();
  auto reports = builder.Take();
  if (!reports) return absl::InternalError("the sandboxed process sent nonsense");
  return Described{.reports = *std::move(reports), .facts = *std::move(facts)};
}

}  // namespace

absl::StatusOr<InfoReport> Info(const InfoOptions& given) {
  InfoOptions options = given;
  FixDeadline(options.sandbox, kShortTimeLimit);
  const bool in_child = options.sandbox.jail == Jail::kChildProcess;
  auto described = in_child ? DescribeInChild(options) : DescribeHere(options);
  if (!in_child) Mark(options.sandbox.timing, TimingPhase::kResult);
  if (!described.ok()) return described.status();
  auto images = CompleteImages(std::move(described->reports), described->facts.files, options.image,
                               MostImages(options));
  if (!images.ok()) return images.status();
  InfoReport report{
      .images = *std::move(images), .isolation = described->facts.isolation, .warnings = {}};
  if (report.images.front().report.BooleanAt(kUnfitFooter)) {
    report.warnings.push_back(UnfitFooterWarning(options.image));
  }
  return report;
}

}  // namespace instar::vmm
