#include "formats/qcow2/structures/snapshot_table.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "support/qcow2_image.h"

namespace instar::qcow2 {
namespace {

using test::Qcow2Image;

class Collector final : public SnapshotVisitor {
 public:
  bool Visit(const SnapshotEntry& entry, std::string_view id, std::string_view name) override {
    entries.push_back(entry);
    names.push_back(std::string(id) + "/" + std::string(name));
    return entries.size() < stop_after;
  }
  std::vector<SnapshotEntry> entries;
  std::vector<std::string> names;
  std::size_t stop_after = SIZE_MAX;
};

// Appends entries at cluster 8 of the image.
void Add(Qcow2Image& image, SnapshotEntry entry, std::string_view id, std::string_view name) {
  if (image.header.snapshot_count == 0) image.header.snapshots_offset = image.At(8);
  Collector existing;
  std::uint64_t at = image.header.snapshots_offset;
  ASSERT_TRUE(VisitSnapshots(image.file, image.header, existing));
  for (const SnapshotEntry& old : existing.entries) at += old.encoded_bytes();
  entry.id_bytes = static_cast<std::uint16_t>(id.size());
  entry.name_bytes = static_cast<std::uint16_t>(name.size());
  if (image.file.bytes.size() < at + entry.encoded_bytes()) {
    image.file.bytes.resize(at + entry.encoded_bytes());
  }
  entry.EncodeTo(std::span(image.file.bytes).subspan(at));
  at += SnapshotEntry::kFixedBytes + entry.extra_bytes;
  image.file.PutText(at, id);
  image.file.PutText(at + id.size(), name);
  ++image.header.snapshot_count;
}

TEST(Qcow2SnapshotEntry, DecodesWhatItEncodes) {
  for (const std::uint32_t extra : {0U, 8U, 16U, 24U, 32U, 1024U}) {
    SnapshotEntry entry{.l1_table_offset = 0x0102030405060708,
                        .l1_entries = 0x11121314,
                        .id_bytes = 0x2122,
                        .name_bytes = 0x3132,
                        .date_seconds = 0x41424344,
                        .date_nanoseconds = 0x51525354,
                        .vm_clock_nanoseconds = 0x6162636465666768,
                        .vm_state_bytes = extra >= 8 ? 0x7172737475767778U : 0x71727374U,
                        .extra_bytes = extra};
    if (extra >= 16) entry.disk_size_bytes = 0x8182838485868788;
    if (extra >= 24) entry.icount = 0x9192939495969798;
    std::vector<std::byte> bytes(SnapshotEntry::kFixedBytes + extra);
    entry.EncodeTo(bytes);
    EXPECT_EQ(SnapshotEntry::DecodeFrom(bytes), entry) << extra;
  }
}

TEST(Qcow2SnapshotEntry, TheSixtyFourBitVmStateSizeRules) {
  std::array<std::byte, 64> bytes{};
  StoreBe32(bytes, 32, 5);
  StoreBe32(bytes, 36, 8);
  StoreBe64(bytes, 40, std::uint64_t{6} << 32);
  EXPECT_EQ(SnapshotEntry::DecodeFrom(bytes).vm_state_bytes, std::uint64_t{6} << 32);
}

TEST(Qcow2SnapshotEntry, AnIcountOfAllOnesIsNone) {
  std::array<std::byte, 64> bytes{};
  SnapshotEntry{.extra_bytes = 24}.EncodeTo(bytes);
  EXPECT_EQ(LoadBe64(bytes, 56), ~std::uint64_t{0});
  EXPECT_FALSE(SnapshotEntry::DecodeFrom(bytes).icount);
}

TEST(Qcow2SnapshotTable, EntriesOfDifferentLengthFollowOneAnother) {
  Qcow2Image image;
  Add(image, {.l1_table_offset = 0x90000, .l1_entries = 1}, "1", "");
  Add(image, {.extra_bytes = 16, .disk_size_bytes = 77}, "22", "a longer name");
  Add(image, {.extra_bytes = 1000}, "", std::string(1000, 'n'));
  Collector found;
  ASSERT_TRUE(VisitSnapshots(image.file, image.header, found));
  EXPECT_EQ(found.names,
            (std::vector<std::string>{"1/", "22/a longer name", "/" + std::string(1000, 'n')}));
  EXPECT_EQ(found.entries[0].l1_table_offset, 0x90000U);
  EXPECT_FALSE(found.entries[0].disk_size_bytes);
  EXPECT_EQ(found.entries[1].disk_size_bytes, 77U);
}

TEST(Qcow2SnapshotTable, TheLongestIdAndNameAreRead) {
  Qcow2Image image;
  Add(image, {}, std::string(65535, 'i'), std::string(65535, 'n'));
  Collector found;
  ASSERT_TRUE(VisitSnapshots(image.file, image.header, found));
  EXPECT_EQ(found.names[0].size(), 65535U * 2 + 1);
}

TEST(Qcow2SnapshotTable, TheVisitEndsWhenTheVisitorHasEnough) {
  Qcow2Image image;
  Add(image, {}, "1", "");
  Add(image, {}, "2", "");
  Collector found;
  found.stop_after = 1;
  ASSERT_TRUE(VisitSnapshots(image.file, image.header, found));
  EXPECT_EQ(found.entries.size(), 1U);
}

TEST(Qcow2SnapshotTable, TooMuchExtraDataIsRefused) {
  Qcow2Image image;
  Add(image, {.extra_bytes = 1024}, "1", "");
  Collector found;
  EXPECT_TRUE(VisitSnapshots(image.file, image.header, found));
  image.file.PutBe32(image.At(8) + 36, 1025);
  EXPECT_EQ(VisitSnapshots(image.file, image.header, found).error().code, ErrorCode::kLimit);
}

TEST(Qcow2SnapshotTable, SnapshotsBeyondTheEndOfTheFileAreCorrupt) {
  Qcow2Image image;
  image.header.snapshots_offset = image.At(8);
  image.header.snapshot_count = 2;
  image.file.bytes.resize(image.At(8) + 40);
  Collector found;
  EXPECT_EQ(VisitSnapshots(image.file, image.header, found).error().code, ErrorCode::kCorrupt);
}

TEST(Qcow2SnapshotTable, ManySnapshotsAreReadInPieces) {
  Qcow2Image image;
  image.header.snapshots_offset = image.At(8);
  image.header.snapshot_count = 65536;  // all of them zeros
  image.file.bytes.resize(image.At(8) + 65536 * 40);
  image.file.reads = image.file.bytes_read = 0;
  Collector found;
  ASSERT_TRUE(VisitSnapshots(image.file, image.header, found));
  EXPECT_EQ(found.entries.size(), 65536U);
  EXPECT_LE(image.file.bytes_read, 65536U * 40 * 2);
}

TEST(Qcow2SnapshotTable, AReadErrorIsReported) {
  Qcow2Image image;
  Add(image, {}, "1", "");
  image.file.fail_reads_from = image.At(8);
  Collector found;
  EXPECT_EQ(VisitSnapshots(image.file, image.header, found).error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace instar::qcow2
