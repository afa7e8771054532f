// Where clusters that have their place stand in holes of their file.
//
// An image whose metadata was preallocated maps every cluster, though its file holds hardly any.
// Such clusters read as zeros; only the file can tell. Asking it costs a system call a run, so it
// is asked only of images that look preallocated, as qemu-img does.
#ifndef DISK_CHAIN_HOLES_H_
#define DISK_CHAIN_HOLES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "formats/base/run_cache.h"
#include "instar/chain.h"

namespace instar::disk {

// Not thread-safe. `chain` must outlive it.
class ChainHoles {
 public:
  static Result<ChainHoles> Of(const Chain& chain);

  // The run that starts where `extent` (kData) of layer `depth` stands, at most as long as the
  // extent. What the layer does not know is no hole.
  Result<FileRun> At(std::uint32_t depth, const Extent& extent);

 private:
  explicit ChainHoles(const Chain& chain) : chain_(&chain) {}

  const Chain* chain_;
  std::vector<std::optional<RunCache>> layers_;  // nothing: no need to look
};

}  // namespace instar::disk

#endif  // DISK_CHAIN_HOLES_H_
