// Where the records of a guest go that are not a report (instar/records.h) but a stream.
#ifndef LIBINSTAR_VMM_SRC_REPORT_RECORD_SINK_H_
#define LIBINSTAR_VMM_SRC_REPORT_RECORD_SINK_H_

#include <cstddef>
#include <functional>
#include <span>

namespace instar::vmm {

// What becomes of a batch of records that a guest emitted.
enum class RecordVerdict {
  kAccepted,
  kMalformed,  // ends the guest: honest code does not do that
  kStop,       // nobody wants more: the guest's call fails
};
using RecordSink = std::function<RecordVerdict(std::span<const std::byte>)>;

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_REPORT_RECORD_SINK_H_
