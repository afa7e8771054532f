// What the verbs that change an image in place say on standard error, as qemu-img does.
#ifndef CLI_EDIT_MESSAGES_H_
#define CLI_EDIT_MESSAGES_H_

#include <absl/status/status.h>

#include "instar/vmm/image_spec.h"

namespace instar::cli {

// As qemu-img warns where it writes to an image whose format nobody stated. What is changed here is
// no longer looked at after this, so nothing is restricted.
void WarnOfGuess(const vmm::ImageSpec& image);

// Why a disk does not become smaller without --shrink.
void WarnOfShrinking();

// Prints why the change failed, with the line that qemu-img adds where a bitmap is in the way.
// Always returns 1, the exit code.
int PrintEditError(const absl::Status& status);

}  // namespace instar::cli

#endif  // CLI_EDIT_MESSAGES_H_
