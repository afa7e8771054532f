// The name a differencing VHD gives its parent.
#ifndef FORMATS_VPC_PARENT_NAME_H_
#define FORMATS_VPC_PARENT_NAME_H_

#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/vpc/dynamic_header.h"

namespace instar::vpc {

// As a plain path (formats/base/windows_path.h), UTF-8: from the relative locator W2ru if there is
// one, else from the absolute W2ku, else from the name in the header. kCorrupt where none can be
// read.
Result<std::vector<char>> ReadParentName(const BlockDevice& device, const DynamicHeader& header);

}  // namespace instar::vpc

#endif  // FORMATS_VPC_PARENT_NAME_H_
