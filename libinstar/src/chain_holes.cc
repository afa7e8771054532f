#include "chain_holes.h"

#include <algorithm>

#include "formats/qcow2/preallocation.h"

namespace instar {
namespace {

Result<bool> MayHaveHoles(const Layer& layer) {
  if (layer.reader->format() != FormatId::kQcow2) return false;
  const auto found = qcow2::LooksPreallocated(*layer.device, layer.device->info().allocated_bytes);
  if (!found) return std::unexpected(found.error().On(layer.device->id()));
  return *found;
}

const HostDevice* FindFile(const Layer& layer, DeviceId device) {
  if (layer.device->id() == device) return layer.device.get();
  for (const auto& attached : layer.attached) {
    if (attached->id() == device) return attached.get();
  }
  return nullptr;
}

}  // namespace

Result<ChainHoles> ChainHoles::Of(const Chain& chain) {
  ChainHoles holes(chain);
  for (const Layer& layer : chain.layers()) {
    INSTAR_ASSIGN_OR_RETURN(const bool look, MayHaveHoles(layer));
    holes.layers_.push_back(look ? std::optional<Known>(Known{}) : std::nullopt);
  }
  return holes;
}

Result<FileRun> ChainHoles::At(std::uint32_t depth, const Extent& extent) {
  const FileRun no_hole{.length_bytes = extent.length_bytes, .hole = false};
  if (!layers_[depth]) return no_hole;
  Known& known = *layers_[depth];
  const std::uint64_t offset = extent.file_offset;
  if (extent.device != known.device || offset < known.start ||
      offset - known.start >= known.run.length_bytes) {
    const HostDevice* const file = FindFile(chain_->layers()[depth], extent.device);
    if (file == nullptr) return no_hole;
    known = {.device = extent.device, .start = offset, .run = {}};
    if (offset >= file->size_bytes()) {
      known.run = {.length_bytes = ~std::uint64_t{0} - offset, .hole = true};
    } else {
      INSTAR_ASSIGN_OR_RETURN(known.run, file->NextRun(offset, file->size_bytes() - offset));
    }
  }
  const std::uint64_t left = known.run.length_bytes - (offset - known.start);
  return FileRun{.length_bytes = std::min(left, extent.length_bytes), .hole = known.run.hole};
}

}  // namespace instar
