// Checking an image's metadata for consistency, and the table of checkers.
//
// A checker reads metadata only, in bounded memory, and changes nothing. What it finds it tells as
// it goes, one finding at a time; the counts come at the end.
#ifndef FORMATS_CHECK_H_
#define FORMATS_CHECK_H_

#include <array>
#include <cstdint>
#include <string_view>

#include "formats/base/block_device.h"
#include "formats/base/check_counts.h"
#include "formats/base/error.h"
#include "formats/base/image_reader.h"
#include "formats/base/workers.h"

namespace instar {

// What can be done about something found. `where`, `from` and `to`: kCount: a host offset and two
// refcounts; kCopied, kEntry: the offset that the entry leads to and two entries; kSnapshot,
// kBitmap: the number of the entry; others: a host offset.
struct Fix {
  FixKind kind = FixKind::kNone;
  std::uint64_t where = 0;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  // kNone: why nothing can be done, a few words; static. Null where nobody has asked.
  const char* reason = nullptr;
};

// One thing found. `message` is static and has places for the numbers as Error's has ("{0}" in
// decimal, "{1x}" in hexadecimal).
struct Finding {
  FindingKind kind = FindingKind::kCorruption;
  const char* message = "";
  std::array<std::uint64_t, 3> numbers{};
  // kCorruption: whether the metadata can be changed in place all the same, because no count is too
  // low and nothing is used twice.
  bool harmless = false;
  Fix fix{};
  std::string_view name{};  // of the bitmap that it is about, untrusted; valid during Add
};

class FindingSink {
 public:
  virtual ~FindingSink() = default;
  virtual void Add(const Finding& finding) = 0;
  // Told now and then how far a check is that goes through a file in several passes: it goes on,
  // though it may have read next to nothing.
  virtual void Proceed(std::uint64_t /*done*/, std::uint64_t /*total*/) {}
};

struct CheckOptions {
  const BlockDevice* device = nullptr;
  const ImageReader* reader = nullptr;  // opened on `device`, its files attached
  FindingSink* findings = nullptr;
  // What a large check is shared out to; null: none but the caller. What is found, and the order in
  // which it is told, does not depend on it. `device` is read by all, `findings` told by the
  // caller.
  Workers* workers = nullptr;
};

// Checks the image by the rules of reader->format(). kUnsupported for formats without a check
// (raw). kIo and the like when the check could not be completed.
Result<CheckCounts> CheckImage(const CheckOptions& options);

}  // namespace instar

#endif  // FORMATS_CHECK_H_
