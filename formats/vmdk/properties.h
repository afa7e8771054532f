// The properties of VMDK, and the options that a new image takes.
#ifndef FORMATS_VMDK_PROPERTIES_H_
#define FORMATS_VMDK_PROPERTIES_H_

#include <array>
#include <cstdint>
#include <string_view>

#include "formats/base/format_properties.h"

namespace instar::vmdk {

// Where an image keeps its disk (its createType).
enum class Subformat : std::uint32_t {
  kMonolithicSparse = 0,
  kMonolithicFlat = 1,
  kTwoGbMaxExtentSparse = 2,
  kTwoGbMaxExtentFlat = 3,
  kStreamOptimized = 4,
};
inline constexpr std::array<std::string_view, 5> kSubformatNames = {
    "monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
    "streamOptimized"};

// The most that an extent of the kinds divided at 2 GiB holds.
inline constexpr std::uint64_t kSplitBytes = std::uint64_t{1} << 31;

// The subformat that `settings` ask for.
[[nodiscard]] constexpr Subformat SubformatOf(OptionSettings settings) {
  Subformat subformat = Subformat::kMonolithicSparse;
  for (const OptionSetting& setting : settings) {
    if (setting.name != "subformat") continue;
    for (std::uint32_t i = 0; i < kSubformatNames.size(); ++i) {
      if (setting.text == kSubformatNames[i]) subformat = Subformat{i};
    }
  }
  return subformat;
}

// Number of extents in files of their own.
[[nodiscard]] constexpr std::uint64_t ExtentCount(Subformat subformat,
                                                  std::uint64_t virtual_bytes) {
  switch (subformat) {
    case Subformat::kMonolithicSparse:
    case Subformat::kStreamOptimized:
      return 0;
    case Subformat::kMonolithicFlat:
      return virtual_bytes == 0 ? 0 : 1;
    case Subformat::kTwoGbMaxExtentSparse:
    case Subformat::kTwoGbMaxExtentFlat:
      return virtual_bytes / kSplitBytes + (virtual_bytes % kSplitBytes != 0 ? 1 : 0);
  }
  return 0;
}

// "-flat", "-f001", "-s001": of extent `index`, from 0.
[[nodiscard]] constexpr ExtentSuffix SuffixOf(Subformat subformat, std::uint64_t index) {
  if (subformat == Subformat::kMonolithicFlat) return {'-', 'f', 'l', 'a', 't'};
  const std::uint64_t number = index + 1;
  const auto digit = [number](std::uint64_t unit) {
    return static_cast<char>('0' + number / unit % 10);
  };
  return {'-',
          subformat == Subformat::kTwoGbMaxExtentFlat ? 'f' : 's',
          number >= 1000 ? digit(1000) : '\0',
          digit(100),
          digit(10),
          digit(1)};
}

inline constexpr std::array kOptions = {
    OptionSpec{"adapter_type", OptionKind::kText,
               "Disk adapter (ide, lsilogic, buslogic, legacyESX)"},
    OptionSpec{"backing_file", OptionKind::kText, "Name of the parent"},
    OptionSpec{"backing_fmt", OptionKind::kText, "Format of the parent: vmdk"},
    OptionSpec{"compat6", OptionKind::kBoolean, "Hardware version 6"},
    OptionSpec{"compression_level", OptionKind::kDecimal,
               "Effort of zlib compression, 1 (fastest) to 9 (smallest)"},
    kExtentSizeHint,
    OptionSpec{"hwversion", OptionKind::kText, "Hardware version"},
    kNocow,
    OptionSpec{"preallocation", OptionKind::kText,
               "How storage of flat extents is provided (off, falloc, full)", "off falloc full"},
    kDiskSize,
    OptionSpec{"subformat", OptionKind::kText,
               "Kind of image (monolithicSparse, monolithicFlat, twoGbMaxExtentSparse, "
               "twoGbMaxExtentFlat, streamOptimized)"},
    OptionSpec{"toolsversion", OptionKind::kText, "Version of the guest tools"},
    OptionSpec{"zeroed_grain", OptionKind::kBoolean, "Say in tables which grains are zeros"},
};

inline constexpr FormatProperties kProperties{
    .id = FormatId::kVmdk,
    .options = kOptions,
    .shown_options =
        "size,adapter_type,backing_file,backing_fmt,compat6=off,hwversion=undefined,"
        "toolsversion,subformat,zeroed_grain,nocow,preallocation,extent_size_hint",
    .compresses = true,
    .takes_any_backing = true,
    .records_parent = true,
    .maps_holes_as_data = true,
    .identity = IdentityKind::kOfContent,
    .goes_forward =
        [](OptionSettings settings) {
          return SubformatOf(settings) == Subformat::kStreamOptimized;
        },
    .forward_form = "subformat=streamOptimized",
    .extent_count =
        [](OptionSettings settings, std::uint64_t virtual_bytes) {
          return ExtentCount(SubformatOf(settings), virtual_bytes);
        },
    .extent_suffix = [](OptionSettings settings,
                        std::uint64_t index) { return SuffixOf(SubformatOf(settings), index); },
};

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_PROPERTIES_H_
