#include "formats/vmdk/writer_options.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/create_options.h"
#include "formats/vmdk/reader.h"
#include "formats/vmdk/sparse_layout.h"

namespace instar::vmdk {
namespace {

// What the largest grain directory covers: 1 PiB.
constexpr std::uint64_t kMaxVirtualBytes = kMaxDirectoryEntries * SparseLayout::kTableCoversBytes;
constexpr std::size_t kMaxVersionBytes = 64;

std::vector<char> Unescaped(std::string_view value) {
  std::vector<char> text;
  AppendOptionText(value, text);
  return text;
}

std::vector<char> Chars(std::string_view text) { return {text.begin(), text.end()}; }

// Whether `text` can stand between quotes on a line of the descriptor.
bool FitsDescriptor(const std::vector<char>& text) {
  return std::ranges::none_of(
      text, [](char c) { return c == '"' || c == '\n' || c == '\r' || c == '\0'; });
}

Result<std::string_view> AdapterType(std::string_view text) {
  for (const std::string_view known : {"ide", "buslogic", "lsilogic", "legacyESX"}) {
    if (text == known) return known;
  }
  return MakeTextError(ErrorCode::kInvalidArgument, "Unknown adapter type: '{t}'", text);
}

Status Apply(const OptionSetting& setting, WriterOptions& out, bool& compat6) {
  const std::string_view name = setting.spec->name;
  if (name == "adapter_type") {
    INSTAR_ASSIGN_OR_RETURN(out.adapter_type, AdapterType(setting.text));
  } else if (name == "subformat") {
    if (kVmdkSubformatNames[static_cast<std::size_t>(out.subformat)] != setting.text) {
      return MakeTextError(ErrorCode::kInvalidArgument, "Invalid subformat '{t}'", setting.text);
    }
  } else if (name == "hwversion") {
    if (setting.text != "undefined") out.hardware_version = Unescaped(setting.text);
  } else if (name == "toolsversion") {
    out.tools_version = Unescaped(setting.text);
  } else if (name == "zeroed_grain") {
    out.zeroed_grain = setting.number != 0;
  } else if (name == "compression_level") {
    INSTAR_ASSIGN_OR_RETURN(out.deflate_level, qcow2::CompressionLevel(setting.number));
  } else if (name == "compat6") {
    compat6 = setting.number != 0;
  } else if (name == "backing_file") {
    out.backing_name = Unescaped(setting.text);
  } else if (name == "preallocation") {
    out.preallocation = PreallocationOf(setting);
  }
  // What is left ("size", "nocow", "backing_fmt", ...) concerns who creates the file, or was read
  // elsewhere.
  return {};
}

Status CheckAgreement(const WriterOptions& out, std::string_view backing_format) {
  if (out.flat() && out.has_backing()) {
    return InvalidArgument("Flat image can't have backing file");
  }
  if (out.flat() && out.zeroed_grain) {
    return InvalidArgument("Flat image can't enable zeroed grain");
  }
  if (out.has_backing() && !backing_format.empty() && backing_format != "vmdk") {
    return MakeTextError(ErrorCode::kInvalidArgument,
                         "Invalid backing file format: {t}. Must be vmdk", backing_format);
  }
  if (!FitsDescriptor(out.target_name) || !FitsDescriptor(out.backing_name) ||
      !FitsDescriptor(out.hardware_version) || !FitsDescriptor(out.tools_version)) {
    return InvalidArgument(
        "quotes and line ends cannot stand in the names and versions that a descriptor holds");
  }
  if (out.hardware_version.size() > kMaxVersionBytes ||
      out.tools_version.size() > kMaxVersionBytes) {
    return InvalidArgument("versions of hardware and tools have {0} bytes at most",
                           kMaxVersionBytes);
  }
  return {};
}

}  // namespace

std::uint64_t WriterOptions::extent_count() const {
  if (!divided() || virtual_size_bytes == 0) return 0;
  if (subformat == VmdkSubformat::kMonolithicFlat) return 1;
  return DivideRoundUp(virtual_size_bytes, kVmdkSplitBytes);
}

std::uint64_t WriterOptions::extent_bytes(std::uint64_t index) const {
  if (subformat == VmdkSubformat::kMonolithicFlat) return virtual_size_bytes;
  return std::min(kVmdkSplitBytes, virtual_size_bytes - index * kVmdkSplitBytes);
}

Result<WriterOptions> WriterOptions::From(const CreateOptions& options) {
  if (const auto checked = CheckCreateOptions(FormatId::kVmdk, options.options); !checked) {
    return InvalidArgument(checked.error().summary);
  }
  WriterOptions out;
  out.subformat = VmdkSubformatOf(options.options);
  bool compat6 = false;
  std::string_view backing_format = options.backing_format;
  OptionList items(options.options);
  while (const auto item = items.Next()) {
    const OptionSetting setting = *CheckOption(FormatId::kVmdk, *item);
    if (setting.spec->name == "backing_fmt") backing_format = setting.text;
    INSTAR_TRY(Apply(setting, out, compat6));
  }
  if (compat6 && !out.hardware_version.empty()) {
    return InvalidArgument("compat6 cannot be enabled with hwversion set");
  }
  if (out.hardware_version.empty()) out.hardware_version = Chars(compat6 ? "6" : "4");
  if (out.tools_version.empty()) out.tools_version = Chars("2147483647");
  out.target_name = Chars(options.target_name.empty() ? "disk.vmdk" : options.target_name);
  if (!options.backing_name.empty()) out.backing_name = Chars(options.backing_name);
  INSTAR_TRY(CheckAgreement(out, backing_format));
  if (out.has_backing() && options.backing != nullptr) {
    if (options.backing->format() != FormatId::kVmdk) {
      return InvalidArgument("the backing file of a vmdk image must be a vmdk image");
    }
    const auto& parent = static_cast<const Reader&>(*options.backing).descriptor();
    out.parent_cid = parent.cid.value_or(0);
  }
  if (options.virtual_size_bytes > kMaxVirtualBytes) {
    return OverLimit("a virtual disk of {0} bytes is too large; the most is {1}",
                     options.virtual_size_bytes, kMaxVirtualBytes);
  }
  out.virtual_size_bytes = DivideRoundUp(options.virtual_size_bytes, kSectorBytes) * kSectorBytes;
  if (out.extent_count() > kMaxTargetExtents) {
    return OverLimit("a virtual disk of {0} bytes takes {1} files; the most is {2}",
                     out.virtual_size_bytes, out.extent_count(), kMaxTargetExtents);
  }
  return out;
}

}  // namespace instar::vmdk
