#include "formats/vmdk/stream_writer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "formats/base/checked.h"
#include "formats/vmdk/descriptor_text.h"
#include "formats/vmdk/zlib_stream.h"

namespace instar::vmdk {
namespace {

constexpr std::uint64_t kGrainBytes = SparseLayout::kGrainBytes;
constexpr std::uint64_t kPieceEntries = 16 << 10;

std::unexpected<Error> NoCompressor() { return OverLimit("there is no compressor for grains"); }

}  // namespace

StreamWriter::StreamWriter(WriterOptions options, TargetDevice& target)
    : options_(std::move(options)),
      target_(&target),
      layout_{.capacity_bytes = options_.virtual_size_bytes} {}

Result<std::unique_ptr<StreamWriter>> StreamWriter::Create(WriterOptions parsed,
                                                           const CreateOptions& options) {
  std::unique_ptr<StreamWriter> writer(new StreamWriter(std::move(parsed), *options.target));
  for (unsigned worker = 0; worker < std::max(1u, options.workers); ++worker) {
    // An empty image is made without one: whether there is any is seen where it is used.
    auto compressor = qcow2::MakeDeflateCompressor(writer->options_.deflate_level);
    writer->compressors_.push_back(compressor ? *std::move(compressor) : nullptr);
  }
  return writer;
}

SparseHeader StreamWriter::Header() const {
  return {.version = 3,
          .flags = kFlagNewlines | kFlagCompressed | kFlagMarkers |
                   (options_.zeroed_grain ? kFlagZeroedGrain : 0),
          .capacity_sectors = options_.virtual_size_bytes / kSectorBytes,
          .grain_sectors = SparseLayout::kGrainSectors,
          .descriptor_sector = SparseLayout::kDescriptorSector,
          .descriptor_sectors = kEmbeddedDescriptorSectors,
          .table_entries = kTableEntries,
          .directory_sector = kDirectoryAtEnd,
          .overhead_sectors = kFirstGrainSector,
          .compression = kCompressionDeflate};
}

Result<std::uint64_t> StreamWriter::Take(std::uint64_t bytes) {
  const std::uint64_t sector = end_sector_;
  end_sector_ += DivideRoundUp(bytes, kSectorBytes);
  if (end_sector_ > SparseLayout::kMaxFileSectors) {
    return OverLimit("a sparse extent cannot hold more than {0} bytes",
                     SparseLayout::kMaxFileSectors * kSectorBytes);
  }
  return sector;
}

Status StreamWriter::Append(std::span<const std::byte> bytes) {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t sector, Take(bytes.size()));
  return target_->Write(sector * kSectorBytes, bytes);
}

Status StreamWriter::Begin() {
  if (!target_->fresh_reads_zero() && !target_->appends_only()) {
    return Unsupported(
        "a streamOptimized image ends where its file ends, so it cannot be written to a device or "
        "into a file that is kept");
  }
  if (target_->fresh_reads_zero()) INSTAR_TRY(target_->Resize(0, Preallocation::kOff));
  // One write, so that the file grows from its start to its end.
  std::vector<std::byte> head(kFirstGrainSector * kSectorBytes);
  kSparseHeaderFields.Encode(Header(), head);
  const std::vector<char> text = DescriptorText(options_);
  std::ranges::copy(std::as_bytes(std::span(text)),
                    head.begin() + SparseLayout::kDescriptorSector * kSectorBytes);
  INSTAR_TRY(Append(head));
  // Without a compressor nothing will be placed.
  if (options_.has_backing() && !options_.zeroed_grain && compressors_.front() != nullptr) {
    const std::vector<std::byte> zeros(kGrainBytes);
    zero_grain_.resize(kMaxStoredBytes);
    INSTAR_ASSIGN_OR_RETURN(const std::size_t bytes, CompressAt(0, 0, zeros, zero_grain_));
    zero_grain_.resize(bytes);
  }
  return {};
}

Status StreamWriter::FlushTable() {
  if (table_.is_none()) return {};
  tables_.resize(table_.index());  // those in between have no grains
  std::array<std::byte, kSectorBytes + SparseLayout::kTableBytes> bytes{};
  const std::span<std::byte> whole(bytes);
  EncodeMarker(kMarkerGrainTable, SparseLayout::kTableSectors, whole.first(kSectorBytes));
  std::ranges::copy(table_.bytes(), whole.subspan(kSectorBytes).begin());
  tables_.push_back(static_cast<std::uint32_t>(end_sector_ + 1));
  return Append(bytes);
}

Status StreamWriter::Select(std::uint64_t grain) {
  return table_.Select(grain / kTableEntries, [this] { return FlushTable(); });
}

Result<Placement> StreamWriter::PlaceData(std::uint64_t, std::uint64_t) {
  return Unsupported("grains of a streamOptimized image are always compressed");
}

Result<Placement> StreamWriter::PlaceCompressed(std::uint64_t offset,
                                                std::uint64_t compressed_bytes) {
  if (offset >= options_.virtual_size_bytes || offset % kGrainBytes != 0 ||
      compressed_bytes <= kGrainMarkerBytes || compressed_bytes > kMaxStoredBytes) {
    return InvalidArgument("{1} bytes at {0} are not a grain of a virtual disk of {2}", offset,
                           compressed_bytes, options_.virtual_size_bytes);
  }
  const std::uint64_t grain = offset / kGrainBytes;
  INSTAR_TRY(Select(grain));
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t sector, Take(compressed_bytes));
  table_.Set(grain, static_cast<std::uint32_t>(sector));
  return Placement{.device = target_->id(),
                   .file_offset = sector * kSectorBytes,
                   .length_bytes = compressed_bytes};
}

Status StreamWriter::PlaceZero(std::uint64_t offset, std::uint64_t length) {
  if (!options_.has_backing()) return {};
  const std::uint64_t end = offset + length;
  for (; offset < end; offset += kGrainBytes) {
    if (options_.zeroed_grain) {
      INSTAR_TRY(Select(offset / kGrainBytes));
      table_.Set(offset / kGrainBytes, kZeroedGrain);
      continue;
    }
    if (zero_grain_.empty()) return NoCompressor();
    INSTAR_ASSIGN_OR_RETURN(const Placement place, PlaceCompressed(offset, zero_grain_.size()));
    StoreLe64(zero_grain_, 0, offset / kSectorBytes);
    INSTAR_TRY(target_->Write(place.file_offset, zero_grain_));
  }
  return {};
}

Result<std::size_t> StreamWriter::CompressAt(unsigned worker, std::uint64_t offset,
                                             std::span<const std::byte> unit,
                                             std::span<std::byte> out) {
  if (worker >= compressors_.size() || unit.size() != kGrainBytes || out.size() < kMaxStoredBytes) {
    return InvalidArgument("{0} bytes are not a grain of {1}", unit.size(), kGrainBytes);
  }
  if (compressors_[worker] == nullptr) return NoCompressor();
  constexpr std::size_t kBefore = kGrainMarkerBytes + kZlibHeaderBytes;
  const std::size_t packed = compressors_[worker]->Compress(
      unit, out.subspan(kBefore, kMaxStoredBytes - kBefore - kAdlerBytes));
  if (packed == 0) return OverLimit("a grain does not fit into {0} bytes", kMaxStoredBytes);
  const std::size_t stream = kZlibHeaderBytes + packed + kAdlerBytes;
  StoreLe64(out, 0, offset / kSectorBytes);
  StoreLe32(out, 8, static_cast<std::uint32_t>(stream));
  std::ranges::copy(kZlibHeader, out.begin() + kGrainMarkerBytes);
  StoreBe32(out, kBefore + packed, Adler32(unit));
  return kGrainMarkerBytes + stream;
}

Status StreamWriter::Finish() {
  INSTAR_TRY(FlushTable());
  tables_.resize(layout_.tables());
  std::array<std::byte, kSectorBytes> marker{};
  EncodeMarker(kMarkerGrainDirectory, layout_.directory_sectors(), marker);
  INSTAR_TRY(Append(marker));
  SparseHeader footer = Header();
  footer.directory_sector = end_sector_;
  std::vector<std::byte> piece;
  for (std::uint64_t first = 0; first < layout_.tables(); first += kPieceEntries) {
    const std::uint64_t count = std::min(kPieceEntries, layout_.tables() - first);
    piece.assign(DivideRoundUp(count * kEntryBytes, kSectorBytes) * kSectorBytes, std::byte{0});
    for (std::uint64_t i = 0; i < count; ++i) StoreLe32(piece, i * kEntryBytes, tables_[first + i]);
    INSTAR_TRY(Append(piece));
  }
  std::array<std::byte, 3 * kSectorBytes> trailer{};
  const std::span<std::byte> whole(trailer);
  EncodeMarker(kMarkerFooter, 1, whole.first(kSectorBytes));
  kSparseHeaderFields.Encode(footer, whole.subspan(kSectorBytes, kSectorBytes));
  EncodeMarker(kMarkerEndOfStream, 0, whole.subspan(2 * kSectorBytes));
  INSTAR_TRY(Append(trailer));
  return target_->Flush();
}

}  // namespace instar::vmdk
