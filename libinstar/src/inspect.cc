// The verb `info --strict`: hands the image to the inspection of formats and tells what that found.
#include "formats/inspect.h"

#include <utility>

#include "instar/host.h"
#include "instar/records.h"
#include "instar/result_records.h"
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
  StrictRecord record;
  for (const Reason& reason : reasons.all()) {
    record.reasons.push_back({.code = reason.code,
                              .offset = reason.offset,
                              .text = {.message = reason.message, .numbers = reason.numbers}});
  }
  RecordWriter records(host);
  Tell(records, std::move(record));
  return records.Finish();
}

}  // namespace instar
