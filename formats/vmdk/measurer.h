// How large a fresh VMDK image would be, all of its files together.
#ifndef FORMATS_VMDK_MEASURER_H_
#define FORMATS_VMDK_MEASURER_H_

#include <memory>

#include "formats/measure.h"

namespace instar::vmdk {

// Of a streamOptimized image, the most that it can take: how far grains compress is known only when
// they are. The descriptor of a divided image holds the name of the target; where that is not
// given, "disk.vmdk" is counted.
Result<std::unique_ptr<ImageMeasurer>> CreateMeasurer(const CreateOptions& options);

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_MEASURER_H_
