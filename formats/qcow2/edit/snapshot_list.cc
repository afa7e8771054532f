#include "formats/qcow2/edit/snapshot_list.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/edit/cluster_stream.h"

namespace instar::qcow2 {
namespace {

constexpr std::size_t kMostTextBytes = 65535;
constexpr std::size_t kMostEntryBytes =
    SnapshotEntry::kFixedBytes + kMaxSnapshotExtraBytes + 2 * kMostTextBytes + 8;

template <typename Function>
class CallingVisitor final : public SnapshotVisitor {
 public:
  explicit CallingVisitor(const Function& function) : function_(function) {}
  bool Visit(const SnapshotEntry& entry, std::string_view id, std::string_view name) override {
    return function_(entry, id, name);
  }

 private:
  const Function& function_;
};

// Calls function(entry, id, name), which returns whether to go on.
template <typename Function>
Status VisitEach(const ImageChange& change, const Function& function) {
  CallingVisitor visitor(function);
  return VisitSnapshots(change.device(), change.old_header(), visitor);
}

std::string_view UpToNul(std::string_view text) { return text.substr(0, text.find('\0')); }

}  // namespace

std::uint64_t SnapshotNumber(std::string_view id) {
  constexpr std::string_view kBlanks = " \t\n\v\f\r";
  id.remove_prefix(std::min(id.find_first_not_of(kBlanks), id.size()));
  const bool negative = id.starts_with('-');
  if (negative || id.starts_with('+')) id.remove_prefix(1);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (error == std::errc::result_out_of_range) return std::numeric_limits<std::uint64_t>::max();
  return negative ? -number : number;
}

std::uint64_t SnapshotList::Clusters(std::uint64_t bytes) const {
  return DivideRoundUp(bytes, change_.old_header().cluster_bytes());
}

Result<std::uint64_t> SnapshotList::TableBytes() const {
  std::uint64_t bytes = 0;
  INSTAR_TRY(VisitEach(change_, [&](const SnapshotEntry& entry, auto, auto) {
    bytes += entry.encoded_bytes();
    return true;
  }));
  return bytes;
}

Result<std::optional<SnapshotList::Item>> SnapshotList::Find(Match match,
                                                             std::string_view text) const {
  std::optional<Item> found;
  std::uint32_t index = 0;
  INSTAR_TRY(VisitEach(change_,
                       [&](const SnapshotEntry& entry, std::string_view id, std::string_view name) {
                         if (UpToNul(match == Match::kId ? id : name) == text)
                           found = Item{index, entry};
                         ++index;
                         return !found;
                       }));
  return found;
}

Status SnapshotList::CheckMayAppend(std::string_view name) const {
  if (change_.old_header().snapshot_count >= kMaxSnapshots) {
    return OverLimit("the image has {0} snapshots, as many as there can be", kMaxSnapshots);
  }
  if (name.size() > kMostTextBytes) {
    return InvalidArgument("the name of a snapshot has at most {0} bytes, not {1}", kMostTextBytes,
                           name.size());
  }
  return {};
}

Result<std::vector<char>> SnapshotList::NewId() const {
  std::uint64_t greatest = 0;
  INSTAR_TRY(VisitEach(change_, [&](const SnapshotEntry&, std::string_view id, auto) {
    greatest = std::max(greatest, SnapshotNumber(UpToNul(id)));
    return true;
  }));
  std::vector<char> id(20);
  const auto written = std::to_chars(id.data(), id.data() + id.size(), greatest + 1);
  id.resize(static_cast<std::size_t>(written.ptr - id.data()));
  INSTAR_ASSIGN_OR_RETURN(const auto same, Find(Match::kId, {id.data(), id.size()}));
  if (same) return OverLimit("there is no number left for the ID of the snapshot");
  return id;
}

template <typename Edit>
Status SnapshotList::Rewrite(std::uint64_t old_bytes, std::uint64_t new_bytes, const Edit& edit,
                             std::span<const std::byte> appended) {
  const Header& old = change_.old_header();
  Header& header = change_.header().header;
  if (old_bytes != 0) {
    INSTAR_TRY(change_.Drop({old.snapshots_offset >> old.cluster_bits, Clusters(old_bytes)}));
  }
  header.snapshot_count = 0;
  header.snapshots_offset = 0;
  if (new_bytes == 0) return {};
  INSTAR_ASSIGN_OR_RETURN(header.snapshots_offset, change_.Take(Clusters(new_bytes)));
  ClusterStream table(change_, header.snapshots_offset);
  ReadWindow window(change_.device(), kMostEntryBytes);
  std::vector<std::byte> bytes;
  std::uint64_t at = old.snapshots_offset;
  for (std::uint32_t i = 0; i < old.snapshot_count; ++i) {
    const std::size_t piece = ReadWindow::PieceOf(old.snapshots_offset + old_bytes - at);
    INSTAR_ASSIGN_OR_RETURN(auto view, window.View(at, SnapshotEntry::kFixedBytes, piece));
    SnapshotEntry entry = SnapshotEntry::DecodeFrom(view);
    INSTAR_ASSIGN_OR_RETURN(view, window.View(at, entry.encoded_bytes(), piece));
    at += view.size();
    bytes.assign(view.begin(), view.end());
    INSTAR_ASSIGN_OR_RETURN(const bool keep, edit(i, entry));
    if (!keep) continue;
    StoreBe64(bytes, kSnapshotFields.OffsetOf<&SnapshotEntry::l1_table_offset>(),
              entry.l1_table_offset);
    INSTAR_TRY(table.Append(bytes));
    ++header.snapshot_count;
  }
  if (!appended.empty()) ++header.snapshot_count;
  INSTAR_TRY(table.Append(appended));
  return table.Finish();
}

Status SnapshotList::Append(SnapshotEntry entry, std::string_view id, std::string_view name) {
  entry.id_bytes = static_cast<std::uint16_t>(id.size());
  entry.name_bytes = static_cast<std::uint16_t>(name.size());
  entry.extra_bytes = SnapshotEntry::kExtraBytesIcount;
  std::vector<std::byte> bytes(entry.encoded_bytes());
  entry.EncodeTo(bytes);
  const std::span<std::byte> texts =
      std::span(bytes).subspan(SnapshotEntry::kFixedBytes + entry.extra_bytes);
  std::ranges::copy(std::as_bytes(std::span(id)), texts.begin());
  std::ranges::copy(std::as_bytes(std::span(name)), texts.subspan(id.size()).begin());
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t old_bytes, TableBytes());
  if (old_bytes + bytes.size() > kMaxSnapshotTableBytes) {
    return OverLimit("the snapshot table would exceed the limit of {0} bytes",
                     kMaxSnapshotTableBytes);
  }
  const auto keep_all = [](std::uint32_t, SnapshotEntry&) { return Result<bool>(true); };
  return Rewrite(old_bytes, old_bytes + bytes.size(), keep_all, bytes);
}

Status SnapshotList::Remove(const Item& item) {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t old_bytes, TableBytes());
  const auto keep_others = [&](std::uint32_t index, SnapshotEntry&) {
    return Result<bool>(index != item.index);
  };
  return Rewrite(old_bytes, old_bytes - item.entry.encoded_bytes(), keep_others, {});
}

Result<std::uint64_t> SnapshotList::MoveL1(const SnapshotEntry& entry) {
  const Header& header = change_.old_header();
  std::vector<std::byte> bytes(entry.l1_entries * kTableEntryBytes);
  INSTAR_TRY(change_.device().Read(entry.l1_table_offset, bytes));
  INSTAR_TRY(change_.Drop({entry.l1_table_offset >> header.cluster_bits, Clusters(bytes.size())}));
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t place, change_.Take(Clusters(bytes.size())));
  INSTAR_TRY(change_.Write(place, bytes));
  return place;
}

Status SnapshotList::MoveFrom(std::uint64_t offset) {
  bool any = change_.old_header().snapshots_offset >= offset;
  std::uint64_t bytes = 0;
  INSTAR_TRY(VisitEach(change_, [&](const SnapshotEntry& entry, auto, auto) {
    any = any || (entry.l1_entries != 0 && entry.l1_table_offset >= offset);
    bytes += entry.encoded_bytes();
    return true;
  }));
  if (!any || bytes == 0) return {};
  return Rewrite(bytes, bytes,
                 [&](std::uint32_t, SnapshotEntry& entry) -> Result<bool> {
                   if (entry.l1_entries != 0 && entry.l1_table_offset >= offset) {
                     INSTAR_ASSIGN_OR_RETURN(entry.l1_table_offset, MoveL1(entry));
                   }
                   return true;
                 },
                 {});
}

}  // namespace instar::qcow2
