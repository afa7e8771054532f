// The files that a fresh image consists of besides the one the user names (extents of VMDK).
#ifndef LIBINSTAR_VMM_SRC_VERBS_TARGET_EXTENTS_H_
#define LIBINSTAR_VMM_SRC_VERBS_TARGET_EXTENTS_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "formats/base/target_files.h"

namespace instar::vmm {

struct TargetExtents {
  FormatId format = FormatId::kRaw;
  OptionSettings options;        // -o
  std::uint64_t size_bytes = 0;  // of the virtual disk
};

// Opens, and where absent creates, the extents beside `target`, in order. kResourceExhausted if
// there are more than one operation can have open.
absl::StatusOr<std::vector<DeviceId>> OpenTargetExtents(Broker& broker, const std::string& target,
                                                        const TargetExtents& extents,
                                                        const TargetOptions& how);

// The name of a target's file, without its directory.
std::string TargetName(const std::string& target);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_TARGET_EXTENTS_H_
