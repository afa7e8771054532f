// Writes into a qcow2 image that exists (convert -n): any version, refcount width and cluster size,
// subclusters, compressed clusters, snapshots, bitmaps, an external data file.
//
// A cluster that the active disk alone refers to is overwritten where it stands. One that is
// unallocated, zero, compressed or shared with a snapshot is given a new place, which the tables
// show when all data is there: they change as a whole, at the end (image_change.h). What is not
// placed keeps its content. So at every moment the image is as sound as it was, with a mixture of
// old and new content on its disk, and writing it once more finishes the work. Before anything is
// written a change of its own sets the bits of all that will be in the bitmaps that record writes,
// and cleans an image that was not closed properly.
//
// Not thread-safe. tests/unit/formats/qcow2_write/overwriter_qemu_test.cc and tests/crash cover
// this file.
#ifndef FORMATS_QCOW2_EDIT_OVERWRITER_H_
#define FORMATS_QCOW2_EDIT_OVERWRITER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "formats/base/image_writer.h"
#include "formats/create.h"
#include "formats/qcow2/edit/image_change.h"
#include "formats/qcow2/edit/mapping_change.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "formats/qcow2/write/compressor.h"

namespace instar::qcow2 {

class Overwriter final : public ImageWriter {
 public:
  // Opens the image on options.target. Of the options only the files, the size of the disk,
  // content, compress and workers count. kInvalidArgument if the image's disk is smaller than the
  // one to be written; kUnsupported for images that must not be written to as they are.
  static Result<std::unique_ptr<ImageWriter>> Open(const CreateOptions& options);
  // Before Finish has succeeded: what was placed anew is given back.
  ~Overwriter() override;

  // A cluster; with extended L2 entries a subcluster, unless clusters are compressed.
  [[nodiscard]] std::uint64_t unit_bytes() const override { return unit_bytes_; }
  [[nodiscard]] bool unplaced_reads_zero() const override { return false; }
  [[nodiscard]] bool placed_reads_zero() const override { return false; }
  // kCorrupt for an image that has to be repaired first, with nothing changed.
  Status Begin() override;
  // The last unit may end where the disk to be written does, inside a unit of the image.
  Result<Placement> PlaceData(std::uint64_t offset, std::uint64_t length) override;
  Result<Placement> PlaceCompressed(std::uint64_t offset, std::uint64_t compressed_bytes) override;
  Status PlaceZero(std::uint64_t offset, std::uint64_t length) override;
  Result<std::size_t> Compress(unsigned worker, std::span<const std::byte> unit,
                               std::span<std::byte> out) override;
  Result<std::size_t> CompressAt(unsigned worker, std::uint64_t offset,
                                 std::span<const std::byte> unit,
                                 std::span<std::byte> out) override;
  Status Finish() override;

 private:
  Overwriter(const Header& header, const CreateOptions& options);

  // Whether the cluster at `offset` of the disk is written in part, and the rest of it kept.
  [[nodiscard]] bool KeepsRest(std::uint64_t offset) const {
    return size_bytes_ < offset + header_.cluster_bytes() &&
           size_bytes_ < header_.virtual_size_bytes / 512 * 512;
  }
  // The change before anything is written.
  Status Prepare();
  Status ShowRawDataFile(ImageChange& change) const;
  [[nodiscard]] Status CheckPlace(std::uint64_t offset, std::uint64_t length) const;

  // Where `cluster`, which `entry` describes, may be overwritten, or nothing: it needs a new place.
  Result<std::optional<std::uint64_t>> OwnPlace(std::uint64_t cluster, const ClusterEntry& entry);
  // Whether the cluster at `offset` of the file has one reference only.
  Result<bool> HasOneReference(std::uint64_t offset);
  // From 1 to `count` new clusters; the offset of the first.
  Result<ClusterRun> NewPlaces(std::uint64_t count);

  // Subclusters are numbered by bits; a cluster without them is one, bit 0.
  [[nodiscard]] std::uint32_t AllParts() const { return header_.extended_l2() ? ~0U : 1U; }
  // Those that [from, to) of a cluster touches; or, with `whole`, that it covers.
  [[nodiscard]] std::uint32_t Parts(std::uint64_t from, std::uint64_t to, bool whole) const;
  // Those of `entry` whose content is stored, and those that are said to be zeros.
  [[nodiscard]] std::uint32_t StoredParts(const ClusterEntry& entry) const;
  [[nodiscard]] std::uint32_t ZeroParts(const ClusterEntry& entry) const;
  [[nodiscard]] ClusterEntry DataEntry(std::uint64_t place, SubclusterBitmap bitmap) const;
  // Whether the parts `parts` read as zeros, whatever a backing file has.
  [[nodiscard]] bool ReadsZero(const ClusterEntry& entry, std::uint32_t parts) const;

  Result<Placement> PlaceClusters(std::uint64_t cluster, std::uint64_t clusters);
  // A part of one cluster, the rest of which keeps its content.
  Result<Placement> PlacePart(std::uint64_t offset, std::uint64_t length);
  // Copies [from, to) of the disk as it was to `file_offset`.
  Status CopyOld(std::uint64_t from, std::uint64_t to, std::uint64_t file_offset);
  Status PlaceZeroPart(std::uint64_t offset, std::uint64_t length);
  Result<std::uint64_t> PlaceBytes(std::uint64_t bytes);

  const Header header_;
  const CreateOptions options_;
  const std::uint64_t unit_bytes_;
  const std::uint64_t size_bytes_;  // of the disk to be written
  TargetDevice& target_;
  TargetDevice& data_;  // the external data file, or the target
  std::vector<std::unique_ptr<Compressor>> compressors_;

  std::unique_ptr<ImageChange> change_;  // from Begin on
  std::optional<MappingChange> mapping_;
  std::uint64_t placed_bytes_ = 0;  // virtual bytes below have been placed
  bool placed_data_ = false;
  std::uint64_t tail_ = 0;  // free byte after the compressed data placed last, 0 for none
  std::uint64_t tail_references_ = 0;  // to the cluster in which it is
  std::uint64_t ones_first_ = 0;       // the cluster of bit 0 of ones_
  std::vector<std::uint64_t> ones_;    // which clusters have one reference; empty: not known
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_OVERWRITER_H_
