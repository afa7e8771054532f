// Writing into the disk of an image (convert -n), as the proofs make it.
#ifndef TESTS_CRASH_OVERWRITE_CHANGES_H_
#define TESTS_CRASH_OVERWRITE_CHANGES_H_

#include "crash/change.h"

namespace instar::crash {

const ChangeSet& OverwriteChanges();

}  // namespace instar::crash

#endif  // TESTS_CRASH_OVERWRITE_CHANGES_H_
