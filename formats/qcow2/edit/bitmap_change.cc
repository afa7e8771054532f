#include "formats/qcow2/edit/bitmap_change.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
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

// The tables of all bitmaps while they change.
class BitmapTables {
 public:
  explicit BitmapTables(ImageChange& change)
      : change_(change),
        cluster_bits_(change.old_header().cluster_bits),
        cluster_bytes_(change.old_header().cluster_bytes()) {}

  Status Resize(BitmapEntry& entry, std::uint64_t old_bytes, std::uint64_t new_bytes);
  Status Move(BitmapEntry& entry, std::uint64_t offset);
  Status WriteDirectory(const std::vector<StoredBitmap>& bitmaps);

 private:
  [[nodiscard]] ClusterRun Clusters(std::uint64_t offset, std::uint64_t bytes) const {
    const std::uint64_t first = offset >> cluster_bits_;
    return {first, DivideRoundUp(offset % cluster_bytes_ + bytes, cluster_bytes_)};
  }
  Result<std::vector<std::uint64_t>> Read(const BitmapEntry& entry) const;
  Status Write(BitmapEntry& entry, const std::vector<std::uint64_t>& table);
  // Clears the bits of table entry `entry` from `kept` on.
  Status ClearFrom(std::uint64_t& entry, std::uint64_t kept);
  Result<std::uint64_t> Store(std::span<const std::byte> bytes);

  ImageChange& change_;
  const unsigned cluster_bits_;
  const std::uint64_t cluster_bytes_;
};

Result<std::vector<std::uint64_t>> BitmapTables::Read(const BitmapEntry& entry) const {
  std::vector<std::byte> bytes(entry.table_entries * kTableEntryBytes);
  INSTAR_TRY(change_.device().Read(entry.table_offset, bytes));
  std::vector<std::uint64_t> table(entry.table_entries);
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = LoadBe64(bytes, i * kTableEntryBytes);
  return table;
}

Result<std::uint64_t> BitmapTables::Store(std::span<const std::byte> bytes) {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t place, change_.Take(Clusters(0, bytes.size()).count));
  INSTAR_TRY(change_.Write(place, bytes));
  return place;
}

Status BitmapTables::Write(BitmapEntry& entry, const std::vector<std::uint64_t>& table) {
  INSTAR_TRY(change_.Drop(Clusters(entry.table_offset, entry.table_entries * kTableEntryBytes)));
  std::vector<std::byte> bytes(table.size() * kTableEntryBytes);
  for (std::size_t i = 0; i < table.size(); ++i) StoreBe64(bytes, i * kTableEntryBytes, table[i]);
  INSTAR_ASSIGN_OR_RETURN(entry.table_offset, Store(bytes));
  entry.table_entries = static_cast<std::uint32_t>(table.size());
  return {};
}

Status BitmapTables::ClearFrom(std::uint64_t& entry, std::uint64_t kept) {
  const std::uint64_t place = HostOffset(entry);
  if (entry == 0) return {};
  std::vector<std::byte> bits(cluster_bytes_, std::byte{0xFF});
  if (place != 0) INSTAR_TRY(change_.device().Read(place, bits));
  const std::vector<std::byte> before = bits;
  if (kept % 8 != 0) bits[kept / 8] &= static_cast<std::byte>((1U << (kept % 8)) - 1);
  std::fill(bits.begin() + static_cast<std::ptrdiff_t>(DivideRoundUp(kept, 8)), bits.end(),
            std::byte{0});
  if (bits == before) return {};
  if (place != 0) INSTAR_TRY(change_.Drop(Clusters(place, cluster_bytes_)));
  INSTAR_ASSIGN_OR_RETURN(entry, Store(bits));
  return {};
}

Status BitmapTables::Resize(BitmapEntry& entry, std::uint64_t old_bytes, std::uint64_t new_bytes) {
  const std::uint64_t old_bits = BitmapBits(old_bytes, entry.granularity_bits);
  const std::uint64_t new_bits = BitmapBits(new_bytes, entry.granularity_bits);
  const std::uint64_t per_cluster = cluster_bytes_ * 8;
  const std::uint64_t entries = DivideRoundUp(new_bits, per_cluster);
  if (BitmapBytes(new_bytes, entry.granularity_bits) > kMaxBitmapDataBytes) {
    return OverLimit("a bitmap would have more than {0} bytes", kMaxBitmapDataBytes);
  }
  INSTAR_ASSIGN_OR_RETURN(std::vector<std::uint64_t> table, Read(entry));
  if (table.size() != DivideRoundUp(old_bits, per_cluster)) {
    return Corrupt("the table of a bitmap has {0} entries where its disk needs {1}", table.size(),
                   DivideRoundUp(old_bits, per_cluster));
  }
  const std::vector<std::uint64_t> before = table;
  for (std::size_t i = entries; i < table.size(); ++i) {
    const std::uint64_t place = HostOffset(table[i]);
    if (place != 0) INSTAR_TRY(change_.Drop(Clusters(place, cluster_bytes_)));
  }
  table.resize(entries);
  const std::uint64_t kept = std::min(old_bits, new_bits);
  if (kept % per_cluster != 0) {
    std::uint64_t& last = table[kept / per_cluster];
    // A smaller disk may go on saying that all of its last bits are set.
    if (new_bits > old_bits || HostOffset(last) != 0) {
      INSTAR_TRY(ClearFrom(last, kept % per_cluster));
    }
  }
  return table == before ? Status() : Write(entry, table);
}

Status BitmapTables::Move(BitmapEntry& entry, std::uint64_t offset) {
  INSTAR_ASSIGN_OR_RETURN(std::vector<std::uint64_t> table, Read(entry));
  bool moved = entry.table_offset >= offset;
  for (std::uint64_t& place : table) {
    if (HostOffset(place) < offset) continue;
    std::vector<std::byte> bits(cluster_bytes_);
    INSTAR_TRY(change_.device().Read(HostOffset(place), bits));
    INSTAR_TRY(change_.Drop(Clusters(HostOffset(place), cluster_bytes_)));
    INSTAR_ASSIGN_OR_RETURN(place, Store(bits));
    moved = true;
  }
  return moved ? Write(entry, table) : Status();
}

Status BitmapTables::WriteDirectory(const std::vector<StoredBitmap>& bitmaps) {
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
  INSTAR_TRY(change_.Drop(Clusters(extension.directory_offset, extension.directory_bytes)));
  INSTAR_ASSIGN_OR_RETURN(extension.directory_offset, Store(bytes));
  extension.directory_bytes = bytes.size();
  change_.header().bitmaps = extension;
  return {};
}

// Changes each bitmap by `change_one`, and the directory if any has changed or `anyway`.
template <typename ChangeOne>
Status ChangeBitmaps(ImageChange& change, bool anyway, const ChangeOne& change_one) {
  INSTAR_ASSIGN_OR_RETURN(std::vector<StoredBitmap> bitmaps, ReadBitmaps(change));
  if (bitmaps.empty()) return {};
  BitmapTables tables(change);
  for (StoredBitmap& bitmap : bitmaps) {
    const BitmapEntry before = bitmap.entry;
    INSTAR_TRY(change_one(tables, bitmap.entry));
    anyway = anyway || bitmap.entry != before;
  }
  return anyway ? tables.WriteDirectory(bitmaps) : Status();
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

Status ResizeBitmaps(ImageChange& change, std::uint64_t old_bytes, std::uint64_t new_bytes) {
  return ChangeBitmaps(change, /*anyway=*/false,
                       [&](BitmapTables& tables, BitmapEntry& entry) -> Status {
                         if (new_bytes == 0) {
                           return InvalidArgument("a disk with bitmaps cannot have the size 0");
                         }
                         return tables.Resize(entry, old_bytes, new_bytes);
                       });
}

Status MoveBitmapsFrom(ImageChange& change, std::uint64_t offset) {
  const auto& extension = change.extensions().bitmaps;
  const bool moves = extension && extension->directory_offset >= offset;
  return ChangeBitmaps(change, moves, [offset](BitmapTables& tables, BitmapEntry& entry) {
    return tables.Move(entry, offset);
  });
}

}  // namespace instar::qcow2
