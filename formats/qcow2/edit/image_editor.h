// Writes into a qcow2 image that exists (convert -n): any version, refcount width and cluster size,
// subclusters, compressed clusters, snapshots, an external data file.
//
// A cluster that the active layer alone owns is overwritten where it stands. One that is
// unallocated, zero, compressed or shared with a snapshot is given a new place at the end of the
// file; the old one is released when the tables have changed. What is not placed keeps its content.
// The order in which the metadata reaches the file is edit_mapping.h's; data is not waited
// for, so a run that dies leaves a sound image with a mixture of old and new content.
#ifndef FORMATS_QCOW2_EDIT_IMAGE_EDITOR_H_
#define FORMATS_QCOW2_EDIT_IMAGE_EDITOR_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "formats/base/image_reader.h"
#include "formats/base/image_writer.h"
#include "formats/create.h"
#include "formats/qcow2/edit/edit_mapping.h"
#include "formats/qcow2/edit/refcount_allocator.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/write/compressor.h"

namespace instar::qcow2 {

class ImageEditor final : public ImageWriter {
 public:
  // Opens the image on options.target. Of the options only the files, the disk size, compress and
  // workers count. kInvalidArgument if the image's disk is smaller than the one to be written;
  // kUnsupported for images that must not be written to as they are.
  static Result<std::unique_ptr<ImageWriter>> Open(const CreateOptions& options);

  [[nodiscard]] std::uint64_t unit_bytes() const override { return header_.cluster_bytes(); }
  [[nodiscard]] bool unplaced_reads_zero() const override { return false; }
  [[nodiscard]] bool placed_reads_zero() const override { return false; }
  Status Begin() override;
  // The last unit may end where the disk to be written does, inside a cluster of the image.
  Result<Placement> PlaceData(std::uint64_t offset, std::uint64_t length) override;
  Result<Placement> PlaceCompressed(std::uint64_t offset, std::uint64_t compressed_bytes) override;
  Status PlaceZero(std::uint64_t offset, std::uint64_t length) override;
  Result<std::size_t> Compress(unsigned worker, std::span<const std::byte> unit,
                               std::span<std::byte> out) override;
  Status Finish() override;

 private:
  ImageEditor(const Header& header, std::unique_ptr<ImageReader> reader, bool has_backing,
              const CreateOptions& options);

  Status CheckPlace(std::uint64_t offset, std::uint64_t length) const;
  // Where `entry` may be overwritten, or nothing: it needs a new place.
  Result<std::optional<std::uint64_t>> PlaceOf(const ClusterEntry& entry);
  // Takes from the counts, later, what `entry` refers to.
  void Release(const ClusterEntry& entry);
  [[nodiscard]] ClusterEntry DataEntry(std::uint64_t host_offset) const;
  [[nodiscard]] ClusterEntry ZeroEntry() const;
  [[nodiscard]] bool ReadsZero(const ClusterEntry& entry) const;

  Result<Placement> PlaceInDataFile(std::uint64_t offset, std::uint64_t length);
  Result<Placement> PlaceClusters(std::uint64_t cluster, std::uint64_t clusters);
  // The start of one cluster, the rest of which keeps its content.
  Result<Placement> PlacePart(std::uint64_t offset, std::uint64_t length);
  Status ReadOld(std::uint64_t offset, std::span<std::byte> out) const;
  Status PlaceZeroCluster(std::uint64_t cluster);
  Result<std::uint64_t> AllocateBytes(std::uint64_t bytes);

  Header header_;
  std::unique_ptr<ImageReader> reader_;
  bool has_backing_;
  std::uint64_t size_bytes_;  // of the disk to be written
  TargetDevice* target_;
  TargetDevice* data_;  // the external data file, or the target
  RefcountAllocator refcounts_;
  EditMapping mapping_;
  std::vector<std::unique_ptr<Compressor>> compressors_;
  std::uint64_t placed_bytes_ = 0;  // virtual bytes below have been placed
  std::uint64_t tail_ = 0;          // free byte after the compressed data placed last, 0 for none
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_IMAGE_EDITOR_H_
