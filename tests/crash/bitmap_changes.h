// What the proofs do to dirty bitmaps.
#ifndef TESTS_CRASH_BITMAP_CHANGES_H_
#define TESTS_CRASH_BITMAP_CHANGES_H_

#include "crash/change.h"

namespace instar::crash {

const ChangeSet& BitmapChanges();

}  // namespace instar::crash

#endif  // TESTS_CRASH_BITMAP_CHANGES_H_
