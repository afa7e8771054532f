// The verb `resize`: finds the size that is asked for, in qemu-img's order of checks and in its
// words, and has the format change the image.
#include "formats/resize.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "disk/chain_content.h"
#include "disk/host_workers.h"
#include "edit/edited_image.h"
#include "formats/base/checked.h"
#include "formats/base/formats.h"
#include "instar/chain.h"
#include "instar/records.h"
#include "instar/result_records.h"
#include "instar/verbs.h"

namespace instar {
namespace {

// The new size; 0 if it would not be positive.
std::uint64_t NewSize(std::uint64_t old_bytes, const ResizeRequest& request) {
  switch (request.change) {
    case SizeChange::kAbsolute:
      return request.bytes;
    case SizeChange::kPlus:
      return CheckedAdd(old_bytes, request.bytes).value_or(~std::uint64_t{0});
    case SizeChange::kMinus:
      return old_bytes - std::min(old_bytes, request.bytes);
  }
  return 0;
}

Status CheckSize(std::uint64_t old_bytes, std::uint64_t new_bytes, const ResizeRequest& request) {
  if (new_bytes == 0 || new_bytes > std::numeric_limits<std::int64_t>::max()) {
    return InvalidArgument("New image size must be positive");
  }
  if (new_bytes <= old_bytes && request.growth != Growth::kOff) {
    return InvalidArgument("Preallocation can only be used for growing images");
  }
  if (new_bytes < old_bytes && !request.shrink) {
    return InvalidArgument("Use the --shrink option to perform a shrink operation.");
  }
  return edit::CheckDiskBytes(new_bytes);
}

}  // namespace

Status RunResize(Host& host, const ResizeRequest& request) {
  INSTAR_ASSIGN_OR_RETURN(const auto chain,
                          edit::OpenChain(host, request.image, request.max_chain_depth));
  const Layer& top = chain->layers().front();
  const FormatId format = top.reader->format();
  const std::uint64_t old_bytes = chain->virtual_size_bytes();
  const std::uint64_t new_bytes = NewSize(old_bytes, request);
  const auto named = [&](const Status& status) { return edit::On(status, request.image.device); };
  RecordWriter records(host);
  ResizeRecord told{.format = format,
                    .old_size = old_bytes,
                    .new_size = new_bytes,
                    .guessed_raw = request.image.format == FormatId::kUnknown && IsBareDisk(format),
                    .unfit_footer = top.unfit_footer};
  Tell(records, told);
  // Told before anything is changed: what follows cannot fail for want of a listener.
  INSTAR_TRY(records.Finish());
  INSTAR_TRY(CheckSize(old_bytes, new_bytes, request));

  const auto data_file = edit::AttachDataFile(host, *chain, request.data_file);
  if (!data_file) return named(std::unexpected(data_file.error()));
  INSTAR_ASSIGN_OR_RETURN(HostDevice device, HostDevice::Open(host, request.image.device));
  disk::ChainContent content(host, *chain);
  disk::HostWorkers workers(host);
  return named(ResizeImage({.format = format,
                            .device = &device,
                            .data_file = data_file->get(),
                            .content = &content,
                            .backing_bytes = edit::BackingBytes(*chain),
                            .size_bytes = new_bytes,
                            .growth = request.growth,
                            .window = request.image.window.value_or(RawWindow{}),
                            .workers = &workers}));
}

}  // namespace instar
