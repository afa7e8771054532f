// Which internal snapshot -l means.
#ifndef CLI_SNAPSHOT_CHOICE_H_
#define CLI_SNAPSHOT_CHOICE_H_

#include <string>

#include "cli/stop.h"
#include "instar/vmm/convert.h"

namespace instar::cli {

struct SnapshotChoice {
  std::string value;  // not empty
  vmm::SnapshotKind kind = vmm::SnapshotKind::kIdOrName;
};

// Reads what follows -l: an ID or a name, "snapshot.id=ID" or "snapshot.name=NAME".
[[nodiscard]] OrStop<SnapshotChoice> ReadSnapshot(const std::string& parameter);

}  // namespace instar::cli

#endif  // CLI_SNAPSHOT_CHOICE_H_
