// Raw images: what can be done with them.
#ifndef FORMATS_RAW_FORMAT_H_
#define FORMATS_RAW_FORMAT_H_

#include "formats/format.h"
#include "formats/raw/measurer.h"
#include "formats/raw/reader.h"
#include "formats/raw/resizer.h"
#include "formats/raw/writer.h"

namespace instar::raw {

inline constexpr Format kFormat{
    .id = FormatId::kRaw,
    .open = [](const BlockDevice& device) { return OpenReader(device); },
    .create = Writer::Create,
    .edit = Writer::Overwrite,
    .measure = Measurer::Create,
    .resize = Resize,
    .inspect =
        [](const Inspection& inspection) {
          inspection.JudgeVirtualSize(inspection.device->size_bytes(), 0);
          return Status();
        },
};

}  // namespace instar::raw

#endif  // FORMATS_RAW_FORMAT_H_
