// Checks a VMDK image: that its tables and grains lie in the files, that no two grains overlap, and
// that the redundant tables say what the others do.
//
// Grains that follow one another as the disk does, as conversions write them, are told by one pass
// in constant memory. Others take a second one, and 4 bytes for each grain (64 KiB for each GiB).
#ifndef FORMATS_VMDK_CHECKER_H_
#define FORMATS_VMDK_CHECKER_H_

#include "formats/check.h"

namespace instar::vmdk {

// As CheckImage. Like qemu-img's, the result has no counts of clusters.
Result<CheckCounts> Check(const CheckOptions& options);

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_CHECKER_H_
