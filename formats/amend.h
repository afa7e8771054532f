// Giving an image other options than it was created with, in place and atomically: all of them or
// none, whatever happens (docs/inplace.md).
#ifndef FORMATS_AMEND_H_
#define FORMATS_AMEND_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/ids.h"
#include "formats/base/workers.h"
#include "formats/resize.h"

namespace instar {

struct AmendOptions {
  FormatId format = FormatId::kQcow2;
  TargetDevice* device = nullptr;     // the image, which nobody else writes to
  TargetDevice* data_file = nullptr;  // its external data file, where it has one
  // Of the disk before and of its backing file, as ResizeOptions has them; for `size_bytes` only.
  DiskContent* content = nullptr;
  std::optional<std::uint64_t> backing_bytes;
  Workers* workers = nullptr;  // what much work is shared out to; null: none but the caller

  // What is to change; nothing: as it is.
  std::optional<std::uint32_t> version;            // of the format: 2 or 3
  std::optional<std::uint64_t> size_bytes;         // of the disk; a multiple of 512
  std::optional<bool> lazy_refcounts;              // whether refcounts may be written late
  std::optional<std::uint32_t> refcount_bits;      // 1 to 64, a power of 2
  std::optional<std::string_view> data_file_name;  // empty: not stored
  std::optional<bool> data_file_raw;               // off only
  bool encryption = false;  // something of the encryption, which this version cannot change
  // Names that are only compared: backing files are changed by another verb.
  std::optional<std::string_view> backing_file;
  std::optional<std::string_view> backing_format;
};

// kUnsupported if options of images of `format` cannot be changed.
Status CheckCanAmend(FormatId format);

// Changes the options in one step. On an error before the change took effect the image is as it
// was. kInvalidArgument for what contradicts itself or the image, kUnsupported for what the image
// does not allow, kCorrupt for an image that has to be repaired first, kLimit, kNoSpace, kIo.
Status AmendImage(const AmendOptions& options);

}  // namespace instar

#endif  // FORMATS_AMEND_H_
