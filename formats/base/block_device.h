// What pure code reads an image file from, and writes its metadata to.
//
// Implement it to use the formats on storage of your own (memory, an object store); the sandbox has
// one that rings the call table. All members may be called from several threads at once.
#ifndef FORMATS_BASE_BLOCK_DEVICE_H_
#define FORMATS_BASE_BLOCK_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/base/error.h"
#include "formats/base/ids.h"

namespace instar {

// A stretch of a file that is either all hole or all (possibly zero) data.
struct FileRun {
  std::uint64_t length_bytes = 0;  // at least 1 below the end of the file
  bool hole = false;               // reads as zeros and occupies no storage
};

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length_bytes = 0;
};

// One of several reads that are asked for together.
struct ReadPiece {
  std::uint64_t offset = 0;
  std::span<std::byte> out;
};

// One of several writes that are handed over together.
struct WritePiece {
  std::uint64_t offset = 0;
  std::span<const std::byte> data;
};

class BlockDevice {
 public:
  virtual ~BlockDevice() = default;

  // The number extents of this device carry. Unique within one operation.
  [[nodiscard]] virtual DeviceId id() const = 0;

  // Length of the file in bytes, when last asked of its owner.
  [[nodiscard]] virtual std::uint64_t size_bytes() const = 0;

  // Fills `out` from byte `offset`. Bytes beyond the end of the file read as zero. kIo on failure.
  virtual Status Read(std::uint64_t offset, std::span<std::byte> out) const = 0;

  // Fills all pieces as Read does. On an error some may be filled. A device for which a call is
  // dear does all in one; this default makes one Read of each.
  virtual Status ReadAll(std::span<const ReadPiece> pieces) const {
    for (const ReadPiece& piece : pieces) INSTAR_TRY(Read(piece.offset, piece.out));
    return {};
  }

  // Writes all of `data` at byte `offset`, extending the file where needed. kIo, kNoSpace, kDenied.
  virtual Status Write(std::uint64_t offset, std::span<const std::byte> data) = 0;

  // Writes the pieces, which do not overlap, in any order. On an error some may be written. A
  // device for which a call is dear does all in one; this default makes one Write of each.
  virtual Status WriteAll(std::span<const WritePiece> pieces) {
    for (const WritePiece& piece : pieces) INSTAR_TRY(Write(piece.offset, piece.data));
    return {};
  }

  // The runs that follow one another from `offset` (below size_bytes()) on, as many as `runs` (not
  // empty) has room for and `max_length` bytes hold, or fewer; how many, at least 1. A device that
  // cannot tell says "data" for all of it, which is what this default does. kIo.
  virtual Result<std::size_t> NextRuns(std::uint64_t offset, std::uint64_t max_length,
                                       std::span<FileRun> runs) const {
    (void)offset;
    runs.front() = {.length_bytes = max_length, .hole = false};
    return std::size_t{1};
  }
};

// How the storage of a file that grows is provided.
enum class Preallocation : std::uint32_t {
  kOff = 0,     // a hole
  kFalloc = 1,  // blocks reserved, reads as zeros
  kFull = 2,    // zeros written
};

// A file that an operation writes to: a fresh image, or one that is changed in place.
class TargetDevice : public BlockDevice {
 public:
  // Sets the length of the file; new bytes read as zeros. kNoSpace, kIo, kDenied, kLimit.
  virtual Status Resize(std::uint64_t size_bytes, Preallocation preallocation) = 0;

  // Returns when everything written so far is on stable storage, or at once where the user asked
  // for no flushes (cache mode unsafe).
  virtual Status Flush() = 0;

  // Makes [offset, offset+length) of the file read as zeros, as cheaply as the file allows.
  virtual Status Zero(std::uint64_t offset, std::uint64_t length) = 0;

  // The one write by which a change in place takes effect. Returns when `data`, which lies within
  // one sector of the disk (512 bytes) or, where a format's root is larger, one page (4096 bytes),
  // is on stable storage; with one call, so that no other program finds it before that. Everything
  // that it leads to was flushed before.
  virtual Status WriteRoot(std::uint64_t offset, std::span<const std::byte> data) {
    INSTAR_TRY(Write(offset, data));
    return Flush();
  }

  // The same where a format's root is the length of its file: sets it, and returns when it is on
  // stable storage. New bytes read as zeros. What `preallocation` asks for is reserved before the
  // length changes; zeros of kFull are written after that.
  virtual Status ResizeRoot(std::uint64_t size_bytes, Preallocation preallocation) {
    INSTAR_TRY(Resize(size_bytes, preallocation));
    return Flush();
  }

  // The content of [offset, offset + length) no longer matters: its storage is given back where the
  // file can. What it reads as afterwards is not said.
  virtual Status Discard(std::uint64_t offset, std::uint64_t length) {
    (void)offset;
    (void)length;
    return {};
  }

  // The same of several ranges. A device for which a call is dear does all in one; this default
  // makes one Discard of each.
  virtual Status DiscardAll(std::span<const ByteRange> ranges) {
    for (const ByteRange& range : ranges) INSTAR_TRY(Discard(range.offset, range.length_bytes));
    return {};
  }

  // Whether the length of the file is what it is: a disk or a partition.
  [[nodiscard]] virtual bool has_fixed_length() const { return false; }

  // Whether bytes that were never written since Resize(0) read as zeros: true of regular files, not
  // of block devices and not of a target that was kept as it was.
  [[nodiscard]] virtual bool fresh_reads_zero() const = 0;

  // Whether it is a pipe: what is written must follow what was written before. What is left out in
  // between, and what Resize adds at the end, comes out as zeros; a Resize to less than was written
  // fails.
  [[nodiscard]] virtual bool appends_only() const { return false; }
};

}  // namespace instar

#endif  // FORMATS_BASE_BLOCK_DEVICE_H_
