// Writes a fresh qcow2 image in one ascending pass.
//
// Layout: header cluster, first refcount block, refcount table (when one cluster of it is sure to
// be enough; else it comes last), L1 table; then, in the order of the virtual disk, each L2 table
// followed by the data it describes, with a refcount block at the start of every range of clusters
// one block counts. Memory: one L2 table, one refcount block, a piece of the L1 table, a batch of
// pending writes, and 8 bytes per refcount block; compression adds its state per worker.
//
// The header cluster reads as zeros until Finish, so that what an interrupted run leaves is no
// qcow2 image. tests/unit/formats/qcow2_write covers this file.
#ifndef FORMATS_QCOW2_WRITE_WRITER_H_
#define FORMATS_QCOW2_WRITE_WRITER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "formats/base/image_writer.h"
#include "formats/create.h"
#include "formats/qcow2/write/compressor.h"
#include "formats/qcow2/write/write_batch.h"
#include "formats/qcow2/write/writer_allocator.h"
#include "formats/qcow2/write/writer_header.h"
#include "formats/qcow2/write/writer_mapping.h"
#include "formats/qcow2/write/writer_options.h"

namespace instar::qcow2 {

class Writer final : public ImageWriter {
 public:
  // Checks the options; writes nothing.
  static Result<std::unique_ptr<ImageWriter>> Create(const CreateOptions& options);

  // A cluster; with extended L2 entries a subcluster, unless clusters are compressed.
  [[nodiscard]] std::uint64_t unit_bytes() const override { return unit_bytes_; }
  [[nodiscard]] bool unplaced_reads_zero() const override { return !options_.has_backing(); }
  [[nodiscard]] bool placed_reads_zero() const override { return data_->fresh_reads_zero(); }
  Status Begin() override;
  Result<Placement> PlaceData(std::uint64_t offset, std::uint64_t length) override;
  Result<Placement> PlaceCompressed(std::uint64_t offset, std::uint64_t compressed_bytes) override;
  Status PlaceZero(std::uint64_t offset, std::uint64_t length) override;
  Result<std::size_t> Compress(unsigned worker, std::span<const std::byte> unit,
                               std::span<std::byte> out) override;
  Status CheckBitmaps(const BlockDevice& source, bool skip_broken) override;
  Status CopyBitmaps(const BlockDevice& source, bool skip_broken) override;
  Status Finish() override;

 private:
  // The cluster that was placed in part, and what is known of its subclusters.
  struct OpenCluster {
    std::uint64_t cluster = ~std::uint64_t{0};
    bool has_place = false;
    std::uint64_t offset = 0;  // of its place
    SubclusterBitmap bitmap{};
  };

  Writer(WriterOptions options, TargetDevice& target, TargetDevice* data_file, bool compress);

  [[nodiscard]] bool preallocates() const {
    return options_.preallocation != WriterPreallocation::kOff;
  }
  // Clusters of the finished file when all of the virtual disk has its place.
  [[nodiscard]] std::uint64_t FullFileClusters() const;

  Status BeginDataFile();
  Status CheckPlace(std::uint64_t offset, std::uint64_t length) const;
  // Whether [offset, offset + length) starts or ends inside a cluster of subclusters.
  [[nodiscard]] bool StartsInPart(std::uint64_t offset, std::uint64_t length) const;
  // Makes the cluster that holds virtual byte `offset` the open one.
  Status OpenClusterAt(std::uint64_t offset);
  Result<Placement> PlaceDataInPart(std::uint64_t offset, std::uint64_t length);
  Status PlaceZeroInPart(std::uint64_t offset, std::uint64_t length);
  Status PlaceZeroClusters(std::uint64_t cluster, std::uint64_t end);
  // Takes up to `clusters` clusters for virtual cluster `cluster` on and describes them with
  // `bitmap`. Does not pass the end of the L2 table.
  Result<ClusterRun> TakeClusters(std::uint64_t cluster, std::uint64_t clusters,
                                  SubclusterBitmap bitmap);
  // Gives clusters the preallocation promises a place, up to virtual cluster `end`.
  Status PreallocateUntil(std::uint64_t end);
  Status ZeroData(const ClusterRun& run);
  Status PlaceRefcountTable();
  [[nodiscard]] std::uint64_t FileEnd() const;

  WriterOptions options_;
  std::uint64_t unit_bytes_;
  TargetDevice* target_;
  TargetDevice* data_;  // the external data file, or the target
  WriteBatch batch_;
  WriterAllocator allocator_;
  WriterMapping mapping_;
  std::vector<std::unique_ptr<Compressor>> compressors_;  // one a worker
  TablePlaces places_;
  OpenCluster open_;
  std::uint64_t next_cluster_ = 0;    // virtual clusters below have been placed, wholly or in part
  std::uint64_t placed_bytes_ = 0;    // virtual bytes below have been placed
  std::uint64_t data_end_bytes_ = 0;  // end of the data placed last in the target
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_WRITE_WRITER_H_
