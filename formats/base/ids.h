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

// Disk image formats: identifier, number, and name as qemu-img spells it. What can be done with
// each is in its properties (formats/base/formats.h). The others are recognised and refused, never
// taken for raw.
#define INSTAR_FORMATS(ROW)        \
  ROW(kRaw, 1, "raw")              \
  ROW(kQcow2, 2, "qcow2")          \
  ROW(kVmdk, 3, "vmdk")            \
  ROW(kVpc, 4, "vpc")              \
  ROW(kVhdx, 5, "vhdx")            \
  ROW(kLuks, 6, "luks")            \
  ROW(kVdi, 7, "vdi")              \
  ROW(kQed, 8, "qed")              \
  ROW(kQcow1, 9, "qcow")           \
  ROW(kParallels, 10, "parallels") \
  ROW(kDmg, 11, "dmg")             \
  ROW(kBochs, 12, "bochs")         \
  ROW(kCloop, 13, "cloop")

enum class FormatId : std::uint32_t {
  kUnknown = 0,
#define INSTAR_FORMAT_ID(id, number, name) id = number,
  INSTAR_FORMATS(INSTAR_FORMAT_ID)
#undef INSTAR_FORMAT_ID
};

struct FormatName {
  FormatId id;
  std::string_view name;
};
inline constexpr auto kFormatNames = std::to_array<FormatName>({
#define INSTAR_FORMAT_NAME(id, number, name) {FormatId::id, name},
    INSTAR_FORMATS(INSTAR_FORMAT_NAME)
#undef INSTAR_FORMAT_NAME
});

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
