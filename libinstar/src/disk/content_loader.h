// Bringing content that must pass through the worker's memory there: compressed units of the
// sources, and, for a compressed target, everything.
#ifndef DISK_CONTENT_LOADER_H_
#define DISK_CONTENT_LOADER_H_

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "disk/salvage.h"
#include "disk/source_disk.h"
#include "disk/source_extent.h"
#include "instar/host.h"

namespace instar::disk {

// Memory that is not touched before it is used.
class ByteBuffer {
 public:
  ByteBuffer() = default;
  explicit ByteBuffer(std::size_t bytes)
      : bytes_(std::make_unique_for_overwrite<std::byte[]>(bytes)), size_(bytes) {}
  [[nodiscard]] std::span<std::byte> span() { return {bytes_.get(), size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_ = 0;
};

// Not thread-safe: one a worker. Its buffers are made when the first compressed piece comes: memory
// that is only reserved is not free of cost in a sandbox (a page of each block is touched).
class ContentLoader {
 public:
  ContentLoader(Host& host, const SourceDisk& disk, std::size_t max_pieces, SalvageCount* salvage);

  [[nodiscard]] static bool HasCompressed(std::span<const SourceExtent> pieces);

  // Inflates every piece of kCompressed to its place in `memory`, which holds the chunk that starts
  // at `chunk_offset`, and makes it kMemory. With few reads: one call a batch of units.
  Status Inflate(std::span<SourceExtent> pieces, std::uint64_t chunk_offset,
                 std::span<std::byte> memory);

  // Reads every piece of kData to its place and makes it kMemory, in one call.
  Status Read(std::span<SourceExtent> pieces, std::uint64_t chunk_offset,
              std::span<std::byte> memory);

 private:
  // A piece of kCompressed and where its unit's compressed bytes are.
  struct Pending {
    std::size_t piece;
    std::size_t buffer_offset;
  };
  void MakeBuffers();
  Status InflateBatch(std::span<SourceExtent> pieces, std::uint64_t chunk_offset,
                      std::span<std::byte> memory);
  Status InflateOne(SourceExtent& piece, std::span<const std::byte> compressed,
                    std::uint64_t chunk_offset, std::span<std::byte> memory);
  bool Gather(const SourceExtent& piece, std::size_t index);
  void StartBatch();

  Host& host_;
  const SourceDisk& disk_;
  const std::size_t max_pieces_;
  SalvageCount* salvage_;
  ByteBuffer compressed_;
  ByteBuffer unit_;          // a unit of which only parts are wanted
  SourceExtent unit_holds_;  // the piece it was last inflated for; length 0: nothing
  std::size_t used_ = 0;     // of compressed_
  std::vector<ReadRequest> reads_;
  std::vector<Pending> pending_;
};

}  // namespace instar::disk

#endif  // DISK_CONTENT_LOADER_H_
