// What an image is that a verb is about to work on, where the host has to know it beforehand: of
// how many files a target will consist. Only a guest can tell, so a first one reads the headers.
#ifndef LIBINSTAR_VMM_SRC_VERBS_DESCRIPTION_H_
#define LIBINSTAR_VMM_SRC_VERBS_DESCRIPTION_H_

#include <cstdint>

#include "instar/vmm/image_spec.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

// The size of the disk of `image`. 0 where something is wrong: that is left to the guest that will
// work on it to tell.
[[nodiscard]] std::uint64_t VirtualBytes(const ImageSpec& image, const SandboxOptions& sandbox);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_DESCRIPTION_H_
