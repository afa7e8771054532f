#include "verbs/open_image.h"

#include "operation/status_macros.h"
#include "verbs/requested_format.h"

namespace instar::vmm {

namespace {

// What `image` says of an image that is open as `device`; opens those below it.
absl::StatusOr<ImageSource> OpenBelow(Broker& broker, const ImageSpec& image, DeviceId device,
                                      FormatId format, SourceOptions options) {
  ImageSource source(device, format);
  source.window = image.window;
  source.ends = image.backing_ends;
  for (const BackingSpec& below : image.backing) {
    options.force_share |= below.force_share;
    INSTAR_ASSIGN_OR_RETURN_STATUS(const FormatId backing_format,
                                   RequestedFormat(below.path, below.format));
    BackingSource backing{.format = backing_format, .window = below.window};
    if (!below.path.empty()) {
      INSTAR_ASSIGN_OR_RETURN_STATUS(backing.device, broker.OpenSource(below.path, options));
    }
    source.backing.push_back(backing);
  }
  return source;
}

}  // namespace

absl::StatusOr<ImageSource> OpenImage(Broker& broker, const ImageSpec& image,
                                      const SourceOptions& how) {
  SourceOptions options = how;
  options.force_share |= image.force_share;
  INSTAR_ASSIGN_OR_RETURN_STATUS(const FormatId format,
                                 RequestedFormat(ShownName(image), image.format));
  INSTAR_ASSIGN_OR_RETURN_STATUS(const DeviceId device, broker.OpenSource(image.path, options));
  return OpenBelow(broker, image, device, format, options);
}

absl::StatusOr<ImageSource> OpenImageToEdit(Broker& broker, const ImageSpec& image,
                                            const TargetOptions& how) {
  INSTAR_ASSIGN_OR_RETURN_STATUS(const FormatId format,
                                 RequestedFormat(ShownName(image), image.format));
  INSTAR_ASSIGN_OR_RETURN_STATUS(const DeviceId device, broker.OpenTarget(image.path, how));
  return OpenBelow(broker, image, device, format, {});
}

const std::string& ShownName(const ImageSpec& image) {
  return image.name.empty() ? image.path : image.name;
}

instar::SnapshotChoice ViewOf(const SnapshotChoice& choice) {
  return {.id_or_name = choice.id_or_name, .id = choice.id, .name = choice.name};
}

}  // namespace instar::vmm
