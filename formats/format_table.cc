#include "formats/format_table.h"

#include <algorithm>

#include "formats/amend.h"
#include "formats/bitmap.h"
#include "formats/check.h"
#include "formats/create.h"
#include "formats/measure.h"
#include "formats/open.h"
#include "formats/repair.h"
#include "formats/resize.h"
#include "formats/snapshot.h"

namespace instar {

Result<std::unique_ptr<ImageReader>> OpenImage(const BlockDevice& device, FormatId format) {
  if (const auto open = FunctionOf<&Format::open>(format)) return open(device);
  if (NameOf(format) == NameOf(FormatId::kUnknown)) {
    return InvalidArgument("image format {0} does not exist", static_cast<std::uint32_t>(format));
  }
  return MakeTextError(ErrorCode::kUnsupported,
                       "reading {t} images is not supported by this version",
                       format == FormatId::kQcow1 ? "qcow (version 1)" : NameOf(format));
}

Result<std::unique_ptr<ImageWriter>> CreateImage(const CreateOptions& options) {
  INSTAR_TRY(CheckTarget(options));
  if (const auto create = FunctionOf<&Format::create>(options.format)) return create(options);
  return Unsupported("images of this format cannot be written");
}

Result<std::unique_ptr<ImageWriter>> OpenForWriting(const CreateOptions& options) {
  INSTAR_TRY(CheckTarget(options));
  if (const auto edit = FunctionOf<&Format::edit>(options.format)) return edit(options);
  return Unsupported("images of this format cannot be written");
}

Result<std::unique_ptr<ImageMeasurer>> MeasureImage(const CreateOptions& options) {
  if (const auto measure = FunctionOf<&Format::measure>(options.format)) return measure(options);
  return Unsupported("images of this format cannot be written");
}

Status CheckCanAmend(FormatId format) {
  if (FunctionOf<&Format::amend>(format) != nullptr) return {};
  return MakeTextError(ErrorCode::kUnsupported,
                       "Format driver '{t}' does not support option amendment", NameOf(format));
}

Status AmendImage(const AmendOptions& options) {
  INSTAR_TRY(CheckCanAmend(options.format));
  return FunctionOf<&Format::amend>(options.format)(options);
}

Status ResizeImage(const ResizeOptions& options) {
  if (const auto resize = FunctionOf<&Format::resize>(options.format)) return resize(options);
  return Unsupported("Image format driver does not support resize");
}

Status ChangeBitmaps(const BitmapOptions& options) {
  if (const auto change = FunctionOf<&Format::change_bitmaps>(options.format)) {
    return change(options);
  }
  // All of no bitmaps can be removed.
  const auto first = std::ranges::find_if(options.actions, [](const BitmapAction& action) {
    return action.operation != BitmapOperation::kRemoveAll;
  });
  BitmapVerdict verdict;
  if (first != options.actions.end()) {
    verdict = {.fault = first->operation == BitmapOperation::kAdd ? BitmapFault::kNoBitmaps
                                                                  : BitmapFault::kNotFound,
               .action = static_cast<std::uint32_t>(first - options.actions.begin())};
  }
  if (options.listener != nullptr) INSTAR_TRY(options.listener->Judged(verdict));
  if (verdict.fault == BitmapFault::kNone) return {};
  return Unsupported("images of this format have no bitmaps");
}

// The words are qemu-img's.
Status CreateSnapshot(const SnapshotOptions& options) {
  const auto create = FunctionOf<&Format::create_snapshot>(options.format);
  return create != nullptr ? create(options) : Unsupported("Operation not supported");
}

Status ApplySnapshot(const SnapshotOptions& options) {
  const auto apply = FunctionOf<&Format::apply_snapshot>(options.format);
  return apply != nullptr ? apply(options) : Unsupported("Block driver does not support snapshots");
}

Status DeleteSnapshot(const SnapshotOptions& options) {
  const auto remove = FunctionOf<&Format::delete_snapshot>(options.format);
  return remove != nullptr ? remove(options)
                           : MakeError(ErrorCode::kNotFound, "snapshot not found");
}

Result<CheckCounts> CheckImage(const CheckOptions& options) {
  const auto check = FunctionOf<&Format::check>(options.reader->format());
  if (check != nullptr) return check(options);
  return Unsupported("images of this format have nothing that could be checked");
}

bool CanRepair(FormatId format) { return FunctionOf<&Format::repair>(format) != nullptr; }

Result<RepairCounts> RepairImage(const RepairOptions& options) {
  if (const auto repair = FunctionOf<&Format::repair>(options.format)) return repair(options);
  return Unsupported("images of this format cannot be repaired");
}

}  // namespace instar
