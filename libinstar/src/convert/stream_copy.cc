#include "convert/stream_copy.h"

#include <algorithm>
#include <bit>

#include "disk/source_disk.h"
#include "formats/base/checked.h"
#include "formats/base/formats.h"

namespace instar::convert {
namespace {

constexpr std::uint64_t kPieceBytes = 2 << 20;

}  // namespace

Result<bool> IsStreamCopy(Host& host, const ConvertRequest& request) {
  for (const ImageSource& image : request.sources) {
    const DeviceId id = image.device;
    INSTAR_ASSIGN_OR_RETURN(const DeviceInfo info, host.Info(id));
    if (!info.sequential) continue;
    if (request.sources.size() == 1 && IsBareDisk(image.format) && !image.window &&
        IsBareDisk(request.target_format) && !request.keep_target) {
      return true;
    }
    return std::unexpected(Unsupported("a pipe cannot be read so").error().On(id));
  }
  return false;
}

Status CopyStream(Host& host, const ConvertRequest& request) {
  const DeviceId source = request.sources.front().device;
  INSTAR_ASSIGN_OR_RETURN(HostDevice target, HostDevice::Open(host, request.target));
  // A block device keeps its length, and what it holds shows where nothing is written.
  const bool grows = target.fresh_reads_zero();
  if (grows) INSTAR_TRY(target.Resize(0, Preallocation::kOff));
  const std::uint64_t zero_run_bytes =
      grows ? std::min(std::bit_ceil(request.zero_run_bytes), kPieceBytes) : 0;
  const bool sparse = request.zero_run_bytes != 0 && zero_run_bytes != 0;
  TransferStep step{.kind = sparse ? TransferStep::Kind::kCopySparse : TransferStep::Kind::kCopy,
                    .source = source,
                    .target = request.target,
                    .zero_run_bytes = sparse ? zero_run_bytes : 0};
  std::uint64_t size = 0;
  while (true) {
    FileRun run;
    INSTAR_ASSIGN_OR_RETURN(const std::size_t count,
                            host.NextRuns(source, size, kPieceBytes, 1, {&run, 1}));
    if (count == 0) break;
    if (run.length_bytes > request.max_virtual_bytes - std::min(size, request.max_virtual_bytes)) {
      Error error = OverLimit("there are more than {0} bytes, the limit for a virtual disk",
                              request.max_virtual_bytes)
                        .error();
      return std::unexpected(error.On(source));
    }
    step.source_offset = step.target_offset = size;
    step.length_bytes = run.length_bytes;
    INSTAR_TRY(host.Transfer({&step, 1}));
    size += run.length_bytes;
  }
  const std::uint64_t end = DivideRoundUp(size, disk::kSectorBytes) * disk::kSectorBytes;
  if (grows) {
    INSTAR_TRY(target.Resize(end, Preallocation::kOff));
  } else {
    INSTAR_TRY(target.Zero(size, end - size));
  }
  INSTAR_TRY(target.Flush());
  return host.Progress(1, 1);
}

}  // namespace instar::convert
