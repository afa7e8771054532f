#include "formats/qcow2/edit/overwriter.h"

#include <algorithm>
#include <utility>

#include "formats/base/checked.h"
#include "formats/qcow2/edit/bitmap_change.h"
#include "formats/qcow2/edit/move_down.h"
#include "formats/qcow2/structures/refcount_entry.h"

namespace instar::qcow2 {
namespace {

constexpr std::size_t kOnesWords = 4096;  // of 64 clusters

// Whether the image may be written to as it is, so far as its header tells.
Status CheckWritable(const Header& header, const CreateOptions& options) {
  if ((header.incompatible_features & kIncompatCorrupt) != 0) {
    return Corrupt("the image is marked corrupt and cannot be written to before it is repaired");
  }
  if (header.crypt_method != kCryptNone) {
    return Unsupported("encrypted qcow2 images cannot be written");
  }
  if (header.has_data_file() != (options.data_file != nullptr)) {
    return Unsupported("the external data file of the image is not open for writing");
  }
  if (header.has_data_file() && options.compress) {
    return InvalidArgument("an external data file cannot hold compressed clusters");
  }
  if (header.has_data_file() && header.snapshot_count != 0) {
    return Unsupported(
        "the image has snapshots, which would show what is written to its data file");
  }
  const std::uint64_t disk_bytes = AlignDown(header.virtual_size_bytes, 512);
  if (options.virtual_size_bytes > disk_bytes) {
    return InvalidArgument(
        "the existing target has a disk of {0} bytes, fewer than the source's {1}", disk_bytes,
        options.virtual_size_bytes);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<ImageWriter>> Overwriter::Open(const CreateOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(const auto image, ImageChange::Open(*options.target, nullptr));
  const Header& header = image->old_header();
  INSTAR_TRY(CheckWritable(header, options));
  std::unique_ptr<Overwriter> writer(new Overwriter(header, options));
  for (unsigned worker = 0; options.compress && worker < options.workers; ++worker) {
    INSTAR_ASSIGN_OR_RETURN(auto compressor, header.compression_type == kCompressionZstd
                                                 ? MakeZstdCompressor(header.cluster_bits)
                                                 : MakeDeflateCompressor());
    writer->compressors_.push_back(std::move(compressor));
  }
  return writer;
}

Overwriter::Overwriter(const Header& header, const CreateOptions& options)
    : header_(header),
      options_(options),
      unit_bytes_(options.compress ? header.cluster_bytes() : header.subcluster_bytes()),
      size_bytes_(DivideRoundUp(options.virtual_size_bytes, 512) * 512),
      target_(*options.target),
      data_(options.data_file != nullptr ? *options.data_file : *options.target) {}

Overwriter::~Overwriter() {
  if (change_ != nullptr) change_->Undo();
}

// A raw data file shows what is written to it at once, so the image has to show it, too: all that
// will be written gets its place, where the file already holds what the disk reads.
Status Overwriter::ShowRawDataFile(ImageChange& change) const {
  MappingChange mapping(change);
  const std::uint64_t clusters = DivideRoundUp(size_bytes_, header_.cluster_bytes());
  for (std::uint64_t cluster = 0; cluster < clusters; ++cluster) {
    INSTAR_TRY(mapping.Set(cluster,
                           DataEntry(cluster << header_.cluster_bits, {.allocated = AllParts()})));
  }
  return mapping.Finish();
}

// Data that no bitmap knows of would be missing in the next incremental backup.
Status Overwriter::Prepare() {
  INSTAR_ASSIGN_OR_RETURN(const auto change, ImageChange::Open(target_, options_.table_workers));
  Status prepared = MarkWritten(*change, size_bytes_);
  if (prepared && header_.data_file_is_raw()) prepared = ShowRawDataFile(*change);
  if (prepared) prepared = change->Commit();
  if (!prepared) change->Undo();
  return prepared;
}

Status Overwriter::Begin() {
  INSTAR_TRY(Prepare());
  INSTAR_ASSIGN_OR_RETURN(change_, ImageChange::Open(target_, options_.table_workers));
  INSTAR_TRY(change_->ApplyCounts());  // looks the image over
  mapping_.emplace(*change_);
  return {};
}

Status Overwriter::CheckPlace(std::uint64_t offset, std::uint64_t length) const {
  if (!mapping_) return InvalidArgument("nothing can be placed before the writer has begun");
  INSTAR_TRY(CheckOnDisk(offset, length, size_bytes_));
  const bool ends_well = (offset + length) % unit_bytes_ == 0 || offset + length == size_bytes_;
  if (offset % unit_bytes_ != 0 || !ends_well) {
    return InvalidArgument("{1} bytes at {0} are not whole units of {2} bytes", offset, length,
                           unit_bytes_);
  }
  if (offset < placed_bytes_) {
    return InvalidArgument("offset {0} lies before data already placed (up to {1})", offset,
                           placed_bytes_);
  }
  return {};
}

std::uint32_t Overwriter::Parts(std::uint64_t from, std::uint64_t to, bool whole) const {
  const std::uint64_t bytes = header_.subcluster_bytes();
  const std::uint64_t first = whole ? DivideRoundUp(from, bytes) : from / bytes;
  const std::uint64_t end = whole ? to / bytes : DivideRoundUp(to, bytes);
  return end <= first ? 0 : static_cast<std::uint32_t>((std::uint64_t{1} << end) - (1ULL << first));
}

std::uint32_t Overwriter::StoredParts(const ClusterEntry& entry) const {
  if (IsCompressed(entry.entry)) return AllParts();
  if (header_.extended_l2()) return entry.bitmap.allocated;
  // In a data file the first cluster stands at 0.
  const bool has_place =
      HostOffset(entry.entry) != 0 || (header_.has_data_file() && (entry.entry & kCopied) != 0);
  return has_place && ZeroParts(entry) == 0 ? 1 : 0;
}

std::uint32_t Overwriter::ZeroParts(const ClusterEntry& entry) const {
  if (IsCompressed(entry.entry)) return 0;
  if (header_.extended_l2()) return entry.bitmap.reads_zero;
  return header_.version >= 3 && (entry.entry & kReadsZero) != 0 ? 1 : 0;
}

ClusterEntry Overwriter::DataEntry(std::uint64_t place, SubclusterBitmap bitmap) const {
  return {.entry = EncodeStandardEntry(place, true),
          .bitmap = header_.extended_l2() ? bitmap : SubclusterBitmap{}};
}

bool Overwriter::ReadsZero(const ClusterEntry& entry, std::uint32_t parts) const {
  const bool backed = header_.backing_file_bytes != 0;
  const std::uint32_t stored = StoredParts(entry);
  return (parts & (stored | (backed ? ~ZeroParts(entry) : 0))) == 0;
}

Result<bool> Overwriter::HasOneReference(std::uint64_t offset) {
  const std::uint64_t cluster = offset >> header_.cluster_bits;
  constexpr std::uint64_t kClusters = kOnesWords * 64;
  if (ones_.empty() || cluster < ones_first_ || cluster - ones_first_ >= kClusters) {
    INSTAR_TRY(change_->ApplyCounts());
    ones_first_ = AlignDown(cluster, kClusters);
    ones_.assign(kOnesWords, 0);
    INSTAR_TRY(change_->counts().FindOnes(ones_first_, ones_));
  }
  const std::uint64_t bit = cluster - ones_first_;
  return (ones_[bit / 64] >> bit % 64 & 1) != 0;
}

Result<std::optional<std::uint64_t>> Overwriter::OwnPlace(std::uint64_t cluster,
                                                          const ClusterEntry& entry) {
  if (header_.has_data_file()) return cluster << header_.cluster_bits;
  const std::uint64_t offset = HostOffset(entry.entry);
  if (IsCompressed(entry.entry) || offset == 0) return std::nullopt;
  bool own = (entry.entry & kCopied) != 0;
  if (change_->has_wrong_flags() && !change_->IsNew(offset)) {
    INSTAR_ASSIGN_OR_RETURN(own, HasOneReference(offset));
  }
  return own ? std::optional(offset) : std::nullopt;
}

Result<ClusterRun> Overwriter::NewPlaces(std::uint64_t count) {
  INSTAR_ASSIGN_OR_RETURN(const ClusterRun run, change_->TakeLowest(count));
  INSTAR_TRY(change_->ReadyToWrite(run));
  return run;
}

Result<Placement> Overwriter::PlaceClusters(std::uint64_t cluster, std::uint64_t clusters) {
  clusters = std::min(clusters, mapping_->ClustersLeft(cluster));
  // The next cluster's own place.
  const auto own_place = [&](std::uint64_t number) -> Result<std::optional<std::uint64_t>> {
    INSTAR_ASSIGN_OR_RETURN(const ClusterEntry entry, mapping_->Get(number));
    return OwnPlace(number, entry);
  };
  INSTAR_ASSIGN_OR_RETURN(const auto own, own_place(cluster));
  std::uint64_t count = 1;
  // As many clusters as share the first one's fate: to stay, side by side, or to move.
  for (; count < clusters; ++count) {
    INSTAR_ASSIGN_OR_RETURN(const auto next, own_place(cluster + count));
    if (next.has_value() != own.has_value()) break;
    if (own && *next != *own + (count << header_.cluster_bits)) break;
  }
  std::uint64_t place = own.value_or(0);
  if (!own) {
    INSTAR_ASSIGN_OR_RETURN(const ClusterRun run, NewPlaces(count));
    place = run.first << header_.cluster_bits;
    count = run.count;
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    INSTAR_TRY(mapping_->Set(
        cluster + i, DataEntry(place + (i << header_.cluster_bits), {.allocated = AllParts()})));
  }
  return Placement{
      .device = data_.id(), .file_offset = place, .length_bytes = count << header_.cluster_bits};
}

Status Overwriter::CopyOld(std::uint64_t from, std::uint64_t to, std::uint64_t file_offset) {
  if (options_.content == nullptr) {
    return Unsupported("what is written ends at {0}, in a part of the disk that cannot be read",
                       from);
  }
  std::vector<std::byte> bytes(to - from);
  INSTAR_TRY(options_.content->Read(from, bytes));
  return data_.Write(file_offset, bytes);
}

Result<Placement> Overwriter::PlacePart(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t cluster = offset >> header_.cluster_bits;
  const std::uint64_t start = cluster << header_.cluster_bits;
  const std::uint64_t part_bytes = header_.subcluster_bytes();
  const std::uint64_t from = offset - start;
  const std::uint64_t to = from + length;
  INSTAR_ASSIGN_OR_RETURN(const ClusterEntry old, mapping_->Get(cluster));
  INSTAR_ASSIGN_OR_RETURN(const auto own, OwnPlace(cluster, old));
  std::uint64_t place = own.value_or(0);
  if (!own) {
    INSTAR_ASSIGN_OR_RETURN(const ClusterRun run, NewPlaces(1));
    place = run.first << header_.cluster_bits;
  }
  const std::uint32_t written = Parts(from, to, /*whole=*/false);
  const std::uint32_t kept = StoredParts(old) & ~written;
  for (std::uint64_t i = 0; !own && i * part_bytes < header_.cluster_bytes(); ++i) {
    if ((kept >> i & 1) == 0) continue;
    const std::uint64_t at = i * part_bytes;
    INSTAR_TRY(CopyOld(start + at, start + at + part_bytes, place + at));
  }
  // The rest of the last part, unless it is there. A data file ends where the disk does.
  std::uint64_t end = DivideRoundUp(to, part_bytes) * part_bytes;
  if (header_.has_data_file()) end = std::min(end, header_.virtual_size_bytes - start);
  const bool is_there = own && (StoredParts(old) & Parts(to - 1, to, /*whole=*/false)) != 0;
  if (to < end && !is_there) INSTAR_TRY(CopyOld(start + to, start + end, place + to));
  INSTAR_TRY(mapping_->Set(cluster, DataEntry(place, {.allocated = kept | written,
                                                      .reads_zero = ZeroParts(old) & ~written})));
  return Placement{.device = data_.id(), .file_offset = place + from, .length_bytes = length};
}

Result<Placement> Overwriter::PlaceData(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(CheckPlace(offset, length));
  const std::uint64_t in_cluster = offset % header_.cluster_bytes();
  const std::uint64_t whole = in_cluster == 0 ? length >> header_.cluster_bits : 0;
  Result<Placement> placement =
      whole != 0 ? PlaceClusters(offset >> header_.cluster_bits, whole)
                 : PlacePart(offset, std::min(length, header_.cluster_bytes() - in_cluster));
  if (placement) placed_bytes_ = offset + placement->length_bytes;
  placed_data_ = true;
  return placement;
}

Result<std::uint64_t> Overwriter::PlaceBytes(std::uint64_t bytes) {
  const std::uint64_t cluster_bytes = header_.cluster_bytes();
  const bool fits = tail_ != 0 && bytes <= cluster_bytes - tail_ % cluster_bytes;
  std::uint64_t offset = tail_;
  if (fits && tail_references_ < MaxRefcount(header_.refcount_order)) {
    INSTAR_TRY(change_->Count({tail_ >> header_.cluster_bits, 1}, 1));
    ++tail_references_;
  } else {
    INSTAR_ASSIGN_OR_RETURN(const ClusterRun run, NewPlaces(1));
    offset = run.first << header_.cluster_bits;
    tail_references_ = 1;
  }
  const unsigned bits = std::min(56U, CompressedCluster::OffsetBits(header_.cluster_bits));
  if (!RangeFits(offset, bytes, std::uint64_t{1} << bits)) {
    return OverLimit(
        "compressed data would stand beyond offset {0x}, where clusters of {1} bytes cannot point",
        std::uint64_t{1} << bits, cluster_bytes);
  }
  tail_ = offset + bytes;
  if (tail_ % cluster_bytes == 0) tail_ = 0;
  return offset;
}

Result<Placement> Overwriter::PlaceCompressed(std::uint64_t offset,
                                              std::uint64_t compressed_bytes) {
  const std::uint64_t cluster_bytes = header_.cluster_bytes();
  if (compressors_.empty()) {
    return Unsupported("this target was not opened for compressed clusters");
  }
  if (compressed_bytes == 0 || compressed_bytes >= cluster_bytes) {
    return InvalidArgument("compressed data of {0} bytes is no smaller than a cluster of {1}",
                           compressed_bytes, cluster_bytes);
  }
  if (KeepsRest(offset)) return InvalidArgument("the cluster at {0} is not written whole", offset);
  const std::uint64_t left = size_bytes_ - std::min(offset, size_bytes_);
  INSTAR_TRY(CheckPlace(offset, std::min(left, cluster_bytes)));
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t place, PlaceBytes(compressed_bytes));
  INSTAR_TRY(mapping_->Set(
      offset >> header_.cluster_bits,
      {.entry =
           CompressedCluster::Covering(place, compressed_bytes).Encode(header_.cluster_bits)}));
  placed_bytes_ = offset + std::min(left, cluster_bytes);
  return Placement{.device = target_.id(), .file_offset = place, .length_bytes = compressed_bytes};
}

// Says that a part of one cluster is zeros, or stores zeros where the part is not a whole one.
Status Overwriter::PlaceZeroPart(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t cluster = offset >> header_.cluster_bits;
  const std::uint64_t from = offset % header_.cluster_bytes();
  // Behind the end of the disk nothing is kept.
  const bool ends_disk = offset + length >= AlignDown(header_.virtual_size_bytes, 512);
  const std::uint64_t to = ends_disk ? header_.cluster_bytes() : from + length;
  INSTAR_ASSIGN_OR_RETURN(const ClusterEntry old, mapping_->Get(cluster));
  const std::uint32_t touched = Parts(from, to, /*whole=*/false);
  const bool has_place = IsCompressed(old.entry) || HostOffset(old.entry) != 0;
  const bool whole_cluster = touched == AllParts() && Parts(from, to, /*whole=*/true) == touched;
  if (ReadsZero(old, touched) && !(whole_cluster && has_place)) return {};
  const std::uint32_t covered = Parts(from, to, /*whole=*/true);
  if (covered != touched || (IsCompressed(old.entry) && !whole_cluster)) {
    INSTAR_ASSIGN_OR_RETURN(const Placement place, PlacePart(offset, length));
    return data_.Zero(place.file_offset, place.length_bytes);
  }
  if (!header_.extended_l2()) {
    return mapping_->Set(cluster, {.entry = header_.version >= 3 ? kReadsZero : 0});
  }
  const SubclusterBitmap bitmap{.allocated = StoredParts(old) & ~touched,
                                .reads_zero = ZeroParts(old) | touched};
  if (whole_cluster || bitmap.allocated == 0) {
    return mapping_->Set(cluster, {.entry = 0, .bitmap = bitmap});
  }
  return mapping_->Set(cluster, {.entry = old.entry, .bitmap = bitmap});
}

Status Overwriter::PlaceZero(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(CheckPlace(offset, length));
  const std::uint64_t end = offset + length;
  const bool backed = header_.backing_file_bytes != 0;
  // Version 2 has no entry that hides a backing file, and a raw data file must hold its zeros.
  const bool stores_zeros = (header_.version < 3 && backed) || header_.data_file_is_raw();
  while (stores_zeros && offset < end) {
    INSTAR_ASSIGN_OR_RETURN(const Placement place, PlaceData(offset, end - offset));
    INSTAR_TRY(data_.Zero(place.file_offset, place.length_bytes));
    offset += place.length_bytes;
  }
  while (offset < end) {
    const std::uint64_t cluster = offset >> header_.cluster_bits;
    std::uint64_t next = (cluster + 1) << header_.cluster_bits;
    INSTAR_ASSIGN_OR_RETURN(const bool has_table, mapping_->HasTable(cluster));
    if (!backed && !has_table) {
      next = (cluster + mapping_->ClustersLeft(cluster)) << header_.cluster_bits;
    } else {
      // With subclusters: those that are covered, and then what is left of the last.
      const std::uint64_t stop = std::min(next, end);
      const std::uint64_t whole = AlignDown(stop, header_.subcluster_bytes());
      next = whole > offset ? whole : stop;
      INSTAR_TRY(PlaceZeroPart(offset, next - offset));
    }
    offset = next;
  }
  placed_bytes_ = end;
  return {};
}

Result<std::size_t> Overwriter::Compress(unsigned worker, std::span<const std::byte> unit,
                                         std::span<std::byte> out) {
  if (worker >= compressors_.size()) {
    return Unsupported("this target was not opened for compressed clusters");
  }
  const std::size_t cluster_bytes = header_.cluster_bytes();
  if (unit.empty() || unit.size() > cluster_bytes) {
    return InvalidArgument("{0} bytes are not a cluster of {1}", unit.size(), cluster_bytes);
  }
  // A cluster in part shares its place with what the image held: it is stored plain.
  if (unit.size() < cluster_bytes) return 0;
  return compressors_[worker]->Compress(unit, out.first(std::min(out.size(), cluster_bytes - 1)));
}

Result<std::size_t> Overwriter::CompressAt(unsigned worker, std::uint64_t offset,
                                           std::span<const std::byte> unit,
                                           std::span<std::byte> out) {
  return KeepsRest(offset) ? 0 : Compress(worker, unit, out);
}

Status Overwriter::Finish() {
  if (!mapping_) return InvalidArgument("the writer has not begun");
  INSTAR_TRY(mapping_->Finish());
  INSTAR_TRY(change_->CoverTaken());
  // What the tables lead to is to be there before they do; where they do not change, in the end.
  if (&data_ != &target_) INSTAR_TRY(data_.Flush());
  INSTAR_TRY(change_->Commit());
  if (const auto tail = change_->movable_tail()) {
    // A failure here costs some length of the file, and nothing else.
    IgnoreFailure(MoveDown(target_, options_.table_workers, *tail));
  }
  const bool wrote_in_place = placed_data_ && &data_ == &target_ && !change_->flipped();
  return wrote_in_place ? target_.Flush() : Status();
}

}  // namespace instar::qcow2
