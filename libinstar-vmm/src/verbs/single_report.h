// What verbs that tell one thing have in common.
#ifndef LIBINSTAR_VMM_SRC_VERBS_SINGLE_REPORT_H_
#define LIBINSTAR_VMM_SRC_VERBS_SINGLE_REPORT_H_

#include <absl/status/statusor.h>

#include <functional>
#include <string_view>

#include "broker/broker.h"
#include "verbs/result_codec.h"

namespace instar::vmm {

// The one object the guest reported; kAborted if it reported anything else.
absl::StatusOr<SingleReport> TakeSingleReport(Broker& broker, std::string_view verb,
                                              Isolation isolation);

// Runs `body` in a child process, with the sandbox made for one.
absl::StatusOr<SingleReport> SingleReportFromChild(
    const std::function<absl::StatusOr<SingleReport>()>& body);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_SINGLE_REPORT_H_
