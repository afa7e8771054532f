// The properties of raw images, and the options that a new image takes.
#ifndef FORMATS_RAW_PROPERTIES_H_
#define FORMATS_RAW_PROPERTIES_H_

#include <array>

#include "formats/base/format_properties.h"

namespace instar::raw {

inline constexpr std::array kOptions = {
    kExtentSizeHint,
    kNocow,
    OptionSpec{"preallocation", OptionKind::kText, "How storage is provided (off, falloc, full)",
               "off falloc full metadata"},
    kDiskSize,
};

inline constexpr FormatProperties kProperties{
    .id = FormatId::kRaw,
    .options = kOptions,
    .shown_options = "size,nocow,preallocation,extent_size_hint",
    .is_bare_disk = true,
    .starts_with_disk = true,
    .goes_forward = [](OptionSettings) { return true; },
};

}  // namespace instar::raw

#endif  // FORMATS_RAW_PROPERTIES_H_
