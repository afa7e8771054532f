// What amending makes of an image; what a crash makes of it is tests/crash's.
#include "formats/amend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "formats/base/endian.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/read/refcount_reader.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "formats/qcow2/structures/snapshot_table.h"
#include "support/changed_image.h"
#include "support/checked_image.h"
#include "support/fresh_image.h"
#include "support/memory_device.h"
#include "support/shown_disk.h"

namespace instar::qcow2 {
namespace {

using test::MemoryDevice;
using test::ShownDisk;

constexpr std::uint64_t kKi = 1 << 10;
constexpr std::uint64_t kMi = 1 << 20;

class AmendTest : public test::ChangedImage {
 protected:
  Status Amend(AmendOptions options) {
    ShownDisk content(image, FormatId::kQcow2);
    options.device = &image;
    options.content = &content;
    return AmendImage(options);
  }
  void Works(const AmendOptions& options) {
    const std::vector<std::byte> before = ShownDisk(image, FormatId::kQcow2).Bytes();
    const Status amended = Amend(options);
    ExpectSound(amended);
    if (!options.size_bytes) {
      EXPECT_EQ(Shown(), before);
    }
  }
  // Refuses, with the image as it was.
  void Refuses(const AmendOptions& options, ErrorCode code, std::string_view words) {
    const std::vector<std::byte> before = image.bytes;
    const Status amended = Amend(options);
    ExpectRefused(amended, before, code, words);
  }
  // Where the entry of cluster `index` stands in the first L2 table.
  [[nodiscard]] std::uint64_t L2At(std::uint64_t index) const {
    return (LoadBe64(image.bytes, header().l1_table_offset) & kOffsetMask) +
           index * kTableEntryBytes;
  }
  [[nodiscard]] std::uint64_t Count(std::uint64_t offset) const {
    RefcountReader reader(image, header(), 0);
    return reader.At(offset >> header().cluster_bits)->value();
  }
  void SetCount(std::uint64_t offset, std::uint64_t count) {
    const std::uint64_t block = LoadBe64(image.bytes, header().refcount_table_offset);
    StoreRefcount(std::span(image.bytes).subspan(block, header().cluster_bytes()),
                  offset >> header().cluster_bits, header().refcount_order, count);
  }
  // Appends a cluster with `content`; its offset.
  std::uint64_t Append(std::span<const std::byte> content) {
    const std::uint64_t bytes = header().cluster_bytes();
    const std::uint64_t offset = (image.bytes.size() + bytes - 1) / bytes * bytes;
    image.bytes.resize(offset + bytes);
    std::ranges::copy(content, image.bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    SetCount(offset, 1);
    return offset;
  }
  // Takes a snapshot of an image with one L2 table, whose entry in the table has `extra` bytes of
  // extra data.
  void TakeSnapshot(std::uint32_t extra) {
    Header changed = header();
    std::vector<std::byte> l1(changed.l1_entries * kTableEntryBytes);
    std::copy_n(image.bytes.begin() + static_cast<std::ptrdiff_t>(changed.l1_table_offset),
                l1.size(), l1.begin());
    SnapshotEntry entry{.l1_table_offset = Append(l1),
                        .l1_entries = changed.l1_entries,
                        .id_bytes = 1,
                        .name_bytes = 3,
                        .extra_bytes = extra,
                        .disk_size_bytes = changed.virtual_size_bytes};
    std::vector<std::byte> table(entry.encoded_bytes());
    entry.EncodeTo(table);
    std::fill_n(table.begin() + SnapshotEntry::kFixedBytes + extra, 4, std::byte{'1'});
    changed.snapshots_offset = Append(table);
    changed.snapshot_count = 1;
    SetHeader(changed);
    const std::uint64_t l2 = L2At(0);
    const std::uint64_t entries = changed.l2_entries();
    for (std::uint64_t i = 0; i < entries; ++i) {
      const std::uint64_t l2_entry = LoadBe64(image.bytes, L2At(i));
      if (HostOffset(l2_entry) == 0) continue;
      SetCount(HostOffset(l2_entry), Count(HostOffset(l2_entry)) + 1);
      StoreBe64(image.bytes, L2At(i), l2_entry & ~kCopied);
    }
    SetCount(l2, Count(l2) + 1);
    StoreBe64(image.bytes, changed.l1_table_offset, l2);
    ASSERT_EQ(test::CheckedImage(image, FormatId::kQcow2).counts.corruptions, 0u);
  }
  [[nodiscard]] SnapshotEntry Snapshot() const {
    return SnapshotEntry::DecodeFrom(std::span(image.bytes).subspan(header().snapshots_offset));
  }
};

TEST_F(AmendTest, LazyRefcountsAreOneWriteOfOneSector) {
  Make(kMi, "", kMi);
  const std::vector<std::byte> before = image.bytes;
  Works({.lazy_refcounts = true});
  EXPECT_EQ(image.writes, 1u);
  EXPECT_EQ(header().compatible_features, kCompatLazyRefcounts);
  ASSERT_EQ(image.bytes.size(), before.size());
  EXPECT_TRUE(std::equal(before.begin() + 512, before.end(), image.bytes.begin() + 512));
  Works({.lazy_refcounts = false});
  EXPECT_EQ(image.bytes, before);
}

TEST_F(AmendTest, NothingIsWrittenForWhatTheImageHas) {
  Make(kMi);
  Works({.version = 3, .size_bytes = kMi, .lazy_refcounts = false, .refcount_bits = 16});
  EXPECT_EQ(image.writes, 0u);
}

TEST_F(AmendTest, EveryWidthBecomesEveryOther) {
  for (const char* size : {"512", "4k", "64k"}) {
    Make(4 * kMi, std::string("cluster_size=") + size, 3 * kMi);
    for (const std::uint32_t bits : {1U, 64U, 2U, 32U, 4U, 8U, 1U, 8U, 16U, 4U, 64U, 16U}) {
      SCOPED_TRACE(testing::Message() << size << ", " << bits << " bits");
      Works({.refcount_bits = bits});
      EXPECT_EQ(1U << header().refcount_order, bits);
    }
  }
}

TEST_F(AmendTest, AFileDoesNotGrowByWidthsThatComeAndGo) {
  Make(16 * kMi, "cluster_size=512", 16 * kMi);
  Works({.refcount_bits = 64});
  Works({.refcount_bits = 1});
  const std::size_t length = image.bytes.size();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(Amend({.refcount_bits = 64}));
    ASSERT_TRUE(Amend({.refcount_bits = 1}));
    ASSERT_LE(image.bytes.size(), length + 2 * kMi);
  }
  Works({.refcount_bits = 16});
}

TEST_F(AmendTest, CountsThatDoNotFitAreRefused) {
  Make(kMi, "", 128 * kKi);
  TakeSnapshot(24);
  Refuses({.refcount_bits = 1}, ErrorCode::kUnsupported,
          "Cannot decrease refcount entry width to {0} bits: Cluster at offset {1x} has");
  Works({.refcount_bits = 2});
}

TEST_F(AmendTest, LeaksKeepTheirCounts) {
  Make(kMi, "", 128 * kKi);
  const std::uint64_t leak = Append({});
  SetCount(leak, 3);
  ASSERT_TRUE(Amend({.refcount_bits = 2}));
  EXPECT_EQ(Count(leak), 3u);
  EXPECT_EQ(test::CheckedImage(image, FormatId::kQcow2).counts.leaks, 1u);
  Refuses({.refcount_bits = 1}, ErrorCode::kUnsupported, "Cannot decrease");
}

TEST_F(AmendTest, AnImageMarkedDirtyIsCountedAnewInTheNewWidth) {
  Make(kMi, "lazy_refcounts=on", 256 * kKi);
  Header changed = header();
  changed.incompatible_features |= kIncompatDirty;
  SetHeader(changed);
  SetCount(LoadBe64(image.bytes, L2At(2)) & kOffsetMask, 0);
  Works({.lazy_refcounts = false, .refcount_bits = 1});
  EXPECT_EQ(header().incompatible_features, 0u);
}

TEST_F(AmendTest, WithoutABackingFileZeroClustersBecomeUnallocatedOrHoldZeros) {
  for (const char* options : {"", "cluster_size=512"}) {
    Make(kMi, options, kMi);
    StoreBe64(image.bytes, L2At(1), LoadBe64(image.bytes, L2At(1)) | kReadsZero);
    const std::uint64_t freed = LoadBe64(image.bytes, L2At(2)) & kOffsetMask;
    StoreBe64(image.bytes, L2At(2), kReadsZero);
    SetCount(freed, 0);
    Works({.version = 2});
    EXPECT_EQ(header().version, 2u);
    EXPECT_EQ(header().header_bytes, Header::kVersion2Bytes);
    const std::uint64_t zeros = LoadBe64(image.bytes, L2At(1));
    EXPECT_EQ(zeros & (kCopied | kReadsZero), kCopied);
    EXPECT_NE(HostOffset(zeros), 0u);
    EXPECT_EQ(LoadBe64(image.bytes, L2At(2)), 0u);
    Works({.version = 3});
  }
}

TEST_F(AmendTest, ATableOfNothingButZerosGoes) {
  Make(kMi, "", 64 * kKi);
  SetCount(LoadBe64(image.bytes, L2At(0)) & kOffsetMask, 0);
  StoreBe64(image.bytes, L2At(0), kReadsZero);
  Works({.version = 2});
  EXPECT_EQ(LoadBe64(image.bytes, header().l1_table_offset), 0u);
}

TEST_F(AmendTest, ATableThatIsSharedWithASnapshotStaysShared) {
  Make(kMi, "", 256 * kKi);
  StoreBe64(image.bytes, L2At(1), LoadBe64(image.bytes, L2At(1)) | kReadsZero);
  TakeSnapshot(24);
  Works({.version = 2});
  const std::uint64_t l1_entry = LoadBe64(image.bytes, header().l1_table_offset);
  EXPECT_EQ(LoadBe64(image.bytes, Snapshot().l1_table_offset) & kOffsetMask, l1_entry);
  EXPECT_EQ(Count(l1_entry), 2u);
  EXPECT_EQ(Count(LoadBe64(image.bytes, L2At(1)) & kOffsetMask), 2u);
}

TEST_F(AmendTest, Version3HasSnapshotsSayHowLargeTheirDiskIs) {
  Make(kMi, "compat=0.10", 256 * kKi);
  TakeSnapshot(0);
  Works({.version = 3, .size_bytes = 2 * kMi, .lazy_refcounts = true, .refcount_bits = 64});
  EXPECT_EQ(header().version, 3u);
  EXPECT_EQ(header().virtual_size_bytes, 2 * kMi);
  EXPECT_EQ(header().refcount_order, 6u);
  EXPECT_EQ(Snapshot().disk_size_bytes, kMi);
  EXPECT_EQ(Snapshot().extra_bytes, SnapshotEntry::kExtraBytesIcount);
}

TEST_F(AmendTest, Version3IsStoredWithTheNamesOfItsFeatures) {
  Make(kMi, "compat=0.10");
  Works({.version = 3});
  ReadWindow file(image, 4096);
  EXPECT_EQ(IncompatibleFeatureName(file, header(), 0).size(), 9u);  // "dirty bit"
}

TEST_F(AmendTest, RefusesWhatVersion2HasNot) {
  Make(kMi, "extended_l2=on");
  Refuses({.version = 2}, ErrorCode::kUnsupported, "incompatible features {0x} set");
  Make(kMi, "refcount_bits=8");
  Refuses({.version = 2}, ErrorCode::kUnsupported, "compat=0.10 requires refcount_bits=16");
  Works({.version = 2, .refcount_bits = 16});
  Refuses({.refcount_bits = 8}, ErrorCode::kInvalidArgument, "Refcount widths other than 16");
  Refuses({.lazy_refcounts = true}, ErrorCode::kInvalidArgument, "Lazy refcounts only supported");
  Make(kMi, "", 64 * kKi);
  TakeSnapshot(24);
  Refuses({.version = 2, .size_bytes = 2 * kMi}, ErrorCode::kUnsupported, "Internal snapshots");
}

TEST_F(AmendTest, ZstdGoesWhereNothingIsCompressed) {
  Make(kMi, "compression_type=zstd", 64 * kKi);
  const std::vector<std::byte> plain = image.bytes;
  Works({.version = 2});
  EXPECT_EQ(header().compression_type, kCompressionZlib);
  image.bytes = plain;
  const std::uint64_t place = LoadBe64(image.bytes, L2At(0)) & kOffsetMask;
  StoreBe64(image.bytes, L2At(0), CompressedCluster::Covering(place, 512).Encode(16));
  Refuses({.version = 2}, ErrorCode::kUnsupported, "zstd compression type");
}

TEST_F(AmendTest, OneOptionThatIsWrongStopsAll) {
  Make(kMi, "", kMi);
  Refuses({.size_bytes = 1000, .lazy_refcounts = true, .refcount_bits = 8},
          ErrorCode::kInvalidArgument, "multiple of 512");
  Refuses({.lazy_refcounts = true, .refcount_bits = 3}, ErrorCode::kInvalidArgument,
          "power of two");
  Refuses({.lazy_refcounts = true, .data_file_name = "d"}, ErrorCode::kInvalidArgument,
          "data-file can only be set");
  Refuses({.lazy_refcounts = true, .data_file_raw = true}, ErrorCode::kInvalidArgument,
          "data-file-raw cannot be set");
  Refuses({.lazy_refcounts = true, .backing_file = "b"}, ErrorCode::kUnsupported,
          "Cannot amend the backing file");
}

TEST_F(AmendTest, ADiskThatIsFullChangesNothing) {
  Make(kMi, "", kMi);
  image.capacity = image.bytes.size();
  Refuses({.refcount_bits = 64}, ErrorCode::kNoSpace, "");
}

// Random options, on an image that is filled and shrunk.
TEST_F(AmendTest, RandomOptionsLeaveTheDiskAsItIs) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    constexpr const char* kSizes[] = {"512", "1k", "4k", "64k"};
    const std::uint64_t data = (1 + random() % 300) * 512;
    Make(data, std::string("cluster_size=") + kSizes[seed % 4], data);
    std::vector<std::byte> disk = Shown();
    for (int step = 0; step < 8; ++step) {
      AmendOptions options{.version = 2 + random() % 2};
      options.refcount_bits = *options.version == 2 ? 16 : 1U << random() % 7;
      if (random() % 2 != 0) options.size_bytes = (1 + random() % 2000) * 512;
      if (*options.version == 3) options.lazy_refcounts = random() % 2 != 0;
      Works(options);
      if (options.size_bytes) disk.resize(*options.size_bytes);
      ASSERT_EQ(Shown(), disk);
      EXPECT_EQ(header().version, *options.version);
      EXPECT_EQ(1U << header().refcount_order, *options.refcount_bits);
    }
  }
}

}  // namespace
}  // namespace instar::qcow2
