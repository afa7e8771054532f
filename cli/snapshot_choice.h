// Which internal snapshot -l means.
#ifndef CLI_SNAPSHOT_CHOICE_H_
#define CLI_SNAPSHOT_CHOICE_H_

#include <string>

#include "cli/stop.h"
#include "instar/vmm/convert.h"

namespace instar::cli {

// Reads what follows -l: an ID or a name, or one or both of "snapshot.id=ID" and
// "snapshot.name=NAME".
[[nodiscard]] OrStop<vmm::SnapshotChoice> ReadSnapshot(const std::string& parameter);

}  // namespace instar::cli

#endif  // CLI_SNAPSHOT_CHOICE_H_
