#include "formats/vmdk/sparse_header.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>

#include "support/memory_device.h"

namespace instar::vmdk {
namespace {

SparseHeader Sample() {
  return {.version = 1,
          .flags = kFlagNewlines | kFlagRedundantTable,
          .capacity_sectors = 2048,
          .grain_sectors = 128,
          .descriptor_sector = 1,
          .descriptor_sectors = 20,
          .table_entries = 512,
          .redundant_directory_sector = 21,
          .directory_sector = 26,
          .overhead_sectors = 128};
}

test::MemoryDevice FileWith(const SparseHeader& header) {
  test::MemoryDevice file(1 << 20, DeviceId{1});
  kSparseHeaderFields.Encode(header, file.bytes);
  return file;
}

TEST(VmdkSparseHeader, StandsWhereTheSpecificationSays) {
  const test::MemoryDevice file = FileWith(Sample());
  EXPECT_EQ(LoadLe32(file.bytes, 0), 0x564D444Bu);
  EXPECT_EQ(LoadLe64(file.bytes, 12), 2048u);
  EXPECT_EQ(LoadLe64(file.bytes, 20), 128u);
  EXPECT_EQ(LoadLe32(file.bytes, 44), 512u);
  EXPECT_EQ(LoadLe64(file.bytes, 56), 26u);
  EXPECT_EQ(LoadLe32(file.bytes, 73), 0x0A0D200Au);
}

TEST(VmdkSparseHeader, ReadsBackWhatWasWritten) {
  const test::MemoryDevice file = FileWith(Sample());
  const auto header = SparseHeader::ReadFrom(file);
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->capacity_bytes(), 1u << 20);
  EXPECT_EQ(header->grains(), 16u);
  EXPECT_EQ(header->directory_entries(), 1u);
  EXPECT_TRUE(header->has_redundant_directory());
  EXPECT_FALSE(header->compressed());
}

struct Lie {
  const char* name;
  std::function<void(SparseHeader&)> tell;
  ErrorCode code;
};

TEST(VmdkSparseHeader, LiesAreRefusedBeforeAnythingIsAllocated) {
  const Lie lies[] = {
      {"no grain", [](SparseHeader& h) { h.grain_sectors = 0; }, ErrorCode::kCorrupt},
      {"odd grain", [](SparseHeader& h) { h.grain_sectors = 24; }, ErrorCode::kCorrupt},
      {"huge grain", [](SparseHeader& h) { h.grain_sectors = 1ull << 40; }, ErrorCode::kCorrupt},
      {"no entries", [](SparseHeader& h) { h.table_entries = 0; }, ErrorCode::kCorrupt},
      {"many entries", [](SparseHeader& h) { h.table_entries = 1u << 31; }, ErrorCode::kCorrupt},
      {"huge", [](SparseHeader& h) { h.capacity_sectors = ~0ull; }, ErrorCode::kLimit},
      {"large", [](SparseHeader& h) { h.capacity_sectors = 1ull << 53; }, ErrorCode::kLimit},
      {"no directory", [](SparseHeader& h) { h.directory_sector = 0; }, ErrorCode::kCorrupt},
      {"directory beyond", [](SparseHeader& h) { h.directory_sector = 1 << 20; },
       ErrorCode::kCorrupt},
      {"directory overflows", [](SparseHeader& h) { h.directory_sector = ~0ull - 1; },
       ErrorCode::kCorrupt},
      {"version", [](SparseHeader& h) { h.version = 4; }, ErrorCode::kUnsupported},
      {"compression", [](SparseHeader& h) { h.compression = 2; }, ErrorCode::kUnsupported},
      {"no footer", [](SparseHeader& h) { h.directory_sector = kDirectoryAtEnd; },
       ErrorCode::kCorrupt},
  };
  for (const Lie& lie : lies) {
    SparseHeader header = Sample();
    lie.tell(header);
    const auto read = SparseHeader::ReadFrom(FileWith(header));
    ASSERT_FALSE(read) << lie.name;
    EXPECT_EQ(read.error().code, lie.code) << lie.name;
  }
}

TEST(VmdkSparseHeader, ATransferInTextModeIsNoticed) {
  test::MemoryDevice file = FileWith(Sample());
  file.bytes[75] = std::byte{'\n'};
  EXPECT_FALSE(SparseHeader::ReadFrom(file));
}

TEST(VmdkSparseHeader, TheFooterSaysWhereTheDirectoryIs) {
  SparseHeader first = Sample();
  first.directory_sector = kDirectoryAtEnd;
  test::MemoryDevice file = FileWith(first);
  const std::span<std::byte> end = std::span(file.bytes).last(3 * kSectorBytes);
  EncodeMarker(kMarkerFooter, 1, end.first(kSectorBytes));
  kSparseHeaderFields.Encode(Sample(), end.subspan(kSectorBytes, kSectorBytes));
  EncodeMarker(kMarkerEndOfStream, 0, end.last(kSectorBytes));
  const auto header = SparseHeader::ReadFrom(file);
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->directory_sector, 26u);

  EncodeMarker(kMarkerGrainTable, 1, end.first(kSectorBytes));
  EXPECT_FALSE(SparseHeader::ReadFrom(file)) << "the marker is another's";
}

}  // namespace
}  // namespace instar::vmdk
