#include "formats/vhdx/image.h"

#include <utility>

#include "formats/base/checked.h"

namespace instar::vhdx {
namespace {

constexpr std::string_view kFileSignature = "vhdxfile";

bool Overlaps(std::uint64_t a, std::uint64_t a_bytes, const Region& b) {
  return a < b.offset + b.bytes && b.offset < a + a_bytes;
}

}  // namespace

Result<Image> Image::Open(const BlockDevice& device) {
  std::array<std::byte, 8> signature{};
  INSTAR_TRY(device.Read(0, signature));
  if (std::memcmp(signature.data(), kFileSignature.data(), signature.size()) != 0) {
    return Corrupt("the file does not start as a VHDX does");
  }
  Image image;
  INSTAR_ASSIGN_OR_RETURN(image.header, Header::ReadCurrent(device));
  INSTAR_ASSIGN_OR_RETURN(LogChanges changes, ReadLog(device, image.header));
  image.file = std::make_unique<ReplayedDevice>(device, std::move(changes));
  INSTAR_ASSIGN_OR_RETURN(image.regions, RegionTable::ReadFrom(*image.file, image.header));
  INSTAR_ASSIGN_OR_RETURN(image.metadata, Metadata::ReadFrom(*image.file, image.regions.metadata));
  image.bat = {.virtual_bytes = image.metadata.virtual_bytes,
               .block_bytes = image.metadata.block_bytes,
               .logical_sector_bytes = image.metadata.logical_sector_bytes,
               .has_parent = image.metadata.has_parent};
  if (image.bat.entries() * kBatEntryBytes > image.regions.bat.bytes) {
    return Corrupt("the block allocation table has {0} bytes, but the disk needs {1} entries",
                   image.regions.bat.bytes, image.bat.entries());
  }
  return image;
}

Status Image::CheckBlock(std::uint64_t offset, std::uint64_t bytes) const {
  if (!RangeFits(offset, bytes, file->size_bytes())) {
    return Corrupt("a block of {1} bytes at {0x} reaches beyond the end of the file ({2x})", offset,
                   bytes, file->size_bytes());
  }
  if (offset < kHeaderSectionBytes || Overlaps(offset, bytes, regions.bat) ||
      Overlaps(offset, bytes, regions.metadata) ||
      Overlaps(offset, bytes, {header.log_offset, header.log_bytes})) {
    return Corrupt("a block at {0x} lies on the metadata of the image", offset);
  }
  return {};
}

}  // namespace instar::vhdx
