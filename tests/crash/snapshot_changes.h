// Internal snapshots, as the proofs see them: which are tried, and what is to be seen after each.
#ifndef TESTS_CRASH_SNAPSHOT_CHANGES_H_
#define TESTS_CRASH_SNAPSHOT_CHANGES_H_

#include "crash/change.h"

namespace instar::crash {

// Takes a snapshot called `name`.
Change TakeSnapshot(const std::string& name);
// Applies, and deletes, the first or the last snapshot that the image has.
enum class Which { kFirst, kLast };
Change UseSnapshot(Which which);
Change DropSnapshot(Which which);

const ChangeSet& SnapshotChanges();

}  // namespace instar::crash

#endif  // TESTS_CRASH_SNAPSHOT_CHANGES_H_
