// What a fresh VHD is to be: -o and the size, checked against one another.
#ifndef FORMATS_VPC_WRITER_OPTIONS_H_
#define FORMATS_VPC_WRITER_OPTIONS_H_

#include <cstdint>

#include "formats/base/identity.h"
#include "formats/create.h"
#include "formats/vpc/footer.h"

namespace instar::vpc {

struct WriterOptions {
  bool fixed = false;
  // Rounded up: to the geometry that covers the disk, or with force_size to whole sectors, or with
  // azure to whole MiB.
  std::uint64_t virtual_bytes = 0;
  Geometry geometry;
  Preallocation preallocation = Preallocation::kOff;  // of a fixed disk
  IdentitySeed identity{};

  // kInvalidArgument in words for a user, kLimit, kUnsupported.
  static Result<WriterOptions> From(const CreateOptions& options);

  // The footer of such an image. New images say "qem2", for which every reader takes the size
  // field.
  [[nodiscard]] Footer MakeFooter() const;
};

}  // namespace instar::vpc

#endif  // FORMATS_VPC_WRITER_OPTIONS_H_
