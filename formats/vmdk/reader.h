// Reads VMDK images: hosted sparse and stream-optimized files, and descriptors of flat and sparse
// extents. ESX's own sparse kinds (vmfsSparse, seSparse) and device mappings are told and refused.
#ifndef FORMATS_VMDK_READER_H_
#define FORMATS_VMDK_READER_H_

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "formats/base/image_reader.h"
#include "formats/qcow2/read/decompressor.h"
#include "formats/vmdk/descriptor.h"
#include "formats/vmdk/disk_extent.h"

namespace instar::vmdk {

class Reader final : public ImageReader {
 public:
  static Result<std::unique_ptr<Reader>> Open(const BlockDevice& device);

  [[nodiscard]] FormatId format() const override { return FormatId::kVmdk; }
  [[nodiscard]] std::uint64_t virtual_size_bytes() const override {
    return extents_.empty() ? 0 : extents_.back().end_bytes();
  }
  // The largest grain of any extent that is attached; 0 if all are flat.
  [[nodiscard]] std::uint64_t cluster_size_bytes() const override { return cluster_bytes_; }
  [[nodiscard]] std::span<const Reference> references() const override { return references_; }
  Status Attach(std::size_t index, const BlockDevice& device) override;
  Status SelectSnapshot(std::string_view id_or_name) override;
  Status CheckBacking(const ImageReader& backing) const override;
  Result<std::unique_ptr<MapCursor>> OpenCursor() const override;
  Status Decompress(const Extent& extent, std::span<const std::byte> compressed,
                    std::span<std::byte> out) const override;
  Status Describe(ReportSink& sink) const override;

  [[nodiscard]] const Descriptor& descriptor() const { return descriptor_; }
  [[nodiscard]] std::span<const DiskExtent> extents() const { return extents_; }

 private:
  explicit Reader(const BlockDevice& device) : device_(&device), decompressor_(0) {}

  Status ReadText(std::uint64_t offset, std::uint64_t length);
  Status OpenSparse();
  Status OpenDescriptor();
  Status TakeExtents();
  void ListReferences();

  const BlockDevice* device_;
  mutable qcow2::Decompressor decompressor_;  // reentrant; keeps only working memory
  std::vector<char> text_;                    // of the descriptor
  Descriptor descriptor_;
  std::vector<DiskExtent> extents_;
  std::vector<Reference> references_;
  std::vector<std::size_t> extent_of_;  // of each reference; SIZE_MAX for the parent
  std::uint64_t cluster_bytes_ = 0;
};

// `device` must outlive the reader. kCorrupt, kUnsupported, kLimit, kIo.
Result<std::unique_ptr<ImageReader>> OpenReader(const BlockDevice& device);

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_READER_H_
