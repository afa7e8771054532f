// Which image an operation is about: a file, and what the caller says of it that its content does
// not decide.
#ifndef INSTAR_VMM_IMAGE_SPEC_H_
#define INSTAR_VMM_IMAGE_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/base/raw_window.h"

namespace instar::vmm {

using RawWindow = instar::RawWindow;  // here, within the file and of a multiple of 512 bytes

// A backing file put in the place of the one that the image above it names.
struct BackingSpec {
  std::string path;    // empty: the file that the image above names
  std::string format;  // empty: as the image above states it; where it does not, as ImageSpec
  std::optional<RawWindow> window;  // of a raw image
  bool force_share = false;         // as ImageSpec
};

struct ImageSpec {
  std::string path;                 // of a local file
  std::string format;               // empty: probe; "file": raw, but told as "file"
  std::optional<RawWindow> window;  // of a raw image: the part of the file that is the disk
  // Read it even while somebody has it open for writing. Operations have an option of that name for
  // all of their images.
  bool force_share = false;
  // The images below it, from the top. What the last of them names, or where there are none the
  // image itself, follows as the reference policy allows, unless the chain ends there.
  std::vector<BackingSpec> backing;
  bool backing_ends = false;
  std::string name;  // what reports call the image; empty: its path
};

}  // namespace instar::vmm

#endif  // INSTAR_VMM_IMAGE_SPEC_H_
