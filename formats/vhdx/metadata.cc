#include "formats/vhdx/metadata.h"

#include <array>

#include "formats/base/checked.h"
#include "formats/base/disk_struct.h"
#include "formats/base/endian.h"

namespace instar::vhdx {
namespace {

constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kEntryBytes = 32;

constexpr std::uint32_t kIsUser = 1;
constexpr std::uint32_t kIsVirtualDisk = 2;
constexpr std::uint32_t kIsRequired = 4;

constexpr std::uint32_t kLeaveBlocksAllocated = 1;
constexpr std::uint32_t kHasParent = 2;

// [MS-VHDX] 2.6.1.1 and 2.6.1.2: the header of the table and its entries.
struct TableHeader {
  std::uint16_t entries = 0;
};
constexpr DiskStruct kTableFields{
    Constant<Be64, 0, NumberOf("metadata")>{"Signature"},
    Field<Le16, 10, &TableHeader::entries>{"EntryCount"},
};
struct TableEntry {
  Guid id{};
  std::uint32_t offset = 0;  // in the region
  std::uint32_t bytes = 0;
  std::uint32_t flags = 0;
};
constexpr DiskStruct kEntryFields{
    Field<RawBytes, 0, &TableEntry::id>{"ItemId"},
    Field<Le32, 16, &TableEntry::offset>{"Offset"},
    Field<Le32, 20, &TableEntry::bytes>{"Length"},
    Field<Le32, 24, &TableEntry::flags>{"IsUser, IsVirtualDisk, IsRequired"},
};

// [MS-VHDX] 2.6.2.1.
struct FileParameters {
  std::uint32_t block_bytes = 0;
  std::uint32_t flags = 0;
};
constexpr DiskStruct kFileParameterFields{
    Field<Le32, 0, &FileParameters::block_bytes>{"BlockSize"},
    Field<Le32, 4, &FileParameters::flags>{"LeaveBlocksAllocated, HasParent"},
};

// The items there are, with their length on disk (0: any).
struct Known {
  Guid id;
  std::uint32_t bytes;
  std::uint32_t flags;  // as we write them
};
enum Item : std::size_t { kParameters, kSize, kId, kLogical, kPhysical, kParent, kItems };
constexpr std::array<Known, kItems> kKnown = {{
    {kFileParameters, 8, kIsRequired},
    {kVirtualDiskSize, 8, kIsRequired | kIsVirtualDisk},
    {kVirtualDiskId, 16, kIsRequired | kIsVirtualDisk},
    {kLogicalSectorSize, 4, kIsRequired | kIsVirtualDisk},
    {kPhysicalSectorSize, 4, kIsRequired | kIsVirtualDisk},
    {kParentLocator, 0, kIsRequired},
}};

using Places = std::array<TableEntry, kItems>;  // length 0: not there

Result<Places> FindItems(std::span<const std::byte> table, const Region& region) {
  if (LoadBe64(table, 0) != NumberOf("metadata")) {
    return Corrupt("the metadata table has no signature");
  }
  const std::uint16_t count = kTableFields.Decode<TableHeader>(table).entries;
  if (count > kMaxTableEntries) {
    return Corrupt("the metadata table has {0} entries, more than {1}", count, kMaxTableEntries);
  }
  Places places{};
  for (std::size_t i = 0; i < count; ++i) {
    const auto place =
        kEntryFields.Decode<TableEntry>(table.subspan(kHeaderBytes + i * kEntryBytes));
    if (place.bytes > kMaxItemBytes || (place.bytes != 0 && place.offset < kTableBytes) ||
        !RangeFits(place.offset, place.bytes, region.bytes)) {
      return Corrupt("a metadata item of {1} bytes at {0x} is misplaced", place.offset,
                     place.bytes);
    }
    std::size_t item = 0;
    while (item < kItems && (kKnown[item].id != place.id || (place.flags & kIsUser) != 0)) ++item;
    if (item == kItems) {
      if ((place.flags & kIsRequired) != 0) {
        return Unsupported("the image requires a metadata item that this version does not know");
      }
      continue;
    }
    if (places[item].bytes != 0) return Corrupt("the metadata table names an item twice");
    if (place.bytes == 0 || (kKnown[item].bytes != 0 && place.bytes != kKnown[item].bytes)) {
      return Corrupt("a metadata item has {0} bytes instead of {1}", place.bytes,
                     kKnown[item].bytes);
    }
    places[item] = place;
  }
  for (std::size_t item = 0; item < kParent; ++item) {
    if (places[item].bytes == 0) return Corrupt("metadata item {0} of 5 is missing", item + 1);
  }
  return places;
}

Status Validate(const Metadata& metadata) {
  if (!IsPowerOfTwo(metadata.block_bytes) || metadata.block_bytes < kMinBlockBytes ||
      metadata.block_bytes > kMaxBlockBytes) {
    return Corrupt("the block size {0} is not a power of two from 1 MiB to 256 MiB",
                   metadata.block_bytes);
  }
  for (const std::uint32_t bytes :
       {metadata.logical_sector_bytes, metadata.physical_sector_bytes}) {
    if (bytes != 512 && bytes != 4096) {
      return Corrupt("the sector size {0} is neither 512 nor 4096", bytes);
    }
  }
  if (metadata.virtual_bytes > kMaxVirtualBytes) {
    return OverLimit("a VHDX of {0} bytes is too large; the most is {1}", metadata.virtual_bytes,
                     kMaxVirtualBytes);
  }
  if (metadata.virtual_bytes % metadata.logical_sector_bytes != 0) {
    return Corrupt("the disk has {0} bytes, which are no whole sectors of {1}",
                   metadata.virtual_bytes, metadata.logical_sector_bytes);
  }
  return {};
}

}  // namespace

Result<Metadata> Metadata::ReadFrom(const BlockDevice& device, const Region& region) {
  std::vector<std::byte> bytes(kTableBytes);
  INSTAR_TRY(device.Read(region.offset, bytes));
  INSTAR_ASSIGN_OR_RETURN(const Places places, FindItems(bytes, region));
  const auto load = [&](Item item) -> Result<std::span<const std::byte>> {
    const auto out = std::span(bytes).first(places[item].bytes);
    INSTAR_TRY(device.Read(region.offset + places[item].offset, out));
    return out;
  };
  Metadata metadata;
  INSTAR_ASSIGN_OR_RETURN(const auto item, load(kParameters));
  const auto parameters = kFileParameterFields.Decode<FileParameters>(item);
  metadata.block_bytes = parameters.block_bytes;
  metadata.fixed = (parameters.flags & kLeaveBlocksAllocated) != 0;
  metadata.has_parent = (parameters.flags & kHasParent) != 0;
  metadata.unknown_flags = parameters.flags & ~(kLeaveBlocksAllocated | kHasParent);
  INSTAR_ASSIGN_OR_RETURN(const auto size, load(kSize));
  metadata.virtual_bytes = LoadLe64(size, 0);
  INSTAR_ASSIGN_OR_RETURN(const auto id, load(kId));
  metadata.disk_id = LoadGuid(id, 0);
  INSTAR_ASSIGN_OR_RETURN(const auto logical, load(kLogical));
  metadata.logical_sector_bytes = LoadLe32(logical, 0);
  INSTAR_ASSIGN_OR_RETURN(const auto physical, load(kPhysical));
  metadata.physical_sector_bytes = LoadLe32(physical, 0);
  INSTAR_TRY(Validate(metadata));
  if (metadata.has_parent) {
    if (places[kParent].bytes == 0) {
      return Corrupt("a differencing disk does not say what its parent is");
    }
    metadata.parent_locator.resize(places[kParent].bytes);
    INSTAR_TRY(device.Read(region.offset + places[kParent].offset, metadata.parent_locator));
  }
  return metadata;
}

void Metadata::EncodeTo(std::span<std::byte> out) const {
  std::memset(out.data(), 0, kEncodedBytes);
  kTableFields.Encode(TableHeader{.entries = static_cast<std::uint16_t>(kParent)}, out);
  std::array<std::size_t, kParent> at{};
  std::size_t next = kTableBytes;
  for (std::size_t item = 0; item < kParent; ++item) {
    const std::size_t entry = kHeaderBytes + item * kEntryBytes;
    at[item] = next;
    kEntryFields.Encode(TableEntry{.id = kKnown[item].id,
                                   .offset = static_cast<std::uint32_t>(next),
                                   .bytes = kKnown[item].bytes,
                                   .flags = kKnown[item].flags},
                        out.subspan(entry));
    next += kKnown[item].bytes;
  }
  kFileParameterFields.Encode(
      FileParameters{.block_bytes = block_bytes, .flags = fixed ? kLeaveBlocksAllocated : 0},
      out.subspan(at[kParameters]));
  StoreLe64(out, at[kSize], virtual_bytes);
  StoreGuid(out, at[kId], disk_id);
  StoreLe32(out, at[kLogical], logical_sector_bytes);
  StoreLe32(out, at[kPhysical], physical_sector_bytes);
}

}  // namespace instar::vhdx
