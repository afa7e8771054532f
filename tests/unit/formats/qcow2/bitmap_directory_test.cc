#include "formats/qcow2/structures/bitmap_directory.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "support/case_name.h"
#include "support/memory_device.h"

namespace instar::qcow2 {
namespace {

class Collector final : public BitmapVisitor {
 public:
  void Visit(const BitmapEntry& entry, std::string_view name) override {
    entries.push_back(entry);
    names.emplace_back(name);
  }
  std::vector<BitmapEntry> entries;
  std::vector<std::string> names;
};

struct Directory {
  void Add(BitmapEntry entry, std::string_view name) {
    entry.name_bytes = static_cast<std::uint16_t>(name.size());
    const std::uint64_t at = extension.directory_offset + extension.directory_bytes;
    file.bytes.resize(at + entry.encoded_bytes());
    kBitmapFields.Encode(entry, std::span(file.bytes).subspan(at));
    file.PutText(at + BitmapEntry::kFixedBytes + entry.extra_bytes, name);
    extension.directory_bytes += entry.encoded_bytes();
    ++extension.bitmap_count;
  }
  Status Visit() { return VisitBitmaps(file, extension, found); }

  test::MemoryDevice file{65536};
  BitmapsExtension extension{.directory_offset = 65536};
  Collector found;
};

constexpr BitmapEntry kGood{.table_offset = 0x20000, .table_entries = 1};

TEST(Qcow2BitmapEntry, DecodesWhatItEncodes) {
  const BitmapEntry entry{.table_offset = 0x0102030405060708,
                          .table_entries = 0x11121314,
                          .flags = 0x21222324,
                          .type = 0x31,
                          .granularity_bits = 0x41,
                          .name_bytes = 0x5152,
                          .extra_bytes = 0x61626364};
  std::array<std::byte, BitmapEntry::kFixedBytes> bytes{};
  kBitmapFields.Encode(entry, bytes);
  EXPECT_EQ(kBitmapFields.Decode<BitmapEntry>(bytes), entry);
  EXPECT_EQ(entry.encoded_bytes() % 8, 0U);
}

TEST(Qcow2BitmapDirectory, BitmapsAreVisitedInOrder) {
  Directory directory;
  directory.Add(kGood, "second before first");
  BitmapEntry other = kGood;
  other.flags = kBitmapAuto;
  other.granularity_bits = 31;
  directory.Add(other, std::string(1023, 'n'));
  ASSERT_TRUE(directory.Visit());
  EXPECT_EQ(directory.found.names,
            (std::vector<std::string>{"second before first", std::string(1023, 'n')}));
  EXPECT_EQ(directory.found.entries[1].flags, kBitmapAuto);
}

struct BadEntry {
  const char* name;
  void (*spoil)(BitmapEntry&);
  ErrorCode code;
};
class Qcow2BitmapDirectoryEntry : public testing::TestWithParam<BadEntry> {};
TEST_P(Qcow2BitmapDirectoryEntry, IsRefused) {
  Directory directory;
  BitmapEntry entry = kGood;
  GetParam().spoil(entry);
  directory.Add(entry, "b");
  const Status status = directory.Visit();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, GetParam().code);
  EXPECT_TRUE(directory.found.names.empty());
}
const BadEntry kBadEntries[] = {
    {"OfAnUnknownType", [](BitmapEntry& e) { e.type = 2; }, ErrorCode::kCorrupt},
    {"WithUnknownFlags", [](BitmapEntry& e) { e.flags = 8; }, ErrorCode::kCorrupt},
    {"OfTooFineGranularity", [](BitmapEntry& e) { e.granularity_bits = 8; }, ErrorCode::kCorrupt},
    {"OfTooCoarseGranularity", [](BitmapEntry& e) { e.granularity_bits = 32; },
     ErrorCode::kCorrupt},
    {"WithExtraData", [](BitmapEntry& e) { e.extra_bytes = 8; }, ErrorCode::kUnsupported},
    {"WithoutATable", [](BitmapEntry& e) { e.table_offset = 0; }, ErrorCode::kCorrupt},
    {"WithAnEmptyTable", [](BitmapEntry& e) { e.table_entries = 0; }, ErrorCode::kCorrupt},
};
INSTANTIATE_TEST_SUITE_P(All, Qcow2BitmapDirectoryEntry, testing::ValuesIn(kBadEntries),
                         test::CaseName{});

TEST(Qcow2BitmapDirectory, NamesAreOneTo1023BytesLong) {
  for (const std::size_t length : {std::size_t{0}, std::size_t{1024}}) {
    Directory directory;
    directory.Add(kGood, std::string(length, 'n'));
    EXPECT_EQ(directory.Visit().error().code, ErrorCode::kCorrupt) << length;
  }
}

TEST(Qcow2BitmapDirectory, TheCountMustAgreeWithTheLength) {
  Directory directory;
  directory.Add(kGood, "a");
  directory.Add(kGood, "b");
  directory.extension.bitmap_count = 1;
  EXPECT_EQ(directory.Visit().error().code, ErrorCode::kCorrupt);
  directory.extension.bitmap_count = 3;
  EXPECT_EQ(directory.Visit().error().code, ErrorCode::kCorrupt);
  directory.extension.bitmap_count = 2;
  EXPECT_TRUE(directory.Visit());
}

TEST(Qcow2BitmapDirectory, AnEntryBeyondTheDirectoryIsRefused) {
  Directory directory;
  directory.Add(kGood, "a name");
  directory.extension.directory_bytes -= 1;
  EXPECT_EQ(directory.Visit().error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace instar::qcow2
