// What `info --output=json` prints.
#ifndef CLI_INFO_JSON_H_
#define CLI_INFO_JSON_H_

#include <span>

#include "cli/qemu_version.h"
#include "cli/text_output.h"
#include "instar/vmm/info.h"

namespace instar::cli {

// One object for the first of `images`; with `chain`, an array of all. The first one ends with the
// files that were `opened` because images name them, if there are any.
void WriteInfoJson(std::span<const vmm::ImageInfo> images,
                   std::span<const vmm::OpenedReference> opened, bool chain, QemuVersion version,
                   TextOutput& out);

// An array of `snapshots`, as reported by the image; empty unless that is an array.
void WriteSnapshotsJson(const vmm::ReportTree& snapshots, TextOutput& out);

// Whether what was looked at is not an image, but a file as it is.
[[nodiscard]] bool IsBareFile(const vmm::ImageInfo& image);

}  // namespace instar::cli

#endif  // CLI_INFO_JSON_H_
