#include "formats/qcow2/read/bitmap_data.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {

std::uint64_t BitmapBits(std::uint64_t disk_bytes, unsigned granularity_bits) {
  return DivideRoundUp(disk_bytes, std::uint64_t{1} << granularity_bits);
}

std::uint64_t BitmapBytes(std::uint64_t disk_bytes, unsigned granularity_bits) {
  return DivideRoundUp(BitmapBits(disk_bytes, granularity_bits), 8);
}

bool IsBitmapTableEntry(std::uint64_t entry, std::uint64_t cluster_bytes) {
  const std::uint64_t place = HostOffset(entry);
  return place % cluster_bytes == 0 && (entry & ~(kOffsetMask | kBitmapAllOnes)) == 0 &&
         (place == 0 || (entry & kBitmapAllOnes) == 0);
}

Result<BitmapData> BitmapData::Open(const BlockDevice& device, const Header& header,
                                    const BitmapEntry& entry) {
  BitmapData data(device, header, entry);
  if (data.bytes_ > kMaxBitmapDataBytes) {
    return OverLimit("a bitmap of {0} bytes exceeds the limit of {1}", data.bytes_,
                     kMaxBitmapDataBytes);
  }
  const std::uint64_t clusters = DivideRoundUp(data.bytes_, data.cluster_bytes_);
  if (entry.table_entries != clusters) {
    return Corrupt("the table of a bitmap has {0} entries, but the disk needs {1}",
                   entry.table_entries, clusters);
  }
  INSTAR_TRY(CheckTable(header, entry.table_offset, entry.table_entries, kTableEntryBytes,
                        kMaxBitmapDataBytes, "a bitmap table is misplaced at {0x}",
                        "a bitmap table of {0} bytes exceeds the limit of {1}"));
  return data;
}

BitmapData::BitmapData(const BlockDevice& device, const Header& header, const BitmapEntry& entry)
    : device_(&device),
      cluster_bytes_(header.cluster_bytes()),
      table_offset_(entry.table_offset),
      bits_(BitmapBits(AlignDown(header.virtual_size_bytes, 512), entry.granularity_bits)),
      bytes_(DivideRoundUp(bits_, 8)),
      table_(device, 4096) {}

Result<std::uint64_t> BitmapData::EntryAt(std::uint64_t index) {
  INSTAR_ASSIGN_OR_RETURN(const auto bytes,
                          table_.View(table_offset_ + index * kTableEntryBytes, kTableEntryBytes));
  const std::uint64_t entry = LoadBe64(bytes, 0);
  if (!IsBitmapTableEntry(entry, cluster_bytes_)) {
    return Corrupt("entry {0} of a bitmap table is {1x}", index, entry);
  }
  return entry;
}

Result<BitmapData::Stretch> BitmapData::StretchAt(std::uint64_t offset, std::uint64_t end) {
  end = std::min(end, bytes_);
  std::uint64_t index = offset / cluster_bytes_;
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t entry, EntryAt(index));
  if (HostOffset(entry) != 0) {
    return Stretch{Stretch::Kind::kStored, std::min(end, (index + 1) * cluster_bytes_)};
  }
  for (++index; index * cluster_bytes_ < end; ++index) {
    INSTAR_ASSIGN_OR_RETURN(const std::uint64_t next, EntryAt(index));
    if (next != entry) break;
  }
  return Stretch{entry == kBitmapAllOnes ? Stretch::Kind::kOnes : Stretch::Kind::kZeros,
                 std::min(end, index * cluster_bytes_)};
}

Status BitmapData::Read(std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    if (offset >= bytes_) {
      std::ranges::fill(out, std::byte{0});
      return {};
    }
    const std::uint64_t index = offset / cluster_bytes_;
    const std::uint64_t within = offset % cluster_bytes_;
    const std::span<std::byte> part =
        out.first(std::min<std::uint64_t>({out.size(), cluster_bytes_ - within, bytes_ - offset}));
    INSTAR_ASSIGN_OR_RETURN(const std::uint64_t entry, EntryAt(index));
    const std::uint64_t place = HostOffset(entry);
    if (place != 0) {
      INSTAR_TRY(device_->Read(place + within, part));
    } else {
      std::ranges::fill(part, (entry & kBitmapAllOnes) != 0 ? std::byte{0xFF} : std::byte{0});
    }
    offset += part.size();
    out = out.subspan(part.size());
    // Beyond the last bit the image may hold anything.
    if (offset == bytes_ && bits_ % 8 != 0) {
      part.back() &= static_cast<std::byte>((1U << (bits_ % 8)) - 1);
    }
  }
  return {};
}

}  // namespace instar::qcow2
