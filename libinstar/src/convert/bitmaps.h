// --bitmaps: persistent dirty bitmaps of the source's top image, copied to the target.
#ifndef INSTAR_CONVERT_BITMAPS_H_
#define INSTAR_CONVERT_BITMAPS_H_

#include <cstddef>
#include <vector>

#include "formats/base/image_reader.h"
#include "formats/base/image_writer.h"
#include "instar/host.h"

namespace instar::convert {

class BitmapCopy {
 public:
  BitmapCopy(Host& host, const ImageReader& source, ImageWriter& target)
      : host_(host), source_(source), target_(target) {}

  // Before the target is touched: whether both formats have bitmaps, and none is inconsistent
  // unless such are to be skipped.
  Status Check(DeviceId source_device, DeviceId target_device, bool skip_inconsistent);

  // When all data is placed.
  Status Copy();

  // Emits an object "skipped-bitmaps", an array of names; nothing if none was skipped.
  Status ReportSkipped();

 private:
  Host& host_;
  const ImageReader& source_;
  ImageWriter& target_;
  DeviceId source_device_ = kNoDevice;
  DeviceId target_device_ = kNoDevice;
  std::vector<DirtyBitmap> bitmaps_;
};

}  // namespace instar::convert

#endif  // INSTAR_CONVERT_BITMAPS_H_
