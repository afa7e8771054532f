// Raw images: the file is the disk, or a window of it is. Its size is rounded up to whole 512-byte
// sectors, as qemu-img does; what the file lacks of the last one reads as zeros.
#ifndef FORMATS_RAW_READER_H_
#define FORMATS_RAW_READER_H_

#include <memory>

#include "formats/base/image_reader.h"
#include "formats/base/raw_window.h"

namespace instar::raw {

// `device` must outlive the reader. Errors as PlaceWindow.
Result<std::unique_ptr<ImageReader>> OpenReader(const BlockDevice& device,
                                                const RawWindow& window = {});

}  // namespace instar::raw

#endif  // FORMATS_RAW_READER_H_
