// Stands in for the table of readers in images that carry zstd twice, to read it and to write it,
// and have no room for formats other than raw and qcow2: the host starts another for those.
#include "formats/open.h"
#include "formats/qcow2/read/reader.h"
#include "formats/raw/reader.h"

namespace instar {

Result<std::unique_ptr<ImageReader>> OpenImage(const BlockDevice& device, FormatId format) {
  if (format == FormatId::kRaw) return raw::OpenReader(device);
  if (format == FormatId::kQcow2) return qcow2::OpenReader(device);
  return Unsupported("this guest image reads raw and qcow2 only");
}

}  // namespace instar
