// Stands in for the identities of a target in images that write formats that have none.
#include "convert/target_identity.h"

namespace instar::convert {

Result<std::uint64_t> SetTargetIdentity(Host&, const ConvertRequest&, const disk::SourceDisk&,
                                        const Target&, unsigned) {
  return 0;
}

}  // namespace instar::convert
