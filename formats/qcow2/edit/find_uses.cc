// Finds out who uses the clusters that several things refer to.
#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/table_reuse_limit.h"
#include "formats/qcow2/edit/damaged_tables.h"
#include "formats/qcow2/edit/disk_tables.h"
#include "formats/qcow2/read/refcount_reader.h"

namespace instar::qcow2 {
namespace {

using Use = SharedPlaces::Use;

class UseFinder {
 public:
  UseFinder(const BlockDevice& device, const Header& header, SharedPlaces& places)
      : device_(device), header_(header), places_(places), meter_(device, kCheckAllowance) {}

  Status Find(const HeaderExtensions& extensions) {
    Note(0, header_.cluster_bytes(), Use::kPinned);
    if (extensions.encryption) {
      Note(extensions.encryption->offset, extensions.encryption->length_bytes, Use::kPinned);
    }
    INSTAR_TRY(FindInDisk(header_.l1_table_offset, header_.l1_entries));
    INSTAR_TRY(FindInSnapshots());
    if (extensions.bitmaps) INSTAR_TRY(FindInBitmaps(*extensions.bitmaps));
    return FindInRefcounts();
  }

 private:
  void Note(std::uint64_t offset, std::uint64_t bytes, Use use, std::uint64_t key = 0) {
    const auto end = CheckedAdd(offset, bytes);
    if (bytes == 0 || !end || *end >= device_.size_bytes() + header_.cluster_bytes()) return;
    const std::uint64_t last = (*end - 1) >> header_.cluster_bits;
    for (std::uint64_t cluster = offset >> header_.cluster_bits; cluster <= last; ++cluster) {
      places_.Note(cluster, use, key);
    }
  }

  Status FindInDisk(std::uint64_t offset, std::uint64_t entries) {
    Note(offset, entries * kTableEntryBytes, Use::kOther);
    INSTAR_ASSIGN_OR_RETURN(const auto l1, ReadL1Table(device_, offset, entries));
    for (std::size_t i = 0; i < l1.size(); ++i) {
      const std::uint64_t table = L2TableOffset(l1[i]);
      if (table == 0) continue;
      const bool read = LeadsToTable(l1[i], device_, header_);
      Note(table, header_.cluster_bytes(), read ? Use::kTable : Use::kPinned, i);
    }
    const auto find = [&](std::size_t index, std::span<const std::byte> table) -> Status {
      FindInTable(index, table);
      return {};
    };
    return VisitTables(device_, header_, l1, meter_, find);
  }

  void FindInTable(std::uint64_t index, std::span<const std::byte> table) {
    if (header_.has_data_file()) return;
    std::uint64_t key = index * header_.l2_entries();
    for (std::size_t at = 0; at < table.size(); at += header_.l2_entry_bytes(), ++key) {
      const std::uint64_t raw = LoadBe64(table, at);
      if (raw == 0) continue;
      const std::uint64_t entry = Repaired({raw, 0}, header_).entry;
      if (IsCompressed(entry)) {
        const auto data = CompressedCluster::DecodeFrom(entry, header_.cluster_bits);
        Note(data.offset, data.bytes(), Use::kPinned);
      } else if (HostOffset(entry) != 0) {
        const bool aligned = HostOffset(entry) % header_.cluster_bytes() == 0;
        Note(HostOffset(entry), header_.cluster_bytes(), aligned ? Use::kData : Use::kPinned, key);
      }
    }
  }

  Status FindInSnapshots() {
    std::uint64_t at = header_.snapshots_offset;
    std::vector<std::byte> head(SnapshotEntry::kFixedBytes + SnapshotEntry::kExtraBytesIcount);
    for (std::uint32_t i = 0; i < header_.snapshot_count; ++i) {
      INSTAR_TRY(device_.Read(at, head));
      const SnapshotEntry entry = SnapshotEntry::DecodeFrom(head);
      at += entry.encoded_bytes();
      if (entry.l1_table_offset % header_.cluster_bytes() != 0 ||
          entry.l1_entries > kMaxL1Bytes / kTableEntryBytes) {
        continue;
      }
      INSTAR_TRY(FindInDisk(entry.l1_table_offset, entry.l1_entries));
    }
    Note(header_.snapshots_offset, at - header_.snapshots_offset, Use::kOther);
    return {};
  }

  Status FindInBitmaps(const BitmapsExtension& extension) {
    Note(extension.directory_offset, extension.directory_bytes, Use::kOther);
    BitmapDirectoryWalk walk(device_, extension);
    while (true) {
      INSTAR_ASSIGN_OR_RETURN(const auto item, walk.Next());
      if (!item) return {};
      INSTAR_ASSIGN_OR_RETURN(const bool sound, IsSoundBitmap(device_, header_, *item));
      if (!sound) continue;
      const BitmapEntry& entry = item->entry;
      Note(entry.table_offset, entry.table_entries * kTableEntryBytes, Use::kOther);
      INSTAR_ASSIGN_OR_RETURN(const auto table,
                              ReadL1Table(device_, entry.table_offset, entry.table_entries));
      for (const std::uint64_t place : table) {
        if (HostOffset(place) != 0) Note(HostOffset(place), header_.cluster_bytes(), Use::kOther);
      }
    }
  }

  Status FindInRefcounts() {
    Note(header_.refcount_table_offset,
         std::uint64_t{header_.refcount_table_clusters} << header_.cluster_bits, Use::kOther);
    RefcountReader refcounts(device_, header_, 0);
    for (std::uint64_t i = 0; i < refcounts.table_entries(); ++i) {
      INSTAR_ASSIGN_OR_RETURN(const std::uint64_t entry, refcounts.TableEntry(i));
      if (entry != 0 && entry % header_.cluster_bytes() == 0) {
        Note(entry, header_.cluster_bytes(), Use::kOther);
      }
    }
    return {};
  }

  const BlockDevice& device_;
  const Header& header_;
  SharedPlaces& places_;
  TableReuseLimit meter_;
};

}  // namespace

Result<SharedPlaces> FindUses(const BlockDevice& device, const Header& header,
                              const HeaderExtensions& extensions,
                              std::vector<std::uint64_t> clusters) {
  SharedPlaces places(std::move(clusters));
  if (!places.empty()) INSTAR_TRY(UseFinder(device, header, places).Find(extensions));
  return places;
}

}  // namespace instar::qcow2
