// Which files a fresh image consists of besides the one that the user names: some kinds of VMDK
// keep their data in extents of their own. Header-only: the host makes the files before anything is
// written, the writer names them in the descriptor, and both go by this.
#ifndef FORMATS_BASE_TARGET_FILES_H_
#define FORMATS_BASE_TARGET_FILES_H_

#include <array>
#include <cstdint>
#include <string_view>

#include "formats/base/ids.h"
#include "formats/base/option_list.h"

namespace instar {

// The most files an image is divided into. With its descriptor, its source and what the machine
// needs they stay below 1024 open files, which is all that many systems give a process.
inline constexpr std::uint64_t kMaxTargetExtents = 960;

// Where a VMDK image keeps its disk (its createType).
enum class VmdkSubformat : std::uint32_t {
  kMonolithicSparse = 0,
  kMonolithicFlat = 1,
  kTwoGbMaxExtentSparse = 2,
  kTwoGbMaxExtentFlat = 3,
  kStreamOptimized = 4,
};
inline constexpr std::array<std::string_view, 5> kVmdkSubformatNames = {
    "monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
    "streamOptimized"};

// The most that an extent of the kinds divided at 2 GiB holds.
inline constexpr std::uint64_t kVmdkSplitBytes = std::uint64_t{1} << 31;

// The subformat that the list `options` (-o) asks for.
[[nodiscard]] constexpr VmdkSubformat VmdkSubformatOf(std::string_view options) {
  VmdkSubformat subformat = VmdkSubformat::kMonolithicSparse;
  OptionList items(options);
  while (const auto item = items.Next()) {
    if (item->name != "subformat" || !item->has_value) continue;
    for (std::uint32_t i = 0; i < kVmdkSubformatNames.size(); ++i) {
      if (item->value == kVmdkSubformatNames[i]) subformat = VmdkSubformat{i};
    }
  }
  return subformat;
}

// Number of files besides the named one of an image of `format`, created with `options` (-o) and
// `virtual_size_bytes`. 0 for most. May exceed kMaxTargetExtents: then the image cannot be made.
[[nodiscard]] constexpr std::uint64_t TargetExtentCount(FormatId format, std::string_view options,
                                                        std::uint64_t virtual_size_bytes) {
  if (format != FormatId::kVmdk) return 0;
  switch (VmdkSubformatOf(options)) {
    case VmdkSubformat::kMonolithicSparse:
    case VmdkSubformat::kStreamOptimized:
      return 0;
    case VmdkSubformat::kMonolithicFlat:
      return virtual_size_bytes == 0 ? 0 : 1;
    case VmdkSubformat::kTwoGbMaxExtentSparse:
    case VmdkSubformat::kTwoGbMaxExtentFlat:
      return virtual_size_bytes / kVmdkSplitBytes +
             (virtual_size_bytes % kVmdkSplitBytes != 0 ? 1 : 0);
  }
  return 0;
}

// Whether TargetExtentCount can be other than 0 whatever the size.
[[nodiscard]] constexpr bool HasTargetExtents(FormatId format, std::string_view options) {
  return TargetExtentCount(format, options, 1) != 0;
}

// Appends to `out` (anything with push_back(char)) the name of file `index` besides `target_name`,
// both without directory: "disk-flat.vmdk", "disk-f001.vmdk", "disk-s001.vmdk" for "disk.vmdk".
template <typename Text>
constexpr void AppendTargetExtentName(VmdkSubformat subformat, std::string_view target_name,
                                      std::uint64_t index, Text& out) {
  const auto append = [&out](std::string_view text) {
    for (const char c : text) out.push_back(c);
  };
  const std::size_t dot = target_name.rfind('.');
  append(target_name.substr(0, dot));
  if (subformat == VmdkSubformat::kMonolithicFlat) {
    append("-flat");
  } else {
    append(subformat == VmdkSubformat::kTwoGbMaxExtentFlat ? "-f" : "-s");
    const std::uint64_t number = index + 1;
    if (number >= 1000) out.push_back(static_cast<char>('0' + number / 1000 % 10));
    out.push_back(static_cast<char>('0' + number / 100 % 10));
    out.push_back(static_cast<char>('0' + number / 10 % 10));
    out.push_back(static_cast<char>('0' + number % 10));
  }
  if (dot != std::string_view::npos) append(target_name.substr(dot));
}

}  // namespace instar

#endif  // FORMATS_BASE_TARGET_FILES_H_
