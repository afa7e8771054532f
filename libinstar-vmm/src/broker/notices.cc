#include "instar/vmm/notices.h"

namespace instar::vmm {

const char* ReferenceKindName(ReferenceKind kind) {
  switch (kind) {
    case ReferenceKind::kBackingFile:
      return "backing file";
    case ReferenceKind::kDataFile:
      return "data file";
    case ReferenceKind::kExtent:
      return "extent";
  }
  return "file";
}

}  // namespace instar::vmm
