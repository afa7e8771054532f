// The one interface for writing a fresh image.
//
// A writer lays out metadata and says where data belongs; it never sees bulk data. Order of calls:
// SetIdentity; Begin; then Place* in ascending order of virtual offset, each offset at most once,
// by one caller at a time (convert holds a ticket); then, when all data has been moved, Finish.
// Until Finish has written the header the file is no image of its format, so a run that dies leaves
// nothing that could be mistaken for one.
#ifndef FORMATS_BASE_IMAGE_WRITER_H_
#define FORMATS_BASE_IMAGE_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/base/block_device.h"
#include "formats/base/checked.h"
#include "formats/base/error.h"
#include "formats/base/identity.h"
#include "formats/base/ids.h"

namespace instar {

// Where a stretch of the virtual disk goes.
struct Placement {
  DeviceId device = kNoDevice;
  std::uint64_t file_offset = 0;
  std::uint64_t length_bytes = 0;
};

class ImageWriter {
 public:
  virtual ~ImageWriter() = default;

  // Virtual offsets and lengths given to Place* are multiples of this, but for the end of the disk.
  // A power of two; 512 for formats without units.
  [[nodiscard]] virtual std::uint64_t unit_bytes() const = 0;

  // Whether stretches that are never placed read as zeros in the finished image (false with a
  // backing file).
  [[nodiscard]] virtual bool unplaced_reads_zero() const = 0;

  // Whether a placed unit's bytes read as zeros until they are written (fresh sparse file), so that
  // zero stretches inside a unit need not be written.
  [[nodiscard]] virtual bool placed_reads_zero() const = 0;

  // What the identities of the image are made from, where its format has any. Before Begin; a
  // writer that is not told takes a seed of zeros, with which all images are one disk.
  virtual void SetIdentity(const IdentitySeed& seed) { (void)seed; }

  // Empties the target and reserves what must stand first.
  virtual Status Begin() = 0;

  // Room for `length` bytes of data at virtual `offset`. The placement may be shorter (whole
  // units): call again for the rest. The caller moves the bytes there.
  virtual Result<Placement> PlaceData(std::uint64_t offset, std::uint64_t length) = 0;

  // Room for one compressed unit of `compressed_bytes` at virtual `offset`. kUnsupported if the
  // format or the options have none. The caller writes the bytes there.
  virtual Result<Placement> PlaceCompressed(std::uint64_t offset, std::uint64_t compressed_bytes) {
    (void)offset;
    (void)compressed_bytes;
    return Unsupported("images of this kind have no compressed data");
  }

  // Makes [offset, offset+length) read as zeros explicitly, hiding a backing file.
  virtual Status PlaceZero(std::uint64_t offset, std::uint64_t length) = 0;

  // Compresses one unit as the format wants it. Returns the compressed length, or 0 if it would not
  // be smaller than the unit: then store it plain. Reentrant, one `worker` number (below the limit
  // given at creation) at a time.
  virtual Result<std::size_t> Compress(unsigned worker, std::span<const std::byte> unit,
                                       std::span<std::byte> out) {
    (void)worker;
    (void)unit;
    (void)out;
    return Unsupported("images of this kind have no compressed data");
  }

  // The same where the stored form of a unit says where on the disk it belongs: `unit` stands at
  // virtual `offset`.
  virtual Result<std::size_t> CompressAt(unsigned worker, std::uint64_t offset,
                                         std::span<const std::byte> unit,
                                         std::span<std::byte> out) {
    (void)offset;
    return Compress(worker, unit, out);
  }

  // Whether units are to be compressed, when the user did (`requested`) or did not ask for it.
  [[nodiscard]] virtual bool compresses(bool requested) const { return requested; }

  // The room that Compress is to be given for a unit.
  [[nodiscard]] virtual std::uint64_t max_compressed_bytes() const { return unit_bytes(); }

  // Copies the dirty bitmaps of the qcow2 image on `source`, whose disk must be as long as this
  // one. After the last Place*, before Finish. Bitmaps that were not stored completely are an
  // error, or left out if `skip_broken`. kUnsupported where the format or the source has no
  // bitmaps.
  virtual Status CopyBitmaps(const BlockDevice& source, bool skip_broken) {
    (void)source;
    (void)skip_broken;
    return Unsupported("the target format does not support bitmaps");
  }

  // Whether CopyBitmaps can be expected to succeed; before Begin, so that nothing is lost if not.
  // Errors as CopyBitmaps.
  virtual Status CheckBitmaps(const BlockDevice& source, bool skip_broken) {
    (void)source;
    (void)skip_broken;
    return Unsupported("the target format does not support bitmaps");
  }

  // Writes the remaining metadata, the header last, with the flushes that order needs.
  virtual Status Finish() = 0;
};

// kInvalidArgument unless the `length` bytes at `offset` are some, and lie on a disk of
// `disk_bytes`.
[[nodiscard]] inline Status CheckOnDisk(std::uint64_t offset, std::uint64_t length,
                                        std::uint64_t disk_bytes) {
  if (length != 0 && RangeFits(offset, length, disk_bytes)) return {};
  return InvalidArgument("{1} bytes at {0} are not on a virtual disk of {2}", offset, length,
                         disk_bytes);
}

}  // namespace instar

#endif  // FORMATS_BASE_IMAGE_WRITER_H_
