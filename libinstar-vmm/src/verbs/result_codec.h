// Results of verbs as bytes, for the way from a jailed child process to its parent.
#ifndef LIBINSTAR_VMM_SRC_VERBS_RESULT_CODEC_H_
#define LIBINSTAR_VMM_SRC_VERBS_RESULT_CODEC_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <span>
#include <vector>

#include "broker/broker.h"
#include "instar/vmm/convert.h"
#include "instar/vmm/report.h"

namespace instar::vmm {

// What a verb with a single report came to.
struct SingleReport {
  Isolation isolation = Isolation::kAuto;
  ReportTree report;
};

// What the host knows after a run of info, besides what the guest reported.
struct InfoFacts {
  Isolation isolation = Isolation::kAuto;
  std::vector<DeviceRecord> files;  // by number; `writable` is left out
};

std::vector<std::byte> EncodeResult(const SingleReport& report);
std::vector<std::byte> EncodeResult(const ConvertReport& report);
std::vector<std::byte> EncodeInfoFacts(const InfoFacts& facts);

// kInternal if `bytes` are not what the functions above make of a report within the bounds of
// instar/records.h.
absl::StatusOr<SingleReport> DecodeSingleResult(std::span<const std::byte> bytes);
absl::StatusOr<ConvertReport> DecodeConvertResult(std::span<const std::byte> bytes);
absl::StatusOr<InfoFacts> DecodeInfoFacts(std::span<const std::byte> bytes);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_RESULT_CODEC_H_
