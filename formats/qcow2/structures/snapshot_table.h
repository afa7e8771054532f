// The table of internal snapshots: entries of variable length, each padded to 8 bytes.
#ifndef FORMATS_QCOW2_STRUCTURES_SNAPSHOT_TABLE_H_
#define FORMATS_QCOW2_STRUCTURES_SNAPSHOT_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/disk_struct.h"
#include "formats/base/error.h"
#include "formats/qcow2/structures/header.h"

namespace instar::qcow2 {

// One snapshot. The encoded entry is a header of kFixedBytes, extra data, the ID and the name.
struct SnapshotEntry {
  static constexpr std::size_t kFixedBytes = 40;
  // Extra data of version 3: 64-bit VM state size and the disk size, and since QEMU 5.2 the icount.
  static constexpr std::uint32_t kExtraBytesDiskSize = 16;
  static constexpr std::uint32_t kExtraBytesIcount = 24;

  std::uint64_t l1_table_offset = 0;
  std::uint32_t l1_entries = 0;
  std::uint16_t id_bytes = 0;
  std::uint16_t name_bytes = 0;
  std::uint32_t date_seconds = 0;
  std::uint32_t date_nanoseconds = 0;
  std::uint64_t vm_clock_nanoseconds = 0;
  std::uint64_t vm_state_bytes = 0;
  std::uint32_t extra_bytes = 0;
  std::optional<std::uint64_t> disk_size_bytes = std::nullopt;  // absent: that of the image
  std::optional<std::uint64_t> icount = std::nullopt;

  // Decodes the fixed part, and of the extra data as much as `bytes` holds. Needs kFixedBytes.
  static SnapshotEntry DecodeFrom(std::span<const std::byte> bytes);
  // Stores the known fields of the fixed part and of `extra_bytes` of extra data. What else `out`
  // holds stays: zeros in a new entry, what this version does not know in an old one.
  void EncodeTo(std::span<std::byte> out) const;

  // Length of the whole entry with ID, name and padding.
  [[nodiscard]] std::uint64_t encoded_bytes() const;

  friend bool operator==(const SnapshotEntry&, const SnapshotEntry&) = default;
};

// "Snapshots": the fixed part of an entry, and the fields of its extra data.
inline constexpr DiskStruct kSnapshotFields{
    Field<Be64, 0, &SnapshotEntry::l1_table_offset>{"l1_table_offset"},
    Field<Be32, 8, &SnapshotEntry::l1_entries>{"l1_size"},
    Field<Be16, 12, &SnapshotEntry::id_bytes>{"id_str_size"},
    Field<Be16, 14, &SnapshotEntry::name_bytes>{"name_size"},
    Field<Be32, 16, &SnapshotEntry::date_seconds>{"date_sec"},
    Field<Be32, 20, &SnapshotEntry::date_nanoseconds>{"date_nsec"},
    Field<Be64, 24, &SnapshotEntry::vm_clock_nanoseconds>{"vm_clock_nsec"},
    Field<OrZero<Be32>, 32, &SnapshotEntry::vm_state_bytes>{"vm_state_size"},
    Field<Be32, 36, &SnapshotEntry::extra_bytes>{"extra_data_size"},
};
inline constexpr DiskStruct kSnapshotExtraFields{
    Field<Be64, 0, &SnapshotEntry::vm_state_bytes>{"vm_state_size_large"},
    Field<Be64, 8, &SnapshotEntry::disk_size_bytes>{"disk_size"},
    Field<Be64, 16, &SnapshotEntry::icount>{"icount"},
};

// Visits the snapshots of an image in table order, reading the table in pieces.
class SnapshotVisitor {
 public:
  virtual ~SnapshotVisitor() = default;
  // The views live until the call returns. False ends the visit.
  virtual bool Visit(const SnapshotEntry& entry, std::string_view id, std::string_view name) = 0;
};
Status VisitSnapshots(const BlockDevice& device, const Header& header, SnapshotVisitor& visitor);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_STRUCTURES_SNAPSHOT_TABLE_H_
