#include "formats/raw/measurer.h"

#include "formats/base/checked.h"

namespace instar::raw {
namespace {

constexpr std::uint64_t kMaxVirtualBytes = (std::uint64_t{1} << 63) - 512;

}  // namespace

Result<std::unique_ptr<ImageMeasurer>> Measurer::Create(const CreateOptions& options) {
  if (options.virtual_size_bytes > kMaxVirtualBytes) {
    return OverLimit("a virtual disk of {0} bytes is too large; the most is {1}",
                     options.virtual_size_bytes, kMaxVirtualBytes);
  }
  return std::unique_ptr<ImageMeasurer>(
      new Measurer(DivideRoundUp(options.virtual_size_bytes, 512) * 512));
}

}  // namespace instar::raw
