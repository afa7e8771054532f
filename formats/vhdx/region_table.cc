#include "formats/vhdx/region_table.h"

#include <algorithm>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/crc32c.h"
#include "formats/base/endian.h"

namespace instar::vhdx {
namespace {

constexpr std::uint32_t kSignature = 0x69676572;  // "regi"
constexpr std::size_t kChecksumAt = 4;
constexpr std::size_t kEntriesAt = 16;
constexpr std::size_t kEntryBytes = 32;
constexpr std::uint32_t kRequired = 1;

bool IsValid(std::span<const std::byte> bytes) {
  return LoadLe32(bytes, 0) == kSignature &&
         LoadLe32(bytes, kChecksumAt) == Crc32cWithout(bytes, kChecksumAt);
}

Status CheckOverlaps(std::vector<Region>& used) {
  std::ranges::sort(used, {}, &Region::offset);
  for (std::size_t i = 1; i < used.size(); ++i) {
    if (used[i].offset < used[i - 1].offset + used[i - 1].bytes) {
      return Corrupt("the region at {0x} overlaps the one at {1x}", used[i].offset,
                     used[i - 1].offset);
    }
  }
  return {};
}

Result<RegionTable> Decode(std::span<const std::byte> bytes, const Header& header,
                           std::uint64_t file_bytes) {
  const std::uint32_t count = LoadLe32(bytes, 8);
  if (count > kMaxTableEntries) {
    return Corrupt("the region table has {0} entries, more than {1}", count, kMaxTableEntries);
  }
  RegionTable table;
  std::vector<Region> used;
  used.reserve(count + 1);
  if (header.log_bytes != 0) used.push_back({header.log_offset, header.log_bytes});
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto entry = bytes.subspan(kEntriesAt + i * kEntryBytes, kEntryBytes);
    const Guid id = LoadGuid(entry, 0);
    const Region region{.offset = LoadLe64(entry, 16), .bytes = LoadLe32(entry, 24)};
    if (region.offset < kHeaderSectionBytes || region.offset % kMebibyte != 0 ||
        region.bytes == 0 || region.bytes % kMebibyte != 0) {
      return Corrupt("a region of {1} bytes at {0x} is misplaced", region.offset, region.bytes);
    }
    if (!RangeFits(region.offset, region.bytes, file_bytes)) {
      return Corrupt("a region of {1} bytes at {0x} reaches beyond the end of the file ({2x})",
                     region.offset, region.bytes, file_bytes);
    }
    used.push_back(region);
    Region* const known = id == kBatRegion        ? &table.bat
                          : id == kMetadataRegion ? &table.metadata
                                                  : nullptr;
    if (known == nullptr) {
      if ((LoadLe32(entry, 28) & kRequired) != 0) {
        return Unsupported("the image requires a region that this version does not know");
      }
      continue;
    }
    if (known->bytes != 0) return Corrupt("the region table names a region twice");
    *known = region;
  }
  if (table.bat.bytes == 0) return Corrupt("the image has no block allocation table");
  if (table.metadata.bytes == 0) return Corrupt("the image has no metadata");
  INSTAR_TRY(CheckOverlaps(used));
  return table;
}

}  // namespace

Result<RegionTable> RegionTable::ReadFrom(const BlockDevice& device, const Header& header) {
  std::vector<std::byte> bytes(kTableBytes);
  for (const std::uint64_t offset : {kRegionTable1Offset, kRegionTable2Offset}) {
    INSTAR_TRY(device.Read(offset, bytes));
    if (IsValid(bytes)) return Decode(bytes, header, device.size_bytes());
  }
  return Corrupt("neither copy of the region table has its signature and checksum");
}

void RegionTable::EncodeTo(std::span<std::byte> out) const {
  std::memset(out.data(), 0, kTableBytes);
  StoreLe32(out, 0, kSignature);
  StoreLe32(out, 8, 2);
  std::size_t at = kEntriesAt;
  for (const auto& [id, region] :
       {std::pair{kBatRegion, bat}, std::pair{kMetadataRegion, metadata}}) {
    StoreGuid(out, at, id);
    StoreLe64(out, at + 16, region.offset);
    StoreLe32(out, at + 24, static_cast<std::uint32_t>(region.bytes));
    StoreLe32(out, at + 28, kRequired);
    at += kEntryBytes;
  }
  StoreLe32(out, kChecksumAt, Crc32cWithout(out.first(kTableBytes), kChecksumAt));
}

}  // namespace instar::vhdx
