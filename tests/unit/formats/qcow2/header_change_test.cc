#include "formats/qcow2/edit/header_change.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "formats/base/read_window.h"
#include "formats/qcow2/structures/header_extensions.h"
#include "support/memory_device.h"

namespace instar::qcow2 {
namespace {

using test::MemoryDevice;

constexpr std::uint32_t kUnknown = 0x12345678;

// What a reader takes from cluster 0.
struct Seen {
  Header header;
  std::string name;
  std::string format;
  std::string data_file;
  std::optional<BitmapsExtension> bitmaps;
  std::vector<std::string> unknown;

  friend bool operator==(const Seen&, const Seen&) = default;
};

Seen Look(const MemoryDevice& device) {
  Seen seen;
  ReadWindow file(device, 8192);
  seen.header = Header::DecodeFrom(file.View(0, Header::kFullBytes).value()).value();
  const auto extensions = HeaderExtensions::ReadFrom(file, seen.header);
  EXPECT_TRUE(extensions) << extensions.error().message;
  if (!extensions) return seen;
  seen.format.assign(extensions->backing_format.begin(), extensions->backing_format.end());
  if (extensions->data_file_name) {
    seen.data_file.assign(extensions->data_file_name->begin(), extensions->data_file_name->end());
  }
  seen.bitmaps = extensions->bitmaps;
  const auto text = [&](std::uint64_t at, std::uint64_t bytes) {
    const char* const begin = reinterpret_cast<const char*>(device.bytes.data()) + at;
    return std::string(begin, begin + bytes);
  };
  if (seen.header.backing_file_offset != 0) {
    seen.name = text(seen.header.backing_file_offset, seen.header.backing_file_bytes);
  }
  ExtensionWalk walk(file, seen.header);
  while (const auto record = walk.Next().value()) {
    if (record->type == kUnknown)
      seen.unknown.push_back(text(record->data_offset, record->data_bytes));
  }
  seen.header.backing_file_offset = 0;  // is the writer's affair
  return seen;
}

class HeaderChangeTest : public testing::Test {
 protected:
  struct Parts {
    unsigned cluster_bits = 16;
    unsigned version = 3;
    std::size_t name_bytes = 0;
    std::size_t data_file_bytes = 0;
    std::vector<std::size_t> unknown;
    bool bitmaps = false;
    bool feature_names = true;
  };

  // Cluster 0 as other programs lay it out. False if it has no room.
  bool Make(const Parts& parts) {
    Header header;
    header.cluster_bits = parts.cluster_bits;
    header.version = parts.version;
    header.header_bytes = parts.version == 2 ? Header::kVersion2Bytes : Header::kFullBytes;
    header.l1_entries = 1;
    header.l1_table_offset = 3 << parts.cluster_bits;
    header.refcount_table_offset = 1 << parts.cluster_bits;
    header.refcount_table_clusters = 1;
    std::vector<std::byte> bytes(header.header_bytes);
    if (parts.name_bytes != 0) AppendExtension(bytes, kExtensionBackingFormat, "qcow2");
    if (parts.data_file_bytes != 0) {
      header.incompatible_features |= kIncompatDataFile;
      AppendExtension(bytes, kExtensionDataFile, std::string(parts.data_file_bytes, 'd'));
    }
    if (parts.feature_names) {
      std::vector<std::byte> names;
      for (const FeatureName& name : kFeatureNames) {
        names.resize(names.size() + FeatureName::kEncodedBytes);
        name.EncodeTo(std::span(names).last(FeatureName::kEncodedBytes));
      }
      AppendExtension(bytes, kExtensionFeatureNames, names);
    }
    if (parts.bitmaps) {
      header.autoclear_features |= kAutoclearBitmaps;
      std::vector<std::byte> data(BitmapsExtension::kEncodedBytes);
      kBitmapsExtensionFields.Encode(kBitmaps, data);
      AppendExtension(bytes, kExtensionBitmaps, data);
    }
    for (const std::size_t length : parts.unknown) {
      AppendExtension(bytes, kUnknown, std::string(length, 'u'));
    }
    bytes.resize(bytes.size() + ExtensionHeader::kEncodedBytes);
    if (parts.name_bytes != 0) {
      header.backing_file_offset = bytes.size();
      header.backing_file_bytes = static_cast<std::uint32_t>(parts.name_bytes);
      bytes.resize(bytes.size() + parts.name_bytes, std::byte{'n'});
    }
    if (bytes.size() > header.cluster_bytes()) return false;
    header.EncodeTo(bytes);
    device.bytes = std::move(bytes);
    device.bytes.resize(header.cluster_bytes());
    return true;
  }

  [[nodiscard]] Header Current() const { return Header::DecodeFrom(device.bytes).value(); }
  [[nodiscard]] HeaderChange Same() const {
    return {.header = Current(), .bitmaps = Look(device).bitmaps};
  }

  // Makes the change; what is written first must not show.
  Status Apply(const HeaderChange& change) {
    const Seen before = Look(device);
    const auto writes = PlanHeader(device, Current(), change);
    if (!writes) return std::unexpected(writes.error());
    for (const auto& piece : writes->before) {
      EXPECT_GE(piece.offset, 512u);
      EXPECT_LE(piece.offset + piece.bytes.size(), device.bytes.size());
      std::ranges::copy(piece.bytes,
                        device.bytes.begin() + static_cast<std::ptrdiff_t>(piece.offset));
    }
    EXPECT_EQ(Look(device), before);
    roots.push_back(writes->root.size());
    EXPECT_TRUE(writes->root.size() <= 512 || device.bytes.size() <= 4096);
    std::ranges::copy(writes->root, device.bytes.begin());
    return {};
  }

  static constexpr BitmapsExtension kBitmaps{
      .bitmap_count = 1, .directory_bytes = 32, .directory_offset = 5 << 16};

  MemoryDevice device;
  std::vector<std::size_t> roots;
};

TEST_F(HeaderChangeTest, ANumberIsPatchedInItsPlace) {
  ASSERT_TRUE(Make({.name_bytes = 200, .data_file_bytes = 0, .unknown = {40}}));
  device.bytes[108] = std::byte{9};  // a field that is not known
  const std::vector<std::byte> before = device.bytes;
  HeaderChange change = Same();
  change.header.virtual_size_bytes = 4096;
  ASSERT_TRUE(Apply(change));
  std::size_t different = 0;
  for (std::size_t i = 0; i < before.size(); ++i) different += before[i] != device.bytes[i] ? 1 : 0;
  EXPECT_EQ(different, 1u);
}

TEST_F(HeaderChangeTest, NothingToChangeIsNoWrite) {
  ASSERT_TRUE(Make({.bitmaps = true}));
  ASSERT_TRUE(Apply(Same()));
  EXPECT_EQ(roots.back(), 0u);
}

TEST_F(HeaderChangeTest, UnknownAutoclearBitsGo) {
  ASSERT_TRUE(Make({}));
  Header header = Current();
  header.autoclear_features = 0x80;
  header.compatible_features = 0x80;
  header.EncodeTo(device.bytes);
  ASSERT_TRUE(Apply(Same()));
  EXPECT_EQ(Current().autoclear_features, 0u);
  EXPECT_EQ(Current().compatible_features, 0x80u);
}

TEST_F(HeaderChangeTest, BitmapsBehindTheSectorMoveIntoIt) {
  ASSERT_TRUE(Make({.name_bytes = 300, .bitmaps = true}));
  HeaderChange change = Same();
  change.bitmaps->directory_offset = 9 << 16;
  Seen expected = Look(device);
  expected.bitmaps = change.bitmaps;
  ASSERT_TRUE(Apply(change));
  EXPECT_EQ(Look(device), expected);
  EXPECT_EQ(roots.back(), 512u);
}

TEST_F(HeaderChangeTest, TheBackingFileIsChangedAndTakenOut) {
  for (const std::size_t bytes : {1, 200, 1000}) {
    ASSERT_TRUE(Make({.name_bytes = 100, .unknown = {24, 700}}));
    Seen expected = Look(device);
    const std::string name(bytes, 'x');
    HeaderChange change = Same();
    change.backing = {name, "raw"};
    ASSERT_TRUE(Apply(change));
    expected.name = name;
    expected.format = "raw";
    expected.header.backing_file_bytes = static_cast<std::uint32_t>(bytes);
    EXPECT_EQ(Look(device), expected);
    change = Same();
    change.backing = {"", ""};
    ASSERT_TRUE(Apply(change));
    expected.name = expected.format = "";
    expected.header.backing_file_bytes = 0;
    EXPECT_EQ(Look(device), expected);
  }
}

TEST_F(HeaderChangeTest, WhatDoesNotFitIsRefused) {
  ASSERT_TRUE(Make({.cluster_bits = 9, .feature_names = false}));
  const std::string name(500, 'x');
  HeaderChange change = Same();
  change.backing = {name, "raw"};
  const std::vector<std::byte> before = device.bytes;
  const Status applied = Apply(change);
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().code, ErrorCode::kLimit);
  EXPECT_EQ(device.bytes, before);
}

// Whatever stood there, and however often it changes.
TEST_F(HeaderChangeTest, RandomChangesKeepAllElse) {
  int planned = 0;
  for (unsigned seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto pick = [&](std::initializer_list<std::size_t> from) {
      return from.begin()[random() % from.size()];
    };
    Parts parts{.cluster_bits = static_cast<unsigned>(pick({9, 10, 11, 12, 16})),
                .version = random() % 5 == 0 ? 2U : 3U,
                .name_bytes = pick({0, 1, 50, 200, 1000}),
                .unknown = {},
                .feature_names = random() % 4 != 0};
    if (parts.version == 3) {
      parts.data_file_bytes = pick({0, 0, 10, 400, 3000});
      parts.bitmaps = random() % 2 == 0;
    }
    for (std::size_t i = random() % 3; i > 0; --i) parts.unknown.push_back(pick({0, 8, 33, 600}));
    if (!Make(parts)) continue;
    for (int step = 0; step < 6; ++step) {
      Seen expected = Look(device);
      HeaderChange change = Same();
      change.header.virtual_size_bytes = expected.header.virtual_size_bytes = random() % 1000 * 512;
      std::string name;
      if (random() % 2 == 0) {
        name.assign(pick({0, 1, 60, 300, 1023}), static_cast<char>('a' + step));
        change.backing = {name, name.empty() ? "" : "raw"};
        expected.name = name;
        expected.format = name.empty() ? "" : "raw";
        expected.header.backing_file_bytes = static_cast<std::uint32_t>(name.size());
      }
      if (parts.version == 3 && random() % 2 == 0) {
        change.bitmaps.reset();
        if (random() % 2 == 0) change.bitmaps = kBitmaps;
        change.header.autoclear_features = change.bitmaps ? kAutoclearBitmaps : 0;
        if (change.bitmaps) change.bitmaps->directory_offset = (1 + random() % 9) << 16;
        expected.bitmaps = change.bitmaps;
        expected.header.autoclear_features = change.header.autoclear_features;
      }
      const Status applied = Apply(change);
      if (!applied) {
        EXPECT_EQ(applied.error().code, ErrorCode::kLimit) << applied.error().message;
        continue;
      }
      ++planned;
      ASSERT_EQ(Look(device), expected) << step;
    }
  }
  EXPECT_GT(planned, 1500);
}

}  // namespace
}  // namespace instar::qcow2
