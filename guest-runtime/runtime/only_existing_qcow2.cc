// Stands in for the table of writers in the image that writes into existing qcow2 images compressed
// with zstd: nothing else can be asked of it.
#include "formats/create.h"
#include "formats/qcow2/overwriter.h"

namespace instar {

Result<std::unique_ptr<ImageWriter>> CreateImage(const CreateOptions&) {
  return Unsupported("this guest image does not make new images");
}

Result<std::unique_ptr<ImageWriter>> OverwriteImage(const CreateOptions& options) {
  if (options.format != FormatId::kQcow2) {
    return Unsupported("this guest image writes qcow2 only");
  }
  return qcow2::Overwriter::Open(options);
}

}  // namespace instar
