// What can be said of a convert's target before anything is opened for writing: that its format and
// options exist and agree.
#ifndef LIBINSTAR_VMM_SRC_VERBS_CONVERT_TARGET_H_
#define LIBINSTAR_VMM_SRC_VERBS_CONVERT_TARGET_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "formats/base/ids.h"
#include "instar/vmm/convert.h"

namespace instar::vmm {

struct TargetPlan {
  FormatId format = FormatId::kRaw;
  std::string options;              // the user's, without those that have a field of their own here
  std::string backing_name;         // -B or -o backing_file, empty for none
  std::string backing_format;       // -F or -o backing_fmt
  std::string data_file;            // -o data_file, empty for none
  bool zstd = false;                // whether compressed units are to be zstd's
  std::uint64_t extents_bytes = 0;  // of the disk, if the target is divided into files by it
  bool foreign = false;             // where zstd is set: whether a source is neither raw nor qcow2
};

// kInvalidArgument and kUnimplemented in the words of qemu-img, so far as it has some.
absl::StatusOr<TargetPlan> PlanTarget(const ConvertOptions& options);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_CONVERT_TARGET_H_
