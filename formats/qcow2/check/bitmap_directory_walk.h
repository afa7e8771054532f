// The bitmap directory of an image that may be damaged, entry by entry, and whether a bitmap makes
// sense: for repairs, which keep those that do.
#ifndef FORMATS_QCOW2_CHECK_BITMAP_DIRECTORY_WALK_H_
#define FORMATS_QCOW2_CHECK_BITMAP_DIRECTORY_WALK_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/structures/bitmap_directory.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"

namespace instar::qcow2 {

class BitmapDirectoryWalk {
 public:
  struct Item {
    std::uint32_t index = 0;
    std::uint64_t at = 0;  // in the directory
    BitmapEntry entry;
  };

  // `device` must outlive this.
  BitmapDirectoryWalk(const BlockDevice& device, const BitmapsExtension& extension);

  // The next entry, whatever it says; nothing at the end, or where the directory ends in one. kIo.
  Result<std::optional<Item>> Next();
  // Its name, as far as a name may be long. kIo.
  Result<std::vector<char>> Name(const Item& item);
  // Entries that were there, and whether those are all, and fill the directory.
  [[nodiscard]] std::uint32_t index() const { return index_; }
  [[nodiscard]] bool complete() const {
    return index_ == extension_.bitmap_count && at_ == extension_.directory_bytes;
  }

 private:
  const BitmapsExtension extension_;
  ReadWindow window_;
  std::uint32_t index_ = 0;
  std::uint64_t at_ = 0;
};

// Whether the entry is one that may be used, and its table stands in the file and leads to clusters
// in it. kIo.
Result<bool> IsSoundBitmap(const BlockDevice& device, const Header& header,
                           const BitmapDirectoryWalk::Item& item);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_CHECK_BITMAP_DIRECTORY_WALK_H_
