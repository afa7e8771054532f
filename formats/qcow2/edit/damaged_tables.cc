#include "formats/qcow2/edit/damaged_tables.h"

#include <algorithm>
#include <tuple>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/table_reuse_limit.h"
#include "formats/qcow2/edit/cluster_stream.h"
#include "formats/qcow2/edit/disk_tables.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kLeastCopies = 4096;  // clusters that are allowed for any file
constexpr std::uint64_t kMostCopies = 1 << 18;

L2Words LoadWords(std::span<const std::byte> table, std::size_t at, const Header& header) {
  return {LoadBe64(table, at), header.extended_l2() ? LoadBe64(table, at + kTableEntryBytes) : 0};
}

// Whether the entry describes a whole cluster of the image's file, at a place where one can be.
bool HoldsCluster(std::uint64_t entry, const Header& header) {
  return !header.has_data_file() && !IsCompressed(entry) && HostOffset(entry) != 0 &&
         HostOffset(entry) % header.cluster_bytes() == 0;
}

}  // namespace

DamagedTables::DamagedTables(ImageChange& change, const Damage& damage, const SharedPlaces& shared,
                             FindingSink& findings)
    : change_(change),
      damage_(damage),
      shared_(shared),
      findings_(findings),
      header_(change.old_header()),
      // What LUKS encrypts depends on where it stands.
      may_copy_(header_.crypt_method != kCryptLuks),
      copies_left_(std::clamp(change.device().size_bytes() >> header_.cluster_bits, kLeastCopies,
                              kMostCopies)) {}

Status DamagedTables::Rewrite() {
  INSTAR_ASSIGN_OR_RETURN(auto* const l1, change_.L1());
  INSTAR_TRY(RewriteDisk(*l1));
  if (header_.snapshot_count != 0) INSTAR_TRY(RewriteSnapshots());
  if (change_.extensions().bitmaps) INSTAR_TRY(RewriteBitmaps());
  return {};
}

bool DamagedTables::AnyInConflict(std::uint64_t offset, std::uint64_t bytes) const {
  if (shared_.empty() || bytes == 0) return false;
  const std::uint64_t last = (offset + bytes - 1) >> header_.cluster_bits;
  for (std::uint64_t cluster = offset >> header_.cluster_bits; cluster <= last; ++cluster) {
    if (shared_.InConflict(cluster)) return true;
  }
  return false;
}

// Whether an entry of `l1` has changed.
Result<bool> DamagedTables::RewriteDisk(std::span<std::uint64_t> l1) {
  bool changed = false;
  for (std::uint64_t& entry : l1) {
    changed = changed || RepairedL1Entry(entry) != entry;
    entry = RepairedL1Entry(entry);
  }
  TableReuseLimit meter(change_.device(), kCheckAllowance);
  std::vector<std::byte> bytes;
  const auto rewrite = [&](std::size_t index, std::span<const std::byte> table) -> Status {
    bytes.assign(table.begin(), table.end());
    INSTAR_ASSIGN_OR_RETURN(const bool rewritten, RewriteTable(index, bytes));
    const std::uint64_t old = L2TableOffset(l1[index]);
    if (!rewritten && !AnyInConflict(old, header_.cluster_bytes())) return {};
    INSTAR_ASSIGN_OR_RETURN(const std::uint64_t place, change_.Take(1));
    INSTAR_TRY(change_.Write(place, bytes));
    l1[index] = EncodeL1Entry(place, (l1[index] & kCopied) != 0);
    changed = true;
    return {};
  };
  INSTAR_TRY(VisitTables(change_.device(), header_, l1, meter, rewrite));
  return changed;
}

// Whether an entry of `table`, the one of entry `index` of an L1 table, has changed.
Result<bool> DamagedTables::RewriteTable(std::uint64_t index, std::span<std::byte> table) {
  bool changed = false;
  std::uint64_t key = index * header_.l2_entries();
  for (std::size_t at = 0; at < table.size(); at += header_.l2_entry_bytes(), ++key) {
    const L2Words old = LoadWords(table, at, header_);
    L2Words words = Repaired(old, header_);
    INSTAR_TRY(GiveCopy(key, words));
    if (words == old) continue;
    changed = true;
    StoreBe64(table, at, words.entry);
    if (header_.extended_l2()) StoreBe64(table, at + kTableEntryBytes, words.bitmap);
  }
  return changed;
}

Status DamagedTables::GiveCopy(std::uint64_t key, L2Words& words) {
  if (shared_.empty() || !HoldsCluster(words.entry, header_)) return {};
  const std::uint64_t cluster = HostOffset(words.entry) >> header_.cluster_bits;
  if (!shared_.DataMustLeave(cluster, key)) return {};
  if (!header_.extended_l2() && (words.entry & kReadsZero) != 0) {
    words.entry = kReadsZero;
    return {};
  }
  if (!may_copy_) return {};
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t place, CopyOf(key, cluster));
  if (place != 0) words.entry = (words.entry & ~kOffsetMask) | place;
  return {};
}

// 0 if there may be no more copies.
Result<std::uint64_t> DamagedTables::CopyOf(std::uint64_t key, std::uint64_t cluster) {
  const auto known =
      std::ranges::lower_bound(copies_, std::tuple(key, cluster), {},
                               [](const Copy& copy) { return std::tuple(copy.key, copy.cluster); });
  if (known != copies_.end() && known->key == key && known->cluster == cluster) {
    return known->place;
  }
  if (copies_left_ == 0) return std::uint64_t{0};
  --copies_left_;
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t place, change_.Take(1));
  cluster_.resize(header_.cluster_bytes());
  INSTAR_TRY(change_.device().Read(cluster << header_.cluster_bits, cluster_));
  INSTAR_TRY(change_.Write(place, cluster_));
  copies_.insert(known, {key, cluster, place});
  return place;
}

Result<DamagedTables::Snapshot> DamagedTables::ReadSnapshot(std::uint64_t at) {
  std::vector<std::byte> head(SnapshotEntry::kFixedBytes + SnapshotEntry::kExtraBytesIcount);
  INSTAR_TRY(change_.device().Read(at, head));
  Snapshot snapshot{.at = at, .old = SnapshotEntry::DecodeFrom(head)};
  SnapshotEntry& entry = snapshot.entry;
  entry = snapshot.old;
  snapshot.keep = entry.l1_table_offset != 0 || entry.l1_entries != 0 || entry.id_bytes != 0 ||
                  entry.name_bytes != 0;
  if (header_.version >= 3 && entry.extra_bytes < SnapshotEntry::kExtraBytesDiskSize) {
    entry.extra_bytes = SnapshotEntry::kExtraBytesDiskSize;
    entry.disk_size_bytes = header_.virtual_size_bytes;
    entry.icount.reset();
  }
  return snapshot;
}

Status DamagedTables::RewriteSnapshotDisk(SnapshotEntry& entry) {
  const std::uint64_t bytes = entry.l1_entries * kTableEntryBytes;
  if (bytes == 0 || bytes > kMaxL1Bytes || entry.l1_table_offset % header_.cluster_bytes() != 0 ||
      entry.l1_table_offset >= change_.device().size_bytes()) {
    return {};
  }
  INSTAR_ASSIGN_OR_RETURN(auto l1,
                          ReadL1Table(change_.device(), entry.l1_table_offset, entry.l1_entries));
  INSTAR_ASSIGN_OR_RETURN(const bool changed, RewriteDisk(l1));
  if (!changed && !AnyInConflict(entry.l1_table_offset, bytes)) return {};
  for (std::uint64_t& word : l1) {
    const std::uint64_t value = word;
    StoreBe64(std::as_writable_bytes(std::span(&word, 1)), 0, value);
  }
  INSTAR_ASSIGN_OR_RETURN(entry.l1_table_offset,
                          change_.Take(DivideRoundUp(bytes, header_.cluster_bytes())));
  return change_.Write(entry.l1_table_offset, std::as_bytes(std::span(l1)));
}

Status DamagedTables::RewriteSnapshots() {
  std::vector<std::uint64_t> l1_places;
  std::uint64_t at = header_.snapshots_offset;
  std::uint64_t new_bytes = 0;
  bool changed = false;
  for (std::uint32_t i = 0; i < header_.snapshot_count; ++i) {
    INSTAR_ASSIGN_OR_RETURN(Snapshot snapshot, ReadSnapshot(at));
    at += snapshot.old.encoded_bytes();
    if (snapshot.keep) {
      INSTAR_TRY(RewriteSnapshotDisk(snapshot.entry));
      new_bytes += snapshot.entry.encoded_bytes();
    }
    l1_places.push_back(snapshot.entry.l1_table_offset);
    changed = changed || !snapshot.keep || snapshot.entry != snapshot.old;
  }
  changed = changed || AnyInConflict(header_.snapshots_offset, at - header_.snapshots_offset);
  return changed ? WriteSnapshotTable(l1_places, new_bytes) : Status();
}

Status DamagedTables::WriteSnapshotTable(std::span<const std::uint64_t> l1_places,
                                         std::uint64_t new_bytes) {
  Header& header = change_.header().header;
  header.snapshot_count = 0;
  header.snapshots_offset = 0;
  if (new_bytes == 0) return {};
  if (new_bytes > kMaxSnapshotTableBytes) {
    return OverLimit("the snapshot table would exceed the limit of {0} bytes",
                     kMaxSnapshotTableBytes);
  }
  INSTAR_ASSIGN_OR_RETURN(header.snapshots_offset,
                          change_.Take(DivideRoundUp(new_bytes, header_.cluster_bytes())));
  ClusterStream out(change_, header.snapshots_offset);
  std::uint64_t at = header_.snapshots_offset;
  for (const std::uint64_t l1_place : l1_places) {
    INSTAR_ASSIGN_OR_RETURN(Snapshot snapshot, ReadSnapshot(at));
    at += snapshot.old.encoded_bytes();
    if (!snapshot.keep) continue;
    snapshot.entry.l1_table_offset = l1_place;
    INSTAR_TRY(WriteSnapshot(snapshot, out));
    ++header.snapshot_count;
  }
  return out.Finish();
}

Status DamagedTables::WriteSnapshot(const Snapshot& snapshot, ClusterStream& out) {
  std::vector<std::byte> old(snapshot.old.encoded_bytes());
  INSTAR_TRY(change_.device().Read(snapshot.at, old));
  std::vector<std::byte> bytes(snapshot.entry.encoded_bytes());
  const std::size_t old_head = SnapshotEntry::kFixedBytes + snapshot.old.extra_bytes;
  const std::size_t head = SnapshotEntry::kFixedBytes + snapshot.entry.extra_bytes;
  std::ranges::copy(std::span(old).first(std::min(old_head, head)), bytes.begin());
  snapshot.entry.EncodeTo(bytes);
  const auto texts = std::span(old).subspan(
      old_head, std::size_t{snapshot.old.id_bytes} + snapshot.old.name_bytes);
  std::ranges::copy(texts, bytes.begin() + static_cast<std::ptrdiff_t>(head));
  return out.Append(bytes);
}

Result<bool> DamagedTables::BitmapInConflict(const BitmapEntry& entry) const {
  if (shared_.empty()) return false;
  const std::uint64_t bytes = entry.table_entries * kTableEntryBytes;
  if (AnyInConflict(entry.table_offset, bytes)) return true;
  INSTAR_ASSIGN_OR_RETURN(const auto table,
                          ReadL1Table(change_.device(), entry.table_offset, entry.table_entries));
  return std::ranges::any_of(table, [&](std::uint64_t place) {
    return HostOffset(place) != 0 && AnyInConflict(HostOffset(place), 1);
  });
}

Result<bool> DamagedTables::KeepsBitmap(const BitmapDirectoryWalk::Item& item) const {
  INSTAR_ASSIGN_OR_RETURN(const bool sound, IsSoundBitmap(change_.device(), header_, item));
  if (!sound) return false;
  INSTAR_ASSIGN_OR_RETURN(const bool in_conflict, BitmapInConflict(item.entry));
  return !in_conflict;
}

Status DamagedTables::RewriteBitmaps() {
  const BitmapsExtension& old = *change_.extensions().bitmaps;
  if (!damage_.bitmaps && shared_.empty()) return {};
  std::vector<std::uint8_t> keep;
  BitmapsExtension extension;
  BitmapDirectoryWalk walk(change_.device(), old);
  while (true) {
    INSTAR_ASSIGN_OR_RETURN(const auto item, walk.Next());
    if (!item) break;
    INSTAR_ASSIGN_OR_RETURN(const bool sound, IsSoundBitmap(change_.device(), header_, *item));
    INSTAR_ASSIGN_OR_RETURN(const bool kept, KeepsBitmap(*item));
    keep.push_back(kept ? 1 : 0);
    if (kept) {
      ++extension.bitmap_count;
      extension.directory_bytes += item->entry.encoded_bytes();
    } else if (sound) {  // else it was told before
      INSTAR_ASSIGN_OR_RETURN(const std::vector<char> name, walk.Name(*item));
      findings_.Add({.kind = FindingKind::kWarning,
                     .message = "bitmap {0} shares storage with something else, and is dropped",
                     .numbers = {item->index},
                     .fix = {.kind = FixKind::kBitmap, .where = item->index},
                     .name = {name.data(), name.size()}});
    }
  }
  const bool all = walk.complete() && extension.bitmap_count == old.bitmap_count;
  if (all && !AnyInConflict(old.directory_offset, old.directory_bytes)) return {};
  return WriteDirectory(keep, extension);
}

Status DamagedTables::WriteDirectory(std::span<const std::uint8_t> keep,
                                     const BitmapsExtension& extension) {
  Header& header = change_.header().header;
  header.autoclear_features &= ~kAutoclearBitmaps;
  change_.header().bitmaps.reset();
  if (extension.bitmap_count == 0) return {};
  BitmapsExtension written = extension;
  INSTAR_ASSIGN_OR_RETURN(
      written.directory_offset,
      change_.Take(DivideRoundUp(extension.directory_bytes, header_.cluster_bytes())));
  ClusterStream out(change_, written.directory_offset);
  const BitmapsExtension& old = *change_.extensions().bitmaps;
  BitmapDirectoryWalk walk(change_.device(), old);
  std::vector<std::byte> bytes;
  for (const std::uint8_t kept : keep) {
    INSTAR_ASSIGN_OR_RETURN(const auto item, walk.Next());
    if (!item || kept == 0) continue;
    bytes.resize(item->entry.encoded_bytes());
    INSTAR_TRY(change_.device().Read(old.directory_offset + item->at, bytes));
    INSTAR_TRY(out.Append(bytes));
  }
  INSTAR_TRY(out.Finish());
  change_.header().bitmaps = written;
  header.autoclear_features |= kAutoclearBitmaps;
  return {};
}

}  // namespace instar::qcow2
