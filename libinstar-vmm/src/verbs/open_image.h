// Opens the images that a caller specified.
#ifndef LIBINSTAR_VMM_SRC_VERBS_OPEN_IMAGE_H_
#define LIBINSTAR_VMM_SRC_VERBS_OPEN_IMAGE_H_

#include <absl/status/statusor.h>

#include <string>

#include "broker/broker.h"
#include "instar/image_source.h"
#include "instar/vmm/convert.h"
#include "instar/vmm/image_spec.h"

namespace instar::vmm {

// Opens every file that `image` names itself, and says how the guest is to read them.
// kInvalidArgument where a format does not exist, else as Broker::OpenSource.
absl::StatusOr<ImageSource> OpenImage(Broker& broker, const ImageSpec& image,
                                      const SourceOptions& how);

// The same for an image that is changed in place: it is opened as `how` says, and the images below
// it for reading. Nobody else may write to any of them. As Broker::OpenTarget.
absl::StatusOr<ImageSource> OpenImageToEdit(Broker& broker, const ImageSpec& image,
                                            const TargetOptions& how);

// What reports call `image`.
[[nodiscard]] const std::string& ShownName(const ImageSpec& image);

// The choice as the guest is told. Lives as long as `choice`.
[[nodiscard]] instar::SnapshotChoice ViewOf(const SnapshotChoice& choice);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_OPEN_IMAGE_H_
