#include "formats/vpc/writer_options.h"

#include "formats/base/checked.h"
#include "formats/base/unique_id.h"
#include "formats/vpc/properties.h"

namespace instar::vpc {
namespace {

constexpr std::uint64_t kMebibyte = 1 << 20;

}  // namespace

Result<WriterOptions> WriterOptions::From(const CreateOptions& options) {
  if (!options.backing_name.empty()) {
    return InvalidArgument("VHD images cannot be written with a backing file");
  }
  if (options.compress) return InvalidArgument("VHD images cannot be compressed");

  const bool azure = IsOn(options.options, "azure");
  if (azure && SettingText(options.options, "subformat") == "dynamic") {
    return InvalidArgument("azure means a fixed disk, so subformat=dynamic contradicts it");
  }
  const bool force_size = azure || IsOn(options.options, "force_size");
  WriterOptions out;
  out.fixed = MakeFixedDisk(options.options);
  out.preallocation = PreallocationOf(options.options);

  const std::uint64_t sectors = DivideRoundUp(options.virtual_size_bytes, kSectorBytes);
  if (sectors > kMaxSectors) {
    return OverLimit("a virtual disk of {0} bytes is too large for a VHD; the most is {1}",
                     options.virtual_size_bytes, kMaxSectors * kSectorBytes);
  }
  out.geometry = force_size ? kMaxGeometry : GeometryCovering(sectors);
  // At the largest geometry it is the size field that counts.
  out.virtual_bytes =
      (out.geometry == kMaxGeometry ? sectors : out.geometry.sectors()) * kSectorBytes;
  if (azure) {
    out.virtual_bytes = DivideRoundUp(out.virtual_bytes, kMebibyte) * kMebibyte;
    out.geometry = GeometryFor(out.virtual_bytes / kSectorBytes);
  }
  return out;
}

Footer WriterOptions::MakeFooter() const {
  return {.creator = {'q', 'e', 'm', '2'},
          .original_bytes = virtual_bytes,
          .current_bytes = virtual_bytes,
          .geometry = geometry,
          .type = fixed ? DiskType::kFixed : DiskType::kDynamic,
          .unique_id = UniqueIdSource("vpc", identity).Next()};
}

}  // namespace instar::vpc
