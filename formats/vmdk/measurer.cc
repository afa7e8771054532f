#include <algorithm>
#include <utility>
#include <vector>

#include "formats/base/block_counter.h"
#include "formats/vmdk/descriptor_text.h"
#include "formats/vmdk/format.h"
#include "formats/vmdk/sparse_layout.h"
#include "formats/vmdk/stream_writer.h"
#include "formats/vmdk/writer_options.h"

namespace instar::vmdk {
namespace {

class Measurer final : public ImageMeasurer {
 public:
  explicit Measurer(WriterOptions options)
      : options_(std::move(options)),
        grains_(options_.virtual_size_bytes, SparseLayout::kGrainBytes),
        tables_(options_.virtual_size_bytes, SparseLayout::kTableCoversBytes) {}

  [[nodiscard]] std::uint64_t unit_bytes() const override { return SparseLayout::kGrainBytes; }
  Status AddData(std::uint64_t offset, std::uint64_t length) override {
    INSTAR_TRY(grains_.Add(offset, length));
    return tables_.Add(offset, length);
  }

  Result<Measurement> Finish() override {
    const SparseLayout whole{.capacity_bytes = options_.virtual_size_bytes};
    return Measurement{.required_bytes = Bytes(grains_.count(), tables_.count()),
                       .fully_allocated_bytes = Bytes(whole.grains(), whole.tables())};
  }

 private:
  [[nodiscard]] std::uint64_t Bytes(std::uint64_t grains, std::uint64_t tables) const {
    if (options_.streamed()) return StreamBytes(grains, tables);
    const std::uint64_t descriptor = options_.divided() ? DescriptorText(options_).size() : 0;
    if (options_.flat()) return descriptor + options_.virtual_size_bytes;
    return descriptor + TableBytes() + grains * SparseLayout::kGrainBytes;
  }

  // What every sparse extent takes before its first grain.
  [[nodiscard]] std::uint64_t TableBytes() const {
    if (!options_.divided()) {
      return SparseLayout{.capacity_bytes = options_.virtual_size_bytes}.overhead_sectors() *
             kSectorBytes;
    }
    std::uint64_t bytes = 0;
    for (std::uint64_t i = 0; i < options_.extent_count(); ++i) {
      bytes += SparseLayout{.capacity_bytes = options_.extent_bytes(i)}.overhead_sectors() *
               kSectorBytes;
    }
    return bytes;
  }

  [[nodiscard]] std::uint64_t StreamBytes(std::uint64_t grains, std::uint64_t tables) const {
    const SparseLayout layout{.capacity_bytes = options_.virtual_size_bytes};
    const std::uint64_t trailer = 3;
    return (StreamWriter::kFirstGrainSector + 1 + layout.directory_sectors() + trailer) *
               kSectorBytes +
           tables * (kSectorBytes + SparseLayout::kTableBytes) +
           grains * StreamWriter::kMaxStoredBytes;
  }

  WriterOptions options_;
  BlockCounter grains_;
  BlockCounter tables_;
};

}  // namespace

Result<std::unique_ptr<ImageMeasurer>> CreateMeasurer(const CreateOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(WriterOptions parsed, WriterOptions::From(options));
  return std::make_unique<Measurer>(std::move(parsed));
}

}  // namespace instar::vmdk
