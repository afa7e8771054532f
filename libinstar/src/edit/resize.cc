// The verb `resize`: finds the size that is asked for, in qemu-img's order of checks and in its
// words, and has the format change the image.
#include "formats/resize.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "disk/chain_content.h"
#include "disk/host_workers.h"
#include "formats/base/checked.h"
#include "formats/base/formats.h"
#include "instar/chain.h"
#include "instar/records.h"
#include "instar/result_records.h"
#include "instar/verbs.h"

namespace instar {
namespace {

// No disk is longer: the largest multiple of 1 GiB below 2^63.
constexpr std::uint64_t kMostBytes = (std::uint64_t{1} << 63) - (std::uint64_t{1} << 30);

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
  if (new_bytes > kMostBytes) {
    return OverLimit("offset({0}) exceeds maximum({1})", new_bytes, kMostBytes);
  }
  return {};
}

// The image's own backing file, or nothing.
std::optional<std::uint64_t> BackingBytes(const Chain& chain) {
  if (chain.layers().size() < 2) return std::nullopt;
  return chain.layers()[1].reader->virtual_size_bytes();
}

// Which of the references of the image is its data file.
std::optional<std::size_t> DataFileOf(const ImageReader& reader) {
  const auto references = reader.references();
  for (std::size_t i = 0; i < references.size(); ++i) {
    if (references[i].role == ReferenceRole::kDataFile) return i;
  }
  return std::nullopt;
}

}  // namespace

Status RunResize(Host& host, const ResizeRequest& request) {
  // The data file of the image is opened for writing by the host, or not at all.
  INSTAR_ASSIGN_OR_RETURN(const auto chain,
                          Chain::Open(host, {.image = request.image,
                                             .max_depth = request.max_chain_depth,
                                             .references = References::kBacking}));
  const Layer& top = chain->layers().front();
  const FormatId format = top.reader->format();
  const std::uint64_t old_bytes = chain->virtual_size_bytes();
  const std::uint64_t new_bytes = NewSize(old_bytes, request);
  // What is wrong with the image names it; what is wrong with the wish does not.
  const auto named = [&](Status status) -> Status {
    if (status ||
        (status.error().code != ErrorCode::kCorrupt && status.error().code != ErrorCode::kIo)) {
      return status;
    }
    return std::unexpected(status.error().On(request.image.device));
  };
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

  std::optional<HostDevice> data_file;
  if (const auto reference = DataFileOf(*top.reader)) {
    if (request.data_file == kNoDevice) {
      return named(Unsupported("the image keeps its data in another file, which is not open"));
    }
    INSTAR_ASSIGN_OR_RETURN(data_file, HostDevice::Open(host, request.data_file));
    INSTAR_TRY(named(top.reader->Attach(*reference, *data_file)));
  }
  INSTAR_ASSIGN_OR_RETURN(HostDevice device, HostDevice::Open(host, request.image.device));
  disk::ChainContent content(host, *chain);
  disk::HostWorkers workers(host);
  return named(ResizeImage({.format = format,
                            .device = &device,
                            .data_file = data_file ? &*data_file : nullptr,
                            .content = &content,
                            .backing_bytes = BackingBytes(*chain),
                            .size_bytes = new_bytes,
                            .growth = request.growth,
                            .window = request.image.window.value_or(RawWindow{}),
                            .workers = &workers}));
}

}  // namespace instar
