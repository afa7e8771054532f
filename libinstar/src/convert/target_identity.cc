#include "convert/target_identity.h"

#include "convert/content_digest.h"
#include "formats/base/formats.h"
#include "formats/base/identity.h"

namespace instar::convert {

Result<std::uint64_t> SetTargetIdentity(Host& host, const ConvertRequest& request,
                                        const disk::SourceDisk& disk, const Target& target,
                                        unsigned workers) {
  if (!GetsIdentity(request.target_format, request.keep_target)) return 0;
  if (const auto random = IdentitySeedFrom(request.identity_seed)) {
    target.writer().SetIdentity(*random);
    return 0;
  }
  const std::uint64_t size = disk.size_bytes();  // at most 1 PiB, which the target has taken
  INSTAR_ASSIGN_OR_RETURN(const IdentitySeed seed,
                          DigestContent(host, disk,
                                        {.inherit = !request.backing_name.empty(),
                                         .salvage = request.salvage,
                                         .workers = workers,
                                         .progress_total = 2 * size}));
  target.writer().SetIdentity(seed);
  return size;
}

}  // namespace instar::convert
