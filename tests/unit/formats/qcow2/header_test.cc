#include "formats/qcow2/structures/header.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <string>

#include "formats/base/endian.h"
#include "support/case_name.h"

namespace instar::qcow2 {
namespace {

using Bytes = std::array<std::byte, Header::kFullBytes>;

Header Valid() {
  Header header;
  header.virtual_size_bytes = 1 << 30;
  header.refcount_table_offset = 1 << 16;
  header.refcount_table_clusters = 1;
  header.l1_table_offset = 3 << 16;
  header.l1_entries = 2;
  return header;
}

// A header with a different value in every field.
Header Distinct() {
  return {.version = 3,
          .backing_file_offset = 0x0102030405060708,
          .backing_file_bytes = 0x11121314,
          .cluster_bits = 12,
          .virtual_size_bytes = 0x2122232425262728,
          .crypt_method = 0x31323334,
          .l1_entries = 0x41424344,
          .l1_table_offset = 0x5152535455565758,
          .refcount_table_offset = 0x6162636465666768,
          .refcount_table_clusters = 0x71727374,
          .snapshot_count = 0x81828384,
          .snapshots_offset = 0x9192939495969798,
          .incompatible_features = 0xA1A2A3A4A5A6A7A8,
          .compatible_features = 0xB1B2B3B4B5B6B7B8,
          .autoclear_features = 0xC1C2C3C4C5C6C7C8,
          .refcount_order = 0xD1D2D3D4,
          .header_bytes = 112,
          .compression_type = 0xE1};
}

TEST(Qcow2Header, DecodesWhatItEncodes) {
  Bytes bytes{};
  Distinct().EncodeTo(bytes);
  EXPECT_EQ(Header::DecodeFrom(bytes), Distinct());
}

TEST(Qcow2Header, FieldsStandWhereTheSpecificationSays) {
  Bytes bytes{};
  Distinct().EncodeTo(bytes);
  EXPECT_EQ(LoadBe32(bytes, 0), 0x514649FBU);
  EXPECT_EQ(LoadBe32(bytes, 4), 3U);
  EXPECT_EQ(LoadBe64(bytes, 8), Distinct().backing_file_offset);
  EXPECT_EQ(LoadBe32(bytes, 16), Distinct().backing_file_bytes);
  EXPECT_EQ(LoadBe32(bytes, 20), Distinct().cluster_bits);
  EXPECT_EQ(LoadBe64(bytes, 24), Distinct().virtual_size_bytes);
  EXPECT_EQ(LoadBe32(bytes, 32), Distinct().crypt_method);
  EXPECT_EQ(LoadBe32(bytes, 36), Distinct().l1_entries);
  EXPECT_EQ(LoadBe64(bytes, 40), Distinct().l1_table_offset);
  EXPECT_EQ(LoadBe64(bytes, 48), Distinct().refcount_table_offset);
  EXPECT_EQ(LoadBe32(bytes, 56), Distinct().refcount_table_clusters);
  EXPECT_EQ(LoadBe32(bytes, 60), Distinct().snapshot_count);
  EXPECT_EQ(LoadBe64(bytes, 64), Distinct().snapshots_offset);
  EXPECT_EQ(LoadBe64(bytes, 72), Distinct().incompatible_features);
  EXPECT_EQ(LoadBe64(bytes, 80), Distinct().compatible_features);
  EXPECT_EQ(LoadBe64(bytes, 88), Distinct().autoclear_features);
  EXPECT_EQ(LoadBe32(bytes, 96), Distinct().refcount_order);
  EXPECT_EQ(LoadBe32(bytes, 100), Distinct().header_bytes);
  EXPECT_EQ(bytes[104], std::byte{0xE1});
}

TEST(Qcow2Header, Version2EndsAt72BytesAndHasDefaultsForTheRest) {
  Header header = Valid();
  header.version = 2;
  header.header_bytes = Header::kVersion2Bytes;
  Bytes bytes;
  bytes.fill(std::byte{0xFF});
  header.EncodeTo(bytes);
  EXPECT_EQ(bytes[72], std::byte{0xFF});
  const auto decoded = Header::DecodeFrom(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, header);
  EXPECT_EQ(decoded->refcount_order, 4U);
  EXPECT_EQ(decoded->incompatible_features, 0U);
}

TEST(Qcow2Header, TheCompressionTypeIsThereOnlyIfTheHeaderIsLongEnough) {
  Header header = Valid();
  header.header_bytes = 104;
  Bytes bytes{};
  header.EncodeTo(bytes);
  bytes[104] = std::byte{1};  // the next thing in the file
  EXPECT_EQ(Header::DecodeFrom(bytes)->compression_type, kCompressionZlib);
  StoreBe32(bytes, 100, 112);
  EXPECT_EQ(Header::DecodeFrom(bytes)->compression_type, kCompressionZstd);
}

struct BadBytes {
  const char* name;
  std::size_t at;
  std::uint32_t value;
  ErrorCode code;
};
class Qcow2HeaderBytes : public testing::TestWithParam<BadBytes> {};
TEST_P(Qcow2HeaderBytes, AreRefused) {
  Bytes bytes{};
  Valid().EncodeTo(bytes);
  StoreBe32(bytes, GetParam().at, GetParam().value);
  const auto header = Header::DecodeFrom(bytes);
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().code, GetParam().code);
}
const BadBytes kBadBytes[] = {
    {"WrongMagic", 0, 0x514649FA, ErrorCode::kCorrupt},
    {"Version1", 4, 1, ErrorCode::kUnsupported},
    {"Version4", 4, 4, ErrorCode::kUnsupported},
    {"ClusterBits8", 20, 8, ErrorCode::kCorrupt},
    {"ClusterBits22", 20, 22, ErrorCode::kCorrupt},
    {"ClusterBitsBeyondAShift", 20, 64 + 16, ErrorCode::kCorrupt},
    {"HeaderShorterThanVersion3", 100, 103, ErrorCode::kCorrupt},
    {"HeaderLongerThanACluster", 100, 65537, ErrorCode::kCorrupt},
};
INSTANTIATE_TEST_SUITE_P(All, Qcow2HeaderBytes, testing::ValuesIn(kBadBytes), test::CaseName{});

TEST(Qcow2HeaderValidation, AcceptsEveryClusterSizeAndRefcountWidth) {
  for (unsigned bits = kMinClusterBits; bits <= kMaxClusterBits; ++bits) {
    for (unsigned order = 0; order <= kMaxRefcountOrder; ++order) {
      Header header = Valid();
      header.cluster_bits = bits;
      header.refcount_order = order;
      header.refcount_table_offset = header.l1_table_offset = 8 << 21;
      header.l1_entries = 1 << 20;
      EXPECT_TRUE(header.Validate()) << bits << " " << order;
    }
  }
}

TEST(Qcow2HeaderValidation, ADirtyOrCorruptImageCanBeRead) {
  Header header = Valid();
  header.incompatible_features = kIncompatDirty | kIncompatCorrupt;
  EXPECT_TRUE(header.Validate());
}

TEST(Qcow2HeaderValidation, UnknownCompatibleAndAutoclearFeaturesAreIgnored) {
  Header header = Valid();
  header.compatible_features = ~std::uint64_t{0};
  header.autoclear_features = ~kAutoclearDataFileRaw;
  EXPECT_TRUE(header.Validate());
}

TEST(Qcow2HeaderValidation, AnUnknownIncompatibleFeatureIsNamedByItsBit) {
  Header header = Valid();
  header.incompatible_features = std::uint64_t{1} << 63 | 1 << 5;
  const Status status = header.Validate();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(status.error().numbers[0], 5U);
}

struct BadField {
  const char* name;
  void (*spoil)(Header&);
  ErrorCode code;
};
class Qcow2HeaderField : public testing::TestWithParam<BadField> {};
TEST_P(Qcow2HeaderField, IsRefused) {
  Header header = Valid();
  ASSERT_TRUE(header.Validate());
  GetParam().spoil(header);
  const Status status = header.Validate();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, GetParam().code) << status.error().message;
}
const BadField kBadFields[] = {
    {"UnknownCompression",
     [](Header& h) {
       h.incompatible_features = kIncompatCompressionType;
       h.compression_type = 2;
     },
     ErrorCode::kUnsupported},
    {"ZstdWithoutItsFeatureBit", [](Header& h) { h.compression_type = kCompressionZstd; },
     ErrorCode::kCorrupt},
    {"CompressionFeatureWithZlib",
     [](Header& h) { h.incompatible_features = kIncompatCompressionType; }, ErrorCode::kCorrupt},
    {"ExtendedL2InSmallClusters",
     [](Header& h) {
       h.incompatible_features = kIncompatExtendedL2;
       h.cluster_bits = 13;
     },
     ErrorCode::kCorrupt},
    {"ARawDataFileThatIsNotThere", [](Header& h) { h.autoclear_features = kAutoclearDataFileRaw; },
     ErrorCode::kCorrupt},
    {"RefcountOrder7", [](Header& h) { h.refcount_order = 7; }, ErrorCode::kCorrupt},
    {"UnknownEncryption", [](Header& h) { h.crypt_method = 3; }, ErrorCode::kUnsupported},
    {"VirtualSizeBeyond63Bits", [](Header& h) { h.virtual_size_bytes = 1ULL << 63; },
     ErrorCode::kLimit},
    {"BackingNameOutsideTheFirstCluster", [](Header& h) { h.backing_file_offset = 65537; },
     ErrorCode::kCorrupt},
    {"BackingNameOf1024Bytes",
     [](Header& h) {
       h.backing_file_offset = 1000;
       h.backing_file_bytes = 1024;
     },
     ErrorCode::kCorrupt},
    {"BackingNameAcrossTheEndOfTheCluster",
     [](Header& h) {
       h.backing_file_offset = 65530;
       h.backing_file_bytes = 7;
     },
     ErrorCode::kCorrupt},
    {"NoRefcountTable", [](Header& h) { h.refcount_table_clusters = 0; }, ErrorCode::kCorrupt},
    {"RefcountTableUnaligned", [](Header& h) { h.refcount_table_offset += 512; },
     ErrorCode::kCorrupt},
    {"RefcountTableOver8MiB", [](Header& h) { h.refcount_table_clusters = 129; },
     ErrorCode::kLimit},
    {"RefcountTableOf2To48Bytes", [](Header& h) { h.refcount_table_clusters = 0xFFFFFFFF; },
     ErrorCode::kLimit},
    {"SnapshotTableUnaligned",
     [](Header& h) {
       h.snapshot_count = 1;
       h.snapshots_offset = 1;
     },
     ErrorCode::kCorrupt},
    {"TooManySnapshots", [](Header& h) { h.snapshot_count = 65537; }, ErrorCode::kLimit},
    {"L1Unaligned", [](Header& h) { h.l1_table_offset += 8; }, ErrorCode::kCorrupt},
    {"L1EndsBeyond63Bits", [](Header& h) { h.l1_table_offset = ~0xFFFFULL; }, ErrorCode::kCorrupt},
    {"L1Over32MiB", [](Header& h) { h.l1_entries = (32 << 20) / 8 + 1; }, ErrorCode::kLimit},
    {"L1TooSmallForTheSize", [](Header& h) { h.l1_entries = 1; }, ErrorCode::kCorrupt},
};
INSTANTIATE_TEST_SUITE_P(All, Qcow2HeaderField, testing::ValuesIn(kBadFields), test::CaseName{});

TEST(Qcow2HeaderValidation, TheLargestTablesAreAccepted) {
  Header header = Valid();
  header.l1_entries = (32 << 20) / 8;
  header.refcount_table_clusters = 128;
  header.snapshot_count = 65536;
  header.snapshots_offset = 1 << 20;
  header.backing_file_offset = 1000;
  header.backing_file_bytes = 1023;
  EXPECT_TRUE(header.Validate());
}

}  // namespace
}  // namespace instar::qcow2
