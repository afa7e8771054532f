// The header of a sparse extent (Virtual Disk Format 5.0, "Hosted Sparse Extents"): sector 0 of the
// file, and for stream-optimized extents once more in the footer.
#ifndef FORMATS_VMDK_SPARSE_HEADER_H_
#define FORMATS_VMDK_SPARSE_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/base/block_device.h"
#include "formats/base/disk_struct.h"
#include "formats/base/error.h"
#include "formats/vmdk/constants.h"

namespace instar::vmdk {

struct SparseHeader {
  static constexpr std::size_t kBytes = 512;

  std::uint32_t version = 1;
  std::uint32_t flags = 0;
  std::uint64_t capacity_sectors = 0;
  std::uint64_t grain_sectors = 0;
  std::uint64_t descriptor_sector = 0;  // 0: none
  std::uint64_t descriptor_sectors = 0;
  std::uint32_t table_entries = 0;  // of one grain table
  std::uint64_t redundant_directory_sector = 0;
  std::uint64_t directory_sector = 0;  // kDirectoryAtEnd: see the footer
  std::uint64_t overhead_sectors = 0;
  std::uint16_t compression = kCompressionNone;

  // Decodes the fields and checks what the header says of itself. kCorrupt, kUnsupported.
  static Result<SparseHeader> DecodeFrom(std::span<const std::byte> bytes);

  // The header at the start of `device`; its footer's instead, if it says that the grain directory
  // is at the end. Checks the geometry too, unless the extent is empty (capacity 0).
  static Result<SparseHeader> ReadFrom(const BlockDevice& device);

  [[nodiscard]] bool compressed() const { return compression == kCompressionDeflate; }
  [[nodiscard]] bool has_markers() const { return (flags & kFlagMarkers) != 0; }
  [[nodiscard]] bool has_zeroed_grains() const { return (flags & kFlagZeroedGrain) != 0; }
  [[nodiscard]] bool has_redundant_directory() const {
    return (flags & kFlagRedundantTable) != 0 && redundant_directory_sector != 0;
  }
  [[nodiscard]] std::uint64_t grain_bytes() const { return grain_sectors * kSectorBytes; }
  [[nodiscard]] std::uint64_t table_covers_bytes() const { return table_entries * grain_bytes(); }
  [[nodiscard]] std::uint64_t capacity_bytes() const { return capacity_sectors * kSectorBytes; }
  [[nodiscard]] std::uint64_t grains() const {
    return (capacity_sectors + grain_sectors - 1) / grain_sectors;
  }
  [[nodiscard]] std::uint64_t directory_entries() const {
    return (grains() + table_entries - 1) / table_entries;
  }

 private:
  Status CheckGeometry(std::uint64_t file_bytes) const;
};

// What a transfer in text mode would have changed.
inline constexpr std::uint32_t kNewlines = 0x0A0D200A;  // "\n \r\n"

// Virtual Disk Format 5.0, "SparseExtentHeader".
inline constexpr DiskStruct kSparseHeaderFields{
    Constant<Le32, 0, kSparseMagic>{"magicNumber"},
    Field<Le32, 4, &SparseHeader::version>{"version"},
    Field<Le32, 8, &SparseHeader::flags>{"flags"},
    Field<Le64, 12, &SparseHeader::capacity_sectors>{"capacity"},
    Field<Le64, 20, &SparseHeader::grain_sectors>{"grainSize"},
    Field<Le64, 28, &SparseHeader::descriptor_sector>{"descriptorOffset"},
    Field<Le64, 36, &SparseHeader::descriptor_sectors>{"descriptorSize"},
    Field<Le32, 44, &SparseHeader::table_entries>{"numGTEsPerGT"},
    Field<Le64, 48, &SparseHeader::redundant_directory_sector>{"rgdOffset"},
    Field<Le64, 56, &SparseHeader::directory_sector>{"gdOffset"},
    Field<Le64, 64, &SparseHeader::overhead_sectors>{"overHead"},
    Constant<Le32, 73, kNewlines>{"singleEndLineChar and the three that follow"},
    Field<Le16, 77, &SparseHeader::compression>{"compressAlgorithm"},
};

// A sector that stands before metadata of a stream-optimized extent: a type and the sectors that
// follow.
void EncodeMarker(std::uint32_t type, std::uint64_t sectors, std::span<std::byte> sector);

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_SPARSE_HEADER_H_
