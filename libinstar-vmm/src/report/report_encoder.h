// Turns a report into the records that a guest would emit for it (instar/records.h), for the way
// from a jailed child process to its parent, which validates them as it would a guest's.
#ifndef LIBINSTAR_VMM_SRC_REPORT_REPORT_ENCODER_H_
#define LIBINSTAR_VMM_SRC_REPORT_REPORT_ENCODER_H_

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

#include "instar/vmm/report.h"
#include "instar/wire.h"

namespace instar::vmm {

class ReportEncoder {
 public:
  // Gets the records in batches that end between two of them; false: nobody wants more.
  using Send = std::function<bool(std::span<const std::byte> batch)>;
  explicit ReportEncoder(Send send) : send_(std::move(send)) {}

  // False when nobody wants more.
  bool Add(const ReportTree& value) { return Value({}, value); }
  bool Flush();

 private:
  static constexpr std::size_t kBatchBytes = 64 * 1024;

  bool Value(std::string_view key, const ReportTree& value);

  Send send_;
  WireWriter writer_;
  bool wanted_ = true;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_REPORT_REPORT_ENCODER_H_
