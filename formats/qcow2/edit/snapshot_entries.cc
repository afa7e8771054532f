#include "formats/qcow2/edit/snapshot_entries.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "formats/base/checked.h"

namespace instar::qcow2 {

Status SnapshotEntries::Load() {
  class Collector final : public SnapshotVisitor {
   public:
    explicit Collector(std::vector<SnapshotEntry>& entries) : entries_(entries) {}
    bool Visit(const SnapshotEntry& entry, std::string_view, std::string_view) override {
      entries_.push_back(entry);
      return true;
    }

   private:
    std::vector<SnapshotEntry>& entries_;
  };
  Collector collector(old_entries_);
  INSTAR_TRY(VisitSnapshots(change_.device(), change_.old_header(), collector));
  std::uint64_t bytes = 0;
  for (const SnapshotEntry& entry : old_entries_) bytes += entry.encoded_bytes();
  old_bytes_.resize(bytes);
  entries_ = old_entries_;
  return change_.device().Read(change_.old_header().snapshots_offset, old_bytes_);
}

Status SnapshotEntries::Finish() {
  if (entries_ == old_entries_) return {};
  std::uint64_t length = 0;
  for (const SnapshotEntry& entry : entries_) length += entry.encoded_bytes();
  if (length > kMaxSnapshotTableBytes) {
    return OverLimit("the snapshot table would exceed the limit of {0} bytes",
                     kMaxSnapshotTableBytes);
  }
  std::vector<std::byte> bytes(length);
  auto out = std::span(bytes);
  auto in = std::span<const std::byte>(old_bytes_);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const SnapshotEntry& entry = entries_[i];
    const std::size_t old_head = SnapshotEntry::kFixedBytes + old_entries_[i].extra_bytes;
    const std::size_t head = SnapshotEntry::kFixedBytes + entry.extra_bytes;
    std::ranges::copy(in.first(std::min(old_head, head)), out.begin());
    entry.EncodeTo(out);
    const auto texts = in.subspan(old_head, std::size_t{entry.id_bytes} + entry.name_bytes);
    std::ranges::copy(texts, out.subspan(head).begin());
    in = in.subspan(old_entries_[i].encoded_bytes());
    out = out.subspan(entry.encoded_bytes());
  }
  const Header& old = change_.old_header();
  const std::uint64_t first = old.snapshots_offset >> old.cluster_bits;
  const auto clusters = [&](std::uint64_t count) {
    return DivideRoundUp(count, old.cluster_bytes());
  };
  INSTAR_TRY(change_.Drop({first, clusters(old_bytes_.size())}));
  Header& header = change_.header().header;
  INSTAR_ASSIGN_OR_RETURN(header.snapshots_offset, change_.Take(clusters(length)));
  return change_.Write(header.snapshots_offset, bytes);
}

}  // namespace instar::qcow2
