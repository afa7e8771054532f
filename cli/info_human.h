// What `info` prints for people.
#ifndef CLI_INFO_HUMAN_H_
#define CLI_INFO_HUMAN_H_

#include <span>

#include "cli/qemu_version.h"
#include "cli/text_output.h"
#include "instar/vmm/info.h"

namespace instar::cli {

// One block of lines an image, empty lines between them. Dates are in local time; tzset must have
// been called, and the files it reads are not needed any more.
void WriteInfoText(std::span<const vmm::ImageInfo> images, QemuVersion version, TextOutput& out);

// The table of `snapshots`, an array as reported by the image, with its heading.
void WriteSnapshotTable(const vmm::ReportTree& snapshots, QemuVersion version, TextOutput& out);

}  // namespace instar::cli

#endif  // CLI_INFO_HUMAN_H_
