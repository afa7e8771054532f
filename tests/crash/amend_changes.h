// The options that the proofs give to images.
#ifndef TESTS_CRASH_AMEND_CHANGES_H_
#define TESTS_CRASH_AMEND_CHANGES_H_

#include "crash/change.h"

namespace instar::crash {

const ChangeSet& AmendChanges();

}  // namespace instar::crash

#endif  // TESTS_CRASH_AMEND_CHANGES_H_
