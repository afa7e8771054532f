// Writes dirty bitmaps into a fresh image: for each a table and clusters of bits, then the
// directory that names them. Clusters that are all zeros or all ones are told by the table alone.
#ifndef FORMATS_QCOW2_WRITE_BITMAP_WRITER_H_
#define FORMATS_QCOW2_WRITE_BITMAP_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "formats/base/error.h"
#include "formats/qcow2/read/bitmap_data.h"
#include "formats/qcow2/structures/bitmap_directory.h"
#include "formats/qcow2/structures/header_extensions.h"
#include "formats/qcow2/write/write_batch.h"
#include "formats/qcow2/write/writer_allocator.h"

namespace instar::qcow2 {

class BitmapWriter {
 public:
  // For an image with clusters of 1 << `cluster_bits`. `batch` and `allocator` must outlive this.
  BitmapWriter(WriteBatch& batch, WriterAllocator& allocator, unsigned cluster_bits)
      : batch_(&batch), allocator_(&allocator), cluster_bits_(cluster_bits) {}

  // Writes the bitmap `name` with the granularity of `like`, the flag "auto" if that has it, and
  // the bits of `data`.
  Status Add(std::string_view name, const BitmapEntry& like, BitmapData& data);

  // Writes the directory. Nothing if there are no bitmaps.
  Result<std::optional<BitmapsExtension>> Finish();

 private:
  // The table entry for one cluster of bits, which is written if it has to be.
  Result<std::uint64_t> PlaceBits(std::span<const std::byte> bits);

  WriteBatch* batch_;
  WriterAllocator* allocator_;
  unsigned cluster_bits_;
  std::uint32_t count_ = 0;
  std::vector<std::byte> directory_;
};

// Whether CopyBitmaps with these arguments finds what it needs. As ImageWriter::CheckBitmaps.
Status CheckBitmaps(const BlockDevice& source, std::uint64_t disk_bytes, bool skip_broken);

// Copies every bitmap of the qcow2 image on `source` to `writer`, for a disk of `disk_bytes`. As
// ImageWriter::CopyBitmaps.
Status CopyBitmaps(const BlockDevice& source, std::uint64_t disk_bytes, bool skip_broken,
                   BitmapWriter& writer);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_WRITE_BITMAP_WRITER_H_
