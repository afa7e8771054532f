// A digest of what the disk that is converted holds: what the identities of the target are made
// from where they shall follow from its content.
//
// It depends on the bytes of the disk and on nothing else: not on the format of the source, on what
// is a hole or compressed there, nor on the number of workers. So equal disks give equal images.
// The disk is read once more for it, through the workers' memory, before the target is touched:
// some formats store their identity before the first byte of data (streamOptimized).
//
// The disk is cut into blocks. The digest is that of the size of the disk and, for each block that
// is not all zeros, of its number and its own digest. So holes cost nothing, and blocks are
// digested by all workers at once. Where the target has a backing file, blocks that are left to it
// are skipped instead, and zeros count, in runs.
#ifndef INSTAR_CONVERT_CONTENT_DIGEST_H_
#define INSTAR_CONVERT_CONTENT_DIGEST_H_

#include "disk/source_disk.h"
#include "formats/base/identity.h"
#include "instar/host.h"

namespace instar::convert {

struct DigestOptions {
  bool inherit = false;  // the target has a backing file
  bool salvage = false;  // what cannot be read counts as zeros, as it does where it is copied
  unsigned workers = 1;
  std::uint64_t progress_total = 1;  // what all of the disk is a part of, as progress is told
};

Result<IdentitySeed> DigestContent(Host& host, const disk::SourceDisk& disk,
                                   const DigestOptions& options);

}  // namespace instar::convert

#endif  // INSTAR_CONVERT_CONTENT_DIGEST_H_
