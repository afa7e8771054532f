// What actions make of the bitmaps of an image; what a crash makes of it is tests/crash's.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/bitmap.h"
#include "formats/qcow2/edit/bitmap_merge.h"
#include "formats/qcow2/read/bitmap_data.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "support/changed_image.h"
#include "support/checked_image.h"
#include "support/fresh_image.h"
#include "support/memory_device.h"
#include "support/qcow2_image.h"

namespace instar::qcow2 {
namespace {

using test::MemoryDevice;

constexpr std::uint64_t kKi = 1 << 10;
constexpr std::uint64_t kMi = 1 << 20;

constexpr BitmapAction kAdd{BitmapOperation::kAdd};
constexpr BitmapAction kRemove{BitmapOperation::kRemove};
constexpr BitmapAction kClear{BitmapOperation::kClear};
constexpr BitmapAction kEnable{BitmapOperation::kEnable};
constexpr BitmapAction kDisable{BitmapOperation::kDisable};
constexpr BitmapAction kRemoveAll{BitmapOperation::kRemoveAll};
constexpr BitmapAction Merge(std::string_view source) { return {BitmapOperation::kMerge, source}; }

struct Bitmap {
  std::uint32_t flags = 0;
  unsigned granularity_bits = 0;
  std::vector<bool> bits;
  friend bool operator==(const Bitmap&, const Bitmap&) = default;
};
using Bitmaps = std::map<std::string, Bitmap>;

// What is stored in an image, in any order.
class Collector final : public BitmapVisitor {
 public:
  Collector(const BlockDevice& device, const Header& header) : device_(device), header_(header) {}
  void Visit(const BitmapEntry& entry, std::string_view name) override {
    order.emplace_back(name);
    entries.push_back(entry);
    Bitmap bitmap{.flags = entry.flags, .granularity_bits = entry.granularity_bits, .bits = {}};
    if ((entry.flags & kBitmapInUse) == 0) {
      auto data = BitmapData::Open(device_, header_, entry);
      ASSERT_TRUE(data) << data.error().message;
      std::vector<std::byte> bytes(data->bytes());
      ASSERT_TRUE(data->Read(0, bytes));
      for (std::uint64_t i = 0; i < data->bits(); ++i) {
        bitmap.bits.push_back((std::to_integer<unsigned>(bytes[i / 8]) >> (i % 8) & 1) != 0);
      }
    }
    bitmaps[std::string(name)] = bitmap;
  }
  Bitmaps bitmaps;
  std::vector<std::string> order;
  std::vector<BitmapEntry> entries;

 private:
  const BlockDevice& device_;
  const Header& header_;
};

class Recorder final : public BitmapListener {
 public:
  Status Judged(const BitmapVerdict& told) override {
    ++calls;
    verdict = told;
    return {};
  }
  int calls = 0;
  BitmapVerdict verdict;
};

class BitmapsTest : public test::ChangedImage {
 protected:
  Status Change(std::string_view name, std::vector<BitmapAction> actions,
                std::uint64_t granularity = 0, const BlockDevice* source = nullptr) {
    recorder = {};
    return ChangeBitmaps({.format = FormatId::kQcow2,
                          .device = &image,
                          .name = name,
                          .actions = actions,
                          .granularity_bytes = granularity,
                          .source = source,
                          .source_format = FormatId::kQcow2,
                          .listener = &recorder});
  }
  void Works(std::string_view name, std::vector<BitmapAction> actions,
             std::uint64_t granularity = 0, const BlockDevice* source = nullptr) {
    const Status changed = Change(name, std::move(actions), granularity, source);
    EXPECT_EQ(recorder.calls, 1);
    EXPECT_EQ(recorder.verdict.fault, BitmapFault::kNone);
    ExpectSound(changed, leaks);
  }
  // Refuses action `at` because of `fault`, with the image as it was.
  void Refuses(std::string_view name, std::vector<BitmapAction> actions, BitmapFault fault,
               std::uint32_t at = 0, std::uint64_t granularity = 0,
               const BlockDevice* source = nullptr) {
    const std::vector<std::byte> before = image.bytes;
    const Status changed = Change(name, std::move(actions), granularity, source);
    ASSERT_FALSE(changed);
    EXPECT_EQ(changed.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(recorder.calls, 1);
    EXPECT_EQ(recorder.verdict.fault, fault);
    EXPECT_EQ(recorder.verdict.action, at);
    EXPECT_EQ(image.bytes, before);
  }
  [[nodiscard]] HeaderExtensions extensions() const {
    ReadWindow file(image, 4096);
    return HeaderExtensions::ReadFrom(file, header()).value();
  }
  // The bitmaps of the image; `order` gets their names in the order of the directory.
  Bitmaps Stored() {
    const Header now = header();
    Collector collector(image, now);
    if (const auto extension = extensions().bitmaps) {
      const Status visited = VisitBitmaps(image, *extension, collector);
      EXPECT_TRUE(visited) << visited.error().message;
    }
    order = collector.order;
    entries = collector.entries;
    return collector.bitmaps;
  }
  // Sets the flags of bitmap `index`, as a program leaves them that was killed.
  void SetFlags(std::size_t index, std::uint32_t flags) {
    Stored();
    std::uint64_t at = extensions().bitmaps->directory_offset;
    for (std::size_t i = 0; i < index; ++i) at += entries[i].encoded_bytes();
    StoreBe32(image.bytes, at + 12, flags);
  }

  Recorder recorder;
  std::vector<std::string> order;
  std::vector<BitmapEntry> entries;
  std::uint64_t leaks = 0;
};

// An image with a disk of `bytes` and a bitmap "from" that has `bits` set.
struct SourceImage {
  SourceImage(std::uint64_t bytes, unsigned granularity_bits, const std::vector<bool>& bits,
              unsigned cluster_bits = 12)
      : made(cluster_bits, bytes) {
    constexpr std::string_view kName = "from";
    const std::uint64_t cluster = std::uint64_t{1} << cluster_bits;
    const std::uint64_t entries = DivideRoundUp(bits.size(), cluster * 8);
    BitmapEntry entry{.table_offset = made.At(9),
                      .table_entries = static_cast<std::uint32_t>(entries),
                      .granularity_bits = static_cast<std::uint8_t>(granularity_bits),
                      .name_bytes = kName.size()};
    made.header.autoclear_features |= kAutoclearBitmaps;
    made.header.l1_entries = static_cast<std::uint32_t>(
        DivideRoundUp(bytes, made.header.l1_entry_covers_bytes()));  // nobody reads the table
    const BitmapsExtension extension{.bitmap_count = 1,
                                     .directory_bytes = entry.encoded_bytes(),
                                     .directory_offset = made.At(8)};
    std::vector<std::byte> record(BitmapsExtension::kEncodedBytes);
    kBitmapsExtensionFields.Encode(extension, record);
    AppendExtension(made.extensions, kExtensionBitmaps, std::span<const std::byte>(record));
    made.StoreHeader();
    kBitmapFields.Encode(entry, std::span(made.file.bytes).subspan(made.At(8)));
    made.file.PutText(made.At(8) + BitmapEntry::kFixedBytes, kName);
    const std::uint64_t table_clusters = DivideRoundUp(entries * 8, cluster);
    std::uint64_t place = made.At(9 + table_clusters);
    for (std::uint64_t i = 0; i < entries; ++i) {
      const std::uint64_t first = i * cluster * 8;
      const std::uint64_t end = std::min<std::uint64_t>(bits.size(), first + cluster * 8);
      const auto set = static_cast<std::uint64_t>(
          std::count(bits.begin() + static_cast<std::ptrdiff_t>(first),
                     bits.begin() + static_cast<std::ptrdiff_t>(end), true));
      std::uint64_t stored = 0;
      if (set == end - first) {
        stored = kBitmapAllOnes;
      } else if (set != 0) {
        stored = place;
        made.file.Fill(place, cluster, 0);
        for (std::uint64_t bit = first; bit < end; ++bit) {
          if (bits[bit]) made.file.bytes[place + (bit - first) / 8] |= std::byte{1} << bit % 8;
        }
        // What is behind the last bit may be anything.
        if ((end - first) % 8 != 0) {
          made.file.bytes[place + (end - first) / 8] |= std::byte{0xFF} << (end - first) % 8;
        }
        place += cluster;
      }
      made.file.PutBe64(made.At(9) + i * 8, stored);
    }
    made.file.bytes.resize(std::max<std::uint64_t>(made.file.bytes.size(), place));
  }
  test::Qcow2Image made;
};

std::vector<bool> Ones(std::size_t size, std::size_t begin, std::size_t end) {
  std::vector<bool> bits(size);
  for (std::size_t i = begin; i < end; ++i) bits[i] = true;
  return bits;
}

TEST(SetBits, SetsNoOthers) {
  for (std::uint64_t begin = 0; begin <= 40; ++begin) {
    for (std::uint64_t end = begin; end <= 40; ++end) {
      std::vector<std::byte> bits(5);
      SetBits(bits, begin, end);
      for (std::uint64_t i = 0; i < 40; ++i) {
        const bool set = (std::to_integer<unsigned>(bits[i / 8]) >> (i % 8) & 1) != 0;
        ASSERT_EQ(set, i >= begin && i < end) << begin << " " << end << " " << i;
      }
    }
  }
}

TEST_F(BitmapsTest, AddsAnEnabledBitmapWithNothingSet) {
  Make(kMi + 512);
  Works("b", {kAdd});
  EXPECT_EQ(Stored(), (Bitmaps{{"b", {kBitmapAuto, 16, std::vector<bool>(17)}}}));
  EXPECT_NE(header().autoclear_features & kAutoclearBitmaps, 0u);
}

TEST_F(BitmapsTest, TheDefaultGranularityIsTheClusterSizeFrom4KTo64K) {
  constexpr std::pair<const char*, unsigned> kDefaults[] = {{"cluster_size=512", 12},
                                                            {"cluster_size=4k", 12},
                                                            {"cluster_size=16k", 14},
                                                            {"", 16},
                                                            {"cluster_size=2M", 16}};
  for (const auto& [options, bits] : kDefaults) {
    Make(16 * kMi, options);
    Works("x", {kAdd});
    EXPECT_EQ(Stored()["x"].granularity_bits, bits) << options;
  }
}

TEST_F(BitmapsTest, GranularitiesArePowersOfTwoFrom512To2G) {
  Make(kMi);
  for (const std::uint64_t granularity :
       {std::uint64_t{1}, std::uint64_t{256}, std::uint64_t{1000}, std::uint64_t{4} << 30}) {
    Refuses("x", {kAdd}, BitmapFault::kGranularity, 0, granularity);
  }
  Works("a", {kAdd}, 512);
  Works("b", {kAdd}, std::uint64_t{2} << 30);
  EXPECT_EQ(Stored()["a"].granularity_bits, 9u);
  EXPECT_EQ(Stored()["b"].bits.size(), 1u);
}

TEST_F(BitmapsTest, ActionsAreDoneInTheirOrder) {
  Make(kMi);
  Refuses("b", {kDisable, kAdd}, BitmapFault::kNotFound, 0);
  Works("b", {kAdd, kDisable});
  EXPECT_EQ(Stored()["b"].flags, 0u);
  Refuses("b", {kEnable, kAdd}, BitmapFault::kExists, 1);
  EXPECT_EQ(Stored()["b"].flags, 0u);
  Works("b", {kRemove, kAdd}, 4 * kKi);
  EXPECT_EQ(Stored()["b"].granularity_bits, 12u);
  Works("b", {kDisable, kEnable});
  EXPECT_EQ(Stored()["b"].flags, kBitmapAuto);
}

TEST_F(BitmapsTest, AListWithAFaultChangesNothing) {
  Make(kMi);
  Refuses("n", {kAdd, Merge("nope")}, BitmapFault::kSourceNotFound, 1);
  EXPECT_TRUE(Stored().empty());
}

TEST_F(BitmapsTest, WhatComesToNothingWritesNothing) {
  Make(kMi);
  Works("b", {kAdd});
  image.writes = 0;
  Works("b", {kEnable, kDisable, kEnable, kClear, Merge("b")});
  Works("c", {kAdd, kRemove});
  EXPECT_EQ(image.writes, 0u);
}

TEST_F(BitmapsTest, TheDirectoryKeepsItsOrder) {
  Make(kMi);
  for (const char* name : {"a", "bb", "ccc", "dddddddd"}) Works(name, {kAdd});
  Works("bb", {kDisable});
  Stored();
  EXPECT_EQ(order, (std::vector<std::string>{"a", "bb", "ccc", "dddddddd"}));
  Works("a", {kRemove, kAdd});
  Stored();
  EXPECT_EQ(order, (std::vector<std::string>{"bb", "ccc", "dddddddd", "a"}));
  Works("ccc", {kRemove});
  Stored();
  EXPECT_EQ(order, (std::vector<std::string>{"bb", "dddddddd", "a"}));
}

TEST_F(BitmapsTest, WithoutBitmapsTheExtensionGoes) {
  Make(kMi);
  const std::size_t length = image.bytes.size();
  Works("a", {kAdd});
  Works("b", {kAdd});
  Works("a", {kRemove});
  Works("b", {kRemove});
  EXPECT_FALSE(extensions().bitmaps);
  EXPECT_EQ(header().autoclear_features & kAutoclearBitmaps, 0u);
  EXPECT_LE(image.bytes.size(), length + 4 * header().cluster_bytes());
}

TEST_F(BitmapsTest, RemoveAllTakesTheInconsistentOnesToo) {
  Make(kMi, "", kMi);
  const SourceImage source(kMi, 12, Ones(256, 3, 9));
  Works("a", {kAdd, Merge("from")}, 4 * kKi, &source.made.file);
  Works("b", {kAdd});
  SetFlags(0, kBitmapInUse | kBitmapAuto);
  Works("", {kRemoveAll});
  EXPECT_TRUE(Stored().empty());
  Works("", {kRemoveAll});
  Works("c", {kAdd});
  Works("d", {kRemoveAll, kAdd, kDisable});
  EXPECT_EQ(Stored(), (Bitmaps{{"d", {0, 16, std::vector<bool>(16)}}}));
  Works("e", {kAdd, kRemoveAll});
  EXPECT_TRUE(Stored().empty());
  Works("a", {kAdd});
  Refuses("b", {kRemoveAll, kAdd, Merge("a")}, BitmapFault::kSourceNotFound, 2);
}

TEST_F(BitmapsTest, AnInconsistentBitmapCanOnlyBeRemoved) {
  Make(kMi);
  Works("b0", {kAdd});
  Works("b1", {kAdd});
  SetFlags(0, kBitmapInUse | kBitmapAuto);
  Refuses("b0", {kAdd}, BitmapFault::kExists);
  for (const BitmapAction& action : {kClear, kEnable, kDisable, Merge("b1"), Merge("b0")}) {
    Refuses("b0", {action}, BitmapFault::kInconsistent);
  }
  Refuses("b1", {Merge("b0")}, BitmapFault::kSourceInconsistent);
  Works("b1", {kDisable});
  EXPECT_EQ(Stored()["b0"].flags, kBitmapInUse | kBitmapAuto);
  Works("b0", {kRemove});
  EXPECT_EQ(order.size(), 2u);
  EXPECT_EQ(Stored().size(), 1u);
}

TEST_F(BitmapsTest, NamesAreAsLongAsTheFormatAllows) {
  Make(kMi);
  Refuses("", {kAdd}, BitmapFault::kNameEmpty);
  Refuses("", {kRemove}, BitmapFault::kNotFound);
  const std::string longest(1023, 'x');
  Refuses(longest + "x", {kAdd}, BitmapFault::kNameTooLong);
  EXPECT_EQ(recorder.verdict.details[0], 1023u);
  Works(longest, {kAdd});
  Works(longest, {kDisable});
  EXPECT_EQ(Stored(), (Bitmaps{{longest, {0, 16, std::vector<bool>(16)}}}));
}

TEST_F(BitmapsTest, RefusesWhatTheImageCannotHave) {
  Make(0);
  Refuses("b", {kAdd}, BitmapFault::kNoDisk);
  Make(kMi, "compat=0.10");
  Refuses("b", {kAdd}, BitmapFault::kOldVersion);
  Refuses("b", {kRemove}, BitmapFault::kNotFound);
  Make(std::uint64_t{2} << 40);
  Works("b", {kAdd}, 512);  // 512 MiB of bits
  Make((std::uint64_t{2} << 40) + 4096);
  Refuses("b", {kAdd}, BitmapFault::kTooLarge, 0, 512);
}

TEST_F(BitmapsTest, OtherFormatsHaveNone) {
  MemoryDevice raw(kMi);
  EXPECT_TRUE(ChangeBitmaps(
      {.format = FormatId::kRaw, .device = &raw, .actions = std::span(&kRemoveAll, 1)}));
  for (const BitmapAction& action : {kAdd, kRemove}) {
    Recorder told;
    const Status changed = ChangeBitmaps({.format = FormatId::kRaw,
                                          .device = &raw,
                                          .name = "b",
                                          .actions = {&action, 1},
                                          .listener = &told});
    ASSERT_FALSE(changed);
    EXPECT_EQ(told.verdict.fault, action.operation == BitmapOperation::kAdd
                                      ? BitmapFault::kNoBitmaps
                                      : BitmapFault::kNotFound);
  }
}

TEST_F(BitmapsTest, MergesOtherGranularities) {
  Make(kMi);
  const SourceImage source(kMi, 16, Ones(16, 2, 3));
  Works("s", {kAdd, Merge("from")}, 0, &source.made.file);
  Works("d4", {kAdd, kDisable, Merge("s")}, 4 * kKi);
  Works("d512", {kAdd, kDisable, Merge("s")}, 512 * kKi);
  EXPECT_EQ(Stored()["s"].bits, Ones(16, 2, 3));
  EXPECT_EQ(Stored()["d4"], (Bitmap{0, 12, Ones(256, 32, 48)}));
  EXPECT_EQ(Stored()["d512"], (Bitmap{0, 19, Ones(2, 0, 1)}));
  Works("s", {Merge("d512")});
  Works("s", {Merge("s")});
  EXPECT_EQ(Stored()["s"].bits, Ones(16, 0, 8));
}

TEST_F(BitmapsTest, WhatWasMergedBeforeAClearDoesNotCount) {
  Make(kMi);
  const SourceImage source(kMi, 16, Ones(16, 2, 3));
  Works("b", {kAdd, Merge("from"), kClear}, 0, &source.made.file);
  EXPECT_EQ(Stored()["b"].bits, std::vector<bool>(16));
  Works("b", {Merge("from")}, 0, &source.made.file);
  Works("b", {kClear});
  EXPECT_EQ(Stored()["b"].bits, std::vector<bool>(16));
}

TEST_F(BitmapsTest, OnlyDisksOfOneSizeCanBeMerged) {
  Make(kMi);
  Works("b", {kAdd});
  const SourceImage source(2 * kMi, 16, Ones(32, 2, 3));
  Refuses("b", {Merge("from")}, BitmapFault::kOtherSize, 0, 0, &source.made.file);
  EXPECT_EQ(recorder.verdict.details[0], kMi);
  EXPECT_EQ(recorder.verdict.details[1], 2 * kMi);
  // Its own bitmaps are no longer looked at.
  Refuses("b", {Merge("b")}, BitmapFault::kSourceNotFound, 0, 0, &source.made.file);
}

TEST_F(BitmapsTest, AllOnesAndAllZerosStayInTheTable) {
  const std::uint64_t disk = 64 * kMi;  // 131072 bits, four clusters of them
  Make(disk, "cluster_size=4k");
  std::vector<bool> bits = Ones(131072, 32768, 98304);
  bits[5] = true;
  const SourceImage source(disk, 9, bits);
  Works("b", {kAdd, Merge("from")}, 512, &source.made.file);
  EXPECT_EQ(Stored()["b"].bits, bits);
  const std::uint64_t table = entries[0].table_offset;
  ASSERT_EQ(entries[0].table_entries, 4u);
  EXPECT_NE(HostOffset(LoadBe64(image.bytes, table)), 0u);
  EXPECT_EQ(LoadBe64(image.bytes, table + 8), kBitmapAllOnes);
  EXPECT_EQ(LoadBe64(image.bytes, table + 16), kBitmapAllOnes);
  EXPECT_EQ(LoadBe64(image.bytes, table + 24), 0u);
}

TEST_F(BitmapsTest, ClustersOfBitsThatStayAreNotCopied) {
  const std::uint64_t disk = 64 * kMi;
  Make(disk, "cluster_size=4k");
  std::vector<bool> bits(131072);
  bits[5] = bits[70000] = true;
  const SourceImage source(disk, 9, bits);
  Works("b", {kAdd, Merge("from")}, 512, &source.made.file);
  Stored();
  const std::uint64_t first = LoadBe64(image.bytes, entries[0].table_offset);
  std::vector<bool> more(131072);
  more[70001] = true;
  const SourceImage second(disk, 9, more);
  Works("b", {Merge("from")}, 0, &second.made.file);
  bits[70001] = true;
  EXPECT_EQ(Stored()["b"].bits, bits);
  EXPECT_EQ(LoadBe64(image.bytes, entries[0].table_offset), first);
}

TEST_F(BitmapsTest, WithoutTheAutoclearBitThereAreNoBitmaps) {
  Make(kMi);
  Works("b0", {kAdd});
  Header changed = header();
  changed.autoclear_features = 0;
  changed.EncodeTo(image.bytes);
  Refuses("b0", {kEnable}, BitmapFault::kNotFound);
  leaks = 2;
  Works("b0", {kAdd});
  EXPECT_EQ(Stored().size(), 1u);
}

TEST_F(BitmapsTest, LeaksAndTheDirtyBitAreNoObstacle) {
  Make(kMi, "lazy_refcounts=on", 256 * kKi);
  Header changed = header();
  changed.incompatible_features |= kIncompatDirty;
  changed.EncodeTo(image.bytes);
  Works("b", {kAdd});
  EXPECT_EQ(header().incompatible_features & kIncompatDirty, 0u);
}

TEST_F(BitmapsTest, RefusesImagesThatHaveToBeRepaired) {
  Make(kMi, "", 256 * kKi);
  Header changed = header();
  changed.incompatible_features |= kIncompatCorrupt;
  changed.EncodeTo(image.bytes);
  const Status marked = Change("b", {kAdd});
  ASSERT_FALSE(marked);
  EXPECT_EQ(marked.error().code, ErrorCode::kCorrupt);
  Make(kMi, "", 256 * kKi);
  const std::uint64_t block = LoadBe64(image.bytes, header().refcount_table_offset);
  StoreBe16(image.bytes, block + 2, 0);
  const std::vector<std::byte> before = image.bytes;
  const Status low = Change("b", {kAdd});
  ASSERT_FALSE(low);
  EXPECT_EQ(low.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(image.bytes, before);
}

TEST_F(BitmapsTest, AFullDiskChangesNothing) {
  Make(kMi, "", kMi);
  image.capacity = image.bytes.size();
  const std::vector<std::byte> before = image.bytes;
  const Status changed = Change("b", {kAdd});
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(image.bytes, before);
}

TEST_F(BitmapsTest, NamesThatAppearTwiceAreRefused) {
  Make(kMi);
  Works("a", {kAdd});
  Works("b", {kAdd});
  image.bytes[extensions().bitmaps->directory_offset + BitmapEntry::kFixedBytes] = std::byte{'b'};
  const Status changed = Change("b", {kRemove});
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, ErrorCode::kCorrupt);
  Works("c", {kAdd});
}

// As many bitmaps as the format allows: the directory is copied in pieces.
TEST_F(BitmapsTest, ThereAreAtMost65535) {
  Make(512, "cluster_size=512,lazy_refcounts=on");
  Works("first", {kAdd});
  Stored();
  // The other entries by hand, each with a table of its own behind the directory.
  constexpr std::uint64_t kCluster = 512;
  const std::uint64_t directory = DivideRoundUp(image.bytes.size(), kCluster) * kCluster;
  std::vector<std::byte> bytes;
  const auto append = [&](const BitmapEntry& entry, std::string_view name) {
    const std::size_t at = bytes.size();
    bytes.resize(at + entry.encoded_bytes());
    kBitmapFields.Encode(entry, std::span(bytes).subspan(at));
    std::ranges::copy(std::as_bytes(std::span(name)),
                      bytes.begin() + static_cast<std::ptrdiff_t>(at + BitmapEntry::kFixedBytes));
  };
  append(entries[0], "first");
  const std::uint64_t tables = directory + DivideRoundUp(kMaxBitmaps * 40, kCluster) * kCluster;
  for (std::uint64_t i = 1; i < kMaxBitmaps; ++i) {
    append({.table_offset = tables + i * kCluster, .table_entries = 1, .name_bytes = 16},
           "number " + std::to_string(100000000 + i));
  }
  image.bytes.resize(directory);
  image.bytes.insert(image.bytes.end(), bytes.begin(), bytes.end());
  image.bytes.resize(tables + kMaxBitmaps * kCluster);
  BitmapsExtension extension{
      .bitmap_count = kMaxBitmaps, .directory_bytes = bytes.size(), .directory_offset = directory};
  const std::uint64_t record = header().header_bytes + ExtensionHeader::kEncodedBytes;
  ASSERT_EQ(LoadBe32(image.bytes, header().header_bytes), kExtensionBitmaps);
  kBitmapsExtensionFields.Encode(extension, std::span(image.bytes).subspan(record));
  Header changed = header();
  changed.incompatible_features |= kIncompatDirty;  // so the next change counts all of it
  changed.EncodeTo(image.bytes);

  Refuses("more", {kAdd}, BitmapFault::kTooMany);
  Works("number 100040000", {kRemove});
  Works("more", {kAdd});
  Refuses("yet more", {kAdd}, BitmapFault::kTooMany);
  Works("number 100050000", {kDisable});
  EXPECT_EQ(Stored().size(), kMaxBitmaps);
  EXPECT_EQ(order[0], "first");
  EXPECT_EQ(order[40000], "number 100040001");
  EXPECT_EQ(order.back(), "more");
  Works("", {kRemoveAll});
  EXPECT_TRUE(Stored().empty());
}

TEST_F(BitmapsTest, AThousandTimesAddedAndRemovedKeepsTheStorage) {
  for (const char* options : {"", "cluster_size=512", "refcount_bits=1,cluster_size=4k"}) {
    SCOPED_TRACE(options);
    Make(4 * kMi, options, kMi);
    Works("kept", {kAdd});
    Works("b", {kAdd});
    Works("b", {kRemove});
    const std::size_t length = image.bytes.size();
    for (int i = 0; i < 1000; ++i) {
      ASSERT_TRUE(Change("b", {kAdd}));
      ASSERT_TRUE(Change("b", {kRemove}));
    }
    EXPECT_LE(image.bytes.size(), length + 8 * header().cluster_bytes());
    EXPECT_EQ(test::CheckedImage(image, FormatId::kQcow2).counts.leaks, 0u);
  }
}

// Random lists of actions on random images, against bitmaps in memory.
class Model {
 public:
  explicit Model(std::uint64_t disk_bytes) : disk_bytes_(disk_bytes) {}

  static void Join(Bitmap& to, const Bitmap& from) {
    for (std::size_t i = 0; i < from.bits.size(); ++i) {
      if (!from.bits[i]) continue;
      const std::uint64_t begin =
          (std::uint64_t{i} << from.granularity_bits) >> to.granularity_bits;
      const std::uint64_t end = DivideRoundUp((std::uint64_t{i} + 1) << from.granularity_bits,
                                              std::uint64_t{1} << to.granularity_bits);
      for (std::uint64_t at = begin; at < std::min<std::uint64_t>(end, to.bits.size()); ++at) {
        to.bits[at] = true;
      }
    }
  }
  // Does one action; false if it cannot be done.
  bool Do(const std::string& name, const BitmapAction& action, unsigned granularity_bits,
          const Bitmap* other) {
    const auto at = bitmaps.find(name);
    if (action.operation == BitmapOperation::kRemoveAll) {
      bitmaps.clear();
      return true;
    }
    if (action.operation == BitmapOperation::kAdd) {
      if (at != bitmaps.end()) return false;
      bitmaps[name] = {kBitmapAuto, granularity_bits,
                       std::vector<bool>(BitmapBits(disk_bytes_, granularity_bits))};
      return true;
    }
    if (at == bitmaps.end()) return false;
    Bitmap& bitmap = at->second;
    switch (action.operation) {
      case BitmapOperation::kRemove:
        bitmaps.erase(at);
        break;
      case BitmapOperation::kClear:
        bitmap.bits.assign(bitmap.bits.size(), false);
        break;
      case BitmapOperation::kEnable:
        bitmap.flags = kBitmapAuto;
        break;
      case BitmapOperation::kDisable:
        bitmap.flags = 0;
        break;
      default: {
        if (other != nullptr) {
          if (action.source != "from") return false;
          Join(bitmap, *other);
          break;
        }
        const auto from = bitmaps.find(std::string(action.source));
        if (from == bitmaps.end()) return false;
        Join(bitmap, Bitmap(from->second));
      }
    }
    return true;
  }
  Bitmaps bitmaps;

 private:
  std::uint64_t disk_bytes_;
};

TEST_F(BitmapsTest, RandomActionsMakeWhatTheyShould) {
  constexpr const char* kOptions[] = {"", "cluster_size=512", "cluster_size=1k,refcount_bits=64",
                                      "cluster_size=4k,refcount_bits=1",
                                      "extended_l2=on,cluster_size=16k"};
  constexpr std::string_view kNames[] = {"a", "b", "c", "from"};
  for (unsigned seed = 0; seed < 80; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const std::uint64_t disk = (1 + random() % (seed % 4 == 0 ? 60000 : 900)) * 512;
    Make(disk, kOptions[seed % std::size(kOptions)], disk > 64 * kKi ? 64 * kKi : 0);
    Model model(disk);
    for (int step = 0; step < 12; ++step) {
      SCOPED_TRACE(step);
      const std::string name(kNames[random() % 4]);
      const unsigned granularity_bits = 9 + random() % 10;
      // Runs of bits, so that there are clusters of all kinds.
      Bitmap other{.granularity_bits = 9 + static_cast<unsigned>(random() % 10), .bits = {}};
      const std::uint64_t bits = BitmapBits(disk, other.granularity_bits);
      while (other.bits.size() < bits) {
        const bool set = random() % 2 != 0;
        const std::uint64_t run = 1 + random() % (random() % 3 == 0 ? 20000 : 40);
        other.bits.insert(other.bits.end(), std::min<std::uint64_t>(run, bits - other.bits.size()),
                          set);
      }
      const SourceImage source(disk, other.granularity_bits, other.bits, 9 + random() % 5);
      const bool from_other = random() % 2 != 0;
      std::vector<BitmapAction> actions;
      Model after = model;
      bool works = true;
      for (std::uint64_t i = 1 + random() % 4; i > 0; --i) {
        const auto drawn = random() % 16;
        BitmapAction action{.operation = static_cast<BitmapOperation>(drawn % 6)};
        if (drawn == 15) action.operation = BitmapOperation::kMerge;
        if (drawn == 14) action.operation = BitmapOperation::kAdd;
        if (drawn == 13 && step % 3 == 0) action.operation = BitmapOperation::kRemoveAll;
        if (action.operation == BitmapOperation::kMerge) {
          action.source = random() % 5 != 0 && from_other ? "from" : kNames[random() % 4];
        }
        actions.push_back(action);
        works = works && after.Do(name, action, granularity_bits, from_other ? &other : nullptr);
      }
      const BlockDevice* const file = from_other ? &source.made.file : nullptr;
      const std::uint64_t granularity = std::uint64_t{1} << granularity_bits;
      if (works) {
        Works(name, actions, granularity, file);
        model = after;
      } else {
        EXPECT_FALSE(Change(name, actions, granularity, file));
      }
      ASSERT_EQ(Stored(), model.bitmaps);
    }
  }
}

}  // namespace
}  // namespace instar::qcow2
