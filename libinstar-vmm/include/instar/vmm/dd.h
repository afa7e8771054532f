// The verb `dd`, sandboxed: a convert of part of the disk.
#ifndef INSTAR_VMM_DD_H_
#define INSTAR_VMM_DD_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "instar/vmm/convert.h"
#include "instar/vmm/image_spec.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

struct DdOptions {
  ImageSpec source;    // if=
  std::string target;  // of=
  std::string target_format = "raw";
  std::uint64_t block_bytes = 512;  // bs=
  std::optional<std::uint64_t>
      count;                  // count=, blocks from the start of the source, skipped or not
  std::uint64_t skip = 0;     // skip=, blocks
  bool force_share = false;   // -U
  bool reproducible = false;  // as ConvertOptions::reproducible
  SandboxOptions sandbox;
};

// Writes blocks [skip, count) of the source's disk, as far as there are so many, to a new image. A
// `skip` beyond that gives an empty disk and a warning. Otherwise as Convert.
absl::StatusOr<ConvertReport> Dd(const DdOptions& options);

}  // namespace instar::vmm

#endif  // INSTAR_VMM_DD_H_
