// Reads tables that stand anywhere in a file, several with one request: a buffer for what is looked
// at now and for what will be looked at next. For tables that follow one another in the file a
// ReadWindow is simpler.
#ifndef FORMATS_BASE_READ_AHEAD_H_
#define FORMATS_BASE_READ_AHEAD_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"

namespace instar {

class ReadAhead {
 public:
  // `device` must outlive this.
  explicit ReadAhead(const BlockDevice& device) : device_(&device) {}

  // The bytes of `range` if they are held. Valid until the next Fetch.
  [[nodiscard]] std::optional<std::span<const std::byte>> Find(const ByteRange& range);

  // Reads `ranges`, at least one, in place of what was held, and returns the bytes of the first;
  // zeros beyond the end of the file. Where they cannot all be read, the first alone counts. kIo.
  Result<std::span<const std::byte>> Fetch(std::span<const ByteRange> ranges);

 private:
  struct Held {
    ByteRange range;
    std::size_t position = 0;  // in buffer_
  };
  Status Read(std::span<const Held> wanted);

  const BlockDevice* device_;
  std::vector<std::byte> buffer_;
  std::vector<Held> held_;  // ranges that touch are one
  std::size_t last_ = 0;    // in held_: where something was found last
  std::vector<ReadPiece> pieces_;
};

}  // namespace instar

#endif  // FORMATS_BASE_READ_AHEAD_H_
