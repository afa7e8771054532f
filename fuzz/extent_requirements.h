// What every extent of every format must keep to.
#ifndef FUZZ_EXTENT_REQUIREMENTS_H_
#define FUZZ_EXTENT_REQUIREMENTS_H_

#include "budgeted_device.h"
#include "formats/base/image_reader.h"

namespace instar::fuzz {

// One compressed extent at `at` of a disk whose units are at most `largest` bytes, over files of
// `file_bytes`.
inline void CheckUnit(FormatId format, const Extent& extent, std::uint64_t at,
                      std::uint64_t largest, std::uint64_t file_bytes) {
  Require(extent.unit_offset <= at, "an extent lies in its unit");
  Require(at + extent.length_bytes <= extent.unit_offset + extent.unit_bytes,
          "an extent ends with its unit");
  switch (format) {
    case FormatId::kQcow2:
      Require(extent.unit_bytes == largest && extent.unit_offset % largest == 0,
              "a unit is a cluster");
      Require(extent.compressed_bytes >= 1 && extent.compressed_bytes <= 2 * largest,
              "a compressed cluster is at most two clusters long");
      return;
    case FormatId::kVmdk:
      Require(extent.unit_bytes <= largest, "a unit is no larger than the largest grain");
      Require(extent.file_offset < file_bytes, "a compressed grain begins within its file");
      Require(extent.compressed_bytes >= 1 && extent.compressed_bytes <= 2 * largest + 512,
              "a compressed grain is at most two grains long");
      return;
    default:
      Require(false, "only qcow2 and vmdk have compressed units");
  }
}

// One extent at `at` of the disk of `reader`, over files of `file_bytes`.
inline void CheckExtent(const ImageReader& reader, const Extent& extent, std::uint64_t at,
                        std::uint64_t file_bytes) {
  Require(extent.length_bytes >= 1, "an extent is not empty");
  Require(extent.length_bytes <= reader.virtual_size_bytes() - at,
          "an extent ends within the disk");
  switch (extent.kind) {
    case ExtentKind::kData:
      Require(extent.device != kNoDevice, "data stands on a device");
      Require(extent.file_offset <= file_bytes &&
                  extent.length_bytes <= file_bytes - extent.file_offset,
              "data stands within its file");
      return;
    case ExtentKind::kZero:
      Require(!extent.has_offset || extent.device != kNoDevice, "storage stands on a device");
      return;
    case ExtentKind::kUnallocated:
      Require(!extent.has_offset || extent.device != kNoDevice, "storage stands on a device");
      Require(!extent.has_offset || reader.format() != FormatId::kVmdk,
              "what is unallocated in a vmdk has no storage");
      Require(reader.references().size() == 1 ||
                  (reader.format() != FormatId::kVpc && reader.format() != FormatId::kVhdx),
              "of a VHD or VHDX only what has a parent leaves anything open");
      return;
    case ExtentKind::kCompressed:
      CheckUnit(reader.format(), extent, at, reader.cluster_size_bytes(), file_bytes);
      return;
  }
  Require(false, "an extent has a kind");
}

// Whether `part`, found at `skipped` bytes into `whole`, says the same.
inline void CheckAgreement(const Extent& whole, const Extent& part, std::uint64_t skipped) {
  Require(part.kind == whole.kind && part.has_offset == whole.has_offset,
          "the kind does not depend on where a walk starts");
  if (whole.kind == ExtentKind::kData || whole.has_offset) {
    Require(part.device == whole.device && part.file_offset == whole.file_offset + skipped,
            "the place does not depend on where a walk starts");
  }
}

}  // namespace instar::fuzz

#endif  // FUZZ_EXTENT_REQUIREMENTS_H_
