#include "formats/qcow2/write/measurer.h"

#include <algorithm>
#include <string_view>

#include "formats/base/checked.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/structures/bitmap_directory.h"
#include "formats/qcow2/structures/constants.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"
#include "formats/qcow2/write/writer_refcount_table.h"

namespace instar::qcow2 {
namespace {

// Adds up what bitmaps take in clusters of `cluster_bits`, their bits all stored.
class BitmapSum final : public BitmapVisitor {
 public:
  BitmapSum(std::uint64_t disk_bytes, std::uint64_t cluster_bytes)
      : disk_bytes_(disk_bytes), cluster_bytes_(cluster_bytes) {}

  void Visit(const BitmapEntry& entry, std::string_view name) override {
    const std::uint64_t granules =
        DivideRoundUp(disk_bytes_, std::uint64_t{1} << entry.granularity_bits);
    const std::uint64_t clusters = DivideRoundUp(DivideRoundUp(granules, 8), cluster_bytes_);
    clusters_ += clusters + DivideRoundUp(clusters * kTableEntryBytes, cluster_bytes_);
    BitmapEntry copy = entry;
    copy.name_bytes = static_cast<std::uint16_t>(name.size());
    copy.extra_bytes = 0;
    directory_bytes_ += copy.encoded_bytes();
  }
  [[nodiscard]] std::uint64_t bytes() const {
    return (clusters_ + DivideRoundUp(directory_bytes_, cluster_bytes_)) * cluster_bytes_;
  }

 private:
  std::uint64_t disk_bytes_;
  std::uint64_t cluster_bytes_;
  std::uint64_t clusters_ = 0;
  std::uint64_t directory_bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<ImageMeasurer>> Measurer::Create(const CreateOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(WriterOptions parsed, WriterOptions::ForMeasuring(options));
  return std::unique_ptr<ImageMeasurer>(new Measurer(std::move(parsed)));
}

Status Measurer::AddData(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t first = std::max(next_cluster_, offset >> options_.cluster_bits);
  const std::uint64_t end = DivideRoundUp(offset + length, options_.cluster_bytes());
  if (end <= first) return {};
  data_clusters_ += end - first;
  next_cluster_ = end;
  return {};
}

Status Measurer::AddBitmaps(const BlockDevice& source, FormatId format) {
  if (format != FormatId::kQcow2 || options_.version < 3) return {};
  ReadWindow file(source, 4096);
  INSTAR_ASSIGN_OR_RETURN(const auto bytes, file.View(0, Header::kFullBytes));
  INSTAR_ASSIGN_OR_RETURN(const Header header, Header::DecodeFrom(bytes));
  INSTAR_TRY(header.Validate());
  if (header.version < 3) return {};
  INSTAR_ASSIGN_OR_RETURN(const HeaderExtensions extensions,
                          HeaderExtensions::ReadFrom(file, header));
  BitmapSum sum(header.virtual_size_bytes, options_.cluster_bytes());
  if (extensions.bitmaps) INSTAR_TRY(VisitBitmaps(source, *extensions.bitmaps, sum));
  bitmap_bytes_ = sum.bytes();
  return {};
}

Result<Measurement> Measurer::Finish() {
  const std::uint64_t disk_clusters = options_.clusters();
  const std::uint64_t l2_tables = options_.l1_entries();
  const std::uint64_t l1_clusters =
      DivideRoundUp(l2_tables * kTableEntryBytes, options_.cluster_bytes());
  const std::uint64_t full = CountedFile::Around(1 + l1_clusters + l2_tables + disk_clusters,
                                                 options_.cluster_bits, options_.refcount_order)
                                 .clusters;
  const bool all = options_.preallocation >= WriterPreallocation::kFalloc;
  const std::uint64_t required = all ? full : full - disk_clusters + data_clusters_;
  const auto bytes = CheckedMul(full, options_.cluster_bytes());
  if (!bytes) return OverLimit("a file of {0} clusters is too large", full);
  return Measurement{.required_bytes = required << options_.cluster_bits,
                     .fully_allocated_bytes = *bytes,
                     .bitmap_bytes = bitmap_bytes_};
}

}  // namespace instar::qcow2
