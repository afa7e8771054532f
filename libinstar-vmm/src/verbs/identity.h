// The random bits from which a guest, which has no source of any, makes the identities of an image.
#ifndef LIBINSTAR_VMM_SRC_VERBS_IDENTITY_H_
#define LIBINSTAR_VMM_SRC_VERBS_IDENTITY_H_

#include <absl/status/statusor.h>

#include <string>

#include "formats/base/ids.h"

namespace instar::vmm {

// What a request for an image of `format` has for its identity_seed: as many random bytes as an
// IdentitySeed. Empty if the image gets no identity or shall be `reproducible`. `keep`: the image
// exists and is written into. Before the jail, which has no system call for it.
absl::StatusOr<std::string> NewIdentitySeed(FormatId format, bool keep, bool reproducible);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_IDENTITY_H_
