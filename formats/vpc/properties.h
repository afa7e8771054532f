// The properties of VHD, and the options that a new image takes.
#ifndef FORMATS_VPC_PROPERTIES_H_
#define FORMATS_VPC_PROPERTIES_H_

#include <array>

#include "formats/base/format_properties.h"

namespace instar::vpc {

inline constexpr std::array kOptions = {
    OptionSpec{"azure", OptionKind::kBoolean,
               "A disk as Azure takes it: fixed, a whole number of MiB, of exactly that size"},
    kExtentSizeHint,
    OptionSpec{"force_size", OptionKind::kBoolean,
               "Keep the size as it is instead of rounding it up to cylinders, heads and sectors"},
    kNocow,
    OptionSpec{"preallocation", OptionKind::kText,
               "How storage of fixed disks is provided (off, falloc, full)", "off falloc full"},
    kDiskSize,
    OptionSpec{"subformat", OptionKind::kText, "Kind of disk (dynamic, fixed)", "dynamic fixed"},
};

// Whether `settings` make a fixed disk.
[[nodiscard]] constexpr bool MakeFixedDisk(OptionSettings settings) {
  return SettingText(settings, "subformat") == "fixed" || IsOn(settings, "azure");
}

inline constexpr FormatProperties kProperties{
    .id = FormatId::kVpc,
    .options = kOptions,
    .shown_options = "size,subformat,force_size,nocow,preallocation,extent_size_hint",
    .starts_with_disk = true,
    .maps_holes_as_data = true,
    // What is written into an image changes the identity of its content, which a VHD has none of.
    .identity = IdentityKind::kOfDisk,
    .goes_forward = MakeFixedDisk,
    .forward_form = "subformat=fixed",
};

}  // namespace instar::vpc

#endif  // FORMATS_VPC_PROPERTIES_H_
