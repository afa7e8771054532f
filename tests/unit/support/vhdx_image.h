// VHDX images built by hand: right unless a test makes them wrong.
#ifndef TESTS_UNIT_SUPPORT_VHDX_IMAGE_H_
#define TESTS_UNIT_SUPPORT_VHDX_IMAGE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/base/crc32c.h"
#include "formats/base/endian.h"
#include "formats/vhdx/bat.h"
#include "formats/vhdx/header.h"
#include "formats/vhdx/metadata.h"
#include "formats/vhdx/region_table.h"
#include "support/memory_device.h"

namespace instar::test {

// Header section, 1 MiB of log, block allocation table, metadata, then what is appended.
class VhdxImage {
 public:
  static constexpr std::uint64_t kMiB = 1 << 20;
  static constexpr std::uint64_t kLogAt = kMiB;
  static constexpr std::uint64_t kBatAt = 2 * kMiB;
  static constexpr std::uint64_t kMetadataAt = 3 * kMiB;
  static constexpr std::uint64_t kBlocksAt = 4 * kMiB;

  explicit VhdxImage(std::uint64_t virtual_bytes = 4 * kMiB, std::uint32_t block_bytes = kMiB,
                     std::uint32_t sector_bytes = 512) {
    metadata.virtual_bytes = virtual_bytes;
    metadata.block_bytes = block_bytes;
    metadata.logical_sector_bytes = sector_bytes;
    header.sequence_number = 5;
    header.log_bytes = kMiB;
    header.log_offset = kLogAt;
    regions = {.bat = {kBatAt, kMiB}, .metadata = {kMetadataAt, kMiB}};
    device.bytes.resize(kBlocksAt);
  }

  [[nodiscard]] vhdx::BatLayout bat() const {
    return {.virtual_bytes = metadata.virtual_bytes,
            .block_bytes = metadata.block_bytes,
            .logical_sector_bytes = metadata.logical_sector_bytes,
            .has_parent = !parent.empty()};
  }

  // A MiB or a block of `fill` at the end of the file; its offset.
  std::uint64_t Append(std::uint8_t fill, std::uint64_t bytes = kMiB) {
    const std::uint64_t at = device.bytes.size();
    device.Fill(at, bytes, fill);
    return at;
  }
  VhdxImage& Entry(std::uint64_t index, unsigned state, std::uint64_t offset = 0) {
    StoreLe64(device.bytes, kBatAt + index * 8, offset | state);
    return *this;
  }
  VhdxImage& Block(std::uint64_t block, std::uint8_t fill, unsigned state = 6) {
    return Entry(bat().PayloadEntry(block), state, Append(fill, metadata.block_bytes));
  }
  VhdxImage& Parent(std::vector<std::pair<std::u16string, std::u16string>> entries) {
    parent = std::move(entries);
    return *this;
  }

  // Writes everything but what stands in the log.
  MemoryDevice& Finish() {
    device.PutText(0, "vhdxfile");
    Put(vhdx::kHeader1Offset, vhdx::Header::kBytes, header);
    vhdx::Header older = header;
    --older.sequence_number;
    Put(vhdx::kHeader2Offset, vhdx::Header::kBytes, older);
    Put(vhdx::kRegionTable1Offset, vhdx::kTableBytes, regions);
    Put(vhdx::kRegionTable2Offset, vhdx::kTableBytes, regions);
    Put(kMetadataAt, vhdx::Metadata::kEncodedBytes, metadata);
    if (!parent.empty()) PutParent();
    return device;
  }

  vhdx::Header header;
  vhdx::RegionTable regions;
  vhdx::Metadata metadata;
  std::vector<std::pair<std::u16string, std::u16string>> parent;
  MemoryDevice device;

 private:
  template <typename Structure>
  void Put(std::uint64_t at, std::size_t bytes, const Structure& structure) {
    structure.EncodeTo(std::span(device.bytes).subspan(at, bytes));
  }
  void PutParent() {
    std::vector<std::byte> item(20 + 12 * parent.size());
    vhdx::StoreGuid(item, 0, vhdx::kVhdxParent);
    StoreLe16(item, 18, static_cast<std::uint16_t>(parent.size()));
    const auto text = [&](const std::u16string& value) {
      const auto at = static_cast<std::uint32_t>(item.size());
      for (const char16_t unit : value) {
        item.push_back(static_cast<std::byte>(unit));
        item.push_back(static_cast<std::byte>(unit >> 8));
      }
      return at;
    };
    for (std::size_t i = 0; i < parent.size(); ++i) {
      const auto& [key, value] = parent[i];
      const std::uint32_t key_at = text(key);
      const std::uint32_t value_at = text(value);
      const std::size_t entry = 20 + 12 * i;
      StoreLe32(item, entry, key_at);
      StoreLe32(item, entry + 4, value_at);
      StoreLe16(item, entry + 8, static_cast<std::uint16_t>(2 * key.size()));
      StoreLe16(item, entry + 10, static_cast<std::uint16_t>(2 * value.size()));
    }
    // The sixth item of the table, and the flag in the file parameters.
    const std::uint64_t entry = kMetadataAt + 32 + 5 * 32;
    StoreLe16(device.bytes, kMetadataAt + 10, 6);
    vhdx::StoreGuid(device.bytes, entry, vhdx::kParentLocator);
    StoreLe32(device.bytes, entry + 16, 0x20000);
    StoreLe32(device.bytes, entry + 20, static_cast<std::uint32_t>(item.size()));
    StoreLe32(device.bytes, entry + 24, 4);
    StoreLe32(device.bytes, kMetadataAt + 0x10000 + 4, 2);
    std::ranges::copy(item, device.bytes.begin() + kMetadataAt + 0x20000);
  }
};

// Writes log entries into a VhdxImage.
class VhdxLog {
 public:
  explicit VhdxLog(VhdxImage& image) : image_(image) {
    for (std::size_t i = 0; i < 16; ++i) image.header.log_id[i] = static_cast<std::byte>(i + 1);
  }

  struct Change {
    std::uint64_t file_offset = 0;
    std::vector<std::byte> sector;  // 4096 bytes; empty: zeros
    std::uint64_t zero_bytes = 0;
  };

  // An entry with these changes at `position`; where the next one goes.
  std::uint64_t Entry(std::uint64_t position, std::uint64_t tail,
                      const std::vector<Change>& changes) {
    std::vector<std::byte> bytes(4096);
    for (std::size_t i = 0; i < changes.size(); ++i) {
      const Change& change = changes[i];
      const std::size_t at = 64 + 32 * i;
      StoreLe64(bytes, at + 16, change.file_offset);
      StoreLe64(bytes, at + 24, sequence_number);
      if (change.sector.empty()) {
        std::memcpy(bytes.data() + at, "zero", 4);
        StoreLe64(bytes, at + 8, change.zero_bytes);
        continue;
      }
      std::memcpy(bytes.data() + at, "desc", 4);
      std::memcpy(bytes.data() + at + 4, change.sector.data() + 4092, 4);
      std::memcpy(bytes.data() + at + 8, change.sector.data(), 8);
      std::vector<std::byte> sector = change.sector;
      std::memcpy(sector.data(), "data", 4);
      StoreLe32(sector, 4, static_cast<std::uint32_t>(sequence_number >> 32));
      StoreLe32(sector, 4092, static_cast<std::uint32_t>(sequence_number));
      bytes.insert(bytes.end(), sector.begin(), sector.end());
    }
    std::memcpy(bytes.data(), "loge", 4);
    StoreLe32(bytes, 8, static_cast<std::uint32_t>(bytes.size()));
    StoreLe32(bytes, 12, static_cast<std::uint32_t>(tail));
    StoreLe64(bytes, 16, sequence_number);
    StoreLe32(bytes, 24, static_cast<std::uint32_t>(changes.size()));
    vhdx::StoreGuid(bytes, 32, image_.header.log_id);
    StoreLe64(bytes, 48, flushed_bytes);
    StoreLe64(bytes, 56, last_bytes);
    StoreLe32(bytes, 4, Crc32cWithout(bytes, 4));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      image_.device.bytes[VhdxImage::kLogAt + (position + i) % VhdxImage::kMiB] = bytes[i];
    }
    ++sequence_number;
    return (position + bytes.size()) % VhdxImage::kMiB;
  }

  // A sector of the table's start that holds these entries.
  static std::vector<std::byte> BatSector(const std::vector<std::uint64_t>& entries) {
    std::vector<std::byte> sector(4096);
    for (std::size_t i = 0; i < entries.size(); ++i) StoreLe64(sector, 8 * i, entries[i]);
    return sector;
  }

  std::uint64_t sequence_number = 10;
  std::uint64_t flushed_bytes = VhdxImage::kBlocksAt;
  std::uint64_t last_bytes = VhdxImage::kBlocksAt;

 private:
  VhdxImage& image_;
};

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_VHDX_IMAGE_H_
