// The one writer of cluster 0 of an image that is changed in place: plans what is written there, so
// that the first sector alone turns the old image into the new one.
//
// Where nothing moves, the first sector is patched. Else it is laid out anew: the header, the
// extensions for the backing file's format, the bitmaps, the data file and the encryption, as many
// feature names as there is room for, and the end marker. What does not fit (long names of data
// files, extensions that this version does not know) goes to a part of cluster 0 that the old
// header does not reach. A feature name table whose first entry is empty leads there: readers stop
// at that entry, and the next extension begins behind the table. Example, in clusters of 64 KiB:
//
//   0     header, bitmaps, feature name table of 632 bytes (its first entry is empty)
//   512   (old extensions and old backing file name)
//   784   unknown extension, end marker, backing file name
//
// In clusters of at most 4 KiB the old and the new may not fit beside each other. Then as much of
// cluster 0 as changes is one write within a page (docs/inplace.md).
// tests/unit/formats/qcow2/header_change_test.cc covers this file.
#ifndef FORMATS_QCOW2_EDIT_HEADER_CHANGE_H_
#define FORMATS_QCOW2_EDIT_HEADER_CHANGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"

namespace instar::qcow2 {

// What cluster 0 is to say after a change.
struct HeaderChange {
  struct Backing {
    std::string_view name;    // empty: no backing file
    std::string_view format;  // empty: not stored
  };

  // All fields but the place of the backing file's name, which PlanHeader knows better. It clears
  // autoclear bits that this version does not know: a change may make wrong what they promise.
  Header header;
  std::optional<BitmapsExtension> bitmaps;  // none: the image has no bitmaps
  std::optional<Backing> backing;           // nothing: as it is
  // Name of the external data file: nothing: as it is; empty: not stored.
  std::optional<std::string_view> data_file;
};

struct HeaderWrites {
  struct Piece {
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;
  };
  std::vector<Piece> before;    // to be flushed before the root is written
  std::vector<std::byte> root;  // from byte 0 of the file on, 512 to 4096 bytes; empty: no change
};

// `old_header` is that of the image on `device`, validated. kLimit where cluster 0 has no room for
// what it has to hold; kCorrupt, kIo.
Result<HeaderWrites> PlanHeader(const BlockDevice& device, const Header& old_header,
                                const HeaderChange& change);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_HEADER_CHANGE_H_
