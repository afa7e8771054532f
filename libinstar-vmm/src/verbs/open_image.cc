#include "verbs/open_image.h"

#include "verbs/requested_format.h"

namespace instar::vmm {

absl::StatusOr<ImageSource> OpenImage(Broker& broker, const ImageSpec& image,
                                      const SourceOptions& how) {
  SourceOptions options = how;
  options.force_share |= image.force_share;
  const auto format = RequestedFormat(ShownName(image), image.format);
  if (!format.ok()) return format.status();
  const auto device = broker.OpenSource(image.path, options);
  if (!device.ok()) return device.status();
  ImageSource source(*device, *format);
  source.window = WindowOf(image.window);
  source.ends = image.backing_ends;
  for (const BackingSpec& below : image.backing) {
    options.force_share |= below.force_share;
    const auto backing_format = RequestedFormat(below.path, below.format);
    if (!backing_format.ok()) return backing_format.status();
    BackingSource backing{.format = *backing_format, .window = WindowOf(below.window)};
    if (!below.path.empty()) {
      const auto opened = broker.OpenSource(below.path, options);
      if (!opened.ok()) return opened.status();
      backing.device = *opened;
    }
    source.backing.push_back(backing);
  }
  return source;
}

std::optional<instar::RawWindow> WindowOf(const std::optional<RawWindow>& window) {
  if (!window) return std::nullopt;
  return instar::RawWindow{.offset_bytes = window->offset_bytes, .size_bytes = window->size_bytes};
}

const std::string& ShownName(const ImageSpec& image) {
  return image.name.empty() ? image.path : image.name;
}

instar::SnapshotChoice ViewOf(const SnapshotChoice& choice) {
  return {.id_or_name = choice.id_or_name, .id = choice.id, .name = choice.name};
}

}  // namespace instar::vmm
