#include "formats/qcow2/edit/image_editor.h"

#include <algorithm>
#include <utility>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/qcow2/read/reader.h"

namespace instar::qcow2 {
namespace {

constexpr SubclusterBitmap kAllAllocated{.allocated = 0xFFFFFFFF, .reads_zero = 0};

// Whether the image may be written to as it is.
Status CheckWritable(const Header& header, const CreateOptions& options) {
  if ((header.incompatible_features & kIncompatCorrupt) != 0) {
    return Corrupt("the image is marked corrupt and cannot be written to before it is repaired");
  }
  if ((header.incompatible_features & kIncompatDirty) != 0) {
    return Unsupported("the image was not closed properly; repair it before writing to it");
  }
  if (header.crypt_method != kCryptNone) {
    return Unsupported("encrypted qcow2 images cannot be written");
  }
  if ((header.autoclear_features & kAutoclearBitmaps) != 0) {
    return Unsupported("the image has bitmaps, which would no longer tell what changed");
  }
  if (header.has_data_file() != (options.data_file != nullptr)) {
    return Unsupported("the external data file of the image is not open for writing");
  }
  if (options.compress && header.has_data_file()) {
    return InvalidArgument("an external data file cannot hold compressed clusters");
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

Result<std::unique_ptr<ImageWriter>> ImageEditor::Open(const CreateOptions& options) {
  // The reader validates the header and what it names.
  INSTAR_ASSIGN_OR_RETURN(std::unique_ptr<ImageReader> reader, OpenReader(*options.target));
  std::vector<std::byte> bytes(Header::kFullBytes);
  INSTAR_TRY(options.target->Read(0, bytes));
  INSTAR_ASSIGN_OR_RETURN(const Header header, Header::DecodeFrom(bytes));
  INSTAR_TRY(CheckWritable(header, options));
  bool has_backing = false;
  for (std::size_t i = 0; i < reader->references().size(); ++i) {
    if (reader->references()[i].role == ReferenceRole::kBacking) has_backing = true;
    if (reader->references()[i].role == ReferenceRole::kDataFile) {
      INSTAR_TRY(reader->Attach(i, *options.data_file));
    }
  }
  std::unique_ptr<ImageEditor> writer(
      new ImageEditor(header, std::move(reader), has_backing, options));
  for (unsigned worker = 0; options.compress && worker < options.workers; ++worker) {
    INSTAR_ASSIGN_OR_RETURN(auto compressor, header.compression_type == kCompressionZstd
                                                 ? MakeZstdCompressor(header.cluster_bits)
                                                 : MakeDeflateCompressor());
    writer->compressors_.push_back(std::move(compressor));
  }
  INSTAR_TRY(writer->refcounts_.Load());
  return writer;
}

ImageEditor::ImageEditor(const Header& header, std::unique_ptr<ImageReader> reader,
                         bool has_backing, const CreateOptions& options)
    : header_(header),
      reader_(std::move(reader)),
      has_backing_(has_backing),
      size_bytes_(DivideRoundUp(options.virtual_size_bytes, 512) * 512),
      target_(options.target),
      data_(options.data_file != nullptr ? options.data_file : options.target),
      refcounts_(*target_, header_),
      mapping_(*target_, header_, refcounts_) {}

Status ImageEditor::Begin() {
  // Who writes without knowing a feature of this kind has to say so.
  if ((header_.autoclear_features & ~kAutoclearDataFileRaw) == 0) return {};
  header_.autoclear_features &= kAutoclearDataFileRaw;
  std::byte field[8];
  StoreBe64(field, 0, header_.autoclear_features);
  INSTAR_TRY(target_->Write(kHeaderFields.OffsetOf<&Header::autoclear_features>(), field));
  return target_->Flush();
}

Status ImageEditor::CheckPlace(std::uint64_t offset, std::uint64_t length) const {
  INSTAR_TRY(CheckOnDisk(offset, length, size_bytes_));
  const std::uint64_t unit = header_.cluster_bytes();
  const bool ends_well = (offset + length) % unit == 0 || offset + length == size_bytes_;
  if (offset % unit != 0 || !ends_well) {
    return InvalidArgument("{1} bytes at {0} are not whole units of {2} bytes", offset, length,
                           unit);
  }
  if (offset < placed_bytes_) {
    return InvalidArgument("offset {0} lies before data already placed (up to {1})", offset,
                           placed_bytes_);
  }
  return {};
}

ClusterEntry ImageEditor::DataEntry(std::uint64_t host_offset) const {
  return {.entry = EncodeStandardEntry(host_offset, true),
          .bitmap = header_.extended_l2() ? kAllAllocated : SubclusterBitmap{}};
}

ClusterEntry ImageEditor::ZeroEntry() const {
  if (header_.extended_l2()) return {.entry = 0, .bitmap = kAllZeroSubclusters};
  return {.entry = header_.version >= 3 ? kReadsZero : 0};
}

bool ImageEditor::ReadsZero(const ClusterEntry& entry) const {
  if (IsCompressed(entry.entry)) return false;
  if (header_.extended_l2()) {
    return entry.bitmap == kAllZeroSubclusters || (!has_backing_ && entry.bitmap.allocated == 0);
  }
  if (header_.version >= 3 && (entry.entry & kReadsZero) != 0) return true;
  return !has_backing_ && HostOffset(entry.entry) == 0 && !header_.has_data_file();
}

Result<std::optional<std::uint64_t>> ImageEditor::PlaceOf(const ClusterEntry& entry) {
  const std::uint64_t offset = HostOffset(entry.entry);
  if (IsCompressed(entry.entry) || offset == 0) return std::nullopt;
  const std::uint64_t cluster = offset >> header_.cluster_bits;
  if (offset % header_.cluster_bytes() != 0 || refcounts_.IsFixed(cluster)) {
    return Corrupt("an L2 entry points at {0x}, where no data can stand", offset);
  }
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t count, refcounts_.Get(cluster));
  if (count == 0) {
    return Corrupt("the cluster at {0x} is in use but has a refcount of 0; repair the image first",
                   offset);
  }
  if (count != 1) return std::nullopt;
  return offset;
}

void ImageEditor::Release(const ClusterEntry& entry) {
  if (header_.has_data_file()) return;
  if (IsCompressed(entry.entry)) {
    const auto data = CompressedCluster::DecodeFrom(entry.entry, header_.cluster_bits);
    const std::uint64_t first = data.offset >> header_.cluster_bits;
    const std::uint64_t last = (data.offset + data.bytes() - 1) >> header_.cluster_bits;
    mapping_.ReleaseLater(first, last - first + 1);
  } else if (HostOffset(entry.entry) != 0) {
    mapping_.ReleaseLater(HostOffset(entry.entry) >> header_.cluster_bits, 1);
  }
}

Result<Placement> ImageEditor::PlaceInDataFile(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t first = offset >> header_.cluster_bits;
  std::uint64_t clusters = DivideRoundUp(length, header_.cluster_bytes());
  INSTAR_TRY(mapping_.Select(first));
  clusters = std::min(clusters, mapping_.ClustersLeft(first));
  for (std::uint64_t cluster = first; cluster < first + clusters; ++cluster) {
    INSTAR_TRY(mapping_.Set(cluster, DataEntry(cluster << header_.cluster_bits)));
  }
  return Placement{.device = data_->id(),
                   .file_offset = offset,
                   .length_bytes = std::min(length, clusters << header_.cluster_bits)};
}

Result<Placement> ImageEditor::PlaceClusters(std::uint64_t cluster, std::uint64_t clusters) {
  INSTAR_TRY(mapping_.Select(cluster));
  clusters = std::min(clusters, mapping_.ClustersLeft(cluster));
  INSTAR_ASSIGN_OR_RETURN(const auto own, PlaceOf(mapping_.Get(cluster)));
  Placement placement{.device = target_->id(), .file_offset = 0, .length_bytes = 0};
  std::uint64_t count = 1;
  // As many clusters as share the first one's fate: to stay, side by side, or to move.
  for (; count < clusters; ++count) {
    INSTAR_ASSIGN_OR_RETURN(const auto next, PlaceOf(mapping_.Get(cluster + count)));
    if (next.has_value() != own.has_value()) break;
    if (own && *next != *own + (count << header_.cluster_bits)) break;
  }
  if (own) {
    placement.file_offset = *own;
  } else {
    INSTAR_ASSIGN_OR_RETURN(placement.file_offset, refcounts_.Allocate(count));
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!own) Release(mapping_.Get(cluster + i));
    INSTAR_TRY(
        mapping_.Set(cluster + i, DataEntry(placement.file_offset + (i << header_.cluster_bits))));
  }
  placement.length_bytes = count << header_.cluster_bits;
  return placement;
}

Status ImageEditor::ReadOld(std::uint64_t offset, std::span<std::byte> out) const {
  std::ranges::fill(out, std::byte{0});
  const std::uint64_t disk_bytes = reader_->virtual_size_bytes();
  INSTAR_ASSIGN_OR_RETURN(const auto cursor, reader_->OpenCursor());
  while (!out.empty() && offset < disk_bytes) {
    INSTAR_ASSIGN_OR_RETURN(const Extent extent, cursor->Next(offset, out.size()));
    const std::span<std::byte> part =
        out.first(std::min<std::uint64_t>(extent.length_bytes, out.size()));
    switch (extent.kind) {
      case ExtentKind::kZero:
        break;
      case ExtentKind::kUnallocated:
        if (has_backing_) {
          return Unsupported(
              "the new disk ends inside a cluster (at {0}) whose rest is in the backing file",
              offset);
        }
        break;
      case ExtentKind::kData:
        INSTAR_TRY((header_.has_data_file() ? data_ : target_)->Read(extent.file_offset, part));
        break;
      case ExtentKind::kCompressed: {
        std::vector<std::byte> packed(extent.compressed_bytes);
        std::vector<std::byte> unit(extent.unit_bytes);
        INSTAR_TRY(target_->Read(extent.file_offset, packed));
        INSTAR_TRY(reader_->Decompress(extent, packed, unit));
        const std::size_t from = offset - extent.unit_offset;
        std::ranges::copy(std::span(unit).subspan(from, part.size()), part.begin());
        break;
      }
    }
    offset += part.size();
    out = out.subspan(part.size());
  }
  return {};
}

Result<Placement> ImageEditor::PlacePart(std::uint64_t offset, std::uint64_t length) {
  std::vector<std::byte> rest(header_.cluster_bytes() - length);
  INSTAR_TRY(ReadOld(offset + length, rest));
  INSTAR_ASSIGN_OR_RETURN(Placement placement, PlaceClusters(offset >> header_.cluster_bits, 1));
  INSTAR_TRY(target_->Write(placement.file_offset + length, rest));
  placement.length_bytes = length;
  return placement;
}

Result<Placement> ImageEditor::PlaceData(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(CheckPlace(offset, length));
  Result<Placement> placement;
  const std::uint64_t whole = length >> header_.cluster_bits;
  if (header_.has_data_file()) {
    placement = PlaceInDataFile(offset, length);
  } else if (whole != 0) {
    placement = PlaceClusters(offset >> header_.cluster_bits, whole);
  } else {
    placement = PlacePart(offset, length);
  }
  if (placement) placed_bytes_ = offset + placement->length_bytes;
  return placement;
}

Result<std::uint64_t> ImageEditor::AllocateBytes(std::uint64_t bytes) {
  const std::uint64_t cluster_bytes = header_.cluster_bytes();
  std::uint64_t offset = 0;
  if (tail_ != 0) {
    const std::uint64_t cluster = tail_ >> header_.cluster_bits;
    INSTAR_ASSIGN_OR_RETURN(const std::uint64_t count, refcounts_.Get(cluster));
    const bool fits = bytes <= cluster_bytes - tail_ % cluster_bytes;
    if (fits && count < refcounts_.max_count()) {
      INSTAR_TRY(refcounts_.Raise(cluster));
      offset = tail_;
    }
  }
  if (offset == 0) {
    INSTAR_ASSIGN_OR_RETURN(offset, refcounts_.Allocate(1));
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

Result<Placement> ImageEditor::PlaceCompressed(std::uint64_t offset,
                                               std::uint64_t compressed_bytes) {
  const std::uint64_t cluster_bytes = header_.cluster_bytes();
  if (compressors_.empty())
    return Unsupported("this target was not opened for compressed clusters");
  if (compressed_bytes == 0 || compressed_bytes >= cluster_bytes) {
    return InvalidArgument("compressed data of {0} bytes is no smaller than a cluster of {1}",
                           compressed_bytes, cluster_bytes);
  }
  const std::uint64_t left = size_bytes_ - std::min(offset, size_bytes_);
  INSTAR_TRY(CheckPlace(offset, std::min(left, cluster_bytes)));
  const std::uint64_t cluster = offset >> header_.cluster_bits;
  INSTAR_TRY(mapping_.Select(cluster));
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t place, AllocateBytes(compressed_bytes));
  Release(mapping_.Get(cluster));
  INSTAR_TRY(mapping_.Set(cluster, {.entry = CompressedCluster::Covering(place, compressed_bytes)
                                                 .Encode(header_.cluster_bits)}));
  placed_bytes_ = offset + std::min(left, cluster_bytes);
  return Placement{.device = target_->id(), .file_offset = place, .length_bytes = compressed_bytes};
}

Status ImageEditor::PlaceZeroCluster(std::uint64_t cluster) {
  INSTAR_TRY(mapping_.Select(cluster));
  const ClusterEntry old = mapping_.Get(cluster);
  const bool has_place = IsCompressed(old.entry) || HostOffset(old.entry) != 0;
  if (ReadsZero(old) && !has_place) return {};
  Release(old);
  return mapping_.Set(cluster, ZeroEntry());
}

Status ImageEditor::PlaceZero(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(CheckPlace(offset, length));
  const std::uint64_t end = offset + length;
  // Version 2 has no entry that hides a backing file, a raw data file must hold its zeros, and of a
  // cluster in part no entry speaks.
  const bool by_entry = !(header_.version < 3 && has_backing_) && !header_.data_file_is_raw();
  while (offset < end) {
    const std::uint64_t cluster_end = offset + header_.cluster_bytes();
    const bool to_its_end = cluster_end <= end || end == reader_->virtual_size_bytes();
    if (by_entry && to_its_end) {
      INSTAR_TRY(PlaceZeroCluster(offset >> header_.cluster_bits));
      offset = std::min(cluster_end, end);
      continue;
    }
    INSTAR_TRY(mapping_.Select(offset >> header_.cluster_bits));
    if (by_entry && ReadsZero(mapping_.Get(offset >> header_.cluster_bits))) {
      offset = end;
      continue;
    }
    INSTAR_ASSIGN_OR_RETURN(const Placement place, PlaceData(offset, end - offset));
    INSTAR_TRY(data_->Zero(place.file_offset, place.length_bytes));
    offset += place.length_bytes;
  }
  placed_bytes_ = end;
  return {};
}

Result<std::size_t> ImageEditor::Compress(unsigned worker, std::span<const std::byte> unit,
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

Status ImageEditor::Finish() {
  INSTAR_TRY(mapping_.Finish());
  if (target_->size_bytes() < refcounts_.end_bytes()) {
    INSTAR_TRY(target_->Resize(refcounts_.end_bytes(), Preallocation::kOff));
  }
  if (data_ != target_) INSTAR_TRY(data_->Flush());
  return target_->Flush();
}

}  // namespace instar::qcow2
