// The table of formats: how to recognise one, open one, and write one.
#ifndef FORMATS_OPEN_H_
#define FORMATS_OPEN_H_

#include <memory>

#include "formats/base/image_reader.h"

namespace instar {

struct Probed {
  FormatId format = FormatId::kRaw;
  // kRaw only: the file ends with the footer of a VHD, but is not the disk that the footer
  // describes.
  bool unfit_footer = false;
};
// The format whose signature `device` carries; kRaw when it carries none. Reads at most a few KiB.
// Formats that cannot be read yet are recognised all the same (kLuks and beyond). A footer at the
// end that makes the file a fixed VHD (vpc::JudgeTail) counts more than what stands at the start.
Result<Probed> ProbeImage(const BlockDevice& device);
// The same, the format alone.
Result<FormatId> ProbeFormat(const BlockDevice& device);

// Opens `device` as `format` (not kUnknown). kUnsupported for formats that cannot be read;
// kCorrupt, kLimit, kIo. `device` must outlive the reader.
Result<std::unique_ptr<ImageReader>> OpenImage(const BlockDevice& device, FormatId format);

}  // namespace instar

#endif  // FORMATS_OPEN_H_
