#include "formats/raw/measurer.h"

#include "formats/base/checked.h"
#include "formats/base/create_options.h"

namespace instar::raw {
namespace {

constexpr std::uint64_t kMaxVirtualBytes = (std::uint64_t{1} << 63) - 512;

}  // namespace

Result<std::unique_ptr<ImageMeasurer>> Measurer::Create(const CreateOptions& options) {
  if (const auto checked = CheckCreateOptions(FormatId::kRaw, options.options); !checked) {
    return InvalidArgument(checked.error().summary);
  }
  if (options.virtual_size_bytes > kMaxVirtualBytes) {
    return OverLimit("a virtual disk of {0} bytes is too large; the most is {1}",
                     options.virtual_size_bytes, kMaxVirtualBytes);
  }
  return std::unique_ptr<ImageMeasurer>(
      new Measurer(DivideRoundUp(options.virtual_size_bytes, 512) * 512));
}

}  // namespace instar::raw
