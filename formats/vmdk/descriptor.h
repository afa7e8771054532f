// The descriptor of a VMDK image (Virtual Disk Format 5.0, "The Descriptor"): text that says which
// extents make up the disk, and what it is a child of.
#ifndef FORMATS_VMDK_DESCRIPTOR_H_
#define FORMATS_VMDK_DESCRIPTOR_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "formats/base/error.h"
#include "formats/vmdk/constants.h"

namespace instar::vmdk {

enum class ExtentAccess : std::uint32_t { kReadWrite = 1, kReadOnly = 2, kNone = 3 };

enum class ExtentType : std::uint32_t {
  kFlat = 1,
  kSparse = 2,
  kZero = 3,
  kVmfs = 4,  // flat, on an ESX datastore
};

// One line of the extent description. `name` points into the descriptor's text.
struct ExtentLine {
  ExtentAccess access = ExtentAccess::kReadWrite;
  ExtentType type = ExtentType::kFlat;
  std::uint64_t sectors = 0;
  std::string_view name;
  std::uint64_t file_sector = 0;  // kFlat, kVmfs: where the extent starts in its file
};

// Views point into the text.
struct Descriptor {
  std::optional<std::uint32_t> cid;
  std::optional<std::uint32_t> parent_cid;
  std::string_view create_type;
  std::string_view parent_name;  // empty: none

  // The lines but the extents' of `text`, which ends at its first NUL. Of a key that stands twice
  // the first counts. What is missing stays empty: an embedded descriptor may be.
  static Result<Descriptor> Parse(std::string_view text);
};

// The descriptor in `room`, which it fills up to its first NUL, with another content ID; as long as
// the room. kCorrupt if it has none, kLimit where the room is too small.
Result<std::vector<char>> WithContentId(std::span<const char> room, std::uint32_t content_id);

// The extents of `text` in order. kUnsupported for types that cannot be read, kCorrupt for lines
// that make no sense, kLimit for more than kMaxExtents or a disk of 2^63 bytes and more.
Result<std::vector<ExtentLine>> ParseExtents(std::string_view text);

// As the descriptor spells it ("FLAT").
[[nodiscard]] std::string_view NameOf(ExtentType type);

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_DESCRIPTOR_H_
