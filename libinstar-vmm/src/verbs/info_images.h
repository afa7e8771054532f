// From what a guest reported to what `info` returns: the host adds what only it knows.
//
// The guest tells which file a value is about by the file's number ("device"); the host puts the
// name there, and the storage that the files take. What it adds, a guest must not tell: of two
// members of one name, programs that read the JSON would take either. Nor may a guest describe more
// images than the run can have opened. All of it takes time that follows the length of the report.
#ifndef LIBINSTAR_VMM_SRC_VERBS_INFO_IMAGES_H_
#define LIBINSTAR_VMM_SRC_VERBS_INFO_IMAGES_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "broker/broker.h"
#include "instar/vmm/image_spec.h"
#include "instar/vmm/info.h"

namespace instar::vmm {

// The files of one run, in the order of their numbers.
using FileRecords = std::vector<DeviceRecord>;

// Members of an image that the host sets, in the report or where it is shown. A guest that tells
// one is refused.
[[nodiscard]] bool IsSetByHost(std::string_view key);

// Parts of images, such as the extents of a VMDK, that all images together may have.
inline constexpr std::size_t kMaxNamedParts = 65536;
// Bytes of the name of a backing file; VHD can hold names of 8192 bytes of UTF-16.
inline constexpr std::size_t kMaxBackingNameBytes = 16384;

// The images that `reports` describe, at most `max_images` of them. kAborted if that is nothing an
// honest guest reports about `image` and `files`.
absl::StatusOr<std::vector<ImageInfo>> CompleteImages(std::vector<ReportTree> reports,
                                                      const FileRecords& files,
                                                      const ImageSpec& image,
                                                      std::size_t max_images);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_INFO_IMAGES_H_
