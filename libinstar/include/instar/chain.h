// A backing chain, opened and read as one disk.
#ifndef INSTAR_CHAIN_H_
#define INSTAR_CHAIN_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "formats/base/image_reader.h"
#include "instar/host.h"

namespace instar {

// One image of a chain with the files it needs. Not movable once opened: readers point at the
// devices.
struct Layer {
  std::unique_ptr<HostDevice> device;
  std::vector<std::unique_ptr<HostDevice>> attached;  // data file, extents
  std::unique_ptr<ImageReader> reader;
};

// Which files that an image names are opened along with it.
enum class References {
  kNone,   // only the image itself (info without --backing-chain)
  kFiles,  // data file and extents, not the backing file
  kAll,    // the whole chain
};

struct ChainOptions {
  DeviceId image = kNoDevice;
  FormatId format = FormatId::kUnknown;  // of the top image; kUnknown: probe
  std::string_view snapshot;             // of the top image; empty for the active layer
  std::uint64_t max_depth = 64;          // layers
  References references = References::kAll;
};

// What the chain says of one stretch. `extent` is never kUnallocated: what no layer holds is kZero.
struct ChainExtent {
  Extent extent;
  std::uint32_t depth =
      0;  // layer the extent comes from, 0 = top; the chain's length where no layer
  bool allocated = false;  // whether any layer says something of it
};

class ChainCursor {
 public:
  // The extent at `offset` of the top image's virtual disk; at most `max_length` (not 0) bytes.
  Result<ChainExtent> Next(std::uint64_t offset, std::uint64_t max_length);

 private:
  friend class Chain;
  const class Chain* chain_ = nullptr;
  std::vector<std::unique_ptr<MapCursor>> cursors_;
};

class Chain {
 public:
  // Opens the image and, as asked, what it names. A reference without a stated format must probe as
  // a known format other than raw. kLimit beyond max_depth; a cycle ends there or is kDenied by the
  // host.
  static Result<std::unique_ptr<Chain>> Open(Host& host, const ChainOptions& options);

  [[nodiscard]] const std::vector<Layer>& layers() const { return layers_; }
  [[nodiscard]] const ImageReader& top() const { return *layers_.front().reader; }
  [[nodiscard]] std::uint64_t virtual_size_bytes() const { return top().virtual_size_bytes(); }
  Result<std::unique_ptr<ChainCursor>> OpenCursor() const;

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
