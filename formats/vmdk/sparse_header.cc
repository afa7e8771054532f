#include "formats/vmdk/sparse_header.h"

#include <algorithm>
#include <array>

#include "formats/base/checked.h"
#include "formats/base/endian.h"

namespace instar::vmdk {
namespace {

constexpr std::uint64_t kMaxCapacitySectors = (std::uint64_t{1} << 63) / kSectorBytes - 1;
constexpr std::uint32_t kMaxTableEntries = 512;

constexpr std::size_t kNewlinesAt = 73;

// A stream-optimized extent ends with a footer marker, the footer and the end-of-stream marker.
constexpr std::uint64_t kTrailerBytes = 3 * kSectorBytes;

Status CheckMarker(std::span<const std::byte> sector, std::uint32_t type) {
  if (LoadLe32(sector, 8) == 0 && LoadLe32(sector, 12) == type) return {};
  return Corrupt(
      "the end of the stream-optimized extent is missing: there is no marker of type {0}", type);
}

Result<SparseHeader> ReadFooter(const BlockDevice& device) {
  const std::uint64_t file_bytes = device.size_bytes();
  if (file_bytes < SparseHeader::kBytes + kTrailerBytes) {
    return Corrupt("the extent has {0} bytes: too few for the footer its header tells of",
                   file_bytes);
  }
  std::array<std::byte, kTrailerBytes> trailer{};
  INSTAR_TRY(device.Read(file_bytes - kTrailerBytes, trailer));
  const std::span<const std::byte> bytes(trailer);
  INSTAR_TRY(CheckMarker(bytes.first(kSectorBytes), kMarkerFooter));
  INSTAR_TRY(CheckMarker(bytes.subspan(2 * kSectorBytes), kMarkerEndOfStream));
  INSTAR_ASSIGN_OR_RETURN(const SparseHeader footer,
                          SparseHeader::DecodeFrom(bytes.subspan(kSectorBytes, kSectorBytes)));
  if (footer.directory_sector == kDirectoryAtEnd) {
    return Corrupt("the footer does not say where the grain directory is");
  }
  return footer;
}

}  // namespace

Result<SparseHeader> SparseHeader::DecodeFrom(std::span<const std::byte> bytes) {
  if (LoadLe32(bytes, 0) != kSparseMagic) {
    return Corrupt("a sparse extent does not begin with its signature");
  }
  const auto header = kSparseHeaderFields.Decode<SparseHeader>(bytes);
  if (header.version == 0 || header.version > 3) {
    return Unsupported("version {0} of the sparse extent is not supported", header.version);
  }
  if ((header.flags & kFlagNewlines) != 0 && LoadLe32(bytes, kNewlinesAt) != kNewlines) {
    return Corrupt("the file was damaged by a transfer in text mode");
  }
  if (header.compression > kCompressionDeflate) {
    return Unsupported("compression method {0} of the sparse extent is not supported",
                       header.compression);
  }
  return header;
}

Status SparseHeader::CheckGeometry(std::uint64_t file_bytes) const {
  if (capacity_sectors > kMaxCapacitySectors) {
    return OverLimit("the extent claims {0} sectors, more than a disk can have", capacity_sectors);
  }
  if (!IsPowerOfTwo(grain_sectors) || grain_sectors > kMaxGrainSectors) {
    return Corrupt("a grain of {0} sectors is not a power of two up to {1}", grain_sectors,
                   kMaxGrainSectors);
  }
  if (table_entries == 0 || table_entries > kMaxTableEntries) {
    return Corrupt("grain tables of {0} entries are not possible; the most is {1}", table_entries,
                   kMaxTableEntries);
  }
  if (directory_entries() > kMaxDirectoryEntries) {
    return OverLimit("the grain directory has {0} entries, more than {1}", directory_entries(),
                     kMaxDirectoryEntries);
  }
  // What the tables say of a file that ends before its data begins would be read as zeros.
  const auto overhead = CheckedMul(overhead_sectors, kSectorBytes);
  if (!overhead || *overhead > file_bytes) {
    return Corrupt("the file is cut short: its data begins at sector {0}, but it has {1} bytes",
                   overhead_sectors, file_bytes);
  }
  const auto end = CheckedMul(directory_sector, kSectorBytes);
  if (directory_sector == 0 || !end ||
      !RangeFits(*end, directory_entries() * kEntryBytes, file_bytes)) {
    return Corrupt("the grain directory at sector {0x} lies beyond the end of the file ({1x})",
                   directory_sector, file_bytes);
  }
  return {};
}

Result<SparseHeader> SparseHeader::ReadFrom(const BlockDevice& device) {
  std::array<std::byte, kBytes> bytes{};
  INSTAR_TRY(device.Read(0, bytes));
  INSTAR_ASSIGN_OR_RETURN(SparseHeader header, DecodeFrom(bytes));
  if (header.directory_sector == kDirectoryAtEnd) {
    const SparseHeader first = header;
    INSTAR_ASSIGN_OR_RETURN(header, ReadFooter(device));
    // The descriptor is at the start, and what the footer says of it may be stale.
    header.descriptor_sector = first.descriptor_sector;
    header.descriptor_sectors = first.descriptor_sectors;
  }
  if (header.capacity_sectors != 0) INSTAR_TRY(header.CheckGeometry(device.size_bytes()));
  return header;
}

void EncodeMarker(std::uint32_t type, std::uint64_t sectors, std::span<std::byte> sector) {
  std::ranges::fill(sector, std::byte{0});
  StoreLe64(sector, 0, sectors);
  StoreLe32(sector, 12, type);
}

}  // namespace instar::vmdk
