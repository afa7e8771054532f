// What a list of actions on a bitmap comes to. The list is judged action by action, as if each had
// been done, from the directory alone: before bits are read or anything is written.
//
// All actions are on one name, so little is left of a long list: example, `--add --merge a --clear
// --merge b --disable` comes to a new, disabled bitmap with the bits of b.
// tests/unit/formats/qcow2/bitmaps_test.cc covers this file.
#ifndef FORMATS_QCOW2_EDIT_BITMAP_PLAN_H_
#define FORMATS_QCOW2_EDIT_BITMAP_PLAN_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/bitmap.h"
#include "formats/qcow2/structures/bitmap_directory.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"

namespace instar::qcow2 {

struct FoundBitmap {
  BitmapEntry entry;
  std::uint64_t at = 0;  // where its entry stands in the directory, in bytes
};

// The bitmaps of an image, by name.
class BitmapIndex {
 public:
  // Looks for `names` in the directory that `extension` leads to; nothing: there are no bitmaps.
  // kCorrupt where the directory is damaged or has one of the names twice, kUnsupported, kIo.
  static Result<BitmapIndex> Find(const BlockDevice& device, const Header& header,
                                  const std::optional<BitmapsExtension>& extension,
                                  std::span<const std::string_view> names);

  // The bitmap `names[i]`; null if there is none.
  [[nodiscard]] const FoundBitmap* at(std::size_t i) const {
    return found_[i] ? &*found_[i] : nullptr;
  }
  [[nodiscard]] const Header& header() const { return header_; }
  [[nodiscard]] const BitmapsExtension& extension() const { return extension_; }
  // Of the disk, as far as bitmaps cover it: whole sectors.
  [[nodiscard]] std::uint64_t disk_bytes() const;

 private:
  Header header_;
  BitmapsExtension extension_;  // all 0: no bitmaps
  std::vector<std::optional<FoundBitmap>> found_;
};

struct BitmapPlan {
  BitmapVerdict verdict;     // with a fault: nothing is to be done, and the rest says nothing
  bool removes_all = false;  // all that the image had, that of the name, too
  bool exists = false;       // whether there is one of the name afterwards
  bool is_new = false;       // it stands at the end of the directory, and has no stored bits
  bool keeps_bits = false;   // those that are stored
  std::uint32_t flags = 0;
  std::uint8_t granularity_bits = 0;
  std::vector<std::size_t> merges;  // of which actions the sources are merged, in ascending order
};

// `image`: number 0 is the bitmap of the name. `source`: number i is the source of action i; the
// index of the image itself has that as number 1 + i and is passed as null.
BitmapPlan PlanBitmap(const BitmapOptions& options, const BitmapIndex& image,
                      const BitmapIndex* source);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_BITMAP_PLAN_H_
