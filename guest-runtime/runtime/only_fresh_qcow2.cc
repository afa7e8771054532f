// Stands in for the table of writers in the image that makes fresh qcow2 images compressed with
// zstd: nothing else can be asked of it.
#include "formats/create.h"
#include "formats/qcow2/writer.h"

namespace instar {

Result<std::unique_ptr<ImageWriter>> CreateImage(const CreateOptions& options) {
  if (options.format != FormatId::kQcow2) {
    return Unsupported("this guest image writes qcow2 only");
  }
  return qcow2::Writer::Create(options);
}

Result<std::unique_ptr<ImageWriter>> OverwriteImage(const CreateOptions&) {
  return Unsupported("this guest image does not write into existing images");
}

}  // namespace instar
