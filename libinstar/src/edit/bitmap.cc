// The verb `bitmap`: opens the image, and the one whose bitmaps are merged into its own, and has
// the format do the actions.
#include "formats/bitmap.h"

#include <optional>
#include <vector>

#include "disk/host_workers.h"
#include "edit/edited_image.h"
#include "formats/base/formats.h"
#include "instar/chain.h"
#include "instar/records.h"
#include "instar/result_records.h"
#include "instar/verbs.h"

namespace instar {
namespace {

// Tells the host of the verdict before anything is changed: what follows cannot fail for want of a
// listener.
class Teller final : public BitmapListener {
 public:
  Teller(Host& host, const BitmapRecord& record) : records_(host), record_(record) {}
  Status Judged(const BitmapVerdict& verdict) override {
    record_.fault = verdict.fault;
    record_.action = verdict.action;
    record_.details = {verdict.details[0], verdict.details[1]};
    Tell(records_, record_);
    return records_.Finish();
  }

 private:
  RecordWriter records_;
  BitmapRecord record_;
};

// One image alone: bitmaps are not inherited from what lies below.
Result<std::unique_ptr<Chain>> OpenAlone(Host& host, const ImageSource& image) {
  return Chain::Open(host, {.image = image, .references = References::kNone});
}

}  // namespace

Status RunBitmap(Host& host, const BitmapRequest& request) {
  INSTAR_ASSIGN_OR_RETURN(const auto image, OpenAlone(host, request.image));
  const Layer& top = image->layers().front();
  const FormatId format = top.reader->format();
  BitmapRecord record{
      .format = format,
      .guessed_raw = request.image.format == FormatId::kUnknown && IsBareDisk(format),
      .unfit_footer = top.unfit_footer};
  std::unique_ptr<Chain> source;
  if (request.has_source) {
    INSTAR_ASSIGN_OR_RETURN(source, OpenAlone(host, request.source));
    record.source_unfit_footer = source->layers().front().unfit_footer;
  }
  std::vector<BitmapAction> actions;
  for (const BitmapStep& step : request.steps) actions.push_back({step.operation, step.source});
  INSTAR_ASSIGN_OR_RETURN(HostDevice device, HostDevice::Open(host, request.image.device));
  disk::HostWorkers workers(host);
  Teller teller(host, record);
  BitmapOptions options{.format = format,
                        .device = &device,
                        .name = request.name,
                        .actions = actions,
                        .granularity_bytes = request.granularity_bytes,
                        .listener = &teller,
                        .workers = &workers};
  if (source != nullptr) {
    options.source = source->layers().front().device.get();
    options.source_format = source->top().format();
  }
  return edit::On(ChangeBitmaps(options), request.image.device);
}

}  // namespace instar
