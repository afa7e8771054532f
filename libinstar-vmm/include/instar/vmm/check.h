// The verb `check`, sandboxed.
#ifndef INSTAR_VMM_CHECK_H_
#define INSTAR_VMM_CHECK_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "instar/vmm/convert.h"
#include "instar/vmm/image_spec.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

struct CheckOptions {
  ImageSpec image;
  bool force_share = false;                 // -U
  CacheMode cache = CacheMode::kWriteback;  // -T
  SandboxOptions sandbox;
};

struct CheckFinding {
  enum class Kind { kCorruption, kLeak, kError, kWarning };
  Kind kind = Kind::kCorruption;
  std::string text;  // one line, printable
};

struct CheckResult {
  std::string format;
  bool supported = true;  // false: images of this format have nothing that could be checked
  std::uint64_t check_errors = 0;
  std::uint64_t corruptions = 0;
  std::uint64_t leaks = 0;
  // What the format does not count is absent.
  std::optional<std::uint64_t> image_end_offset;  // bytes
  std::optional<std::uint64_t> total_clusters;
  std::optional<std::uint64_t> allocated_clusters;
  std::optional<std::uint64_t> fragmented_clusters;
  std::optional<std::uint64_t> compressed_clusters;
  std::vector<CheckFinding> findings;  // the first 10,000; the counts above are of all
  Isolation isolation = Isolation::kAuto;
  // It was taken for raw although it ends with the footer of a VHD, which does not fit the file.
  bool unfit_footer = false;
  std::vector<std::string> warnings;  // of the image as a whole, one line each
};

// Checks the metadata of one image. No file that the image names is opened. Errors, with the codes
// of Info, where the image cannot be opened or the check could not be completed.
absl::StatusOr<CheckResult> Check(const CheckOptions& options);

}  // namespace instar::vmm

#endif  // INSTAR_VMM_CHECK_H_
