#include "edit/edited_image.h"

#include <cstddef>
#include <utility>

namespace instar::edit {

Result<std::unique_ptr<Chain>> OpenChain(Host& host, const ImageSource& image,
                                         std::uint64_t max_depth) {
  return Chain::Open(host,
                     {.image = image, .max_depth = max_depth, .references = References::kBacking});
}

Result<std::unique_ptr<HostDevice>> AttachDataFile(Host& host, const Chain& chain,
                                                   DeviceId data_file) {
  ImageReader& reader = *chain.layers().front().reader;
  const auto references = reader.references();
  for (std::size_t i = 0; i < references.size(); ++i) {
    if (references[i].role != ReferenceRole::kDataFile) continue;
    if (data_file == kNoDevice) {
      return Unsupported("the image keeps its data in another file, which is not open");
    }
    INSTAR_ASSIGN_OR_RETURN(HostDevice opened, HostDevice::Open(host, data_file));
    auto device = std::make_unique<HostDevice>(std::move(opened));
    INSTAR_TRY(reader.Attach(i, *device));
    return device;
  }
  return nullptr;
}

std::optional<std::uint64_t> BackingBytes(const Chain& chain) {
  if (chain.layers().size() < 2) return std::nullopt;
  return chain.layers()[1].reader->virtual_size_bytes();
}

Status CheckDiskBytes(std::uint64_t bytes) {
  // The largest multiple of 1 GiB below 2^63.
  constexpr std::uint64_t kMostBytes = (std::uint64_t{1} << 63) - (std::uint64_t{1} << 30);
  if (bytes <= kMostBytes) return {};
  return OverLimit("offset({0}) exceeds maximum({1})", bytes, kMostBytes);
}

Status On(const Status& status, DeviceId image) {
  if (status ||
      (status.error().code != ErrorCode::kCorrupt && status.error().code != ErrorCode::kIo)) {
    return status;
  }
  return std::unexpected(status.error().On(image));
}

}  // namespace instar::edit
