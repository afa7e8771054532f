// What a format can do: a row of the table of formats (formats/format_table.h). What it cannot do
// is null.
#ifndef FORMATS_FORMAT_H_
#define FORMATS_FORMAT_H_

#include <cstdint>
#include <memory>
#include <span>

#include "formats/amend.h"
#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/image_reader.h"
#include "formats/base/image_writer.h"
#include "formats/bitmap.h"
#include "formats/check.h"
#include "formats/create.h"
#include "formats/inspect.h"
#include "formats/measure.h"
#include "formats/repair.h"
#include "formats/resize.h"
#include "formats/signatures.h"
#include "formats/snapshot.h"

namespace instar {

struct Format {
  FormatId id = FormatId::kUnknown;
  // What a file of the format starts with. A format that has another sign than certain bytes says
  // so by `recognises`, which is given the first kSignatureHeadBytes of a file, or all of it.
  std::span<const HeadSignature> signatures{};
  bool (*recognises)(std::span<const std::byte> head) = nullptr;
  // As OpenImage (open.h).
  Result<std::unique_ptr<ImageReader>> (*open)(const BlockDevice& device) = nullptr;
  // As CreateImage and OpenForWriting (create.h).
  Result<std::unique_ptr<ImageWriter>> (*create)(const CreateOptions& options) = nullptr;
  Result<std::unique_ptr<ImageWriter>> (*edit)(const CreateOptions& options) = nullptr;
  // As MeasureImage (measure.h).
  Result<std::unique_ptr<ImageMeasurer>> (*measure)(const CreateOptions& options) = nullptr;
  // As CheckImage (check.h).
  Result<CheckCounts> (*check)(const CheckOptions& options) = nullptr;
  // As RepairImage (repair.h).
  Result<RepairCounts> (*repair)(const RepairOptions& options) = nullptr;
  // As AmendImage (amend.h).
  Status (*amend)(const AmendOptions& options) = nullptr;
  // As ResizeImage (resize.h).
  Status (*resize)(const ResizeOptions& options) = nullptr;
  // As ChangeBitmaps (bitmap.h).
  Status (*change_bitmaps)(const BitmapOptions& options) = nullptr;
  // As the functions of snapshot.h.
  Status (*create_snapshot)(const SnapshotOptions& options) = nullptr;
  Status (*apply_snapshot)(const SnapshotOptions& options) = nullptr;
  Status (*delete_snapshot)(const SnapshotOptions& options) = nullptr;
  // As InspectImage (inspect.h), of a file that has the format's signature.
  Status (*inspect)(const Inspection& inspection) = nullptr;
  // Whether data of the image may lie in holes of the file, which occupies `allocated_bytes` of
  // storage: places that were given to the disk before anything was written. Null: never looked
  // for.
  Result<bool> (*may_map_holes)(const BlockDevice& device, std::uint64_t allocated_bytes) = nullptr;
};

}  // namespace instar

#endif  // FORMATS_FORMAT_H_
