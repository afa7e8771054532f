// The verb `measure`: walks the merged disk, if there is one, and tells the target format's
// calculation where data is.
#include "formats/measure.h"

#include "disk/chain_holes.h"
#include "formats/base/checked.h"
#include "formats/base/formats.h"
#include "instar/chain.h"
#include "instar/records.h"
#include "instar/result_records.h"
#include "instar/verbs.h"

namespace instar {
namespace {

Status AddSource(const Chain& chain, bool all, ImageMeasurer& measurer) {
  const std::uint64_t size = chain.virtual_size_bytes();
  // What of the source the backing file will hold is not known, so nothing of it.
  if (all) return size == 0 ? Status{} : measurer.AddData(0, size);
  const Layer& top = chain.layers().front();
  // Here a unit of the disk is one of the file.
  if (chain.layers().size() == 1 && IsBareDisk(top.reader->format()) &&
      top.raw_start_bytes % measurer.unit_bytes() == 0) {
    top.device->TellDataInUnits(measurer.unit_bytes());
  }
  INSTAR_ASSIGN_OR_RETURN(const auto cursor, chain.OpenCursor());
  INSTAR_ASSIGN_OR_RETURN(disk::ChainHoles holes, disk::ChainHoles::Of(chain));
  for (std::uint64_t offset = 0; offset < size;) {
    INSTAR_ASSIGN_OR_RETURN(const ChainExtent found, cursor->Next(offset, size - offset));
    FileRun run{.length_bytes = found.extent.length_bytes, .hole = true};
    if (found.extent.kind == ExtentKind::kData) {
      INSTAR_ASSIGN_OR_RETURN(run, holes.At(found.depth, found.extent));
    } else if (found.extent.kind == ExtentKind::kCompressed) {
      run.hole = false;
    }
    offset += run.length_bytes;
    if (run.hole) continue;
    INSTAR_TRY(measurer.AddData(offset - run.length_bytes, run.length_bytes));
    // What else its last unit holds makes no difference.
    offset = AlignUp(offset, measurer.unit_bytes()).value_or(size);
  }
  return {};
}

}  // namespace

Status RunMeasure(Host& host, const MeasureRequest& request) {
  std::unique_ptr<Chain> chain;
  CreateOptions options{.format = request.target_format,
                        .virtual_size_bytes = request.size_bytes,
                        .options = request.target_options};
  if (request.image.device != kNoDevice) {
    INSTAR_ASSIGN_OR_RETURN(chain, Chain::Open(host, {.image = request.image,
                                                      .snapshot = request.snapshot,
                                                      .max_depth = request.max_chain_depth,
                                                      .references = References::kAll}));
    options.virtual_size_bytes = chain->virtual_size_bytes();
  }
  INSTAR_ASSIGN_OR_RETURN(const auto measurer, MeasureImage(options));
  if (chain != nullptr) {
    if (measurer->counts_data()) {
      const bool all = FindSetting(request.target_options, "backing_file") != nullptr;
      INSTAR_TRY(AddSource(*chain, all, *measurer));
    }
    const Layer& top = chain->layers().front();
    const Status counted = measurer->AddBitmaps(*top.device, top.reader->format());
    if (!counted) return std::unexpected(counted.error().On(top.device->id()));
  }
  INSTAR_ASSIGN_OR_RETURN(const Measurement measurement, measurer->Finish());
  RecordWriter records(host);
  Tell(records,
       MeasureRecord{.bitmap_bytes = measurement.bitmap_bytes,
                     .required_bytes = measurement.required_bytes,
                     .fully_allocated_bytes = measurement.fully_allocated_bytes,
                     .unfit_footer = chain != nullptr && chain->layers().front().unfit_footer});
  return records.Finish();
}

}  // namespace instar
