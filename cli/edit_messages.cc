#include "cli/edit_messages.h"

#include <absl/strings/match.h>
#include <unistd.h>

#include "cli/program.h"
#include "cli/terminal_text.h"
#include "verbs/open_image.h"

namespace instar::cli {

void WarnOfGuess(const vmm::ImageSpec& image) {
  WriteAll(STDERR_FILENO,
           "WARNING: Image format was not specified for '" + TerminalText(vmm::ShownName(image)) +
               "' and probing guessed raw.\n"
               "         Automatically detecting the format is dangerous for raw images, write "
               "operations on block 0 will be restricted.\n"
               "         Specify the 'raw' format explicitly to remove the restrictions.\n");
}

void WarnOfShrinking() {
  PrintError(
      "warning: Shrinking an image will delete all data beyond the shrunken image's end. "
      "Before performing such an operation, make sure there is no important data there.");
}

int PrintEditError(const absl::Status& status) {
  PrintError(status);
  if (absl::EndsWith(status.message(), "is inconsistent and cannot be used")) {
    WriteAll(STDERR_FILENO, "Try block-dirty-bitmap-remove to delete this bitmap from disk\n");
  }
  return 1;
}

}  // namespace instar::cli
