// What the planners of verbs have in common that change an image in place.
#ifndef EDIT_EDITED_IMAGE_H_
#define EDIT_EDITED_IMAGE_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "formats/base/error.h"
#include "instar/chain.h"
#include "instar/host.h"
#include "instar/image_source.h"

namespace instar::edit {

// The image with all that lies below it. Its data file is the host's to open: AttachDataFile.
Result<std::unique_ptr<Chain>> OpenChain(Host& host, const ImageSource& image,
                                         std::uint64_t max_depth);

// The external data file of the image, attached to its reader, which it has to outlive; null where
// it has none. kUnsupported where it has one and `data_file` is kNoDevice.
Result<std::unique_ptr<HostDevice>> AttachDataFile(Host& host, const Chain& chain,
                                                   DeviceId data_file);

// Length of the disk of the image's own backing file, or nothing.
std::optional<std::uint64_t> BackingBytes(const Chain& chain);

// kLimit for a disk that is longer than any.
Status CheckDiskBytes(std::uint64_t bytes);

// The status, which names the image where that is what is wrong. What is wrong with the wish does
// not.
Status On(const Status& status, DeviceId image);

}  // namespace instar::edit

#endif  // EDIT_EDITED_IMAGE_H_
