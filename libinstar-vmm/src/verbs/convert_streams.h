// Conversions from and into pipes: what of the options goes with them.
//
// A pipe can be written from its start to its end only, so the image has to be laid out so: raw,
// vmdk streamOptimized, fixed VHD. A pipe that is read has no size until its end, and cannot be
// looked at to see what it is: it holds a raw disk, and the user has to say so. Where the target is
// raw too, what comes in is written as it comes; for all others, whose layout depends on the size,
// it is first kept in a file without a name in the target's directory.
#ifndef LIBINSTAR_VMM_SRC_VERBS_CONVERT_STREAMS_H_
#define LIBINSTAR_VMM_SRC_VERBS_CONVERT_STREAMS_H_

#include <absl/status/status.h>

#include <string>

#include "instar/vmm/convert.h"
#include "verbs/convert_target.h"

namespace instar::vmm {

// OK if `source`, an input stream, can be read as it is specified.
absl::Status CheckInputStream(const ImageSpec& source);

// OK if the target, an output stream, can be written as planned.
absl::Status CheckOutputStream(const ConvertOptions& options, const TargetPlan& plan);

// Whether an input stream that is the only source is written as it comes.
[[nodiscard]] bool IsWrittenAsItComes(const ConvertOptions& options, const TargetPlan& plan);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_CONVERT_STREAMS_H_
