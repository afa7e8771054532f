// Where the records that a guest emits go.
#ifndef LIBINSTAR_VMM_SRC_REPORT_RECORD_SINK_H_
#define LIBINSTAR_VMM_SRC_REPORT_RECORD_SINK_H_

#include <cstddef>
#include <functional>
#include <span>

namespace instar::vmm {

// What becomes of a batch of records.
enum class RecordVerdict {
  kAccepted,
  kMalformed,  // ends the guest: honest code does not do that
  kOverLimit,  // too much, or nobody wants more: the guest's call fails
};
using RecordSink = std::function<RecordVerdict(std::span<const std::byte>)>;

// Takes the records of one run, from a guest or from the child process that has the guest, and
// trusts neither.
class RecordReceiver {
 public:
  virtual ~RecordReceiver() = default;
  // Takes one batch. Not called again after anything but kAccepted.
  virtual RecordVerdict Accept(std::span<const std::byte> batch) = 0;
  // At the end: whether all was told that the verb tells. May be asked again.
  [[nodiscard]] virtual bool Complete() = 0;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_REPORT_RECORD_SINK_H_
