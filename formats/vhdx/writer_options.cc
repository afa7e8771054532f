#include "formats/vhdx/writer_options.h"

#include <algorithm>

#include "formats/base/checked.h"

namespace instar::vhdx {
namespace {

constexpr std::uint64_t kGibibyte = std::uint64_t{1} << 30;
constexpr std::uint64_t kMaxLogBytes = 4 * kGibibyte;
// qemu-img, which makes the table of an empty disk the longer the larger its blocks are, neither
// writes nor reads one of 2 GiB.
constexpr std::uint64_t kMaxEmptyBatBytes = kGibibyte;

std::uint64_t DefaultBlockBytes(std::uint64_t virtual_bytes) {
  if (virtual_bytes > 32 * 1024 * kGibibyte) return 64 * kMebibyte;
  if (virtual_bytes > 100 * kGibibyte) return 32 * kMebibyte;
  if (virtual_bytes > kGibibyte) return 16 * kMebibyte;
  return 8 * kMebibyte;
}

Result<std::uint64_t> BlockBytes(std::uint64_t asked, std::uint64_t virtual_bytes) {
  if (asked == 0) return DefaultBlockBytes(virtual_bytes);
  if (asked >= kMaxBlockBytes) asked = kMaxBlockBytes;
  const std::uint64_t bytes = DivideRoundUp(asked, kMebibyte) * kMebibyte;
  if (!IsPowerOfTwo(bytes)) {
    return InvalidArgument("Block size must be a power of two, and {0} is not", bytes);
  }
  return bytes;
}

Result<std::uint64_t> LogBytes(std::uint64_t asked) {
  if (asked == 0) return InvalidArgument("Log size must be a multiple of 1 MB, and not 0");
  if (asked > kMaxLogBytes - kMebibyte) {
    return InvalidArgument("Log size must be smaller than 4 GB, and {0} is not", asked);
  }
  return DivideRoundUp(asked, kMebibyte) * kMebibyte;
}

}  // namespace

Result<WriterOptions> WriterOptions::From(const CreateOptions& options) {
  if (!options.backing_name.empty()) {
    return InvalidArgument("VHDX images cannot be written with a backing file");
  }
  if (options.compress) return InvalidArgument("VHDX images cannot be compressed");

  const OptionSettings settings = options.options;
  WriterOptions out;
  out.fixed = SettingText(settings, "subformat") == "fixed";
  out.preallocation = PreallocationOf(settings);
  out.block_state_zero = SettingNumber(settings, "block_state_zero", 1) != 0;
  INSTAR_ASSIGN_OR_RETURN(out.log_bytes,
                          LogBytes(SettingNumber(settings, "log_size", out.log_bytes)));
  const std::uint64_t sector_bytes = SettingNumber(settings, "logical_sector_size", 512);
  if (sector_bytes != 512 && sector_bytes != 4096) {
    return InvalidArgument("logical_sector_size must be 512 or 4096, not {0}", sector_bytes);
  }
  out.sector_bytes = static_cast<std::uint32_t>(sector_bytes);
  if (options.virtual_size_bytes > kMaxVirtualBytes) {
    return OverLimit("Image size too large; max of 64TB, which {0} bytes are more than",
                     options.virtual_size_bytes);
  }
  out.virtual_bytes =
      DivideRoundUp(options.virtual_size_bytes, out.sector_bytes) * out.sector_bytes;
  INSTAR_ASSIGN_OR_RETURN(out.block_bytes,
                          BlockBytes(SettingNumber(settings, "block_size", 0), out.virtual_bytes));
  if (out.virtual_bytes == 0 && out.bat_bytes() > kMaxEmptyBatBytes) {
    return InvalidArgument(
        "Block size must be smaller for a disk of size 0: with {0} its block allocation table "
        "would "
        "take {1} bytes, and the most is {2}",
        out.block_bytes, out.bat_bytes(), kMaxEmptyBatBytes);
  }
  return out;
}

}  // namespace instar::vhdx
