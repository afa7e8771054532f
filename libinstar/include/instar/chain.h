// A backing chain, opened and read as one disk.
#ifndef INSTAR_CHAIN_H_
#define INSTAR_CHAIN_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "formats/base/image_reader.h"
#include "instar/host.h"
#include "instar/image_source.h"

namespace instar {

// One image of a chain with the files it needs. Not movable once opened: readers point at the
// devices.
struct Layer {
  std::unique_ptr<HostDevice> device;
  std::vector<std::unique_ptr<HostDevice>> attached;  // data file, extents
  std::unique_ptr<ImageReader> reader;
  std::uint64_t raw_start_bytes = 0;  // of a raw image: where in its file the disk begins
  bool unfit_footer = false;  // it was probed, and is raw although it ends with a VHD footer
};

// Which files that an image names are opened along with it. Extents, which are parts of the image
// itself, always are.
enum class References {
  kNone,     // only the image itself (info without --backing-chain)
  kFiles,    // the data file, not the backing file
  kBacking,  // the chain of backing files, but no data file: enough to describe images
  kAll,      // the whole chain with every file
};

struct ChainOptions {
  ImageSource image{};
  SnapshotChoice snapshot{};     // of the top image; empty for the active layer
  std::uint64_t max_depth = 64;  // layers
  References references = References::kAll;
};

// What the chain says of one stretch. `extent` is never kUnallocated: what no layer holds is kZero.
struct ChainExtent {
  Extent extent;
  std::uint32_t depth =
      0;  // layer the extent comes from, 0 = top; the chain's length where no layer
  bool allocated = false;      // whether any layer says something of it
  std::uint32_t searched = 0;  // the deepest layer that was asked; `depth` where that one answered
};

// Walks the merged disk. Not thread-safe: one cursor a worker.
class ChainCursor {
 public:
  // The extent at `offset` (below the virtual size) of the top image's virtual disk; at most
  // `max_length` (not 0) bytes. Neighbouring stretches that are one extent come as one.
  Result<ChainExtent> Next(std::uint64_t offset, std::uint64_t max_length);

 private:
  friend class Chain;
  // The extent a layer's cursor gave last, so that what an overlay cuts into pieces is asked once.
  struct Known {
    std::uint64_t offset = 0;
    Extent extent;  // length 0: nothing known
  };
  struct LayerCursor {
    std::unique_ptr<MapCursor> cursor;
    Known known;
  };
  Result<Extent> NextOfLayer(std::size_t depth, std::uint64_t offset, std::uint64_t max_length);
  Result<ChainExtent> NextMerged(std::uint64_t offset, std::uint64_t max_length);

  const class Chain* chain_ = nullptr;
  std::vector<LayerCursor> cursors_;
};

class Chain {
 public:
  // Opens the image and, as asked, what it names or what the caller put in its place. A backing
  // file that an image names without stating its format must probe as a known format other than
  // raw; one that the caller named may be raw, as the image itself may. kLimit beyond max_depth; a
  // cycle ends there or is kDenied by the host. Every error names the device it is about.
  static Result<std::unique_ptr<Chain>> Open(Host& host, const ChainOptions& options);

  [[nodiscard]] const std::vector<Layer>& layers() const { return layers_; }
  [[nodiscard]] const ImageReader& top() const { return *layers_.front().reader; }
  [[nodiscard]] std::uint64_t virtual_size_bytes() const { return top().virtual_size_bytes(); }
  // The cursor reads at first no more of the layers' tables together than that ahead of what it is
  // asked for, as far as they can be read in pieces so small.
  Result<std::unique_ptr<ChainCursor>> OpenCursor(
      std::uint64_t first_ahead_bytes = MapCursor::kFirstAheadBytes) const;

  // Inflates the unit of a kCompressed extent that came from layer `depth`. As
  // ImageReader::Decompress.
  Status Decompress(const ChainExtent& extent, std::span<const std::byte> compressed,
                    std::span<std::byte> out) const {
    return layers_[extent.depth].reader->Decompress(extent.extent, compressed, out);
  }

 private:
  std::vector<Layer> layers_;
};

}  // namespace instar

#endif  // INSTAR_CHAIN_H_
