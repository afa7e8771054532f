// A target whose file this run makes, so that it can be removed by a parent process whose child
// could not tidy up after itself.
#ifndef LIBINSTAR_VMM_SRC_VERBS_FRESH_TARGET_H_
#define LIBINSTAR_VMM_SRC_VERBS_FRESH_TARGET_H_

#include <string>

namespace instar::vmm {

// The local path of `target` if nothing of that name exists, else empty.
std::string FreshTarget(const std::string& target);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_FRESH_TARGET_H_
