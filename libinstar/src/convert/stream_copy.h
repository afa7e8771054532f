// A raw disk that comes out of a pipe into a raw target, as it comes: of unknown size, and nothing
// can be read twice. The target grows with it.
#ifndef INSTAR_CONVERT_STREAM_COPY_H_
#define INSTAR_CONVERT_STREAM_COPY_H_

#include "instar/host.h"
#include "instar/requests.h"

namespace instar::convert {

// Whether the request is for this: its source is a pipe. A failure if it cannot be done so.
Result<bool> IsStreamCopy(Host& host, const ConvertRequest& request);

Status CopyStream(Host& host, const ConvertRequest& request);

}  // namespace instar::convert

#endif  // INSTAR_CONVERT_STREAM_COPY_H_
