// Says when a command makes an image that names a file which the reference gate will not open.
#ifndef LIBINSTAR_VMM_SRC_VERBS_HIDDEN_REFERENCE_H_
#define LIBINSTAR_VMM_SRC_VERBS_HIDDEN_REFERENCE_H_

#include <initializer_list>
#include <string>

#include "instar/requests.h"
#include "instar/vmm/notices.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

// The warning where the image at `image` is to name the file `name`, which is hidden, and neither a
// part of that image nor allowed by `policy`; else empty. An empty name is none. Asks for the
// working directory, so not inside the jail.
[[nodiscard]] std::string HiddenReferenceWarning(const ReferencePolicy& policy,
                                                 const std::string& image, const std::string& name,
                                                 ReferenceRole role);

// Hands on those of the warnings that are not empty.
void Warn(const Notices& notices, std::initializer_list<std::string> warnings);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_HIDDEN_REFERENCE_H_
