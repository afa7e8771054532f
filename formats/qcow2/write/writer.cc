#include "formats/qcow2/write/writer.h"

#include <algorithm>
#include <utility>

#include "formats/base/checked.h"
#include "formats/qcow2/structures/refcount_entry.h"
#include "formats/qcow2/write/bitmap_writer.h"
#include "formats/qcow2/write/writer_refcount_table.h"

namespace instar::qcow2 {
namespace {

constexpr SubclusterBitmap kAllAllocated{.allocated = 0xFFFFFFFF, .reads_zero = 0};
constexpr SubclusterBitmap kNothing{};

// The bits of the subclusters that `bytes` (at most a cluster) cover from subcluster `first` on.
std::uint32_t SubclusterMask(std::uint64_t first, std::uint64_t bytes, std::uint64_t unit_bytes) {
  const std::uint64_t count = DivideRoundUp(bytes, unit_bytes);
  return static_cast<std::uint32_t>(((std::uint64_t{1} << count) - 1) << first);
}

}  // namespace

Result<std::unique_ptr<ImageWriter>> Writer::Create(const CreateOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(WriterOptions parsed, WriterOptions::From(options));
  INSTAR_TRY(EncodeFirstCluster(parsed, TablePlaces{}));
  const bool zstd = parsed.compression_type == kCompressionZstd;
  const unsigned cluster_bits = parsed.cluster_bits;
  const unsigned level =
      parsed.compression_level.value_or(zstd ? kDefaultZstdLevel : kDefaultDeflateLevel);
  std::unique_ptr<Writer> writer(
      new Writer(std::move(parsed), *options.target, options.data_file, options.compress));
  for (unsigned worker = 0; options.compress && worker < options.workers; ++worker) {
    INSTAR_ASSIGN_OR_RETURN(auto compressor, zstd ? MakeZstdCompressor(cluster_bits, level)
                                                  : MakeDeflateCompressor(level));
    writer->compressors_.push_back(std::move(compressor));
  }
  return writer;
}

Writer::Writer(WriterOptions options, TargetDevice& target, TargetDevice* data_file, bool compress)
    : options_(std::move(options)),
      unit_bytes_(options_.extended_l2 && !compress
                      ? options_.cluster_bytes() / kSubclustersPerCluster
                      : options_.cluster_bytes()),
      target_(&target),
      data_(data_file != nullptr ? data_file : &target),
      batch_(target),
      allocator_(batch_, options_.cluster_bits, options_.refcount_order),
      mapping_(batch_, allocator_, options_.cluster_bits, options_.extended_l2) {}

std::uint64_t Writer::FullFileClusters() const {
  std::uint64_t clusters = 1 + options_.l1_entries();  // header, L2 tables
  clusters += DivideRoundUp(std::max<std::uint64_t>(options_.l1_entries(), 1) * kTableEntryBytes,
                            options_.cluster_bytes());
  if (!options_.has_data_file) clusters += options_.clusters();
  return CountedFile::Around(clusters, options_.cluster_bits, options_.refcount_order).clusters;
}

Status Writer::Begin() {
  const std::uint64_t cluster_bytes = options_.cluster_bytes();
  if (target_->fresh_reads_zero()) {
    INSTAR_TRY(target_->Resize(0, Preallocation::kOff));
  } else {
    INSTAR_TRY(target_->Zero(0, cluster_bytes));
  }
  if (options_.has_data_file) INSTAR_TRY(BeginDataFile());

  const std::uint64_t full_clusters = FullFileClusters();
  if (!options_.has_data_file && target_->fresh_reads_zero() &&
      options_.preallocation >= WriterPreallocation::kFalloc) {
    const auto bytes = CheckedMul(full_clusters, cluster_bytes);
    if (!bytes)
      return OverLimit("{0} clusters of {1} bytes do not make a file", full_clusters,
                       cluster_bytes);
    INSTAR_TRY(target_->Resize(*bytes, options_.preallocation == WriterPreallocation::kFull
                                           ? Preallocation::kFull
                                           : Preallocation::kFalloc));
  }

  INSTAR_TRY(allocator_.AllocateTable(1));  // header
  // Twice the file leaves room for bitmaps and for clusters that compressed data fills badly.
  const std::uint64_t most_blocks = DivideRoundUp(
      2 * full_clusters, RefcountsPerBlock(options_.cluster_bits, options_.refcount_order));
  if (most_blocks * kTableEntryBytes <= cluster_bytes) {
    INSTAR_ASSIGN_OR_RETURN(places_.refcount_table_offset, allocator_.AllocateTable(1));
    places_.refcount_table_clusters = 1;
  }
  const std::uint64_t l1_bytes = options_.l1_entries() * kTableEntryBytes;
  if (l1_bytes != 0) {
    INSTAR_ASSIGN_OR_RETURN(places_.l1_offset,
                            allocator_.AllocateTable(DivideRoundUp(l1_bytes, cluster_bytes)));
    if (!target_->fresh_reads_zero()) INSTAR_TRY(target_->Zero(places_.l1_offset, l1_bytes));
  } else {
    places_.l1_offset = allocator_.end_bytes();
  }
  mapping_.PlaceL1(places_.l1_offset, options_.l1_entries());
  return {};
}

Status Writer::BeginDataFile() {
  const std::uint64_t bytes = options_.virtual_size_bytes;
  if (data_->fresh_reads_zero()) {
    INSTAR_TRY(data_->Resize(0, Preallocation::kOff));
    const bool full = options_.preallocation == WriterPreallocation::kFull;
    const bool falloc = options_.preallocation == WriterPreallocation::kFalloc;
    return data_->Resize(bytes, full     ? Preallocation::kFull
                                : falloc ? Preallocation::kFalloc
                                         : Preallocation::kOff);
  }
  if (data_->size_bytes() < bytes) {
    return MakeError(ErrorCode::kNoSpace, "the data file has {0} bytes, but the disk needs {1}",
                     data_->size_bytes(), bytes);
  }
  return {};
}

Status Writer::CheckPlace(std::uint64_t offset, std::uint64_t length) const {
  INSTAR_TRY(CheckOnDisk(offset, length, options_.virtual_size_bytes));
  const bool ends_well =
      (offset + length) % unit_bytes_ == 0 || offset + length == options_.virtual_size_bytes;
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

Result<ClusterRun> Writer::TakeClusters(std::uint64_t cluster, std::uint64_t clusters,
                                        SubclusterBitmap bitmap) {
  INSTAR_TRY(mapping_.Select(cluster));
  clusters = std::min(clusters, mapping_.ClustersLeft(cluster));
  ClusterRun run{.offset = cluster << options_.cluster_bits, .clusters = clusters};
  if (!options_.has_data_file) {
    INSTAR_ASSIGN_OR_RETURN(run, allocator_.AllocateRun(clusters));
  } else if (!RangeFits(run.offset, clusters << options_.cluster_bits, kOffsetMask)) {
    return OverLimit("a data file holds {0} bytes at most", kOffsetMask);
  }
  for (std::uint64_t i = 0; i < run.clusters; ++i) {
    const std::uint64_t offset = run.offset + (i << options_.cluster_bits);
    mapping_.Set(cluster + i, EncodeStandardEntry(offset, true), bitmap);
  }
  next_cluster_ = cluster + run.clusters;
  return run;
}

Status Writer::ZeroData(const ClusterRun& run) {
  if (data_->fresh_reads_zero()) return {};
  std::uint64_t bytes = run.clusters << options_.cluster_bits;
  if (options_.has_data_file) {
    bytes = std::min(bytes, options_.virtual_size_bytes - run.offset);
  }
  return data_->Zero(run.offset, bytes);
}

Status Writer::PreallocateUntil(std::uint64_t end) {
  if (!preallocates()) return {};
  while (next_cluster_ < end) {
    // An extended entry can have a place and yet be unallocated, so that it shows the backing file.
    INSTAR_ASSIGN_OR_RETURN(const ClusterRun run,
                            TakeClusters(next_cluster_, end - next_cluster_, kNothing));
    if (!options_.extended_l2) INSTAR_TRY(ZeroData(run));
  }
  return {};
}

bool Writer::StartsInPart(std::uint64_t offset, std::uint64_t length) const {
  const std::uint64_t cluster_bytes = options_.cluster_bytes();
  return unit_bytes_ != cluster_bytes && (offset % cluster_bytes != 0 || length < cluster_bytes);
}

Status Writer::OpenClusterAt(std::uint64_t offset) {
  const std::uint64_t cluster = offset >> options_.cluster_bits;
  if (open_.cluster == cluster) return {};
  INSTAR_TRY(PreallocateUntil(cluster));
  INSTAR_TRY(mapping_.Select(cluster));
  open_ = {.cluster = cluster};
  next_cluster_ = cluster + 1;
  return {};
}

Result<Placement> Writer::PlaceDataInPart(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(OpenClusterAt(offset));
  if (!open_.has_place) {
    INSTAR_ASSIGN_OR_RETURN(const ClusterRun run, TakeClusters(open_.cluster, 1, open_.bitmap));
    open_.offset = run.offset;
    open_.has_place = true;
  }
  const std::uint64_t cluster_bytes = options_.cluster_bytes();
  const std::uint64_t from = offset % cluster_bytes;
  const std::uint64_t bytes = std::min(length, cluster_bytes - from);
  open_.bitmap.allocated |= SubclusterMask(from / unit_bytes_, bytes, unit_bytes_);
  mapping_.Set(open_.cluster, EncodeStandardEntry(open_.offset, true), open_.bitmap);
  return Placement{
      .device = data_->id(), .file_offset = open_.offset + from, .length_bytes = bytes};
}

Result<Placement> Writer::PlaceData(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(CheckPlace(offset, length));
  Placement place{.device = data_->id(), .file_offset = 0, .length_bytes = 0};
  if (StartsInPart(offset, length)) {
    INSTAR_ASSIGN_OR_RETURN(place, PlaceDataInPart(offset, length));
  } else {
    const std::uint64_t cluster = offset >> options_.cluster_bits;
    // What is left of less than a cluster is the next call's, but for the end of the disk.
    const std::uint64_t clusters = unit_bytes_ == options_.cluster_bytes()
                                       ? DivideRoundUp(length, unit_bytes_)
                                       : length >> options_.cluster_bits;
    INSTAR_TRY(PreallocateUntil(cluster));
    INSTAR_ASSIGN_OR_RETURN(const ClusterRun run, TakeClusters(cluster, clusters, kAllAllocated));
    place.file_offset = run.offset;
    place.length_bytes = std::min(length, run.clusters << options_.cluster_bits);
  }
  placed_bytes_ = offset + place.length_bytes;
  if (!options_.has_data_file) data_end_bytes_ = place.file_offset + place.length_bytes;
  return place;
}

Result<Placement> Writer::PlaceCompressed(std::uint64_t offset, std::uint64_t compressed_bytes) {
  const std::uint64_t left =
      options_.virtual_size_bytes - std::min(offset, options_.virtual_size_bytes);
  INSTAR_TRY(CheckPlace(offset, std::min(left, options_.cluster_bytes())));
  if (compressors_.empty()) {
    return Unsupported("this image was not created for compressed clusters");
  }
  if (compressed_bytes == 0 || compressed_bytes >= options_.cluster_bytes()) {
    return InvalidArgument("compressed data of {0} bytes is no smaller than a cluster of {1}",
                           compressed_bytes, options_.cluster_bytes());
  }
  const std::uint64_t cluster = offset >> options_.cluster_bits;
  INSTAR_TRY(mapping_.Select(cluster));
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t place, allocator_.AllocateBytes(compressed_bytes));
  mapping_.Set(cluster,
               CompressedCluster::Covering(place, compressed_bytes).Encode(options_.cluster_bits),
               kNothing);
  next_cluster_ = cluster + 1;
  placed_bytes_ = next_cluster_ << options_.cluster_bits;
  return Placement{.device = target_->id(), .file_offset = place, .length_bytes = compressed_bytes};
}

Status Writer::PlaceZero(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(CheckPlace(offset, length));
  // Without a backing file, what has no place, or a preallocated one, reads as zeros.
  if (!options_.has_backing()) return {};
  placed_bytes_ = offset + length;
  const std::uint64_t cluster_bytes = options_.cluster_bytes();
  const std::uint64_t end = offset + length;
  while (offset < end) {
    if (StartsInPart(offset, end - offset)) {
      const std::uint64_t bytes = std::min(end - offset, cluster_bytes - offset % cluster_bytes);
      INSTAR_TRY(PlaceZeroInPart(offset, bytes));
      offset += bytes;
      continue;
    }
    const std::uint64_t clusters = unit_bytes_ == cluster_bytes
                                       ? DivideRoundUp(end - offset, cluster_bytes)
                                       : (end - offset) >> options_.cluster_bits;
    const std::uint64_t cluster = offset >> options_.cluster_bits;
    INSTAR_TRY(PlaceZeroClusters(cluster, cluster + clusters));
    offset += clusters << options_.cluster_bits;
  }
  return {};
}

Status Writer::PlaceZeroInPart(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(OpenClusterAt(offset));
  open_.bitmap.reads_zero |=
      SubclusterMask(offset % options_.cluster_bytes() / unit_bytes_, length, unit_bytes_);
  if (preallocates() && !open_.has_place) {
    INSTAR_ASSIGN_OR_RETURN(const ClusterRun run, TakeClusters(open_.cluster, 1, open_.bitmap));
    open_.offset = run.offset;
    open_.has_place = true;
  }
  mapping_.Set(open_.cluster, open_.has_place ? EncodeStandardEntry(open_.offset, true) : 0,
               open_.bitmap);
  return {};
}

Status Writer::PlaceZeroClusters(std::uint64_t cluster, std::uint64_t end) {
  INSTAR_TRY(PreallocateUntil(cluster));
  while (cluster < end) {
    if (options_.version < 3) {
      // Version 2 cannot say "zero": only zeros that are stored hide the backing file.
      INSTAR_ASSIGN_OR_RETURN(const ClusterRun run,
                              TakeClusters(cluster, end - cluster, kAllAllocated));
      INSTAR_TRY(ZeroData(run));
      cluster = next_cluster_;
      continue;
    }
    if (preallocates()) {
      INSTAR_TRY(TakeClusters(cluster, end - cluster, kAllZeroSubclusters));
      cluster = next_cluster_;
      continue;
    }
    INSTAR_TRY(mapping_.Select(cluster));
    const std::uint64_t table_end = std::min(end, cluster + mapping_.ClustersLeft(cluster));
    for (; cluster < table_end; ++cluster) {
      mapping_.Set(cluster, options_.extended_l2 ? 0 : kReadsZero, kAllZeroSubclusters);
    }
    next_cluster_ = cluster;
  }
  return {};
}

Result<std::size_t> Writer::Compress(unsigned worker, std::span<const std::byte> unit,
                                     std::span<std::byte> out) {
  if (worker >= compressors_.size()) {
    return Unsupported("this image was not created for compressed clusters");
  }
  const std::size_t cluster_bytes = options_.cluster_bytes();
  if (unit.empty() || unit.size() > cluster_bytes) {
    return InvalidArgument("{0} bytes are not a cluster of {1}", unit.size(), cluster_bytes);
  }
  out = out.first(std::min(out.size(), cluster_bytes - 1));
  if (unit.size() == cluster_bytes) return compressors_[worker]->Compress(unit, out);
  // The last cluster of the disk: readers inflate whole clusters.
  std::vector<std::byte> padded(cluster_bytes);
  std::ranges::copy(unit, padded.begin());
  return compressors_[worker]->Compress(padded, out);
}

Status Writer::CheckBitmaps(const BlockDevice& source, bool skip_broken) {
  if (options_.version < 3) {
    return Unsupported("bitmaps require compatibility level 1.1 or above (compat=v3)");
  }
  const Status checked = qcow2::CheckBitmaps(source, options_.virtual_size_bytes, skip_broken);
  return checked ? checked : std::unexpected(checked.error().On(source.id()));
}

Status Writer::CopyBitmaps(const BlockDevice& source, bool skip_broken) {
  INSTAR_TRY(CheckBitmaps(source, skip_broken));
  BitmapWriter bitmaps(batch_, allocator_, options_.cluster_bits);
  const Status copied =
      qcow2::CopyBitmaps(source, options_.virtual_size_bytes, skip_broken, bitmaps);
  if (!copied) return std::unexpected(copied.error().On(source.id()));
  INSTAR_ASSIGN_OR_RETURN(places_.bitmaps, bitmaps.Finish());
  // Whether the header has room for the extension is better known now than at the end.
  INSTAR_TRY(EncodeFirstCluster(options_, places_));
  return {};
}

Status Writer::PlaceRefcountTable() {
  const std::uint64_t cluster_bytes = options_.cluster_bytes();
  if (places_.refcount_table_clusters != 0) {
    if (allocator_.refcount_blocks().size() * kTableEntryBytes > cluster_bytes) {
      return OverLimit("the image file grew to {0} bytes, beyond what its refcount table covers",
                       allocator_.end_bytes());
    }
    return {};
  }
  // The table counts itself: enough clusters for the blocks there will be when it has its place.
  const std::uint64_t others =
      (allocator_.end_bytes() >> options_.cluster_bits) - allocator_.refcount_blocks().size();
  const std::uint64_t clusters =
      CountedFile::Around(others, options_.cluster_bits, options_.refcount_order).table_clusters;
  places_.refcount_table_clusters = clusters;
  INSTAR_ASSIGN_OR_RETURN(places_.refcount_table_offset, allocator_.AllocateTable(clusters));
  return {};
}

std::uint64_t Writer::FileEnd() const {
  const std::uint64_t l1_end = places_.l1_offset + options_.l1_entries() * kTableEntryBytes;
  const bool l1_is_last = DivideRoundUp(l1_end, options_.cluster_bytes()) ==
                          allocator_.end_bytes() >> options_.cluster_bits;
  if (l1_is_last) return l1_end;
  // Subclusters of the last cluster that hold nothing need not be there. The last cluster may be
  // one of compressed data, which ends elsewhere.
  const bool data_is_last =
      !preallocates() && data_end_bytes_ > allocator_.end_bytes() - options_.cluster_bytes();
  return options_.extended_l2 && data_is_last ? DivideRoundUp(data_end_bytes_, 512) * 512
                                              : allocator_.used_end_bytes();
}

Status Writer::Finish() {
  INSTAR_TRY(PreallocateUntil(options_.clusters()));
  INSTAR_TRY(mapping_.Finish());
  INSTAR_TRY(PlaceRefcountTable());
  INSTAR_TRY(allocator_.Finish());
  INSTAR_TRY(WriteRefcountTable(batch_, places_.refcount_table_offset,
                                places_.refcount_table_clusters << options_.cluster_bits,
                                allocator_.refcount_blocks()));
  INSTAR_TRY(batch_.Flush());
  if (target_->fresh_reads_zero()) INSTAR_TRY(target_->Resize(FileEnd(), Preallocation::kOff));
  INSTAR_ASSIGN_OR_RETURN(const std::vector<std::byte> first_cluster,
                          EncodeFirstCluster(options_, places_));
  if (data_ != target_) INSTAR_TRY(data_->Flush());
  INSTAR_TRY(target_->Flush());
  INSTAR_TRY(target_->Write(0, first_cluster));
  return target_->Flush();
}

}  // namespace instar::qcow2
