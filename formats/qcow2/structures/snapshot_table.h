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
  // Stores the fixed part and `extra_bytes` of extra data, known fields set and others zero.
  void EncodeTo(std::span<std::byte> out) const;

  // Length of the whole entry with ID, name and padding.
  [[nodiscard]] std::uint64_t encoded_bytes() const;

  friend bool operator==(const SnapshotEntry&, const SnapshotEntry&) = default;
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
