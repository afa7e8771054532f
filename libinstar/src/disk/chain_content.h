// What a chain reads as, a few clusters at a time: for changes of an image that have to copy some
// of its content. Whoever moves much of it does not read it here (convert/).
#ifndef DISK_CHAIN_CONTENT_H_
#define DISK_CHAIN_CONTENT_H_

#include <memory>
#include <vector>

#include "formats/resize.h"
#include "instar/chain.h"
#include "instar/host.h"

namespace instar::disk {

class ChainContent final : public DiskContent {
 public:
  // Both must outlive this. The data file of the top image, where it has one, is attached; those of
  // the images below need not be.
  ChainContent(Host& host, const Chain& chain) : host_(host), chain_(chain) {}

  Status Read(std::uint64_t offset, std::span<std::byte> out) override;

 private:
  // When content is first asked for: mostly it is not.
  Status Open();
  Status AttachDataFiles(const Layer& layer);
  Status ReadCompressed(const ChainExtent& found, std::uint64_t offset, std::span<std::byte> out);

  Host& host_;
  const Chain& chain_;
  std::unique_ptr<ChainCursor> cursor_;
  std::vector<std::unique_ptr<HostDevice>> attached_;
};

}  // namespace instar::disk

#endif  // DISK_CHAIN_CONTENT_H_
