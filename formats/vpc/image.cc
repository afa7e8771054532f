#include "formats/vpc/image.h"

#include <algorithm>
#include <array>
#include <optional>

namespace instar::vpc {
namespace {

using Sector = std::array<std::byte, Footer::kBytes>;

struct FoundFooter {
  Footer footer;
  std::uint64_t offset = 0;
};

// The footer at the end of the file: of 512 bytes, or of 511 with one byte that does not count.
Result<FoundFooter> ReadTail(const BlockDevice& device, std::uint64_t file_bytes) {
  for (const std::size_t bytes : {Footer::kBytes, Footer::kShortBytes}) {
    if (file_bytes < bytes) break;
    Sector sector{};
    INSTAR_TRY(device.Read(file_bytes - bytes, std::span(sector).first(bytes)));
    if (!HasFooterCookie(sector)) continue;
    INSTAR_ASSIGN_OR_RETURN(const Footer footer, Footer::DecodeFrom(sector));
    return FoundFooter{.footer = footer, .offset = file_bytes - bytes};
  }
  return Corrupt("the file does not end with a VHD footer");
}

Result<FoundFooter> FindFooter(const BlockDevice& device, std::uint64_t file_bytes) {
  auto tail = ReadTail(device, file_bytes);
  if (tail || tail.error().code == ErrorCode::kIo) return tail;
  Sector head{};
  INSTAR_TRY(device.Read(0, head));
  if (!HasFooterCookie(head)) return tail;
  INSTAR_ASSIGN_OR_RETURN(const Footer copy, Footer::DecodeFrom(head));
  if (copy.type == DiskType::kFixed) return tail;
  return FoundFooter{.footer = copy, .offset = file_bytes};
}

bool Overlaps(std::uint64_t a, std::uint64_t a_bytes, std::uint64_t b, std::uint64_t b_bytes) {
  return a < b + b_bytes && b < a + a_bytes;
}

}  // namespace

Result<Layout> Layout::ReadFrom(const BlockDevice& device) {
  const std::uint64_t file_bytes = device.size_bytes();
  Layout layout;
  INSTAR_ASSIGN_OR_RETURN(const FoundFooter found, FindFooter(device, file_bytes));
  layout.footer = found.footer;
  layout.data_end = found.offset;
  const std::uint64_t sectors = layout.footer.virtual_sectors();
  if (sectors > kMaxSectors) {
    return OverLimit("a VHD of {0} sectors is too large; the most is {1}", sectors, kMaxSectors);
  }
  layout.virtual_bytes = sectors * kSectorBytes;
  if (layout.is_fixed()) {
    if (layout.virtual_bytes > layout.data_end) {
      return Corrupt("the disk has {0} bytes, but the file only {1} before its footer",
                     layout.virtual_bytes, layout.data_end);
    }
    return layout;
  }
  const std::uint64_t header_at = layout.footer.data_offset;
  if (!RangeFits(header_at, DynamicHeader::kBytes, file_bytes)) {
    return Corrupt("the dynamic header at {0x} lies beyond the end of the file ({1x})", header_at,
                   file_bytes);
  }
  std::array<std::byte, DynamicHeader::kBytes> bytes{};
  INSTAR_TRY(device.Read(header_at, bytes));
  INSTAR_ASSIGN_OR_RETURN(layout.dynamic, DynamicHeader::DecodeFrom(bytes));
  INSTAR_TRY(layout.dynamic.Validate(sectors, file_bytes));
  return layout;
}

Result<std::uint64_t> Layout::BlockOffset(std::uint32_t entry) const {
  const std::uint64_t offset = std::uint64_t{entry} * kSectorBytes;
  const std::uint64_t bytes = dynamic.bitmap_bytes() + dynamic.block_bytes;
  if (!RangeFits(offset, bytes, data_end)) {
    return Corrupt("a block of {1} bytes at {0x} reaches beyond the end of the data ({2x})", offset,
                   bytes, data_end);
  }
  if (Overlaps(offset, bytes, 0, Footer::kBytes) ||
      Overlaps(offset, bytes, footer.data_offset, DynamicHeader::kBytes) ||
      Overlaps(offset, bytes, dynamic.table_offset, blocks() * kBatEntryBytes)) {
    return Corrupt("a block at {0x} lies on the metadata of the image", offset);
  }
  return offset;
}

}  // namespace instar::vpc
