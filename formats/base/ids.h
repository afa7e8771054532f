// Identifiers shared by every layer. Part of the call-table ABI: values are never reused.
#ifndef FORMATS_BASE_IDS_H_
#define FORMATS_BASE_IDS_H_

#include <array>
#include <cstdint>
#include <string_view>

namespace instar {

// A file as the guest knows it: a number the broker gave out.
enum class DeviceId : std::uint32_t {};
inline constexpr DeviceId kNoDevice{0xFFFFFFFF};

// Disk image formats. Everything from kLuks on is recognised and refused, never taken for raw.
enum class FormatId : std::uint32_t {
  kUnknown = 0,
  kRaw = 1,
  kQcow2 = 2,
  kVmdk = 3,
  kVpc = 4,
  kVhdx = 5,
  kLuks = 6,
  kVdi = 7,
  kQed = 8,
  kQcow1 = 9,
  kParallels = 10,
  kDmg = 11,
  kBochs = 12,
  kCloop = 13,
};

struct FormatName {
  FormatId id;
  std::string_view name;  // as qemu-img spells it
};
inline constexpr std::array<FormatName, 13> kFormatNames = {{
    {FormatId::kRaw, "raw"},
    {FormatId::kQcow2, "qcow2"},
    {FormatId::kVmdk, "vmdk"},
    {FormatId::kVpc, "vpc"},
    {FormatId::kVhdx, "vhdx"},
    {FormatId::kLuks, "luks"},
    {FormatId::kVdi, "vdi"},
    {FormatId::kQed, "qed"},
    {FormatId::kQcow1, "qcow"},
    {FormatId::kParallels, "parallels"},
    {FormatId::kDmg, "dmg"},
    {FormatId::kBochs, "bochs"},
    {FormatId::kCloop, "cloop"},
}};

// The name of `id` as qemu-img spells it; "unknown" for kUnknown and values out of range.
[[nodiscard]] constexpr std::string_view NameOf(FormatId id) {
  for (const FormatName& entry : kFormatNames) {
    if (entry.id == id) return entry.name;
  }
  return "unknown";
}

// The format called `name`, or kUnknown.
[[nodiscard]] constexpr FormatId FormatFromName(std::string_view name) {
  for (const FormatName& entry : kFormatNames) {
    if (entry.name == name) return entry.id;
  }
  return FormatId::kUnknown;
}

// Why an image names another file. The reference gate applies its policy by role.
enum class ReferenceRole : std::uint32_t {
  kBacking = 1,   // qcow2 backing file, VMDK/VHD/VHDX parent
  kDataFile = 2,  // qcow2 external data file
  kExtent = 3,    // VMDK extent
};

// Which of an image's internal snapshots is meant: by either of its labels, or by all of those that
// are stated.
struct SnapshotChoice {
  std::string_view id_or_name{};  // the ID, or where no snapshot has it, the name
  std::string_view id{};
  std::string_view name{};

  // Whether no snapshot is meant, but what the image holds now.
  [[nodiscard]] constexpr bool empty() const {
    return id_or_name.empty() && id.empty() && name.empty();
  }
};

}  // namespace instar

#endif  // FORMATS_BASE_IDS_H_
