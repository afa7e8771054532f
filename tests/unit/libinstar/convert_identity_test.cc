// The identities of the images that a conversion writes: random, or from the content of the disk.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "formats/base/endian.h"
#include "formats/vhdx/header.h"
#include "formats/vmdk/reader.h"
#include "libinstar/conversion.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

constexpr std::uint64_t kDiskBytes = 9 * kMiB + 512;

struct Kind {
  const char* name;
  FormatId format;
  const char* options;
};

// The identity of the content as text.
std::string IdentityOf(FakeHost& host, FormatId format) {
  const HostDevice device = HostDevice::Open(host, kTarget).value();
  if (format == FormatId::kVmdk) {
    return std::to_string(vmdk::Reader::Open(device).value()->descriptor().cid.value());
  }
  const Bytes file = FileOf(host, kTarget);
  std::span<const std::byte> id = std::span(file).last(512).subspan(68, 16);
  vhdx::Guid guid{};
  if (format == FormatId::kVhdx) id = guid = vhdx::Header::ReadCurrent(device)->data_write_id;
  std::string text;
  for (const std::byte byte : id) text += std::to_string(static_cast<unsigned>(byte)) + " ";
  return text;
}

class ConvertIdentity : public ::testing::TestWithParam<Kind> {
 protected:
  static ConvertRequest Request() {
    ConvertRequest request = To(GetParam().format);
    request.target_options = test::Settings(request.target_format, GetParam().options);
    request.target_name = "disk";
    return request;
  }
  // What a raw source of these bytes becomes.
  static std::string OfDisk(const Bytes& disk, const ConvertRequest& request = Request()) {
    FakeHost host;
    MakeRaw(host, kSource, disk.size(), {{0, disk}});
    host.AddTarget(kTarget);
    ExpectConverts(host, request);
    return IdentityOf(host, GetParam().format);
  }
};

TEST_P(ConvertIdentity, EqualDisksGiveEqualImagesWhateverHoldsThem) {
  FakeHost maker;
  const Bytes disk = MakeMixedQcow2(maker, kSource);
  MakeRaw(maker, kSource2, disk.size(), {{0, disk}});
  // The same with holes.
  FakeHost::Device& sparse = maker.Add(kBase);
  for (std::uint64_t at = 0; at < disk.size(); at += 4096) {
    const auto page = std::span(disk).subspan(at, std::min<std::uint64_t>(4096, disk.size() - at));
    if (std::ranges::any_of(page, [](std::byte b) { return b != std::byte{0}; })) {
      sparse.file.Write(at, page);
    }
  }
  sparse.file.Resize(disk.size());
  Bytes first;
  for (const DeviceId source : {kSource, kSource2, kBase}) {
    for (const unsigned workers : {1u, 2u, 4u}) {
      FakeHost host;
      host.Add(kSource).file = maker.At(source).file;
      host.AddTarget(kTarget);
      ConvertRequest request = Request();
      request.sources.front().format = source == kSource ? FormatId::kQcow2 : FormatId::kRaw;
      request.workers = workers;
      ExpectConverts(host, request);
      const Bytes file = FileOf(host, kTarget);
      if (first.empty()) first = file;
      EXPECT_TRUE(file == first) << "source " << static_cast<std::uint32_t>(source) << ", "
                                 << workers << " workers";
    }
  }
}

TEST_P(ConvertIdentity, OneBitAnywhereGivesAnotherIdentity) {
  const Bytes disk = Pattern(1, kDiskBytes);
  const std::string identity = OfDisk(disk);
  EXPECT_EQ(OfDisk(disk), identity);
  for (const std::uint64_t at : {std::uint64_t{0}, kCluster - 1, kCluster, 2 * kMiB - 1, 2 * kMiB,
                                 5 * kMiB + 12345, kDiskBytes - 1}) {
    Bytes other = disk;
    other[at] ^= std::byte{0x80};
    EXPECT_NE(OfDisk(other), identity) << at;
  }
}

TEST_P(ConvertIdentity, WhereDataStandsAndHowLongTheDiskIsCount) {
  Bytes disk(kDiskBytes);
  const std::string empty = OfDisk(disk);
  EXPECT_NE(OfDisk(Bytes(kDiskBytes + 512)), empty);
  disk[kMiB] = std::byte{1};
  const std::string early = OfDisk(disk);
  std::swap(disk[kMiB], disk[kMiB + kCluster]);
  const std::string late = OfDisk(disk);
  EXPECT_NE(early, empty);
  EXPECT_NE(late, empty);
  EXPECT_NE(late, early);
}

TEST_P(ConvertIdentity, TheNameOfTheTargetDoesNotCount) {
  const Bytes disk = Pattern(1, kMiB);
  ConvertRequest request = Request();
  request.target_name = "another.name";
  EXPECT_EQ(OfDisk(disk, request), OfDisk(disk));
}

TEST_P(ConvertIdentity, ASeedDecidesAloneAndChangesNothingElse) {
  const Bytes disk = Pattern(1, kDiskBytes);
  ConvertRequest request = Request();
  request.identity_seed = "0123456789abcdef";
  const std::string identity = OfDisk(disk, request);
  EXPECT_EQ(OfDisk(Pattern(2, kDiskBytes), request), identity);
  EXPECT_NE(OfDisk(disk), identity);
  request.identity_seed = "0123456789abcdeF";
  EXPECT_NE(OfDisk(disk, request), identity);
}

TEST_P(ConvertIdentity, WithASeedNothingOfTheContentIsRead) {
  FakeHost host;
  MakeRaw(host, kSource, kDiskBytes, {{0, Pattern(1, kDiskBytes)}});
  host.AddTarget(kTarget);
  ConvertRequest request = Request();
  request.identity_seed = "0123456789abcdef";
  ExpectConverts(host, request);
  // Grains that are compressed pass through memory anyway, once.
  const bool compressed = std::string_view(GetParam().options).contains("streamOptimized");
  const std::uint64_t read = host.bytes_read();
  EXPECT_LT(read, compressed ? kDiskBytes + kMiB : kMiB);
  request.identity_seed = {};
  ExpectConverts(host, request);
  EXPECT_GE(host.bytes_read() - read, kDiskBytes) << "the digest looks at all of it";
}

TEST_P(ConvertIdentity, WhatCannotBeReadIsFoundBeforeTheTargetIsTouched) {
  FakeHost host;
  MakeRaw(host, kSource, kDiskBytes, {{0, Pattern(1, kDiskBytes)}});
  host.At(kSource).unreadable = {{8 * kMiB, 512}};
  host.AddTarget(kTarget);
  const Error error = ErrorOf(host, Request());
  EXPECT_EQ(error.code, ErrorCode::kIo);
  EXPECT_EQ(error.device, kSource);
  EXPECT_FALSE(host.At(kTarget).touched);
}

TEST_P(ConvertIdentity, WhatIsSalvagedCountsAsTheZerosThatAreWritten) {
  const Bytes disk = Pattern(1, kDiskBytes);
  FakeHost host;
  MakeRaw(host, kSource, kDiskBytes, {{0, disk}});
  host.At(kSource).unreadable = {{3 * kMiB + 1024, 1024}};
  host.AddTarget(kTarget);
  ConvertRequest request = Request();
  request.salvage = true;
  ExpectConverts(host, request);
  EXPECT_NE(ReportText(host).find("unreadable-bytes: 1024,"), std::string::npos)
      << "told once: " << ReportText(host);
  Bytes written = disk;
  std::fill_n(written.begin() + 3 * kMiB + 1024, 1024, std::byte{0});
  EXPECT_EQ(IdentityOf(host, GetParam().format), OfDisk(written));
}

TEST_P(ConvertIdentity, HolesAreNotReadForTheDigest) {
  FakeHost host;
  std::vector<std::pair<std::uint64_t, Bytes>> pages;
  for (std::uint64_t i = 0; i < 64; ++i) pages.emplace_back(i * kMiB + 8192, Pattern(i, 4096));
  MakeRaw(host, kSource, 64 * kMiB, pages);
  host.AddTarget(kTarget);
  ConvertRequest request = Request();
  request.identity_seed = "0123456789abcdef";
  ExpectConverts(host, request);
  const std::uint64_t without = host.bytes_read();
  request.identity_seed = {};
  ExpectConverts(host, request);
  EXPECT_LT(host.bytes_read() - without, without + 2 * 64 * 4096);
}

TEST_P(ConvertIdentity, TheDigestIsTheFirstHalfOfTheProgress) {
  constexpr std::uint64_t kSize = 200 * kMiB;
  FakeHost host;
  MakeRaw(host, kSource, kSize, {{100 * kMiB, Pattern(1, kMiB)}, {199 * kMiB, Pattern(2, kMiB)}});
  host.AddTarget(kTarget);
  ConvertRequest request = Request();
  request.workers = 2;
  ExpectConverts(host, request);
  EXPECT_EQ(host.progress_total(), 2 * kSize);
  EXPECT_TRUE(std::ranges::is_sorted(host.progress()));
  EXPECT_TRUE(std::ranges::any_of(
      host.progress(), [](std::uint64_t done) { return done > kSize / 3 && done <= kSize; }));
  EXPECT_EQ(host.progress().back(), 2 * kSize);
}

INSTANTIATE_TEST_SUITE_P(
    Formats, ConvertIdentity,
    ::testing::Values(Kind{"vpc", FormatId::kVpc, ""},
                      Kind{"vpc_fixed", FormatId::kVpc, "subformat=fixed,force_size=on"},
                      Kind{"vhdx", FormatId::kVhdx, ""},
                      Kind{"vhdx_fixed", FormatId::kVhdx, "subformat=fixed,block_size=1M"},
                      Kind{"vmdk", FormatId::kVmdk, ""},
                      Kind{"vmdk_stream", FormatId::kVmdk, "subformat=streamOptimized"}),
    [](const auto& kind) { return std::string(kind.param.name); });

// A child of a vmdk image, from an overlay.
class ConvertChildIdentity : public ::testing::Test {
 protected:
  // The content ID of the child that `fill` makes, upon a parent with the content ID that follows
  // from `parent_seed`.
  template <typename Fill>
  static std::string Of(std::string_view parent_seed, const Fill& fill) {
    FakeHost host;
    host.AddTarget(kBase);
    const Status made = RunCreate(host, {.target = kBase,
                                         .format = FormatId::kVmdk,
                                         .size_bytes = 8 * kMiB,
                                         .target_name = "base",
                                         .identity_seed = parent_seed});
    EXPECT_TRUE(made.has_value());
    host.At(kBase).writable = false;
    host.AddReference("base", kBase);
    ImageBuilder source(host, kSource, 8 * kMiB, "", "base", "vmdk");
    fill(source);
    source.Finish();
    host.AddTarget(kTarget);
    ConvertRequest request = To(FormatId::kVmdk);
    request.target_options = test::Settings(request.target_format, "zeroed_grain=on");
    request.backing_name = "base";
    request.backing_format = "vmdk";
    request.backing = kBase;
    ExpectConverts(host, request);
    return IdentityOf(host, FormatId::kVmdk);
  }
  static constexpr std::string_view kParent = "0123456789abcdef";
};

TEST_F(ConvertChildIdentity, ZerosThatHideTheParentCountAndWhatIsLeftToItDoesNot) {
  const auto nothing = [](ImageBuilder&) {};
  const auto zeros = [](ImageBuilder& image) { image.Zero(4 * kMiB, kMiB); };
  const auto more = [](ImageBuilder& image) { image.Zero(4 * kMiB, kMiB + kCluster); };
  const auto elsewhere = [](ImageBuilder& image) { image.Zero(3 * kMiB, kMiB); };
  const auto stored = [](ImageBuilder& image) { image.Data(4 * kMiB, Bytes(kMiB)); };
  EXPECT_EQ(Of(kParent, nothing), Of(kParent, nothing));
  EXPECT_NE(Of(kParent, nothing), Of(kParent, zeros));
  EXPECT_NE(Of(kParent, zeros), Of(kParent, more));
  EXPECT_NE(Of(kParent, zeros), Of(kParent, elsewhere));
  EXPECT_EQ(Of(kParent, zeros), Of(kParent, stored)) << "stored zeros are zeros";
}

TEST_F(ConvertChildIdentity, TheParentCounts) {
  const auto data = [](ImageBuilder& image) { image.Data(kMiB, Pattern(1, kMiB)); };
  EXPECT_EQ(Of(kParent, data), Of(kParent, data));
  EXPECT_NE(Of(kParent, data), Of("another parent..", data));
}

TEST(ConvertKeptIdentity, WritingIntoAVhdKeepsWhichDiskItIs) {
  FakeHost host;
  MakeRaw(host, kSource, kMiB, {{0, Pattern(1, kMiB)}});
  host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kVpc);
  ExpectConverts(host, request);
  const std::string before = IdentityOf(host, FormatId::kVpc);
  host.Add(kSource).file.Write(0, Pattern(2, kMiB));
  request.keep_target = true;
  ExpectConverts(host, request);
  EXPECT_EQ(IdentityOf(host, FormatId::kVpc), before);
}

TEST(ConvertKeptIdentity, WritingIntoAVhdxOrVmdkChangesThatOfTheContent) {
  for (const FormatId format : {FormatId::kVhdx, FormatId::kVmdk}) {
    std::vector<std::string> identities;
    for (int run = 0; run < 2; ++run) {
      FakeHost host;
      MakeRaw(host, kSource, kMiB, {{0, Pattern(1, kMiB)}});
      host.AddTarget(kTarget);
      ConvertRequest request = To(format);
      ExpectConverts(host, request);
      identities.push_back(IdentityOf(host, format));
      request.keep_target = true;
      ExpectConverts(host, request);
      identities.push_back(IdentityOf(host, format));
      request.identity_seed = "0123456789abcdef";
      ExpectConverts(host, request);
      identities.push_back(IdentityOf(host, format));
    }
    EXPECT_NE(identities[0], identities[1]) << NameOf(format);
    EXPECT_NE(identities[1], identities[2]) << NameOf(format);
    EXPECT_EQ(identities[0], identities[3]) << NameOf(format);
    EXPECT_EQ(identities[1], identities[4]) << NameOf(format);
  }
}

}  // namespace
}  // namespace instar::test
