// Results of verbs as bytes, for the way from a jailed child process to its parent.
#ifndef LIBINSTAR_VMM_SRC_VERBS_RESULT_CODEC_H_
#define LIBINSTAR_VMM_SRC_VERBS_RESULT_CODEC_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <span>
#include <vector>

#include "instar/vmm/convert.h"
#include "instar/vmm/info.h"
#include "instar/vmm/report.h"

namespace instar::vmm {

// What a verb with a single report came to.
struct SingleReport {
  Isolation isolation = Isolation::kAuto;
  ReportValue report;
};

std::vector<std::byte> EncodeResult(const SingleReport& report);
std::vector<std::byte> EncodeResult(const InfoReport& report);
std::vector<std::byte> EncodeResult(const ConvertReport& report);

// kInternal if `bytes` are not what EncodeResult makes of a report within the bounds of
// instar/report.h.
absl::StatusOr<SingleReport> DecodeSingleResult(std::span<const std::byte> bytes);
absl::StatusOr<InfoReport> DecodeInfoResult(std::span<const std::byte> bytes);
absl::StatusOr<ConvertReport> DecodeConvertResult(std::span<const std::byte> bytes);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_RESULT_CODEC_H_
