// What can be done with a format, as far as the host and the planners have to know: they ask for
// properties, never for a format by its name. Each format states its own in its folder
// (formats/qcow2/properties.h); formats/base/formats.h is the table of all. Header-only, for the
// host as well as for the guest.
#ifndef FORMATS_BASE_FORMAT_PROPERTIES_H_
#define FORMATS_BASE_FORMAT_PROPERTIES_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "formats/base/ids.h"
#include "formats/base/option_settings.h"

namespace instar {

enum class OptionKind : std::uint32_t {
  kSize = 1,     // bytes, with the usual suffixes
  kNumber = 2,   // a whole number, in decimal, octal or hexadecimal
  kBoolean = 3,  // on or off
  kText = 4,     // any text, or one of `choices` if there are any
  kDecimal = 5,  // a whole number, in decimal
};

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
  std::string_view summary;        // what it is for, as "-o help" says it
  std::string_view choices{};      // the texts that it accepts, divided by spaces; empty: all
  std::string_view choice_name{};  // what qemu-img calls it when a choice is wrong; empty: name

  [[nodiscard]] constexpr bool Accepts(std::string_view text) const {
    std::string_view rest = choices;
    while (!rest.empty()) {
      const std::size_t end = rest.find(' ');
      if (rest.substr(0, end) == text) return true;
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    return choices.empty();
  }
};

// Options of every format.
inline constexpr OptionSpec kExtentSizeHint{
    "extent_size_hint", OptionKind::kSize,
    "Unit in which the file system should provide storage, 0 for its own choice"};
inline constexpr OptionSpec kNocow{"nocow", OptionKind::kBoolean,
                                   "No copy-on-write for the file (btrfs only)"};
inline constexpr OptionSpec kDiskSize{"size", OptionKind::kSize, "Size of the virtual disk"};

// What an identity (a UUID, a content ID) of an image is of.
enum class IdentityKind : std::uint8_t {
  kNone,       // images have none
  kOfDisk,     // given once, to a new image
  kOfContent,  // given anew whenever the image is written
};

// What stands between the stem and the extension in the name of an extent, padded with NULs.
using ExtentSuffix = std::array<char, 8>;

struct FormatProperties {
  FormatId id = FormatId::kUnknown;
  // What -o takes, in the order of "-o help". Empty: new images cannot be made.
  std::span<const OptionSpec> options{};
  // What -o takes of an image that is there, likewise. Empty: its options cannot be changed.
  std::span<const OptionSpec> amend_options{};
  // The options that "Formatting ..." shows, in this order, before those that are not listed here:
  // a list as -o takes it, with the value that is shown where an option is not given.
  std::string_view shown_options{};
  bool is_bare_disk = false;      // the file is the disk, without header or tables
  bool starts_with_disk = false;  // the file may start with the disk: its signature is at the end
  bool can_be_repaired = false;
  bool compresses = false;     // new images may hold compressed units
  bool holds_bitmaps = false;  // of what was written since some time (dirty bitmaps)
  // Data is written into an image that exists (convert -n) by changes in place, which take effect
  // by the write of a root (formats/edit).
  bool overwritten_by_changes = false;
  // Whether an image may be put upon a backing file that it does not name.
  bool takes_any_backing = false;
  // A new image records which image its parent is, so that has to be looked at.
  bool records_parent = false;
  // What has its place and reads as zeros is a hole of a flat extent or a fixed disk, which
  // qemu-img counts as data. In qcow2 it is a cluster marked as zeros.
  bool maps_holes_as_data = false;
  IdentityKind identity = IdentityKind::kNone;
  // The most that a file takes beside the disk and a sixteenth of it (verbs/target_bound.h).
  std::uint64_t max_fixed_bytes = std::uint64_t{64} << 20;
  // Whether a new image with these options is written from its start to its end, as a pipe wants
  // it; null: none is. `forward_form` are the options, as a message names them.
  bool (*goes_forward)(OptionSettings settings) = nullptr;
  std::string_view forward_form{};
  // How many files a new image consists of besides the named one, and how the name of number
  // `index` of them differs; null: there are none (formats/base/target_files.h).
  std::uint64_t (*extent_count)(OptionSettings settings, std::uint64_t virtual_bytes) = nullptr;
  ExtentSuffix (*extent_suffix)(OptionSettings settings, std::uint64_t index) = nullptr;
};

}  // namespace instar

#endif  // FORMATS_BASE_FORMAT_PROPERTIES_H_
