// The one reader interface. info, convert and every later verb see an image only through it, so
// what one verb accepts every verb accepts.
//
// Life of a reader: OpenImage (formats/open.h) decodes and validates the header; the caller
// attaches the files the image names (references()), optionally selects a snapshot, then opens one
// MapCursor per worker. Until then the reader may be used from one thread; from the first cursor on
// it does not change, and its const members may be called from several threads at once.
#ifndef FORMATS_BASE_IMAGE_READER_H_
#define FORMATS_BASE_IMAGE_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/ids.h"
#include "formats/base/report_sink.h"

namespace instar {

enum class ExtentKind : std::uint32_t {
  kData = 1,         // the bytes stand at `file_offset` of `device`
  kZero = 2,         // reads as zeros here, whatever a backing file holds
  kUnallocated = 3,  // this image says nothing: its backing file decides, or zeros if it has none
  kCompressed = 4,   // part of one compressed unit; read it through Decompress
};

// What one image says of one stretch of its virtual disk.
struct Extent {
  ExtentKind kind = ExtentKind::kUnallocated;
  std::uint64_t length_bytes = 0;  // always at least 1

  // kData, and kZero and kUnallocated with `has_offset`: where the bytes stand.
  DeviceId device = kNoDevice;
  std::uint64_t file_offset = 0;
  // kZero: storage is allocated although it reads as zeros. kUnallocated: the cluster has a place,
  // but nothing of this stretch was written there.
  bool has_offset = false;

  // kCompressed: the whole unit (cluster, grain) this stretch belongs to.
  std::uint64_t unit_offset = 0;       // virtual offset at which the unit starts
  std::uint64_t unit_bytes = 0;        // bytes the unit inflates to
  std::uint64_t compressed_bytes = 0;  // bytes to read at file_offset; may exceed the exact length
};

// What of data lies beyond the end of its file, of `file_bytes`, was never written: the extent ends
// there, or is zeros if it begins there.
constexpr void CutAtEndOfFile(Extent& extent, std::uint64_t file_bytes) {
  if (extent.kind != ExtentKind::kData) return;
  if (extent.file_offset >= file_bytes) {
    extent.kind = ExtentKind::kZero;
    extent.has_offset = true;
  } else if (extent.length_bytes > file_bytes - extent.file_offset) {
    extent.length_bytes = file_bytes - extent.file_offset;
  }
}

// Walks the virtual disk of one image. Not thread-safe: one cursor a worker. Holds a bounded cache
// of tables.
class MapCursor {
 public:
  virtual ~MapCursor() = default;

  // The extent that starts at virtual byte `offset`, as long as it can be told in one go and at
  // most `max_length` bytes (not 0). Never reaches beyond the virtual size; offset must lie below
  // it.
  virtual Result<Extent> Next(std::uint64_t offset, std::uint64_t max_length) = 0;

  // A cursor may read tables before they are asked for: at first so much, and more, up to
  // kAheadBytes, as it is seen to walk on. This limits both, where many cursors are open at once or
  // few entries are wanted; a cursor that needs more anyway takes that. Before the first Next.
  static constexpr std::uint64_t kAheadBytes = 1 << 20;
  static constexpr std::uint64_t kFirstAheadBytes = kAheadBytes / 2;
  virtual void LimitAhead(std::uint64_t first_bytes, std::uint64_t most_bytes) {
    (void)first_bytes;
    (void)most_bytes;
  }
};

// A file the image names. Names are bytes from the image: untrusted, not necessarily UTF-8.
struct Reference {
  ReferenceRole role = ReferenceRole::kBacking;
  std::string_view name;
  std::string_view format_name;  // format the image states for the file; empty when it states none
};

class ImageReader {
 public:
  virtual ~ImageReader() = default;

  [[nodiscard]] virtual FormatId format() const = 0;
  [[nodiscard]] virtual std::uint64_t virtual_size_bytes() const = 0;
  // Allocation unit; 0 where the format has none (raw).
  [[nodiscard]] virtual std::uint64_t cluster_size_bytes() const = 0;
  // The most that one unit of kCompressed inflates to; 0 where nothing is compressed. A cluster,
  // unless a format says otherwise.
  [[nodiscard]] virtual std::uint64_t compressed_unit_bytes() const { return cluster_size_bytes(); }

  // The files this image names, backing file included. The views live as long as the reader.
  [[nodiscard]] virtual std::span<const Reference> references() const = 0;

  // Gives the reader the device for references()[index]. Not for the role kBacking: the chain, not
  // the reader, composes layers. `device` must outlive the reader.
  virtual Status Attach(std::size_t index, const BlockDevice& device) = 0;

  // Makes the reader show the internal snapshot with ID or, if none has, name `id_or_name`.
  // kNotFound if there is none, kUnsupported if the format has no snapshots. Before the first
  // cursor only.
  virtual Status SelectSnapshot(std::string_view id_or_name) = 0;

  // The same for any choice but an empty one.
  virtual Status SelectSnapshotBy(const SnapshotChoice& choice) {
    if (!choice.id_or_name.empty()) return SelectSnapshot(choice.id_or_name);
    return Unsupported("images of this format have no snapshots");
  }

  // Whether `backing`, opened as the image names it, is the one that this image was made upon,
  // where the format can tell. Asked before cursors are opened. kCorrupt if it is another.
  virtual Status CheckBacking(const ImageReader& backing) const {
    (void)backing;
    return {};
  }

  virtual Result<std::unique_ptr<MapCursor>> OpenCursor() const = 0;

  // Inflates the unit that `extent` (kCompressed) belongs to. `compressed` holds
  // extent.compressed_bytes bytes, `out` extent.unit_bytes. Reentrant; allocates nothing that grows
  // with the input.
  virtual Status Decompress(const Extent& extent, std::span<const std::byte> compressed,
                            std::span<std::byte> out) const = 0;

  // Tells the image's own properties, in the order and with the keys of qemu-img's JSON: see
  // report_sink.h.
  virtual Status Describe(ReportSink& sink) const = 0;
};

}  // namespace instar

#endif  // FORMATS_BASE_IMAGE_READER_H_
