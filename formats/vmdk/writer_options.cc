#include "formats/vmdk/writer_options.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/target_files.h"
#include "formats/vmdk/reader.h"
#include "formats/vmdk/sparse_layout.h"

namespace instar::vmdk {
namespace {

// What the largest grain directory covers: 1 PiB.
constexpr std::uint64_t kMaxVirtualBytes = kMaxDirectoryEntries * SparseLayout::kTableCoversBytes;
constexpr std::size_t kMaxVersionBytes = 64;

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

// Those that concern who creates the file ("size", "nocow", ...) are not for us.
Status Apply(OptionSettings settings, WriterOptions& out) {
  out.subformat = SubformatOf(settings);
  if (const OptionSetting* const subformat = FindSetting(settings, "subformat");
      subformat != nullptr &&
      kSubformatNames[static_cast<std::size_t>(out.subformat)] != subformat->text) {
    return MakeTextError(ErrorCode::kInvalidArgument, "Invalid subformat '{t}'", subformat->text);
  }
  if (const OptionSetting* const type = FindSetting(settings, "adapter_type")) {
    INSTAR_ASSIGN_OR_RETURN(out.adapter_type, AdapterType(type->text));
  }
  if (const OptionSetting* const level = FindSetting(settings, "compression_level")) {
    INSTAR_ASSIGN_OR_RETURN(out.deflate_level, qcow2::CompressionLevel(level->number));
  }
  std::string_view hardware = SettingText(settings, "hwversion");
  if (hardware == "undefined") hardware = {};
  const bool compat6 = IsOn(settings, "compat6");
  if (compat6 && !hardware.empty()) {
    return InvalidArgument("compat6 cannot be enabled with hwversion set");
  }
  if (hardware.empty()) hardware = compat6 ? "6" : "4";
  std::string_view tools = SettingText(settings, "toolsversion");
  if (tools.empty()) tools = "2147483647";
  out.hardware_version = Chars(hardware);
  out.tools_version = Chars(tools);
  out.zeroed_grain = IsOn(settings, "zeroed_grain");
  out.preallocation = PreallocationOf(settings);
  out.backing_name = Chars(SettingText(settings, "backing_file"));
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

std::uint64_t WriterOptions::extent_bytes(std::uint64_t index) const {
  if (subformat == Subformat::kMonolithicFlat) return virtual_size_bytes;
  return std::min(kSplitBytes, virtual_size_bytes - index * kSplitBytes);
}

Result<WriterOptions> WriterOptions::From(const CreateOptions& options) {
  WriterOptions out;
  INSTAR_TRY(Apply(options.options, out));
  const std::string_view backing_format = options.backing_format.empty()
                                              ? SettingText(options.options, "backing_fmt")
                                              : options.backing_format;
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
