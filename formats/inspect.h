// Judging an image by the strict profile (docs/strict.md): is it one image, complete in its one
// file, with nothing in it that this version does not know?
//
// An inspection reads headers, descriptors and tables, no data. It opens nothing that the image
// names and changes nothing.
#ifndef FORMATS_INSPECT_H_
#define FORMATS_INSPECT_H_

#include <cstdint>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/ids.h"
#include "formats/base/reasons.h"

namespace instar {

struct Inspection {
  const BlockDevice* device = nullptr;
  FormatId format = FormatId::kRaw;  // as the caller states it; never probed
  std::uint64_t max_virtual_bytes = ~std::uint64_t{0};
  Reasons* reasons = nullptr;

  // Adds kVirtualSize if the disk, whose size stands at `offset` of the file, is too large.
  void JudgeVirtualSize(std::uint64_t virtual_bytes, std::uint64_t offset) const;
};

// Adds to `inspection.reasons` all that speaks against the image; an image passes if there is none.
// Only what does not lie in the image is an error: kIo, kInvalidArgument for kUnknown.
Status InspectImage(const Inspection& inspection);

}  // namespace instar

#endif  // FORMATS_INSPECT_H_
