// What images are that a verb is about to work on, where the host has to know it beforehand: which
// guest image to start, how many files to make. Only a guest can tell, so a first one reads the
// headers.
#ifndef LIBINSTAR_VMM_SRC_VERBS_DESCRIPTION_H_
#define LIBINSTAR_VMM_SRC_VERBS_DESCRIPTION_H_

#include <cstdint>
#include <vector>

#include "instar/vmm/image_spec.h"
#include "instar/vmm/info.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

// `image`, with all images below it if `chain`. Empty where something is wrong: that is left to the
// guest that will work on it to tell.
std::vector<ImageInfo> DescribeImages(const ImageSpec& image, bool chain,
                                      const SandboxOptions& sandbox);

// The size of the first image's disk; 0 of none.
[[nodiscard]] std::uint64_t VirtualBytes(const std::vector<ImageInfo>& images);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_DESCRIPTION_H_
