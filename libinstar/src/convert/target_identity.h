// What makes the identities of the target: random bits of the request, or the content of the disk.
#ifndef INSTAR_CONVERT_TARGET_IDENTITY_H_
#define INSTAR_CONVERT_TARGET_IDENTITY_H_

#include "convert/target.h"
#include "disk/source_disk.h"
#include "instar/host.h"
#include "instar/requests.h"

namespace instar::convert {

// Gives the target the seed of its identities, if writing it gives it any. Before Begin: a disk
// that cannot be read to its end is found out before the target is touched. Bytes that were told as
// progress: those of the disk if `workers` had to read it, and as many are still to come; else 0.
Result<std::uint64_t> SetTargetIdentity(Host& host, const ConvertRequest& request,
                                        const disk::SourceDisk& disk, const Target& target,
                                        unsigned workers);

}  // namespace instar::convert

#endif  // INSTAR_CONVERT_TARGET_IDENTITY_H_
