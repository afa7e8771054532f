#include "formats/vhdx/region_table.h"

#include <algorithm>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/crc32c.h"
#include "formats/base/endian.h"

namespace instar::vhdx {
namespace {

constexpr std::size_t kChecksumAt = 4;
constexpr std::size_t kEntriesAt = 16;
constexpr std::size_t kEntryBytes = 32;
constexpr std::uint32_t kRequired = 1;

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
  const std::uint32_t count = kRegionTableFields.Decode<RegionTableHeader>(bytes).entries;
  if (count > kMaxTableEntries) {
    return Corrupt("the region table has {0} entries, more than {1}", count, kMaxTableEntries);
  }
  RegionTable table;
  std::vector<Region> used;
  used.reserve(count + 1);
  if (header.log_bytes != 0) used.push_back({header.log_offset, header.log_bytes});
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto entry =
        kRegionEntryFields.Decode<RegionEntry>(bytes.subspan(kEntriesAt + i * kEntryBytes));
    const Region region{.offset = entry.offset, .bytes = entry.bytes};
    if (region.offset < kHeaderSectionBytes || region.offset % kMebibyte != 0 ||
        region.bytes == 0 || region.bytes % kMebibyte != 0) {
      return Corrupt("a region of {1} bytes at {0x} is misplaced", region.offset, region.bytes);
    }
    if (!RangeFits(region.offset, region.bytes, file_bytes)) {
      return Corrupt("a region of {1} bytes at {0x} reaches beyond the end of the file ({2x})",
                     region.offset, region.bytes, file_bytes);
    }
    used.push_back(region);
    Region* const known = entry.id == kBatRegion        ? &table.bat
                          : entry.id == kMetadataRegion ? &table.metadata
                                                        : nullptr;
    if (known == nullptr) {
      if ((entry.flags & kRequired) != 0) {
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

bool RegionTable::IsValid(std::span<const std::byte> bytes) {
  return LoadBe32(bytes, 0) == NumberOf("regi") &&
         LoadLe32(bytes, kChecksumAt) == Crc32cWithout(bytes, kChecksumAt);
}

Result<RegionTable> RegionTable::ReadFrom(const BlockDevice& device, const Header& header) {
  std::vector<std::byte> bytes(kTableBytes);
  for (const std::uint64_t offset : {kRegionTable1Offset, kRegionTable2Offset}) {
    INSTAR_TRY(device.Read(offset, bytes));
    if (IsValid(bytes)) return Decode(bytes, header, device.size_bytes());
  }
  return Corrupt("neither copy of the region table has its signature and checksum");
}

void RegionTable::EncodeTo(std::span<std::byte> out) const {
  kRegionTableFields.Encode(RegionTableHeader{.entries = 2}, out);
  std::size_t at = kEntriesAt;
  for (const auto& [id, region] :
       {std::pair{kBatRegion, bat}, std::pair{kMetadataRegion, metadata}}) {
    kRegionEntryFields.Encode(RegionEntry{.id = id,
                                          .offset = region.offset,
                                          .bytes = static_cast<std::uint32_t>(region.bytes),
                                          .flags = kRequired},
                              out.subspan(at));
    at += kEntryBytes;
  }
  StoreLe32(out, kChecksumAt, Crc32cWithout(out.first(kTableBytes), kChecksumAt));
}

}  // namespace instar::vhdx
