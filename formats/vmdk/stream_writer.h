// Writes a fresh stream-optimized VMDK (Virtual Disk Format 5.0, "Stream-Optimized Compressed
// Sparse Extents"), the kind that OVF packages hold and ESXi imports.
//
// Everything is written in the order of the file, nothing twice: header and descriptor at once,
// then compressed grains as they come, each grain table behind its grains; at the end the grain
// directory, the footer, which says where that is, and the end-of-stream marker. So it can go into
// a pipe, and what an interrupted run leaves lacks the footer. Memory: one grain table, four bytes
// for each table there was, the state of a compressor for each worker.
#ifndef FORMATS_VMDK_STREAM_WRITER_H_
#define FORMATS_VMDK_STREAM_WRITER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "formats/base/image_writer.h"
#include "formats/create.h"
#include "formats/qcow2/write/compressor.h"
#include "formats/vmdk/grain_table.h"
#include "formats/vmdk/sparse_layout.h"
#include "formats/vmdk/writer_options.h"

namespace instar::vmdk {

class StreamWriter final : public ImageWriter {
 public:
  // Where grains begin: behind the header and the descriptor.
  static constexpr std::uint64_t kFirstGrainSector = SparseLayout::kGrainSectors;

  static Result<std::unique_ptr<StreamWriter>> Create(WriterOptions parsed,
                                                      const CreateOptions& options);

  [[nodiscard]] std::uint64_t unit_bytes() const override { return SparseLayout::kGrainBytes; }
  [[nodiscard]] bool unplaced_reads_zero() const override { return !options_.has_backing(); }
  [[nodiscard]] bool placed_reads_zero() const override { return false; }
  // Grains are stored compressed, whether or not that makes them smaller.
  [[nodiscard]] bool compresses(bool) const override { return true; }
  [[nodiscard]] std::uint64_t max_compressed_bytes() const override { return kMaxStoredBytes; }
  void SetIdentity(const IdentitySeed& seed) override { options_.identity = seed; }
  Status Begin() override;
  Result<Placement> PlaceData(std::uint64_t offset, std::uint64_t length) override;
  Result<Placement> PlaceCompressed(std::uint64_t offset, std::uint64_t compressed_bytes) override;
  Status PlaceZero(std::uint64_t offset, std::uint64_t length) override;
  // The grain with the marker in front of it, which says where on the disk it belongs.
  Result<std::size_t> CompressAt(unsigned worker, std::uint64_t offset,
                                 std::span<const std::byte> unit,
                                 std::span<std::byte> out) override;
  Status Finish() override;

  // The most that a stored grain takes: what does not compress grows a little.
  static constexpr std::uint64_t kMaxStoredBytes = SparseLayout::kGrainBytes + kSectorBytes;

 private:
  StreamWriter(WriterOptions options, TargetDevice& target);

  [[nodiscard]] SparseHeader Header() const;
  // Makes the table of `grain` the current one. The table before it is written out.
  Status Select(std::uint64_t grain);
  Status FlushTable();
  // Takes `bytes` at the end of the file, in whole sectors.
  Result<std::uint64_t> Take(std::uint64_t bytes);
  Status Append(std::span<const std::byte> bytes);

  WriterOptions options_;
  TargetDevice* target_;
  SparseLayout layout_;
  std::vector<std::unique_ptr<qcow2::Compressor>> compressors_;  // one a worker
  std::uint64_t end_sector_ = 0;
  GrainTable table_;
  std::vector<std::uint32_t> tables_;  // sectors of those written; 0 for tables without grains
  std::vector<std::byte> zero_grain_;  // a stored grain of zeros, where it may be needed
};

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_STREAM_WRITER_H_
