#include "formats/qcow2/write/bitmap_writer.h"

#include <algorithm>
#include <span>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/structures/header.h"

namespace instar::qcow2 {
namespace {

constexpr std::size_t kTablePieceEntries = 4096;

bool AllAre(std::span<const std::byte> bytes, std::byte value) {
  return std::ranges::all_of(bytes, [value](std::byte b) { return b == value; });
}

// Copies one bitmap after the other; the first failure ends it.
class Copier final : public BitmapVisitor {
 public:
  Copier(const BlockDevice& source, const Header& header, bool skip_broken, BitmapWriter* writer)
      : source_(source), header_(header), skip_broken_(skip_broken), writer_(writer) {}

  void Visit(const BitmapEntry& entry, std::string_view name) override {
    if (status_) status_ = Copy(entry, name);
  }
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  Status Copy(const BitmapEntry& entry, std::string_view name) {
    if ((entry.flags & kBitmapInUse) != 0) {
      if (skip_broken_) return {};
      return MakeTextError(ErrorCode::kCorrupt,
                           "the bitmap '{t}' was not stored completely and cannot be copied "
                           "(--skip-broken-bitmaps leaves it out)",
                           name);
    }
    INSTAR_ASSIGN_OR_RETURN(BitmapData data, BitmapData::Open(source_, header_, entry));
    return writer_ == nullptr ? Status() : writer_->Add(name, entry, data);
  }

  const BlockDevice& source_;
  const Header& header_;
  bool skip_broken_;
  BitmapWriter* writer_;  // null: only look
  Status status_;
};

}  // namespace

Result<std::uint64_t> BitmapWriter::PlaceBits(std::span<const std::byte> bits) {
  if (AllAre(bits, std::byte{0})) return 0;
  if (AllAre(bits, std::byte{0xFF})) return kBitmapAllOnes;
  INSTAR_ASSIGN_OR_RETURN(const ClusterRun run, allocator_->AllocateRun(1));
  INSTAR_TRY(batch_->Add(run.offset, bits));
  return run.offset;
}

Status BitmapWriter::Add(std::string_view name, const BitmapEntry& like, BitmapData& data) {
  const std::uint64_t cluster_bytes = std::uint64_t{1} << cluster_bits_;
  const std::uint64_t entries = DivideRoundUp(data.bytes(), cluster_bytes);
  BitmapEntry entry{.table_entries = static_cast<std::uint32_t>(entries),
                    .flags = like.flags & kBitmapAuto,
                    .type = like.type,
                    .granularity_bits = like.granularity_bits,
                    .name_bytes = static_cast<std::uint16_t>(name.size())};
  if (directory_.size() + entry.encoded_bytes() > kMaxBitmapDirectoryBytes) {
    return OverLimit("the bitmap directory exceeds the limit of {0} bytes",
                     kMaxBitmapDirectoryBytes);
  }
  const std::uint64_t table_clusters = DivideRoundUp(entries * kTableEntryBytes, cluster_bytes);
  INSTAR_ASSIGN_OR_RETURN(entry.table_offset, allocator_->AllocateTable(table_clusters));

  // The table is written to the end of its last cluster: the file may not read as zeros there.
  std::vector<std::byte> bits(cluster_bytes);
  std::vector<std::byte> piece;
  const std::uint64_t table_entries = table_clusters * cluster_bytes / kTableEntryBytes;
  for (std::uint64_t first = 0; first < table_entries; first += kTablePieceEntries) {
    const std::uint64_t count = std::min<std::uint64_t>(kTablePieceEntries, table_entries - first);
    piece.assign(count * kTableEntryBytes, std::byte{0});
    for (std::uint64_t i = 0; i < count && first + i < entries; ++i) {
      INSTAR_TRY(data.Read((first + i) * cluster_bytes, bits));
      INSTAR_ASSIGN_OR_RETURN(const std::uint64_t place, PlaceBits(bits));
      StoreBe64(piece, i * kTableEntryBytes, place);
    }
    INSTAR_TRY(batch_->Add(entry.table_offset + first * kTableEntryBytes, piece));
  }

  const std::size_t at = directory_.size();
  directory_.resize(at + entry.encoded_bytes());
  const std::span<std::byte> record = std::span(directory_).subspan(at);
  kBitmapFields.Encode(entry, record);
  std::ranges::copy(std::as_bytes(std::span(name)), record.begin() + BitmapEntry::kFixedBytes);
  ++count_;
  return {};
}

Result<std::optional<BitmapsExtension>> BitmapWriter::Finish() {
  if (count_ == 0) return std::nullopt;
  BitmapsExtension extension{.bitmap_count = count_, .directory_bytes = directory_.size()};
  INSTAR_ASSIGN_OR_RETURN(extension.directory_offset,
                          allocator_->AllocateTable(
                              DivideRoundUp(directory_.size(), std::uint64_t{1} << cluster_bits_)));
  INSTAR_TRY(batch_->Add(extension.directory_offset, directory_));
  return extension;
}

namespace {

Status VisitSource(const BlockDevice& source, std::uint64_t disk_bytes, bool skip_broken,
                   BitmapWriter* writer) {
  ReadWindow file(source, 4096);
  INSTAR_ASSIGN_OR_RETURN(const auto bytes, file.View(0, Header::kFullBytes));
  INSTAR_ASSIGN_OR_RETURN(const Header header, Header::DecodeFrom(bytes));
  INSTAR_TRY(header.Validate());
  const std::uint64_t source_bytes = AlignDown(header.virtual_size_bytes, 512);
  if (source_bytes != disk_bytes) {
    return Unsupported("bitmaps of a disk of {0} bytes cannot be copied to one of {1}",
                       source_bytes, disk_bytes);
  }
  INSTAR_ASSIGN_OR_RETURN(const HeaderExtensions extensions,
                          HeaderExtensions::ReadFrom(file, header));
  if (!extensions.bitmaps) return {};
  Copier copier(source, header, skip_broken, writer);
  INSTAR_TRY(VisitBitmaps(source, *extensions.bitmaps, copier));
  return copier.status();
}

}  // namespace

Status CheckBitmaps(const BlockDevice& source, std::uint64_t disk_bytes, bool skip_broken) {
  return VisitSource(source, disk_bytes, skip_broken, nullptr);
}

Status CopyBitmaps(const BlockDevice& source, std::uint64_t disk_bytes, bool skip_broken,
                   BitmapWriter& writer) {
  return VisitSource(source, disk_bytes, skip_broken, &writer);
}

}  // namespace instar::qcow2
