// The verb `map`, sandboxed.
#ifndef INSTAR_VMM_MAP_H_
#define INSTAR_VMM_MAP_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "instar/vmm/image_spec.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

// One stretch of a virtual disk.
struct MapEntry {
  std::uint64_t start = 0;   // bytes of the virtual disk
  std::uint64_t length = 0;  // 0 only where there is nothing to tell at all
  std::uint64_t depth = 0;   // image of the chain that decides, 0 = the one named
  bool present = false;      // an image of the chain says what the stretch holds
  bool zero = false;         // it reads as zeros
  bool data = false;         // storage is behind it
  bool compressed = false;
  std::optional<std::uint64_t> offset;  // where it stands in the file `filename`
  std::string_view filename;            // lives as long as the call; empty without an offset
};

struct MapOptions {
  ImageSpec image;
  std::uint64_t start = 0;
  std::uint64_t max_length = ~std::uint64_t{0};
  bool force_share = false;  // -U
  // Called for each stretch in order, in a thread of Map's; together they are exactly what was
  // asked for of the disk. False ends the operation. Where the disk holds nothing of what was asked
  // for, one entry of length 0 comes.
  std::function<bool(const MapEntry&)> entry;
  SandboxOptions sandbox;
};

struct MapReport {
  std::uint64_t virtual_size = 0;
  Isolation isolation = Isolation::kAuto;
  std::vector<std::string> warnings;  // one line each
};

// Error codes as Info; kCancelled where `entry` ended it. On failure the stretches before it may
// have been told. Memory does not depend on how many there are.
absl::StatusOr<MapReport> Map(const MapOptions& options);

}  // namespace instar::vmm

#endif  // INSTAR_VMM_MAP_H_
