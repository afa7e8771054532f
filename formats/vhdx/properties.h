// The properties of VHDX, and the options that a new image takes.
#ifndef FORMATS_VHDX_PROPERTIES_H_
#define FORMATS_VHDX_PROPERTIES_H_

#include <array>

#include "formats/base/format_properties.h"

namespace instar::vhdx {

inline constexpr std::array kOptions = {
    OptionSpec{"block_size", OptionKind::kSize,
               "Size of a block, 1M to 256M; 0 to choose by the size of the disk"},
    OptionSpec{"block_state_zero", OptionKind::kBoolean,
               "Mark blocks that are not stored as zeros rather than as not present"},
    kExtentSizeHint,
    OptionSpec{"log_size", OptionKind::kSize, "Size of the log, at least 1M"},
    OptionSpec{"logical_sector_size", OptionKind::kNumber,
               "Size of the sectors the disk shows (512, 4096)"},
    kNocow,
    OptionSpec{"preallocation", OptionKind::kText,
               "How storage of fixed disks is provided (off, falloc, full)", "off falloc full"},
    OptionSpec{"size", OptionKind::kSize, "Size of the virtual disk, at most 64T"},
    OptionSpec{"subformat", OptionKind::kText, "Kind of disk (dynamic, fixed)", "dynamic fixed"},
};

inline constexpr FormatProperties kProperties{
    .id = FormatId::kVhdx,
    .options = kOptions,
    .shown_options =
        "size,log_size=1048576,block_size=0,subformat,block_state_zero,nocow,preallocation,"
        "extent_size_hint",
    .can_be_repaired = true,
    .identity = IdentityKind::kOfContent,
    // The block allocation table of a disk of size 0 grows with the blocks, up to 1 GiB.
    .max_fixed_bytes = (std::uint64_t{1} << 30) + (std::uint64_t{512} << 20),
};

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_PROPERTIES_H_
