#include "formats/qcow2/edit/bitmap_change.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include "formats/base/checked.h"
#include "formats/qcow2/edit/bitmap_tables.h"
#include "formats/qcow2/read/bitmap_data.h"
#include "formats/qcow2/structures/bitmap_directory.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {
namespace {

struct StoredBitmap {
  BitmapEntry entry;
  std::vector<char> name;
};

// The bitmaps of an image, unless a program that does not know them has written to it since.
Result<std::vector<StoredBitmap>> ReadBitmaps(const ImageChange& change) {
  class Collector final : public BitmapVisitor {
   public:
    explicit Collector(std::vector<StoredBitmap>& bitmaps) : bitmaps_(bitmaps) {}
    void Visit(const BitmapEntry& entry, std::string_view name) override {
      bitmaps_.push_back({entry, {name.begin(), name.end()}});
    }

   private:
    std::vector<StoredBitmap>& bitmaps_;
  };
  std::vector<StoredBitmap> bitmaps;
  const auto& extension = change.extensions().bitmaps;
  if (!extension || (change.old_header().autoclear_features & kAutoclearBitmaps) == 0) {
    return bitmaps;
  }
  Collector collector(bitmaps);
  INSTAR_TRY(VisitBitmaps(change.device(), *extension, collector));
  return bitmaps;
}

// The bitmaps of an image while they change.
class BitmapChanger {
 public:
  explicit BitmapChanger(ImageChange& change)
      : change_(change), tables_(change), cluster_bytes_(change.old_header().cluster_bytes()) {}

  Status Resize(BitmapEntry& entry, std::uint64_t old_bytes, std::uint64_t new_bytes);
  // Sets the bits of [0, end_bytes) of a disk of `disk_bytes`.
  Status Mark(BitmapEntry& entry, std::uint64_t end_bytes, std::uint64_t disk_bytes);
  Status Move(BitmapEntry& entry, std::uint64_t offset);
  Status WriteDirectory(const std::vector<StoredBitmap>& bitmaps);

 private:
  // Writes a table in place of the old one.
  Status Replace(BitmapEntry& entry, const std::vector<std::uint64_t>& table) {
    INSTAR_TRY(change_.Drop(tables_.TableClusters(entry)));
    return tables_.Write(entry, table);
  }
  // The table, which is as long as a disk of `disk_bytes` needs it.
  Result<std::vector<std::uint64_t>> ReadTable(const BitmapEntry& entry,
                                               std::uint64_t disk_bytes) const;
  // The bits of table entry `entry`.
  Result<std::vector<std::byte>> ReadBits(std::uint64_t entry) const;
  // Gives the bits that `entry` leads to a new place, if edit(bits) changes any.
  template <typename Edit>
  Status ChangeBits(std::uint64_t& entry, const Edit& edit);
  // Clears the bits of table entry `entry` from `kept` on.
  Status ClearFrom(std::uint64_t& entry, std::uint64_t kept);
  // Sets the bits of table entry `entry` before `end`.
  Status SetUntil(std::uint64_t& entry, std::uint64_t end);
  Status DropBits(std::uint64_t entry) {
    const std::uint64_t place = HostOffset(entry);
    return place == 0 ? Status() : change_.Drop(tables_.Clusters(place, cluster_bytes_));
  }

  ImageChange& change_;
  BitmapTables tables_;
  const std::uint64_t cluster_bytes_;
};

Result<std::vector<std::uint64_t>> BitmapChanger::ReadTable(const BitmapEntry& entry,
                                                            std::uint64_t disk_bytes) const {
  INSTAR_ASSIGN_OR_RETURN(std::vector<std::uint64_t> table, tables_.Read(entry));
  const std::uint64_t entries =
      DivideRoundUp(BitmapBits(disk_bytes, entry.granularity_bits), cluster_bytes_ * 8);
  if (table.size() == entries) return table;
  return Corrupt("the table of a bitmap has {0} entries where its disk needs {1}", table.size(),
                 entries);
}

Result<std::vector<std::byte>> BitmapChanger::ReadBits(std::uint64_t entry) const {
  const std::uint64_t place = HostOffset(entry);
  const bool ones = place == 0 && (entry & kBitmapAllOnes) != 0;
  std::vector<std::byte> bits(cluster_bytes_, ones ? std::byte{0xFF} : std::byte{0});
  if (place != 0) INSTAR_TRY(change_.device().Read(place, bits));
  return bits;
}

template <typename Edit>
Status BitmapChanger::ChangeBits(std::uint64_t& entry, const Edit& edit) {
  INSTAR_ASSIGN_OR_RETURN(std::vector<std::byte> bits, ReadBits(entry));
  const std::vector<std::byte> before = bits;
  edit(std::span(bits));
  if (bits == before) return {};
  INSTAR_TRY(DropBits(entry));
  INSTAR_ASSIGN_OR_RETURN(entry, tables_.Store(bits));
  return {};
}

Status BitmapChanger::SetUntil(std::uint64_t& entry, std::uint64_t end) {
  return ChangeBits(entry, [end](std::span<std::byte> bits) {
    const std::uint64_t whole = end / 8;
    std::fill_n(bits.begin(), whole, std::byte{0xFF});
    if (end % 8 != 0) bits[whole] |= static_cast<std::byte>((1U << (end % 8)) - 1);
  });
}

Status BitmapChanger::Mark(BitmapEntry& entry, std::uint64_t end_bytes, std::uint64_t disk_bytes) {
  const std::uint64_t all = BitmapBits(disk_bytes, entry.granularity_bits);
  const std::uint64_t end = BitmapBits(end_bytes, entry.granularity_bits);
  const std::uint64_t per_cluster = cluster_bytes_ * 8;
  INSTAR_ASSIGN_OR_RETURN(std::vector<std::uint64_t> table, ReadTable(entry, disk_bytes));
  const std::vector<std::uint64_t> before = table;
  for (std::size_t i = 0; i * per_cluster < end; ++i) {
    const std::uint64_t stop = std::min(all, (i + 1) * per_cluster);
    if (end < stop) {
      INSTAR_TRY(SetUntil(table[i], end - i * per_cluster));
    } else {
      INSTAR_TRY(DropBits(table[i]));
      table[i] = kBitmapAllOnes;
    }
  }
  return table == before ? Status() : Replace(entry, table);
}

Status BitmapChanger::ClearFrom(std::uint64_t& entry, std::uint64_t kept) {
  if (entry == 0) return {};
  return ChangeBits(entry, [kept](std::span<std::byte> bits) {
    if (kept % 8 != 0) bits[kept / 8] &= static_cast<std::byte>((1U << (kept % 8)) - 1);
    std::ranges::fill(bits.subspan(DivideRoundUp(kept, 8)), std::byte{0});
  });
}

Status BitmapChanger::Resize(BitmapEntry& entry, std::uint64_t old_bytes, std::uint64_t new_bytes) {
  const std::uint64_t old_bits = BitmapBits(old_bytes, entry.granularity_bits);
  const std::uint64_t new_bits = BitmapBits(new_bytes, entry.granularity_bits);
  const std::uint64_t per_cluster = cluster_bytes_ * 8;
  const std::uint64_t entries = DivideRoundUp(new_bits, per_cluster);
  if (BitmapBytes(new_bytes, entry.granularity_bits) > kMaxBitmapDataBytes) {
    return OverLimit("a bitmap would have more than {0} bytes", kMaxBitmapDataBytes);
  }
  INSTAR_ASSIGN_OR_RETURN(std::vector<std::uint64_t> table, ReadTable(entry, old_bytes));
  const std::vector<std::uint64_t> before = table;
  for (std::size_t i = entries; i < table.size(); ++i) INSTAR_TRY(DropBits(table[i]));
  table.resize(entries);
  const std::uint64_t kept = std::min(old_bits, new_bits);
  if (kept % per_cluster != 0) {
    std::uint64_t& last = table[kept / per_cluster];
    // A smaller disk may go on saying that all of its last bits are set.
    if (new_bits > old_bits || HostOffset(last) != 0) {
      INSTAR_TRY(ClearFrom(last, kept % per_cluster));
    }
  }
  return table == before ? Status() : Replace(entry, table);
}

Status BitmapChanger::Move(BitmapEntry& entry, std::uint64_t offset) {
  INSTAR_ASSIGN_OR_RETURN(std::vector<std::uint64_t> table, tables_.Read(entry));
  bool moved = entry.table_offset >= offset;
  for (std::uint64_t& place : table) {
    if (HostOffset(place) < offset) continue;
    std::vector<std::byte> bits(cluster_bytes_);
    INSTAR_TRY(change_.device().Read(HostOffset(place), bits));
    INSTAR_TRY(change_.Drop(tables_.Clusters(HostOffset(place), cluster_bytes_)));
    INSTAR_ASSIGN_OR_RETURN(place, tables_.Store(bits));
    moved = true;
  }
  return moved ? Replace(entry, table) : Status();
}

Status BitmapChanger::WriteDirectory(const std::vector<StoredBitmap>& bitmaps) {
  std::vector<std::byte> bytes;
  for (const StoredBitmap& bitmap : bitmaps) {
    const std::size_t at = bytes.size();
    bytes.resize(at + bitmap.entry.encoded_bytes());
    const auto out = std::span(bytes).subspan(at);
    kBitmapFields.Encode(bitmap.entry, out);
    std::ranges::transform(bitmap.name, out.begin() + BitmapEntry::kFixedBytes,
                           [](char c) { return static_cast<std::byte>(c); });
  }
  BitmapsExtension extension = change_.header().bitmaps.value_or(BitmapsExtension{});
  INSTAR_TRY(change_.Drop(tables_.Clusters(extension.directory_offset, extension.directory_bytes)));
  INSTAR_ASSIGN_OR_RETURN(extension.directory_offset, tables_.Store(bytes));
  extension.directory_bytes = bytes.size();
  change_.header().bitmaps = extension;
  return {};
}

// Changes each bitmap by `change_one`, and the directory if any has changed or `anyway`.
template <typename ChangeOne>
Status ChangeEach(ImageChange& change, bool anyway, const ChangeOne& change_one) {
  INSTAR_ASSIGN_OR_RETURN(std::vector<StoredBitmap> bitmaps, ReadBitmaps(change));
  if (bitmaps.empty()) return {};
  BitmapChanger changer(change);
  for (StoredBitmap& bitmap : bitmaps) {
    const BitmapEntry before = bitmap.entry;
    INSTAR_TRY(change_one(changer, bitmap.entry));
    anyway = anyway || bitmap.entry != before;
  }
  return anyway ? changer.WriteDirectory(bitmaps) : Status();
}

}  // namespace

Status CheckBitmapsCanChange(ImageChange& change) {
  INSTAR_ASSIGN_OR_RETURN(const std::vector<StoredBitmap> bitmaps, ReadBitmaps(change));
  for (const StoredBitmap& bitmap : bitmaps) {
    if ((bitmap.entry.flags & kBitmapInUse) == 0) continue;
    return MakeTextError(ErrorCode::kUnsupported, "Bitmap '{t}' is inconsistent and cannot be used",
                         {bitmap.name.data(), bitmap.name.size()});
  }
  return {};
}

Status CheckNoBitmaps(ImageChange& change) {
  INSTAR_ASSIGN_OR_RETURN(const std::vector<StoredBitmap> bitmaps, ReadBitmaps(change));
  if (bitmaps.empty()) return {};
  return MakeTextError(
      ErrorCode::kUnsupported,
      "the image has the bitmap '{t}', which version 2 cannot keep: it has to be removed first",
      {bitmaps.front().name.data(), bitmaps.front().name.size()});
}

Status ResizeBitmaps(ImageChange& change, std::uint64_t old_bytes, std::uint64_t new_bytes) {
  return ChangeEach(change, /*anyway=*/false,
                    [&](BitmapChanger& changer, BitmapEntry& entry) -> Status {
                      if (new_bytes == 0) {
                        return InvalidArgument("a disk with bitmaps cannot have the size 0");
                      }
                      return changer.Resize(entry, old_bytes, new_bytes);
                    });
}

Status MarkWritten(ImageChange& change, std::uint64_t end_bytes) {
  const std::uint64_t disk_bytes = change.old_header().virtual_size_bytes;
  return ChangeEach(change, /*anyway=*/false,
                    [&](BitmapChanger& changer, BitmapEntry& entry) -> Status {
                      // One that was not stored completely tells nothing any more.
                      if ((entry.flags & (kBitmapAuto | kBitmapInUse)) != kBitmapAuto) return {};
                      return changer.Mark(entry, std::min(end_bytes, disk_bytes), disk_bytes);
                    });
}

Status MoveBitmapsFrom(ImageChange& change, std::uint64_t offset) {
  const auto& extension = change.extensions().bitmaps;
  const bool moves = extension && extension->directory_offset >= offset;
  return ChangeEach(change, moves, [offset](BitmapChanger& changer, BitmapEntry& entry) {
    return changer.Move(entry, offset);
  });
}

}  // namespace instar::qcow2
