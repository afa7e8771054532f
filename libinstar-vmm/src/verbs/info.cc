#include "instar/vmm/info.h"

#include <utility>
#include <vector>

#include "broker/broker.h"
#include "instar/requests.h"
#include "report/report_builder.h"
#include "verbs/info_images.h"
#include "verbs/open_image.h"
#include "verbs/time_limit.h"
#include "verbs/unfit_footer.h"
#include "verbs/verb_run.h"

namespace instar::vmm {
namespace {

// Nothing that an image names is opened unless the chain was asked for.
unsigned MostImages(const InfoOptions& options) {
  return options.backing_chain ? options.sandbox.max_chain_depth : 1;
}

// Takes an object for each image.
class ImageRecords final : public RecordReceiver {
 public:
  RecordVerdict Accept(std::span<const std::byte> batch) override { return builder_.Accept(batch); }
  bool Complete() override {
    auto images = builder_.Take();
    if (!images) return false;
    if (!images->empty()) images_ = *std::move(images);
    return true;
  }
  std::vector<ReportTree> TakeImages() { return std::move(images_); }

 private:
  ReportBuilder builder_;
  std::vector<ReportTree> images_;
};

absl::StatusOr<Isolation> DescribeHere(const InfoOptions& options, VerbRun& run) {
  Broker broker({.max_chain_depth = MostImages(options)});
  INSTAR_ASSIGN_OR_RETURN_STATUS(
      const ImageSource image,
      OpenImage(broker, options.image, {.force_share = options.force_share}));
  INSTAR_RETURN_IF_ERROR(broker.AllowReferences(run.sandbox().references));
  return run.Guest(broker, InfoRequest{.image = image,
                                       .backing_chain = options.backing_chain,
                                       .partitions = options.partitions,
                                       .max_chain_depth = run.sandbox().max_chain_depth});
}

}  // namespace

absl::StatusOr<InfoReport> Info(const InfoOptions& options) {
  ImageRecords told;
  VerbRun run("info", ShownName(options.image), options.sandbox, told, kShortTimeLimit);
  INSTAR_ASSIGN_OR_RETURN_STATUS(const Isolation isolation,
                                 run.Run([&] { return DescribeHere(options, run); }));
  INSTAR_ASSIGN_OR_RETURN_STATUS(
      std::vector<ImageInfo> images,
      CompleteImages(told.TakeImages(), run.files(), options.image, MostImages(options)));
  InfoReport report{.images = std::move(images), .isolation = isolation, .warnings = {}};
  if (report.images.front().report.BooleanAt(kUnfitFooter)) {
    report.warnings.push_back(UnfitFooterWarning(options.image));
  }
  return report;
}

}  // namespace instar::vmm
