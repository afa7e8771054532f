#include "disk/chain_holes.h"

#include <algorithm>

#include "formats/format_table.h"

namespace instar::disk {
namespace {

Result<bool> MayHaveHoles(const Layer& layer) {
  const auto may_map_holes = FunctionOf<&Format::may_map_holes>(layer.reader->format());
  if (may_map_holes == nullptr) return false;
  const auto found = may_map_holes(*layer.device, layer.device->info().allocated_bytes);
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
    holes.layers_.push_back(look ? std::optional<RunCache>(RunCache{}) : std::nullopt);
  }
  return holes;
}

Result<FileRun> ChainHoles::At(std::uint32_t depth, const Extent& extent) {
  const FileRun no_hole{.length_bytes = extent.length_bytes, .hole = false};
  if (!layers_[depth]) return no_hole;
  const HostDevice* const file = FindFile(chain_->layers()[depth], extent.device);
  if (file == nullptr) return no_hole;
  if (extent.file_offset >= file->size_bytes()) {
    return FileRun{.length_bytes = extent.length_bytes, .hole = true};
  }
  return layers_[depth]->At(*file, extent.file_offset, extent.length_bytes);
}

}  // namespace instar::disk
