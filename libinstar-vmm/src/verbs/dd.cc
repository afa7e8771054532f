#include "instar/vmm/dd.h"

#include "formats/base/checked.h"

namespace instar::vmm {
namespace {

constexpr std::uint64_t kEverything = ~std::uint64_t{0};

// Where block `number` starts; where that cannot be told, beyond every disk.
std::uint64_t StartOf(std::uint64_t number, std::uint64_t block_bytes) {
  return CheckedMul(number, block_bytes).value_or(kEverything);
}

}  // namespace

absl::StatusOr<ConvertReport> Dd(const DdOptions& options) {
  if (options.block_bytes == 0) return absl::InvalidArgumentError("the block size is 0");
  ConvertOptions convert;
  convert.sources = {options.source};
  convert.target = options.target;
  convert.target_format = options.target_format;
  convert.force_share = options.force_share;
  convert.reproducible = options.reproducible;
  convert.window = {
      .start = StartOf(options.skip, options.block_bytes),
      .end = options.count ? StartOf(*options.count, options.block_bytes) : kEverything};
  convert.target_cache = CacheMode::kWriteback;
  convert.sandbox = options.sandbox;
  return Convert(convert);
}

}  // namespace instar::vmm
