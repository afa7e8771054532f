// The options that a fresh image of each format takes: one table for the parser, for "-o help" and
// for the message about a wrong one. Header-only, for the host as well as for the writers.
//
// What is checked here is what can be told from one option alone: that the format has it and that
// its value is of its kind. How options agree with one another is the writer's to say (CreateImage
// in formats/create.h).
#ifndef FORMATS_BASE_CREATE_OPTIONS_H_
#define FORMATS_BASE_CREATE_OPTIONS_H_

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

#include "formats/base/block_device.h"
#include "formats/base/ids.h"
#include "formats/base/option_list.h"

namespace instar {

enum class OptionKind : std::uint32_t {
  kSize = 1,     // bytes, with the usual suffixes
  kNumber = 2,   // a whole number, in decimal, octal or hexadecimal
  kBoolean = 3,  // on or off
  kText = 4,     // any text, or one of `choices` if there are any
  kDecimal = 5,  // a whole number, in decimal
};

// What an option is for, as "-o help" says it. A guest never tells anybody.
#ifdef INSTAR_GUEST
struct OptionSummary {
  OptionSummary() = default;
  constexpr OptionSummary(const char*) {}  // NOLINT(google-explicit-constructor)
};
#else
using OptionSummary = std::string_view;
#endif

[[nodiscard]] constexpr bool IsNumber(OptionKind kind) {
  switch (kind) {
    case OptionKind::kSize:
    case OptionKind::kNumber:
    case OptionKind::kDecimal:
      return true;
    case OptionKind::kBoolean:
    case OptionKind::kText:
      return false;
  }
  return false;
}

struct OptionSpec {
  std::string_view name;
  OptionKind kind = OptionKind::kText;
  OptionSummary summary;
  std::array<std::string_view, 4> choices{};  // accepted texts; empty ones do not count
  std::string_view choice_name{};  // what qemu-img calls it when a choice is wrong; empty: name

  [[nodiscard]] constexpr bool Accepts(std::string_view text) const {
    if (choices[0].empty()) return true;
    for (const std::string_view choice : choices) {
      if (!choice.empty() && choice == text) return true;
    }
    return false;
  }
};

// All tables are in the order "-o help" lists them in.
inline constexpr std::array kRawOptions = {
    OptionSpec{"extent_size_hint", OptionKind::kSize,
               "Unit in which the file system should provide storage, 0 for its own choice"},
    OptionSpec{"nocow", OptionKind::kBoolean, "No copy-on-write for the file (btrfs only)"},
    OptionSpec{"preallocation",
               OptionKind::kText,
               "How storage is provided (off, falloc, full)",
               {"off", "falloc", "full", "metadata"}},
    OptionSpec{"size", OptionKind::kSize, "Size of the virtual disk"},
};

inline constexpr std::array kQcow2Options = {
    OptionSpec{"backing_file", OptionKind::kText, "Name of the backing file"},
    OptionSpec{"backing_fmt", OptionKind::kText, "Format of the backing file"},
    OptionSpec{"cluster_size", OptionKind::kSize, "Size of a cluster, 512 to 2M"},
    OptionSpec{"compat",
               OptionKind::kText,
               "Version of the format (v2 or 0.10, v3 or 1.1)",
               {"0.10", "1.1", "v2", "v3"},
               "version"},
    OptionSpec{"compression_level", OptionKind::kDecimal,
               "Effort of compression, 1 (fastest) to 9 (smallest)"},
    OptionSpec{"compression_type",
               OptionKind::kText,
               "Method for compressed clusters (zlib, zstd)",
               {"zlib", "zstd"},
               "compression-type"},
    OptionSpec{"data_file", OptionKind::kText, "Name of the external data file"},
    OptionSpec{"data_file_raw", OptionKind::kBoolean,
               "Keep the external data file readable as a raw image"},
    OptionSpec{"encrypt.cipher-alg", OptionKind::kText, "Cipher (not supported)"},
    OptionSpec{"encrypt.cipher-mode", OptionKind::kText, "Mode of the cipher (not supported)"},
    OptionSpec{"encrypt.format",
               OptionKind::kText,
               "Encryption (not supported)",
               {"aes", "luks"},
               "format"},
    OptionSpec{"encrypt.hash-alg", OptionKind::kText, "Hash (not supported)"},
    OptionSpec{"encrypt.iter-time", OptionKind::kNumber, "Key derivation time (not supported)"},
    OptionSpec{"encrypt.ivgen-alg", OptionKind::kText, "Vector generator (not supported)"},
    OptionSpec{"encrypt.ivgen-hash-alg", OptionKind::kText,
               "Hash of the vector generator (not supported)"},
    OptionSpec{"encrypt.key-secret", OptionKind::kText, "Secret with the key (not supported)"},
    OptionSpec{"encryption", OptionKind::kBoolean, "Encryption (not supported)"},
    OptionSpec{"extended_l2", OptionKind::kBoolean, "Divide clusters into 32 subclusters"},
    OptionSpec{"extent_size_hint", OptionKind::kSize,
               "Unit in which the file system should provide storage, 0 for its own choice"},
    OptionSpec{"lazy_refcounts", OptionKind::kBoolean, "Allow refcount updates to be postponed"},
    OptionSpec{"nocow", OptionKind::kBoolean, "No copy-on-write for the file (btrfs only)"},
    OptionSpec{"preallocation",
               OptionKind::kText,
               "How storage is provided (off, metadata, falloc, full)",
               {"off", "metadata", "falloc", "full"}},
    OptionSpec{"refcount_bits", OptionKind::kNumber, "Width of a refcount, 1 to 64 bits"},
    OptionSpec{"size", OptionKind::kSize, "Size of the virtual disk"},
};

inline constexpr std::array kVpcOptions = {
    OptionSpec{"azure", OptionKind::kBoolean,
               "A disk as Azure takes it: fixed, a whole number of MiB, of exactly that size"},
    OptionSpec{"extent_size_hint", OptionKind::kSize,
               "Unit in which the file system should provide storage, 0 for its own choice"},
    OptionSpec{"force_size", OptionKind::kBoolean,
               "Keep the size as it is instead of rounding it up to cylinders, heads and sectors"},
    OptionSpec{"nocow", OptionKind::kBoolean, "No copy-on-write for the file (btrfs only)"},
    OptionSpec{"preallocation",
               OptionKind::kText,
               "How storage of fixed disks is provided (off, falloc, full)",
               {"off", "falloc", "full"}},
    OptionSpec{"size", OptionKind::kSize, "Size of the virtual disk"},
    OptionSpec{
        "subformat", OptionKind::kText, "Kind of disk (dynamic, fixed)", {"dynamic", "fixed"}},
};

inline constexpr std::array kVhdxOptions = {
    OptionSpec{"block_size", OptionKind::kSize,
               "Size of a block, 1M to 256M; 0 to choose by the size of the disk"},
    OptionSpec{"block_state_zero", OptionKind::kBoolean,
               "Mark blocks that are not stored as zeros rather than as not present"},
    OptionSpec{"extent_size_hint", OptionKind::kSize,
               "Unit in which the file system should provide storage, 0 for its own choice"},
    OptionSpec{"log_size", OptionKind::kSize, "Size of the log, at least 1M"},
    OptionSpec{"logical_sector_size", OptionKind::kNumber,
               "Size of the sectors the disk shows (512, 4096)"},
    OptionSpec{"nocow", OptionKind::kBoolean, "No copy-on-write for the file (btrfs only)"},
    OptionSpec{"preallocation",
               OptionKind::kText,
               "How storage of fixed disks is provided (off, falloc, full)",
               {"off", "falloc", "full"}},
    OptionSpec{"size", OptionKind::kSize, "Size of the virtual disk, at most 64T"},
    OptionSpec{
        "subformat", OptionKind::kText, "Kind of disk (dynamic, fixed)", {"dynamic", "fixed"}},
};

inline constexpr std::array kVmdkOptions = {
    OptionSpec{"adapter_type", OptionKind::kText,
               "Disk adapter (ide, lsilogic, buslogic, legacyESX)"},
    OptionSpec{"backing_file", OptionKind::kText, "Name of the parent"},
    OptionSpec{"backing_fmt", OptionKind::kText, "Format of the parent: vmdk"},
    OptionSpec{"compat6", OptionKind::kBoolean, "Hardware version 6"},
    OptionSpec{"compression_level", OptionKind::kDecimal,
               "Effort of zlib compression, 1 (fastest) to 9 (smallest)"},
    OptionSpec{"extent_size_hint", OptionKind::kSize,
               "Unit in which the file system should provide storage, 0 for its own choice"},
    OptionSpec{"hwversion", OptionKind::kText, "Hardware version"},
    OptionSpec{"nocow", OptionKind::kBoolean, "No copy-on-write for the file (btrfs only)"},
    OptionSpec{"preallocation",
               OptionKind::kText,
               "How storage of flat extents is provided (off, falloc, full)",
               {"off", "falloc", "full"}},
    OptionSpec{"size", OptionKind::kSize, "Size of the virtual disk"},
    OptionSpec{"subformat", OptionKind::kText,
               "Kind of image (monolithicSparse, monolithicFlat, twoGbMaxExtentSparse, "
               "twoGbMaxExtentFlat, streamOptimized)"},
    OptionSpec{"toolsversion", OptionKind::kText, "Version of the guest tools"},
    OptionSpec{"zeroed_grain", OptionKind::kBoolean, "Say in tables which grains are zeros"},
};

// The options of `format`; empty for formats that cannot be written.
[[nodiscard]] constexpr std::span<const OptionSpec> OptionsOf(FormatId format) {
  switch (format) {
    case FormatId::kRaw:
      return kRawOptions;
    case FormatId::kQcow2:
      return kQcow2Options;
    case FormatId::kVmdk:
      return kVmdkOptions;
    case FormatId::kVpc:
      return kVpcOptions;
    case FormatId::kVhdx:
      return kVhdxOptions;
    case FormatId::kUnknown:
    case FormatId::kLuks:
    case FormatId::kVdi:
    case FormatId::kQed:
    case FormatId::kQcow1:
    case FormatId::kParallels:
    case FormatId::kDmg:
    case FormatId::kBochs:
    case FormatId::kCloop:
      return {};
  }
  return {};
}

[[nodiscard]] constexpr const OptionSpec* FindOption(FormatId format, std::string_view name) {
  for (const OptionSpec& spec : OptionsOf(format)) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

// One checked option.
struct OptionSetting {
  const OptionSpec* spec = nullptr;
  std::string_view text;     // kText; commas still doubled (AppendOptionText)
  std::uint64_t number = 0;  // kSize, kNumber, kDecimal; kBoolean: 0 or 1
};

// What is wrong with an option, in pieces to be joined into one line. They point into the list and
// into static storage.
struct OptionFault {
  std::array<std::string_view, 5> pieces{};
  const char* summary = "";  // the same without names, in static storage
};

// `item` as a setting of `format`. "name" alone turns a boolean on, "noname" off.
[[nodiscard]] constexpr std::expected<OptionSetting, OptionFault> CheckOption(
    FormatId format, const OptionItem& item) {
  OptionSetting setting;
  setting.spec = FindOption(format, item.name);
  setting.text = item.has_value ? item.value : "on";
  if (setting.spec == nullptr && !item.has_value && item.name.starts_with("no")) {
    setting.spec = FindOption(format, item.name.substr(2));
    setting.text = "off";
  }
  if (setting.spec == nullptr) {
    return std::unexpected(
        OptionFault{{"Invalid parameter '", item.name, "'"}, "the format has no such option"});
  }
  const std::string_view name = setting.spec->name;
  std::optional<std::uint64_t> number;
  switch (setting.spec->kind) {
    case OptionKind::kSize:
      number = ParseOptionSize(setting.text);
      if (!number) {
        return std::unexpected(
            OptionFault{{"Parameter '", name,
                         "' expects a size: a number of bytes, or one with the suffix k, M, G, T, "
                         "P or E"},
                        "an option that expects a size has another value"});
      }
      setting.number = *number;
      return setting;
    case OptionKind::kNumber:
    case OptionKind::kDecimal:
      number = setting.spec->kind == OptionKind::kDecimal ? ParseDigits(setting.text, 10)
                                                          : ParseOptionNumber(setting.text);
      if (!number) {
        return std::unexpected(OptionFault{{"Parameter '", name, "' expects a number"},
                                           "an option that expects a number has another value"});
      }
      setting.number = *number;
      return setting;
    case OptionKind::kBoolean:
      if (const auto on = ParseOptionBoolean(setting.text)) {
        setting.number = *on ? 1 : 0;
        return setting;
      }
      return std::unexpected(OptionFault{{"Parameter '", name, "' expects 'on' or 'off'"},
                                         "an option that expects 'on' or 'off' has another value"});
    case OptionKind::kText:
      if (setting.spec->Accepts(setting.text)) return setting;
      return std::unexpected(OptionFault{
          {"Parameter '", setting.spec->choice_name.empty() ? name : setting.spec->choice_name,
           "' does not accept value '", setting.text, "'"},
          "an option has a value that it does not accept"});
  }
  return setting;
}

// What the setting of an option "preallocation" means for the file.
[[nodiscard]] constexpr Preallocation PreallocationOf(const OptionSetting& setting) {
  if (setting.text == "full") return Preallocation::kFull;
  return setting.text == "falloc" ? Preallocation::kFalloc : Preallocation::kOff;
}

// Checks each option of `list`; the first fault, if any. An empty list is no fault.
[[nodiscard]] constexpr std::expected<void, OptionFault> CheckCreateOptions(FormatId format,
                                                                            std::string_view list) {
  if (list.empty()) return {};
  if (!OptionList::WellFormed(list)) {
    return std::unexpected(
        OptionFault{{"Invalid option list: ", list}, "the option list has an empty item"});
  }
  OptionList items(list);
  while (const auto item = items.Next()) {
    if (const auto setting = CheckOption(format, *item); !setting) {
      return std::unexpected(setting.error());
    }
  }
  return {};
}

// The last value of the option `name` in `list` (commas still doubled), or nothing.
[[nodiscard]] constexpr std::optional<std::string_view> OptionValue(std::string_view list,
                                                                    std::string_view name) {
  std::optional<std::string_view> value;
  OptionList items(list);
  while (const auto item = items.Next()) {
    if (item->name == name && item->has_value) value = item->value;
  }
  return value;
}

// Whether `list` asks for the list of options ("help" or "?") instead of setting any.
[[nodiscard]] constexpr bool AsksForHelp(std::string_view list) {
  OptionList items(list);
  while (const auto item = items.Next()) {
    if (!item->has_value && (item->name == "help" || item->name == "?")) return true;
  }
  return false;
}

}  // namespace instar

#endif  // FORMATS_BASE_CREATE_OPTIONS_H_
