#include "convert/bitmaps.h"

#include <algorithm>

#include "instar/report.h"

namespace instar::convert {

Status BitmapCopy::Check(DeviceId source_device, DeviceId target_device, bool skip_inconsistent) {
  source_device_ = source_device;
  target_device_ = target_device;
  if (!source_.has_bitmaps()) {
    Error error = Unsupported("--bitmaps: the source's format has no bitmaps").error();
    return std::unexpected(error.On(source_device));
  }
  if (!target_.supports_bitmaps()) {
    Error error = Unsupported("--bitmaps: the target's format and options have no bitmaps").error();
    return std::unexpected(error.On(target_device));
  }
  const Status listed = source_.ListBitmaps(bitmaps_);
  if (!listed) return std::unexpected(listed.error().On(source_device));
  if (skip_inconsistent) return {};
  const auto broken = std::ranges::find_if(bitmaps_, &DirtyBitmap::inconsistent);
  if (broken == bitmaps_.end()) return {};
  Error error = MakeError(ErrorCode::kCorrupt,
                          "bitmap {0} is inconsistent and cannot be copied; "
                          "--skip-broken-bitmaps leaves such bitmaps out",
                          broken - bitmaps_.begin())
                    .error();
  return std::unexpected(error.On(source_device));
}

Status BitmapCopy::Copy() {
  for (std::size_t i = 0; i < bitmaps_.size(); ++i) {
    if (bitmaps_[i].inconsistent) continue;
    const auto bits = source_.OpenBitmap(i);
    if (!bits) return std::unexpected(bits.error().On(source_device_));
    const Status added = target_.AddBitmap(bitmaps_[i], **bits);
    if (!added) return std::unexpected(added.error().On(target_device_));
  }
  return {};
}

Status BitmapCopy::ReportSkipped() {
  if (std::ranges::none_of(bitmaps_, &DirtyBitmap::inconsistent)) return {};
  ReportWriter report(host_);
  report.BeginObject({});
  report.BeginArray("skipped-bitmaps");
  for (const DirtyBitmap& bitmap : bitmaps_) {
    if (bitmap.inconsistent) report.String({}, bitmap.name);
  }
  report.EndArray();
  report.EndObject();
  return report.Finish();
}

}  // namespace instar::convert
