#include "formats/qcow2/edit/bitmaps.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/edit/bitmap_merge.h"
#include "formats/qcow2/edit/bitmap_plan.h"
#include "formats/qcow2/edit/bitmap_tables.h"
#include "formats/qcow2/edit/cluster_stream.h"
#include "formats/qcow2/edit/image_change.h"
#include "formats/qcow2/read/bitmap_data.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

// What the image of the bitmaps to merge says, where that is another one.
struct OtherImage {
  Header header;
  std::optional<BitmapsExtension> extension;
};

Result<OtherImage> OpenOther(const BlockDevice& device) {
  ReadWindow file(device, 4096);
  INSTAR_ASSIGN_OR_RETURN(const auto bytes, file.View(0, Header::kFullBytes));
  OtherImage other;
  INSTAR_ASSIGN_OR_RETURN(other.header, Header::DecodeFrom(bytes));
  INSTAR_TRY(other.header.Validate());
  INSTAR_ASSIGN_OR_RETURN(const HeaderExtensions extensions,
                          HeaderExtensions::ReadFrom(file, other.header));
  other.extension = extensions.bitmaps;
  return other;
}

class BitmapsChange {
 public:
  BitmapsChange(ImageChange& change, const BitmapOptions& options)
      : change_(change),
        options_(options),
        header_(change.old_header()),
        tables_(change),
        cluster_bytes_(header_.cluster_bytes()) {}

  Status Run() {
    INSTAR_TRY(Judge());
    if (plan_.removes_all) {
      INSTAR_TRY(DropAll());
    } else if (stored() != nullptr && (!plan_.exists || plan_.is_new)) {
      INSTAR_TRY(Drop(stored()->entry));
    }
    if (plan_.exists) INSTAR_TRY(MakeBitmap());
    INSTAR_TRY(WriteDirectory());
    return change_.Commit();
  }

 private:
  // The stored bitmap of the name; null if there is none.
  [[nodiscard]] const FoundBitmap* stored() const { return image_.at(0); }
  [[nodiscard]] const BitmapIndex& source() const { return source_ ? *source_ : image_; }

  Status Judge();
  Result<BitmapSource> OpenSource(std::size_t action) const;
  // Counts one reference less to what a bitmap has.
  template <typename Visit>
  Status VisitClusters(const BitmapEntry& entry, const Visit& visit) const;
  Status Drop(const BitmapEntry& entry);
  Status DropAll();
  // Makes `entry_` and what it leads to.
  Status MakeBitmap();
  Status MakeTable(std::vector<std::uint64_t>& table);
  Status MakeCluster(std::uint64_t index, std::uint64_t& entry);
  Status StoreBits(std::uint64_t& entry);
  Status WriteDirectory();
  Status CopyDirectory(ClusterStream& out, std::uint64_t begin, std::uint64_t end) const;
  [[nodiscard]] std::vector<std::byte> EncodedEntry() const;

  ImageChange& change_;
  const BitmapOptions& options_;
  const Header& header_;
  BitmapTables tables_;
  const std::uint64_t cluster_bytes_;
  BitmapIndex image_;
  std::optional<BitmapIndex> source_;
  BitmapPlan plan_;
  BitmapEntry entry_;                    // of the bitmap as it is to be
  std::uint64_t bits_ = 0;               // that it has
  std::vector<BitmapSource> sources_;    // to merge into it
  std::vector<std::byte> cluster_;       // of its bits
  std::vector<ClusterRun> replaced_;     // clusters of bits that are no longer used
  std::optional<ClusterStream> stream_;  // of clusters of bits
};

Status BitmapsChange::Judge() {
  std::vector<std::string_view> names = {options_.name};
  for (const BitmapAction& action : options_.actions) names.push_back(action.source);
  if (options_.source == nullptr) {
    INSTAR_ASSIGN_OR_RETURN(
        image_, BitmapIndex::Find(change_.device(), header_, change_.extensions().bitmaps, names));
  } else {
    const auto sources = std::span(names).subspan(1);
    OtherImage other;
    if (options_.source_format == FormatId::kQcow2) {
      INSTAR_ASSIGN_OR_RETURN(other, OpenOther(*options_.source));
    }
    INSTAR_ASSIGN_OR_RETURN(
        source_, BitmapIndex::Find(*options_.source, other.header, other.extension, sources));
    INSTAR_ASSIGN_OR_RETURN(
        image_, BitmapIndex::Find(change_.device(), header_, change_.extensions().bitmaps,
                                  std::span(names).first(1)));
  }
  plan_ = PlanBitmap(options_, image_, source_ ? &*source_ : nullptr);
  for (const std::size_t action : plan_.merges) {
    INSTAR_ASSIGN_OR_RETURN(BitmapSource from, OpenSource(action));
    sources_.push_back(std::move(from));
  }
  if (options_.listener != nullptr) INSTAR_TRY(options_.listener->Judged(plan_.verdict));
  if (plan_.verdict.fault == BitmapFault::kNone) return {};
  return MakeError(ErrorCode::kInvalidArgument, "action {0} on the bitmap cannot be done",
                   plan_.verdict.action);
}

Result<BitmapSource> BitmapsChange::OpenSource(std::size_t action) const {
  const FoundBitmap& found = *(source_ ? source_->at(action) : image_.at(1 + action));
  const BlockDevice& device = source_ ? *options_.source : change_.device();
  INSTAR_ASSIGN_OR_RETURN(BitmapData data,
                          BitmapData::Open(device, source().header(), found.entry));
  return BitmapSource{.data = std::move(data), .granularity_bits = found.entry.granularity_bits};
}

template <typename Visit>
Status BitmapsChange::VisitClusters(const BitmapEntry& entry, const Visit& visit) const {
  constexpr std::uint64_t kEntries = kPieceBytes / kTableEntryBytes;
  // No disk needs more, and a table may be a hole of any length.
  if (entry.table_entries > kMaxBitmapDataBytes / cluster_bytes_) {
    return Corrupt("the table of a bitmap has {0} entries, more than {1}", entry.table_entries,
                   kMaxBitmapDataBytes / cluster_bytes_);
  }
  for (std::uint64_t first = 0; first < entry.table_entries; first += kEntries) {
    BitmapEntry part = entry;
    part.table_offset += first * kTableEntryBytes;
    part.table_entries =
        static_cast<std::uint32_t>(std::min(kEntries, entry.table_entries - first));
    INSTAR_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> table, tables_.Read(part));
    for (const std::uint64_t place : table) {
      if (HostOffset(place) != 0) INSTAR_TRY(visit(tables_.Clusters(HostOffset(place), 1)));
    }
  }
  return visit(tables_.TableClusters(entry));
}

Status BitmapsChange::Drop(const BitmapEntry& entry) {
  return change_.DropMany([&](const auto& visit) { return VisitClusters(entry, visit); });
}

Status BitmapsChange::DropAll() {
  const BitmapsExtension& extension = image_.extension();
  if (extension.bitmap_count == 0) return {};
  return change_.DropMany([&](const auto& visit) -> Status {
    class Dropper final : public BitmapVisitor {
     public:
      Dropper(const BitmapsChange& bitmaps, const decltype(visit)& drop)
          : bitmaps_(bitmaps), drop_(drop) {}
      void Visit(const BitmapEntry& entry, std::string_view) override {
        if (status_) status_ = bitmaps_.VisitClusters(entry, drop_);
      }
      [[nodiscard]] const Status& status() const { return status_; }

     private:
      const BitmapsChange& bitmaps_;
      const decltype(visit)& drop_;
      Status status_;
    };
    Dropper dropper(*this, visit);
    INSTAR_TRY(VisitBitmaps(change_.device(), extension, dropper));
    return dropper.status();
  });
}

Status BitmapsChange::MakeBitmap() {
  if (!plan_.is_new) entry_ = stored()->entry;
  entry_.flags = plan_.flags;
  entry_.granularity_bits = plan_.granularity_bits;
  entry_.name_bytes = static_cast<std::uint16_t>(options_.name.size());
  if (plan_.keeps_bits && plan_.merges.empty()) return {};
  bits_ = BitmapBits(image_.disk_bytes(), entry_.granularity_bits);
  const std::uint64_t entries = DivideRoundUp(bits_, cluster_bytes_ * 8);
  std::vector<std::uint64_t> table(entries);
  std::vector<std::uint64_t> before;
  if (!plan_.is_new) {
    // Also checks that the table fits the disk.
    INSTAR_TRY(BitmapData::Open(change_.device(), header_, entry_));
    INSTAR_ASSIGN_OR_RETURN(before, tables_.Read(entry_));
    if (plan_.keeps_bits) table = before;
  }
  INSTAR_TRY(MakeTable(table));
  if (table == before) return {};
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (HostOffset(before[i]) == 0 || before[i] == table[i]) continue;
    const ClusterRun run = tables_.Clusters(HostOffset(before[i]), 1);
    if (!replaced_.empty() && replaced_.back().end() == run.first) {
      ++replaced_.back().count;
    } else {
      replaced_.push_back(run);
    }
  }
  if (!plan_.is_new) replaced_.push_back(tables_.TableClusters(entry_));
  INSTAR_TRY(tables_.Write(entry_, table));
  return change_.DropMany([&](const auto& visit) -> Status {
    for (const ClusterRun& run : replaced_) INSTAR_TRY(visit(run));
    return {};
  });
}

Status BitmapsChange::MakeTable(std::vector<std::uint64_t>& table) {
  if (sources_.empty()) return {};
  for (std::uint64_t i = 0; i < table.size(); ++i) {
    if (!IsBitmapTableEntry(table[i], cluster_bytes_)) {
      return Corrupt("entry {0} of a bitmap table is {1x}", i, table[i]);
    }
    if (table[i] != kBitmapAllOnes) INSTAR_TRY(MakeCluster(i, table[i]));
  }
  return stream_ ? stream_->Finish() : Status();
}

Status BitmapsChange::MakeCluster(std::uint64_t index, std::uint64_t& entry) {
  const std::uint64_t per_cluster = cluster_bytes_ * 8;
  const std::uint64_t first = index * per_cluster;
  cluster_.assign(cluster_bytes_, std::byte{0});
  BitmapPart part(first, std::min(per_cluster, bits_ - first), entry_.granularity_bits, cluster_);
  for (BitmapSource& source : sources_) INSTAR_TRY(part.Join(source));
  if (!part.touched()) return {};
  std::vector<std::byte> before;
  if (HostOffset(entry) != 0) {
    before.resize(cluster_bytes_);
    INSTAR_TRY(change_.device().Read(HostOffset(entry), before));
    std::ranges::transform(before, cluster_, cluster_.begin(),
                           [](auto a, auto b) { return a | b; });
    if (cluster_ == before) return {};
  }
  part.Trim();
  if (part.AllAre(false)) {
    entry = 0;
  } else if (part.AllAre(true)) {
    entry = kBitmapAllOnes;
  } else {
    INSTAR_TRY(StoreBits(entry));
  }
  return {};
}

Status BitmapsChange::StoreBits(std::uint64_t& entry) {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t place, change_.Take(1));
  if (!stream_ || stream_->end() != place) {
    if (stream_) INSTAR_TRY(stream_->Finish());
    stream_.emplace(change_, place);
  }
  entry = place;
  return stream_->Append(cluster_);
}

std::vector<std::byte> BitmapsChange::EncodedEntry() const {
  std::vector<std::byte> bytes(entry_.encoded_bytes());
  kBitmapFields.Encode(entry_, bytes);
  std::ranges::copy(std::as_bytes(std::span(options_.name)),
                    bytes.begin() + BitmapEntry::kFixedBytes);
  return bytes;
}

Status BitmapsChange::CopyDirectory(ClusterStream& out, std::uint64_t begin,
                                    std::uint64_t end) const {
  std::vector<std::byte> piece;
  for (std::uint64_t at = begin; at < end; at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(end - at, kPieceBytes));
    INSTAR_TRY(change_.device().Read(image_.extension().directory_offset + at, piece));
    INSTAR_TRY(out.Append(piece));
  }
  return {};
}

Status BitmapsChange::WriteDirectory() {
  const BitmapsExtension& old = image_.extension();
  const bool changes = plan_.is_new || (plan_.exists ? entry_ != stored()->entry
                                                     : plan_.removes_all || stored() != nullptr);
  if (!changes) return {};
  // What is kept of the old directory: up to `cut`, and from `resume` on.
  std::uint64_t cut = old.directory_bytes;
  std::uint64_t resume = cut;
  std::uint32_t count = old.bitmap_count;
  if (plan_.removes_all) {
    cut = resume = old.directory_bytes;
    count = 0;
  } else if (stored() != nullptr) {
    cut = stored()->at;
    resume = cut + stored()->entry.encoded_bytes();
    --count;
  }
  if (old.bitmap_count != 0) {
    INSTAR_TRY(change_.Drop(tables_.Clusters(old.directory_offset, old.directory_bytes)));
  }
  if (plan_.exists) ++count;
  Header& header = change_.header().header;
  header.autoclear_features &= ~kAutoclearBitmaps;
  change_.header().bitmaps.reset();
  if (count == 0) return {};

  const std::uint64_t kept = plan_.removes_all ? 0 : cut + (old.directory_bytes - resume);
  const std::vector<std::byte> entry = plan_.exists ? EncodedEntry() : std::vector<std::byte>();
  BitmapsExtension extension{.bitmap_count = count, .directory_bytes = kept + entry.size()};
  INSTAR_ASSIGN_OR_RETURN(extension.directory_offset,
                          change_.Take(tables_.Clusters(0, extension.directory_bytes).count));
  ClusterStream out(change_, extension.directory_offset);
  if (!plan_.removes_all) INSTAR_TRY(CopyDirectory(out, 0, cut));
  if (!plan_.is_new) INSTAR_TRY(out.Append(entry));
  if (!plan_.removes_all) INSTAR_TRY(CopyDirectory(out, resume, old.directory_bytes));
  if (plan_.is_new) INSTAR_TRY(out.Append(entry));
  INSTAR_TRY(out.Finish());
  change_.header().bitmaps = extension;
  header.autoclear_features |= kAutoclearBitmaps;
  return {};
}

}  // namespace

Status ChangeBitmaps(const BitmapOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(const auto change, ImageChange::Open(*options.device, options.workers));
  Status changed = BitmapsChange(*change, options).Run();
  if (!changed) change->Undo();
  return changed;
}

}  // namespace instar::qcow2
