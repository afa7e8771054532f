// The verb `info --strict`: hands the image to the inspection of formats and tells what that found.
#include "formats/inspect.h"

#include <array>
#include <string_view>

#include "instar/host.h"
#include "instar/records.h"
#include "instar/verbs.h"

namespace instar {

Status RunInspect(Host& host, const InspectRequest& request) {
  INSTAR_ASSIGN_OR_RETURN(const HostDevice device, HostDevice::Open(host, request.image));
  Reasons reasons;
  const Status judged = InspectImage({.device = &device,
                                      .format = request.format,
                                      .max_virtual_bytes = request.max_virtual_bytes,
                                      .reasons = &reasons});
  if (!judged) return std::unexpected(judged.error().On(request.image));
  RecordWriter report(host);
  report.BeginObject({});
  report.BeginArray("reasons");
  for (const Reason& reason : reasons.all()) {
    report.BeginObject({});
    report.Unsigned("code", static_cast<std::uint32_t>(reason.code));
    report.Unsigned("offset", reason.offset);
    report.String("message", reason.message);
    constexpr std::array<std::string_view, 3> kNumbers = {"n0", "n1", "n2"};
    for (std::size_t i = 0; i < kNumbers.size(); ++i) {
      report.Unsigned(kNumbers[i], reason.numbers[i]);
    }
    report.EndObject();
  }
  report.EndArray();
  report.EndObject();
  return report.Finish();
}

}  // namespace instar
