// The descriptor of a fresh image.
#ifndef FORMATS_VMDK_DESCRIPTOR_TEXT_H_
#define FORMATS_VMDK_DESCRIPTOR_TEXT_H_

#include <cstdint>
#include <vector>

#include "formats/vmdk/writer_options.h"

namespace instar::vmdk {

[[nodiscard]] std::vector<char> DescriptorText(const WriterOptions& options);

// Room that an embedded descriptor is given.
inline constexpr std::uint64_t kEmbeddedDescriptorSectors = 20;

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_DESCRIPTOR_TEXT_H_
