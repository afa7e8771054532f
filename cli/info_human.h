// What `info` prints for people.
#ifndef CLI_INFO_HUMAN_H_
#define CLI_INFO_HUMAN_H_

#include <span>
#include <string>

#include "cli/qemu_version.h"
#include "instar/vmm/info.h"

namespace instar::cli {

// One block of lines an image, empty lines between them. Dates are in local time; tzset must have
// been called, and the files it reads are not needed any more.
[[nodiscard]] std::string InfoText(std::span<const vmm::ImageInfo> images, QemuVersion version);

// The table of `snapshots`, an array as reported by the image, with its heading.
[[nodiscard]] std::string SnapshotTable(const vmm::ReportValue::Array& snapshots,
                                        QemuVersion version);

}  // namespace instar::cli

#endif  // CLI_INFO_HUMAN_H_
