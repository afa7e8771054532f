// What every extent of every format must keep to.
#ifndef FUZZ_EXTENT_REQUIREMENTS_H_
#define FUZZ_EXTENT_REQUIREMENTS_H_

#include "budgeted_device.h"
#include "formats/base/image_reader.h"

namespace instar::fuzz {

// One extent at `at` of a disk of `size` bytes, clusters of `cluster` bytes, over files of
// `file_bytes`.
inline void CheckExtent(const Extent& extent, std::uint64_t at, std::uint64_t size,
                        std::uint64_t cluster, std::uint64_t file_bytes) {
  Require(extent.length_bytes >= 1, "an extent is not empty");
  Require(extent.length_bytes <= size - at, "an extent ends within the disk");
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
      return;
    case ExtentKind::kCompressed:
      Require(extent.unit_bytes == cluster, "a unit is a cluster");
      Require(extent.unit_offset <= at && extent.unit_offset % cluster == 0,
              "an extent lies in its unit");
      Require(at + extent.length_bytes <= extent.unit_offset + cluster,
              "an extent ends with its unit");
      Require(extent.compressed_bytes >= 1 && extent.compressed_bytes <= 2 * cluster,
              "a compressed cluster is at most two clusters long");
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
