// The reports of a guest that checks an image, put together.
#ifndef LIBINSTAR_VMM_SRC_VERBS_CHECK_REPORT_H_
#define LIBINSTAR_VMM_SRC_VERBS_CHECK_REPORT_H_

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "instar/vmm/check.h"
#include "instar/vmm/report.h"

namespace instar::vmm {

// Nothing if the objects are not what RunCheck (instar/verbs.h) emits when it succeeds.
std::optional<CheckReport> CheckReportFrom(std::span<const ReportValue> objects);

// For the way from a jailed child process to its parent.
std::vector<std::byte> EncodeCheckReport(const CheckReport& report);
absl::StatusOr<CheckReport> DecodeCheckReport(std::span<const std::byte> bytes);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_CHECK_REPORT_H_
