// The warning for an image that was taken for raw although it ends with the footer of a VHD.
#ifndef LIBINSTAR_VMM_SRC_VERBS_UNFIT_FOOTER_H_
#define LIBINSTAR_VMM_SRC_VERBS_UNFIT_FOOTER_H_

#include <absl/strings/str_cat.h>

#include <string>
#include <string_view>

#include "instar/vmm/image_spec.h"
#include "report/printable_text.h"
#include "verbs/open_image.h"

namespace instar::vmm {

// The key under which guests tell of it; no property of an image, so not shown as one.
inline constexpr std::string_view kUnfitFooter = "unfit-footer";

inline std::string UnfitFooterWarning(const ImageSpec& image) {
  return absl::StrCat(
      PrintableText(ShownName(image)),
      ": the file ends with a VHD footer that does not fit it, and is taken for raw; "
      "'-f raw' or '-f vpc' says what it is");
}

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_UNFIT_FOOTER_H_
