#include "formats/qcow2/read/map_cursor.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "support/case_name.h"
#include "support/qcow2_image.h"

namespace instar::qcow2 {
namespace {

using test::MemoryDevice;
using test::Qcow2Image;

constexpr DeviceId kDataFile{5};

// A cursor over the active layer; clusters stand in `data_file` if one is given.
class Qcow2Map : public testing::Test {
 protected:
  MapSource Source(const Qcow2Image& image, const BlockDevice* data_file = nullptr) {
    return {.tables = &image.file,
            .data = data_file != nullptr ? data_file : &image.file,
            .header = image.header,
            .l1_table_offset = image.header.l1_table_offset,
            .l1_entries = image.header.l1_entries,
            .virtual_size_bytes = image.header.virtual_size_bytes};
  }
  Result<Extent> Next(const Qcow2Image& image, std::uint64_t offset = 0,
                      std::uint64_t max_length = UINT64_MAX,
                      const BlockDevice* data_file = nullptr) {
    return Cursor(Source(image, data_file)).Next(offset, max_length);
  }
};

TEST_F(Qcow2Map, ADataClusterStandsAtItsHostOffset) {
  Qcow2Image image;
  image.SetEntry(0, image.At(9) | kCopied);
  image.Store();
  const auto extent = Next(image, 100);
  ASSERT_TRUE(extent);
  EXPECT_EQ(extent->kind, ExtentKind::kData);
  EXPECT_EQ(extent->device, image.file.id());
  EXPECT_EQ(extent->file_offset, image.At(9) + 100);
  EXPECT_EQ(extent->length_bytes, 65536U - 100);
}

TEST_F(Qcow2Map, ContiguousClustersMakeOneExtentWhateverTheirCopiedBits) {
  Qcow2Image image;
  image.SetEntry(0, image.At(9) | kCopied);
  image.SetEntry(1, image.At(10));
  image.SetEntry(2, image.At(11) | kCopied);
  image.SetEntry(3, image.At(13));
  image.Store();
  EXPECT_EQ(Next(image)->length_bytes, 3 * 65536U);
}

TEST_F(Qcow2Map, AnExtentIsCutToWhatWasAskedFor) {
  Qcow2Image image;
  image.SetEntry(0, image.At(9));
  image.SetEntry(1, image.At(10));
  image.Store();
  EXPECT_EQ(Next(image, 65535, 2)->length_bytes, 2U);
  EXPECT_EQ(Next(image, 0, 1)->length_bytes, 1U);
}

TEST_F(Qcow2Map, TheLastClusterEndsWithTheDisk) {
  Qcow2Image image(16, 65536 + 512);
  image.SetEntry(0, image.At(9));
  image.SetEntry(1, image.At(10));
  image.SetEntry(2, image.At(11));  // beyond the virtual size
  image.Store();
  EXPECT_EQ(Next(image)->length_bytes, 65536U + 512);
  EXPECT_EQ(Next(image, 65536 + 512).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(Qcow2Map, UnallocatedClustersDeferToTheBackingFile) {
  Qcow2Image image;
  image.SetEntry(2, image.At(9));
  image.Store();
  const auto extent = Next(image);
  EXPECT_EQ(extent->kind, ExtentKind::kUnallocated);
  EXPECT_EQ(extent->length_bytes, 2 * 65536U);
}

TEST_F(Qcow2Map, TheZeroFlagHidesTheBackingFileWithOrWithoutStorage) {
  Qcow2Image image;
  image.SetEntry(0, kReadsZero);
  image.SetEntry(1, kReadsZero);
  image.SetEntry(2, image.At(9) | kReadsZero);
  image.SetEntry(3, image.At(10) | kReadsZero | kCopied);
  image.Store();
  const auto plain = Next(image);
  EXPECT_EQ(plain->kind, ExtentKind::kZero);
  EXPECT_FALSE(plain->has_offset);
  EXPECT_EQ(plain->length_bytes, 2 * 65536U);
  const auto stored = Next(image, 2 * 65536 + 5);
  EXPECT_EQ(stored->kind, ExtentKind::kZero);
  EXPECT_TRUE(stored->has_offset);
  EXPECT_EQ(stored->file_offset, image.At(9) + 5);
  EXPECT_EQ(stored->length_bytes, 2 * 65536U - 5);
}

TEST_F(Qcow2Map, Version2KnowsNoZeroFlag) {
  Qcow2Image image;
  image.SetVersion2();
  image.SetEntry(0, image.At(9));
  image.SetEntry(1, kReadsZero);
  image.Store();
  EXPECT_EQ(Next(image)->length_bytes, 65536U);
  EXPECT_EQ(Next(image, 65536).error().code, ErrorCode::kCorrupt);
}

TEST_F(Qcow2Map, ACompressedClusterNamesItsUnitAndTheBytesToRead) {
  Qcow2Image image;
  const CompressedCluster where{.offset = image.At(9) + 700, .additional_sectors = 3};
  image.SetEntry(1, where.Encode(16));
  image.Store();
  const auto extent = Next(image, 65536 + 1000);
  ASSERT_TRUE(extent);
  EXPECT_EQ(extent->kind, ExtentKind::kCompressed);
  EXPECT_EQ(extent->length_bytes, 65536U - 1000);
  EXPECT_EQ(extent->unit_offset, 65536U);
  EXPECT_EQ(extent->unit_bytes, 65536U);
  EXPECT_EQ(extent->file_offset, image.At(9) + 700);
  EXPECT_EQ(extent->compressed_bytes, 4 * 512U - 700 % 512);
}

TEST_F(Qcow2Map, CompressedClustersAreNeverMerged) {
  Qcow2Image image;
  for (int i = 0; i < 2; ++i) {
    image.SetEntry(i, CompressedCluster{.offset = image.At(9)}.Encode(16));
  }
  image.Store();
  EXPECT_EQ(Next(image)->length_bytes, 65536U);
}

TEST_F(Qcow2Map, RunsGoOnAcrossL2Tables) {
  Qcow2Image image(9, 1 << 16);  // an L2 table of 64 entries covers 32 KiB
  image.file.bytes.resize(1 << 20);
  for (std::uint64_t i = 0; i < 128; ++i) image.SetEntry(i, 0x10000 + i * 512);
  image.Store();
  const auto extent = Next(image, 512);
  ASSERT_TRUE(extent);
  EXPECT_EQ(extent->kind, ExtentKind::kData);
  EXPECT_EQ(extent->length_bytes, (1U << 16) - 512);
}

TEST_F(Qcow2Map, UnallocatedL1EntriesAreSkippedAtOnce) {
  Qcow2Image image(9, 1ULL << 30);
  image.header.l1_entries = 1 << 15;
  image.header.l1_table_offset = 1 << 20;
  image.Store();
  image.file.PutBe64(image.header.l1_table_offset, 0);
  image.file.PutBe64(image.header.l1_table_offset + 8, 0);
  image.file.PutBe64((1 << 20) + (1 << 18) - 8, image.At(3));  // the last one
  image.SetEntry(63, image.At(9));
  image.file.reads = 0;
  const auto extent = Next(image);
  EXPECT_EQ(extent->kind, ExtentKind::kUnallocated);
  EXPECT_EQ(extent->length_bytes, (1ULL << 30) - 512);
  EXPECT_LE(image.file.reads, 6U);
}

TEST_F(Qcow2Map, ASparseDiskOf64TiBCostsLittle) {
  Qcow2Image image(16, 1ULL << 46);
  image.header.l1_entries = 1 << 17;
  image.header.l1_table_offset = image.At(64);
  image.StoreHeader();
  image.file.reads = image.file.bytes_read = 0;
  const auto extent = Next(image);
  EXPECT_EQ(extent->kind, ExtentKind::kUnallocated);
  EXPECT_EQ(extent->length_bytes, 1ULL << 46);
  EXPECT_EQ(image.file.bytes_read, 1U << 20);
  EXPECT_EQ(image.file.reads, 16U);
}

// 32 TiB of zeros in a file of 1 MiB: all L1 entries name the same table.
TEST_F(Qcow2Map, AnEndlessRunIsCutIntoExtentsOfBoundedWork) {
  Qcow2Image image(16, 1ULL << 45);
  image.header.l1_entries = 1 << 16;
  image.header.l1_table_offset = image.At(8);
  image.StoreHeader();
  for (std::uint64_t i = 0; i < 1 << 16; ++i) image.file.PutBe64(image.At(8) + i * 8, image.At(3));
  for (std::uint64_t i = 0; i < 8192; ++i) image.SetEntry(i, kReadsZero);
  image.file.bytes.resize(8 << 20, std::byte{1});  // data enough for so many tables
  const auto extent = Next(image);
  ASSERT_TRUE(extent);
  EXPECT_EQ(extent->kind, ExtentKind::kZero);
  EXPECT_EQ(extent->length_bytes, 64 * 8192 * 65536ULL);
}

TEST_F(Qcow2Map, WhatTheL1TableDoesNotReachIsUnallocated) {
  Qcow2Image image(9, 1 << 16);
  for (std::uint64_t i = 0; i < 128; ++i) image.SetEntry(i, 0x1000);
  image.Store();
  MapSource source = Source(image);
  source.l1_entries = 1;  // a snapshot taken when the disk was smaller
  const auto extent = Cursor(source).Next(1 << 15, UINT64_MAX);
  EXPECT_EQ(extent->kind, ExtentKind::kUnallocated);
  EXPECT_EQ(extent->length_bytes, 1U << 15);
}

TEST_F(Qcow2Map, ClustersBeyondTheEndOfTheFileReadAsZeros) {
  Qcow2Image image;
  image.SetEntry(0, image.At(15));
  image.SetEntry(1, image.At(16));
  image.Store();
  image.file.bytes.resize(image.At(15) + 100);
  const auto data = Next(image);
  EXPECT_EQ(data->kind, ExtentKind::kData);
  EXPECT_EQ(data->length_bytes, 100U);
  const auto rest = Next(image, 100);
  EXPECT_EQ(rest->kind, ExtentKind::kZero);
  EXPECT_TRUE(rest->has_offset);
  EXPECT_EQ(rest->length_bytes, 2 * 65536U - 100);
}

TEST_F(Qcow2Map, AnL2TableBeyondTheEndOfTheFileIsCorrupt) {
  Qcow2Image image;
  image.StoreHeader();
  image.file.PutBe64(image.header.l1_table_offset, image.At(1000));
  EXPECT_EQ(Next(image).error().code, ErrorCode::kCorrupt);
}

TEST_F(Qcow2Map, AnL2TableCutShortByTheEndOfTheFileReadsAsZerosThere) {
  Qcow2Image image;
  image.StoreHeader();
  image.file.PutBe64(image.header.l1_table_offset, image.At(1000));
  image.file.bytes.resize(image.At(1000) + 8);
  EXPECT_EQ(Next(image)->kind, ExtentKind::kUnallocated);
}

TEST_F(Qcow2Map, AnUnalignedL2TableIsCorrupt) {
  Qcow2Image image;
  image.StoreHeader();
  image.file.PutBe64(image.header.l1_table_offset, image.At(3) + 512);
  const auto extent = Next(image);
  ASSERT_FALSE(extent);
  EXPECT_EQ(extent.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(extent.error().device, image.file.id());
}

TEST_F(Qcow2Map, AnUnalignedClusterIsCorruptOnlyWhereItIsReached) {
  Qcow2Image image;
  image.SetEntry(0, image.At(9));
  image.SetEntry(1, image.At(10) + 512);
  image.SetEntry(2, (image.At(11) + 512) | kReadsZero);
  image.Store();
  EXPECT_EQ(Next(image)->length_bytes, 65536U);
  EXPECT_EQ(Next(image, 65536).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(Next(image, 2 * 65536).error().code, ErrorCode::kCorrupt);
}

TEST_F(Qcow2Map, ReservedBitsOfEntriesAreIgnored) {
  Qcow2Image image;
  image.SetEntry(0, image.At(9) | 0x1FE | (0x3FULL << 56));
  image.Store();
  EXPECT_EQ(Next(image)->file_offset, image.At(9));
}

TEST_F(Qcow2Map, AReadErrorIsReported) {
  Qcow2Image image;
  image.Store();
  image.file.fail_reads_from = 0;
  EXPECT_EQ(Next(image).error().code, ErrorCode::kIo);
}

TEST_F(Qcow2Map, WhatWasFoundBeforeAnErrorIsStillGood) {
  Qcow2Image image(9, 1 << 16);
  for (std::uint64_t i = 0; i < 64; ++i) image.SetEntry(i, 0x1000 + i * 512);
  image.Store();
  image.file.PutBe64(image.header.l1_table_offset + 8, 1 << 20);
  image.file.bytes.resize((1 << 20) + 512);
  image.file.fail_reads_from = 1 << 20;
  EXPECT_EQ(Next(image)->length_bytes, 1U << 15);
  EXPECT_EQ(Next(image, 1 << 15).error().code, ErrorCode::kIo);
}

TEST_F(Qcow2Map, DataFileClustersStandAtTheirVirtualOffset) {
  Qcow2Image image;
  image.UseDataFile("d");
  image.SetEntry(0, 0 | kCopied);  // offset 0 is a cluster like any other there
  image.SetEntry(1, 65536 | kCopied);
  image.SetEntry(2, 0);
  image.SetEntry(4, 65536 | kCopied);
  image.Store();
  const MemoryDevice data(1 << 20, kDataFile);
  const auto extent = Next(image, 10, UINT64_MAX, &data);
  ASSERT_TRUE(extent);
  EXPECT_EQ(extent->kind, ExtentKind::kData);
  EXPECT_EQ(extent->device, kDataFile);
  EXPECT_EQ(extent->file_offset, 10U);
  EXPECT_EQ(extent->length_bytes, 2 * 65536U - 10);
  EXPECT_EQ(Next(image, 2 * 65536, UINT64_MAX, &data)->kind, ExtentKind::kUnallocated);
  EXPECT_EQ(Next(image, 4 * 65536, UINT64_MAX, &data).error().code, ErrorCode::kCorrupt);
}

TEST_F(Qcow2Map, NothingIsCompressedInADataFile) {
  Qcow2Image image;
  image.UseDataFile("d");
  image.SetEntry(0, CompressedCluster{.offset = 512}.Encode(16));
  image.Store();
  const MemoryDevice data(1 << 20, kDataFile);
  EXPECT_EQ(Next(image, 0, UINT64_MAX, &data).error().code, ErrorCode::kCorrupt);
}

// Extended L2 entries: 64 KiB clusters of 32 subclusters of 2 KiB.
TEST_F(Qcow2Map, TheSubclusterBitmapDecides) {
  Qcow2Image image;
  image.UseExtendedL2();
  // Subclusters 0-1 data, 2 unallocated, 3-31 zero.
  image.SetExtended(0, image.At(9) | kCopied, {.allocated = 0x3, .reads_zero = 0xFFFFFFF8});
  image.Store();
  const auto data = Next(image, 5);
  EXPECT_EQ(data->kind, ExtentKind::kData);
  EXPECT_EQ(data->file_offset, image.At(9) + 5);
  EXPECT_EQ(data->length_bytes, 4096U - 5);
  const auto hole = Next(image, 4096);
  EXPECT_EQ(hole->kind, ExtentKind::kUnallocated);
  EXPECT_EQ(hole->length_bytes, 2048U);
  const auto zero = Next(image, 6144 + 1);
  EXPECT_EQ(zero->kind, ExtentKind::kZero);
  EXPECT_TRUE(zero->has_offset);
  EXPECT_EQ(zero->file_offset, image.At(9) + 6144 + 1);
  EXPECT_EQ(zero->length_bytes, 65536U - 6144 - 1);
}

TEST_F(Qcow2Map, SubclustersOfAnUnallocatedClusterAreZeroOrUnallocated) {
  Qcow2Image image;
  image.UseExtendedL2();
  image.SetExtended(0, 0, {.reads_zero = 0x80000000});
  image.SetExtended(1, 0, {.reads_zero = 0x00000001});
  image.Store();
  EXPECT_EQ(Next(image)->length_bytes, 31 * 2048U);
  const auto zero = Next(image, 31 * 2048);
  EXPECT_EQ(zero->kind, ExtentKind::kZero);
  EXPECT_FALSE(zero->has_offset);
  EXPECT_EQ(zero->length_bytes, 2 * 2048U);
}

TEST_F(Qcow2Map, RunsOfSubclustersGoOnAcrossClusters) {
  Qcow2Image image;
  image.UseExtendedL2();
  image.SetExtended(0, image.At(9), {.allocated = 0xFFFF0000});
  image.SetExtended(1, image.At(10), {.allocated = 0xFFFFFFFF});
  image.SetExtended(2, image.At(11), {.allocated = 0x0000FFFF});
  image.Store();
  const auto extent = Next(image, 32768);
  EXPECT_EQ(extent->kind, ExtentKind::kData);
  EXPECT_EQ(extent->length_bytes, 2 * 65536U);
  EXPECT_EQ(Next(image, 2 * 65536 + 32768)->kind, ExtentKind::kUnallocated);
}

TEST_F(Qcow2Map, TheZeroBitOfAnExtendedEntryMeansNothing) {
  Qcow2Image image;
  image.UseExtendedL2();
  image.SetExtended(0, image.At(9) | kReadsZero, {.allocated = 0xFFFFFFFF});
  image.Store();
  EXPECT_EQ(Next(image)->kind, ExtentKind::kData);
}

TEST_F(Qcow2Map, ACompressedExtendedEntryIgnoresItsBitmap) {
  Qcow2Image image;
  image.UseExtendedL2();
  const CompressedCluster where{.offset = image.At(9), .additional_sectors = 1};
  image.SetExtended(0, where.Encode(16), {.allocated = 1, .reads_zero = 1});
  image.Store();
  EXPECT_EQ(Next(image)->kind, ExtentKind::kCompressed);
  EXPECT_EQ(Next(image)->compressed_bytes, 1024U);
}

struct BadSubclusters {
  const char* name;
  bool allocated;
  SubclusterBitmap bitmap;
};
class Qcow2SubclusterBitmapOf : public Qcow2Map,
                                public testing::WithParamInterface<BadSubclusters> {};
TEST_P(Qcow2SubclusterBitmapOf, IsRefused) {
  Qcow2Image image;
  image.UseExtendedL2();
  image.SetExtended(0, GetParam().allocated ? image.At(9) : 0, GetParam().bitmap);
  image.Store();
  EXPECT_EQ(Next(image).error().code, ErrorCode::kCorrupt);
}
const BadSubclusters kBadSubclusters[] = {
    {"BothDataAndZero", true, {.allocated = 0x100, .reads_zero = 0x100}},
    {"DataWithoutACluster", false, {.allocated = 0x80000000, .reads_zero = 0}},
};
INSTANTIATE_TEST_SUITE_P(All, Qcow2SubclusterBitmapOf, testing::ValuesIn(kBadSubclusters),
                         test::CaseName{});

TEST_F(Qcow2Map, OneCursorReadsEachTableOnce) {
  Qcow2Image image(16, 8ULL << 30);  // 16 L2 tables of 64 KiB
  image.header.l1_entries = 16;
  image.header.l1_table_offset = image.At(2);
  image.StoreHeader();
  for (std::uint64_t i = 0; i < 16; ++i) image.file.PutBe64(image.At(2) + i * 8, image.At(20 + i));
  for (std::uint64_t i = 0; i < 16 * 8192; i += 2) {
    image.file.PutBe64(image.At(20) + i * 8, image.At(9));
  }
  image.file.reads = 0;
  image.file.bytes_read = 0;
  Cursor cursor(Source(image));
  std::uint64_t extents = 0;
  for (std::uint64_t at = 0; at < 8ULL << 30; ++extents) {
    const auto extent = cursor.Next(at, UINT64_MAX);
    ASSERT_TRUE(extent);
    at += extent->length_bytes;
  }
  EXPECT_EQ(extents, 16 * 8192U);
  EXPECT_EQ(image.file.bytes_read, 16 * 8 + 16 * 65536U);
  // The L1 table, then 8 tables at a time.
  EXPECT_EQ(image.file.reads, 3U);
}

TEST_F(Qcow2Map, ACursorOfManyReadsNoMoreAheadThanItMay) {
  for (const std::uint64_t ahead : {256 << 10, 1}) {
    Qcow2Image image(16, 8ULL << 30);
    image.header.l1_entries = 16;
    image.header.l1_table_offset = image.At(2);
    image.StoreHeader();
    for (std::uint64_t i = 0; i < 16; ++i) {
      image.file.PutBe64(image.At(2) + i * 8, image.At(20 + i));
      image.file.PutBe64(image.At(20 + i), image.At(9));
    }
    image.file.reads = 0;
    Cursor cursor(Source(image));
    cursor.LimitAhead(ahead / 2, ahead);
    for (std::uint64_t at = 0; at < 8ULL << 30;) at += cursor.Next(at, UINT64_MAX)->length_bytes;
    // The L1 table; then 2 tables and 4 at a time, or a quarter, a half, and 64 KiB at a time.
    EXPECT_EQ(image.file.reads, ahead == 1 ? 1 + 2 + 16U : 1 + 1 + 4U) << ahead;
  }
}

TEST_F(Qcow2Map, WhoLooksHereAndThereReadsLittleAtATime) {
  Qcow2Image image(16, 8ULL << 30);
  image.header.l1_entries = 16;
  image.header.l1_table_offset = image.At(2);
  image.StoreHeader();
  for (std::uint64_t i = 0; i < 16; ++i) image.file.PutBe64(image.At(2) + i * 8, image.At(20 + i));
  image.file.bytes.resize(image.At(36));
  Cursor cursor(Source(image));
  image.file.bytes_read = 0;
  for (const std::uint64_t table : {15, 9, 4, 2, 0}) {
    ASSERT_TRUE(cursor.Next(table << 29, 1));
  }
  // The last table, then the beginning of the others.
  EXPECT_EQ(image.file.bytes_read, 16 * 8 + 65536 + 4 * 16384U);
}

TEST_F(Qcow2Map, SmallTablesThatFollowOneAnotherAreReadTogether) {
  Qcow2Image image(9, 1 << 22);  // 128 L2 tables of 512 bytes
  image.header.l1_entries = 128;
  image.header.l1_table_offset = 1 << 16;
  image.StoreHeader();
  for (std::uint64_t i = 0; i < 128; ++i) {
    image.file.PutBe64((1 << 16) + i * 8, (1 << 17) + i * 512);
    image.file.PutBe64((1 << 17) + i * 512, kReadsZero);
  }
  image.file.reads = 0;
  Cursor cursor(Source(image));
  for (std::uint64_t at = 0; at < 1 << 22;) at += cursor.Next(at, UINT64_MAX)->length_bytes;
  EXPECT_EQ(image.file.reads, 2U);
}

}  // namespace
}  // namespace instar::qcow2
