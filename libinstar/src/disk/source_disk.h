// The sources of a conversion seen as one disk: their virtual disks one after another, each rounded
// up to whole sectors; of that, the window asked for.
#ifndef DISK_SOURCE_DISK_H_
#define DISK_SOURCE_DISK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "disk/source_extent.h"
#include "instar/chain.h"
#include "instar/requests.h"

namespace instar::disk {

inline constexpr std::uint64_t kSectorBytes = 512;

class SourceCursor;

class SourceDisk {
 public:
  // Opens every source with its chain. `inherit`: the target will have a backing file, so tell what
  // the top layer leaves to it.
  static Result<std::unique_ptr<SourceDisk>> Open(Host& host, const ConvertRequest& request,
                                                  bool inherit);

  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
  // Whether the window asked for starts beyond the end of what there is.
  [[nodiscard]] bool window_beyond_end() const { return window_beyond_end_; }
  [[nodiscard]] std::size_t count() const { return sources_.size(); }
  [[nodiscard]] const Chain& chain(std::size_t source) const { return *sources_[source].chain; }

  // The largest cluster of any layer; 0 when all are raw, and nothing can be compressed.
  [[nodiscard]] std::uint64_t largest_cluster_bytes() const { return largest_cluster_bytes_; }

  // Whether what is read of some file is read again as slowly as the first time.
  [[nodiscard]] bool direct() const { return direct_; }

  // The stretch at `offset`, as data, if it lies in a source that is nothing but a raw file: there
  // a hole shorter than a chunk is not worth the call that would find it.
  [[nodiscard]] std::optional<SourceExtent> BareRaw(std::uint64_t offset,
                                                    std::uint64_t max_length) const;

  // How much at `offset` to give up where the map cannot be read, at most `max_length`: what is
  // left of the smallest cluster there, so that none is lost that has an entry of its own.
  [[nodiscard]] std::uint64_t UnreadableBytes(std::uint64_t offset, std::uint64_t max_length) const;

  // As Chain::OpenCursor.
  Result<std::unique_ptr<SourceCursor>> OpenCursor(
      std::uint64_t first_ahead_bytes = MapCursor::kFirstAheadBytes) const;

 private:
  friend class SourceCursor;
  struct Source {
    std::unique_ptr<Chain> chain;
    std::uint64_t start = 0;  // on the concatenated disk
    std::uint64_t end = 0;
    std::uint64_t smallest_cluster_bytes = ~std::uint64_t{0};  // of its layers that have clusters
    bool bare_raw = false;
  };
  [[nodiscard]] std::size_t SourceAt(std::uint64_t offset) const;
  [[nodiscard]] static std::uint64_t DeviceBytes(const Layer& layer, DeviceId id);

  std::vector<Source> sources_;
  void CutToWindow(std::uint64_t start, std::uint64_t end);

  std::uint64_t size_bytes_ = 0;
  // What is seen of the sources: offset 0 of this disk is byte window_start_ of theirs, and what
  // lies beyond window_bytes_ is zeros up to a whole sector.
  std::uint64_t window_start_ = 0;
  std::uint64_t window_bytes_ = 0;
  bool window_beyond_end_ = false;
  std::uint64_t largest_cluster_bytes_ = 0;
  bool direct_ = false;
  bool inherit_ = false;
};

// Not thread-safe: one a worker.
class SourceCursor {
 public:
  // The piece at `offset` (below the size of the disk), at most `max_length` (not 0) bytes of it:
  // kData, kZero or kCompressed, with `inherited` set where it applies.
  Result<SourceExtent> Next(std::uint64_t offset, std::uint64_t max_length);

 private:
  friend class SourceDisk;
  const SourceDisk* disk_ = nullptr;
  std::vector<std::unique_ptr<ChainCursor>> cursors_;
};

}  // namespace instar::disk

#endif  // DISK_SOURCE_DISK_H_
