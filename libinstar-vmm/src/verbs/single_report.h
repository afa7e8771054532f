// What verbs that tell one thing have in common.
#ifndef LIBINSTAR_VMM_SRC_VERBS_SINGLE_REPORT_H_
#define LIBINSTAR_VMM_SRC_VERBS_SINGLE_REPORT_H_

#include <absl/status/statusor.h>

#include <string_view>

#include "broker/broker.h"
#include "verbs/result_codec.h"

namespace instar::vmm {

// The one object the guest reported; kAborted if it reported anything else.
absl::StatusOr<SingleReport> TakeSingleReport(Broker& broker, std::string_view verb,
                                              Isolation isolation);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_SINGLE_REPORT_H_
