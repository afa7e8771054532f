// What a fresh VMDK image shall be: the options of CreateOptions, read and checked.
#ifndef FORMATS_VMDK_WRITER_OPTIONS_H_
#define FORMATS_VMDK_WRITER_OPTIONS_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "formats/base/error.h"
#include "formats/base/identity.h"
#include "formats/create.h"
#include "formats/qcow2/write/compressor.h"
#include "formats/vmdk/constants.h"
#include "formats/vmdk/properties.h"

namespace instar::vmdk {

struct WriterOptions {
  Subformat subformat = Subformat::kMonolithicSparse;
  std::string_view adapter_type = "ide";  // static
  std::vector<char> hardware_version;
  std::vector<char> tools_version;
  bool zeroed_grain = false;
  unsigned deflate_level = qcow2::kDefaultDeflateLevel;
  Preallocation preallocation = Preallocation::kOff;  // of flat extents
  std::uint64_t virtual_size_bytes = 0;               // a multiple of 512
  std::vector<char> target_name;
  std::vector<char> backing_name;  // empty: none
  std::uint32_t parent_cid = kNoParent;
  IdentitySeed identity{};

  // kInvalidArgument, kUnsupported, kLimit in words for the user.
  static Result<WriterOptions> From(const CreateOptions& options);

  [[nodiscard]] bool has_backing() const { return !backing_name.empty(); }
  [[nodiscard]] bool flat() const {
    return subformat == Subformat::kMonolithicFlat || subformat == Subformat::kTwoGbMaxExtentFlat;
  }
  [[nodiscard]] bool streamed() const { return subformat == Subformat::kStreamOptimized; }
  // Whether the descriptor is a file of its own and the disk stands in others.
  [[nodiscard]] bool divided() const {
    return flat() || subformat == Subformat::kTwoGbMaxExtentSparse;
  }
  // Of the files besides the named one; all but the last are of the same length.
  [[nodiscard]] std::uint64_t extent_count() const {
    return ExtentCount(subformat, virtual_size_bytes);
  }
  [[nodiscard]] std::uint64_t extent_bytes(std::uint64_t index) const;
};

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_WRITER_OPTIONS_H_
