#ifndef FORMATS_QCOW2_EDIT_HEADER_CHANGE_H_
#define FORMATS_QCOW2_EDIT_HEADER_CHANGE_H_
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"
namespace instar::qcow2 {
struct HeaderChange {
  Header header;
  std::optional<BitmapsExtension> bitmaps;
  struct Backing {
    std::string_view name;
    std::string_view format;
  };
  std::optional<Backing> backing;
};
struct HeaderWrites {
  struct Piece {
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;
  };
  std::vector<Piece> before;
  std::vector<std::byte> root;
};
Result<HeaderWrites> PlanHeader(const BlockDevice& device, const Header& old_header,
                                const HeaderChange& change);
}  // namespace instar::qcow2
#endif
