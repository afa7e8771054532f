// VHD images built by hand: right unless a test makes them wrong.
#ifndef TESTS_UNIT_SUPPORT_VHD_IMAGE_H_
#define TESTS_UNIT_SUPPORT_VHD_IMAGE_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "formats/base/endian.h"
#include "formats/vpc/dynamic_header.h"
#include "formats/vpc/footer.h"
#include "support/memory_device.h"

namespace instar::test {

// A dynamic or differencing VHD. Blocks are added in the order they are to have in the file.
class VhdImage {
 public:
  static constexpr std::uint64_t kHeaderAt = 512;
  static constexpr std::uint64_t kTableAt = 2048;
  static constexpr std::uint64_t kNamesAt = 4096;  // of the parent
  static constexpr std::uint64_t kBlocksAt = 8192;

  explicit VhdImage(std::uint64_t sectors, std::uint32_t block_bytes = 4096,
                    vpc::DiskType type = vpc::DiskType::kDynamic) {
    footer.type = type;
    footer.data_offset = kHeaderAt;
    footer.creator = {'t', 'e', 's', 't'};
    footer.original_bytes = footer.current_bytes = sectors * 512;
    footer.geometry = vpc::GeometryFor(sectors);
    header.table_offset = kTableAt;
    header.block_bytes = block_bytes;
    header.table_entries = static_cast<std::uint32_t>(DivideRoundUp(sectors, block_bytes / 512));
    table.assign(header.table_entries, vpc::kUnusedEntry);
    device.bytes.resize(kBlocksAt);
  }

  // The data of `block`, all bytes `fill`, with `bitmap` as the first bytes of its sector bitmap.
  VhdImage& Block(std::uint32_t block, std::uint8_t fill,
                  const std::vector<std::uint8_t>& bitmap = {0xFF}) {
    const std::uint64_t at = device.bytes.size();
    table[block] = static_cast<std::uint32_t>(at / 512);
    device.Fill(at, header.bitmap_bytes(), 0);
    for (std::size_t i = 0; i < bitmap.size(); ++i) device.Fill(at + i, 1, bitmap[i]);
    device.Fill(at + header.bitmap_bytes(), header.block_bytes, fill);
    return *this;
  }

  VhdImage& Parent(std::size_t index, std::string_view platform, std::u16string_view name) {
    const std::uint64_t at = kNamesAt + index * 512;
    for (std::size_t i = 0; i < name.size(); ++i) {
      StoreLe16(device.bytes, at + 2 * i, static_cast<std::uint16_t>(name[i]));
    }
    std::uint32_t code = 0;
    for (const char c : platform) code = code << 8 | static_cast<unsigned char>(c);
    header.parent_locators[index] = {.platform = code,
                                     .name_bytes = static_cast<std::uint32_t>(2 * name.size()),
                                     .name_offset = at};
    return *this;
  }

  // Writes footers, header and table.
  MemoryDevice& Finish() {
    std::vector<std::byte> bytes(vpc::DynamicHeader::kBytes);
    header.EncodeTo(bytes);
    std::ranges::copy(bytes, device.bytes.begin() + kHeaderAt);
    for (std::size_t i = 0; i < table.size(); ++i) device.PutBe32(kTableAt + 4 * i, table[i]);
    footer.EncodeTo(std::span(bytes).first(512));
    std::ranges::copy(std::span(bytes).first(512), device.bytes.begin());
    device.bytes.insert(device.bytes.end(), bytes.begin(), bytes.begin() + 512);
    return device;
  }

  vpc::Footer footer;
  vpc::DynamicHeader header;
  std::vector<std::uint32_t> table;
  MemoryDevice device;
};

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_VHD_IMAGE_H_
