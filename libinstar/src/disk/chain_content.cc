#include "disk/chain_content.h"

#include <algorithm>

#include "formats/base/checked.h"

namespace instar::disk {

Status ChainContent::AttachDataFiles(const Layer& layer) {
  const auto references = layer.reader->references();
  for (std::size_t i = 0; i < references.size(); ++i) {
    if (references[i].role != ReferenceRole::kDataFile) continue;
    const DeviceId parent = layer.device->id();
    const auto id = host_.OpenReference(parent, references[i].name, references[i].role);
    if (!id) return std::unexpected(id.error().On(parent));
    INSTAR_ASSIGN_OR_RETURN(HostDevice device, HostDevice::Open(host_, *id));
    attached_.push_back(std::make_unique<HostDevice>(std::move(device)));
    INSTAR_TRY(layer.reader->Attach(i, *attached_.back()));
  }
  return {};
}

Status ChainContent::Open() {
  if (cursor_ != nullptr) return {};
  const std::vector<Layer>& layers = chain_.layers();
  for (std::size_t i = 1; i < layers.size(); ++i) INSTAR_TRY(AttachDataFiles(layers[i]));
  INSTAR_ASSIGN_OR_RETURN(cursor_, chain_.OpenCursor());
  return {};
}

Status ChainContent::Read(std::uint64_t offset, std::span<std::byte> out) {
  INSTAR_TRY(Open());
  while (!out.empty()) {
    const std::uint64_t size = chain_.virtual_size_bytes();
    if (offset >= size) {
      std::ranges::fill(out, std::byte{0});
      return {};
    }
    INSTAR_ASSIGN_OR_RETURN(
        const ChainExtent found,
        cursor_->Next(offset, std::min<std::uint64_t>(out.size(), size - offset)));
    const std::span<std::byte> piece = out.first(found.extent.length_bytes);
    switch (found.extent.kind) {
      case ExtentKind::kZero:
      case ExtentKind::kUnallocated:
        std::ranges::fill(piece, std::byte{0});
        break;
      case ExtentKind::kData: {
        const ReadRequest request{
            .device = found.extent.device, .offset = found.extent.file_offset, .out = piece};
        INSTAR_TRY(host_.Read({&request, 1}));
        break;
      }
      case ExtentKind::kCompressed:
        INSTAR_TRY(ReadCompressed(found, offset, piece));
        break;
    }
    offset += piece.size();
    out = out.subspan(piece.size());
  }
  return {};
}

Status ChainContent::ReadCompressed(const ChainExtent& found, std::uint64_t offset,
                                    std::span<std::byte> out) {
  const Extent& extent = found.extent;
  const std::uint64_t most = chain_.layers()[found.depth].reader->compressed_unit_bytes();
  const std::uint64_t skip = offset - extent.unit_offset;
  // A unit that does not compress may take more than its size, by less than as much again.
  if (extent.unit_bytes > most || extent.compressed_bytes > 2 * most + 512 ||
      !RangeFits(skip, out.size(), extent.unit_bytes)) {
    const auto error = Corrupt("the compressed unit of {0} bytes at {1x} is larger than a cluster",
                               extent.unit_bytes, extent.file_offset);
    return std::unexpected(error.error().On(extent.device));
  }
  std::vector<std::byte> compressed(extent.compressed_bytes);
  std::vector<std::byte> unit(extent.unit_bytes);
  const ReadRequest request{
      .device = extent.device, .offset = extent.file_offset, .out = compressed};
  INSTAR_TRY(host_.Read({&request, 1}));
  INSTAR_TRY(chain_.Decompress(found, compressed, unit));
  std::ranges::copy(std::span(unit).subspan(skip, out.size()), out.begin());
  return {};
}

}  // namespace instar::disk
