// The content ID (CID) of a VMDK image: 32 bits that change whenever its content does, so that a
// child, which notes its parent's, is known not to fit any more (Virtual Disk Format 5.0, "The
// Descriptor").
#ifndef FORMATS_VMDK_CONTENT_ID_H_
#define FORMATS_VMDK_CONTENT_ID_H_

#include <cstdint>

#include "formats/base/identity.h"

namespace instar::vmdk {

// Of a fresh image whose parent, if it has one, has the content ID `parent`. Never 0, nor one of
// the two highest values, which mean that there is no parent or no content ID yet.
[[nodiscard]] std::uint32_t FreshContentId(const IdentitySeed& seed, std::uint32_t parent);

// Of an image that is about to be changed: another than `old`, which it has.
[[nodiscard]] std::uint32_t ChangedContentId(const IdentitySeed& seed, std::uint32_t old);

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_CONTENT_ID_H_
