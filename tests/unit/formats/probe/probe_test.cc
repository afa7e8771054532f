#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

#include "formats/open.h"
#include "formats/vpc/footer.h"
#include "support/case_name.h"
#include "support/memory_device.h"

namespace instar {
namespace {

using test::MemoryDevice;
using namespace std::string_literals;

FormatId Probe(const MemoryDevice& file) {
  const auto format = ProbeFormat(file);
  EXPECT_TRUE(format);
  return format.value_or(FormatId::kUnknown);
}

struct SignatureCase {
  const char* name;
  std::uint64_t offset;
  std::string bytes;
  FormatId format;
};

class ProbeSignature : public testing::TestWithParam<SignatureCase> {};

TEST_P(ProbeSignature, IsRecognised) {
  MemoryDevice file(8192);
  file.PutText(GetParam().offset, GetParam().bytes);
  EXPECT_EQ(Probe(file), GetParam().format);
}

TEST_P(ProbeSignature, IsNotRecognisedWithoutItsFirstByte) {
  MemoryDevice file(8192);
  file.PutText(GetParam().offset, GetParam().bytes);
  file.bytes[GetParam().offset] ^= std::byte{0x80};
  EXPECT_EQ(Probe(file), FormatId::kRaw);
}

const SignatureCase kSignatureCases[] = {
    {"Qcow2Version2", 0, "QFI\xFB\0\0\0\2"s, FormatId::kQcow2},
    {"Qcow2Version3", 0, "QFI\xFB\0\0\0\3"s, FormatId::kQcow2},
    {"Qcow2OfAFutureVersion", 0, "QFI\xFB\0\0\0\x09"s, FormatId::kQcow2},
    {"Qcow1", 0, "QFI\xFB\0\0\0\1"s, FormatId::kQcow1},
    {"VmdkSparse", 0, "KDMV", FormatId::kVmdk},
    {"VmdkCowd", 0, "COWD", FormatId::kVmdk},
    {"VmdkSeSparse", 0, "\xBE\xBA\xFE\xCA\0\0\0\0"s, FormatId::kVmdk},
    {"VmdkDescriptor", 0, "# Disk DescriptorFile\nversion=1\n", FormatId::kVmdk},
    {"Vhdx", 0, "vhdxfile", FormatId::kVhdx},
    {"DynamicVhd", 0, "conectix", FormatId::kVpc},
    {"Vdi", 64, "\x7F\x10\xDA\xBE", FormatId::kVdi},
    {"Qed", 0, "QED\0"s, FormatId::kQed},
    {"Luks1", 0, "LUKS\xBA\xBE\0\1"s, FormatId::kLuks},
    {"Luks2", 0, "LUKS\xBA\xBE\0\2"s, FormatId::kLuks},
    {"Parallels", 0, "WithoutFreeSpace", FormatId::kParallels},
    {"ParallelsExtended", 0, "WithouFreSpacExt", FormatId::kParallels},
    {"Dmg", 8192 - 512, "koly\0\0\0\4\0\0\2\0"s, FormatId::kDmg},
    {"Bochs", 0, "Bochs Virtual HD Image\0"s, FormatId::kBochs},
    {"Cloop", 0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0", FormatId::kCloop},
};
INSTANTIATE_TEST_SUITE_P(Probe, ProbeSignature, testing::ValuesIn(kSignatureCases),
                         test::CaseName{});

// A file of `disk_bytes` and, from there on, `footer_bytes` of the footer of a disk of that kind.
MemoryDevice WithFooter(std::uint64_t disk_bytes, const vpc::Footer& footer,
                        std::size_t footer_bytes = vpc::Footer::kBytes) {
  std::array<std::byte, vpc::Footer::kBytes> bytes{};
  footer.EncodeTo(bytes);
  MemoryDevice file(disk_bytes + footer_bytes);
  std::copy_n(bytes.begin(), footer_bytes,
              file.bytes.begin() + static_cast<std::ptrdiff_t>(disk_bytes));
  return file;
}

constexpr vpc::Footer kFixed8192{.current_bytes = 8192};

TEST(Probe, AFooterThatFitsTheFileMakesItAFixedVhd) {
  EXPECT_EQ(Probe(WithFooter(8192, kFixed8192)), FormatId::kVpc);
  EXPECT_EQ(Probe(WithFooter(8192, kFixed8192, vpc::Footer::kShortBytes)), FormatId::kVpc);
  // Of a size that is no whole number of sectors.
  EXPECT_EQ(Probe(WithFooter(8192, {.current_bytes = 7900})), FormatId::kVpc);
}

TEST(Probe, AFooterThatFitsCountsMoreThanAHeaderOfTheGuest) {
  for (const char* header :
       {"QFI\xFB", "KDMV", "vhdxfile", "conectix", "# Disk DescriptorFile\n"}) {
    MemoryDevice file = WithFooter(8192, kFixed8192);
    file.PutText(0, header);
    EXPECT_EQ(Probe(file), FormatId::kVpc) << header;
  }
}

TEST(Probe, AFooterThatDoesNotFitTheFileMakesItNoVhd) {
  vpc::Footer dynamic = kFixed8192;
  dynamic.type = vpc::DiskType::kDynamic;
  MemoryDevice damaged = WithFooter(8192, kFixed8192);
  damaged.bytes[8192 + 100] ^= std::byte{1};
  for (MemoryDevice file : {WithFooter(65536, kFixed8192), WithFooter(4096, kFixed8192),
                            WithFooter(8192 + 512, kFixed8192), WithFooter(8192, dynamic), damaged,
                            WithFooter(8192, {.current_bytes = UINT64_MAX})}) {
    const auto probed = ProbeImage(file);
    ASSERT_TRUE(probed);
    EXPECT_EQ(probed->format, FormatId::kRaw);
    EXPECT_TRUE(probed->unfit_footer);
    // Where the start says what the file is there is nothing to warn of.
    file.PutText(0, "QFI\xFB");
    EXPECT_EQ(ProbeImage(file)->format, FormatId::kQcow2);
    EXPECT_FALSE(ProbeImage(file)->unfit_footer);
  }
}

TEST(Probe, AnEndThatCannotBeReadMattersOnlyWhereTheStartSaysNothing) {
  MemoryDevice file(8192);
  file.fail_reads_from = 4096;
  EXPECT_EQ(ProbeFormat(file).error().code, ErrorCode::kIo);
  file.PutText(0, "QFI\xFB");
  EXPECT_EQ(Probe(file), FormatId::kQcow2);
}

TEST(Probe, EmptyAndTinyFilesAreRaw) {
  for (const std::uint64_t size : {0, 1, 3, 4, 7, 511}) {
    EXPECT_EQ(Probe(MemoryDevice(size)), FormatId::kRaw) << size;
  }
}

TEST(Probe, AMagicNumberCutShortIsRaw) {
  MemoryDevice file(0);
  file.PutText(0, "QFI");
  EXPECT_EQ(Probe(file), FormatId::kRaw);
}

TEST(Probe, CommentsAndBlankLinesMayPrecedeTheVersionOfAVmdkDescriptor) {
  MemoryDevice file(0);
  file.PutText(0, "# any comment\r\n  \r\n\n#another\nversion=3\r\nCID=1\n");
  EXPECT_EQ(Probe(file), FormatId::kVmdk);
}

TEST(Probe, TextThatOnlyMentionsAVersionIsRaw) {
  for (const char* text : {"# any comment\nname=x\nversion=1\n", "version=4\n", "version=1"}) {
    MemoryDevice file(0);
    file.PutText(0, text);
    EXPECT_EQ(Probe(file), FormatId::kRaw) << text;
  }
}

TEST(Probe, ReadsAFewKibibytesOfALargeFile) {
  MemoryDevice file(8 << 20);
  EXPECT_EQ(Probe(file), FormatId::kRaw);
  EXPECT_LE(file.bytes_read, 4096U);
}

TEST(Probe, AReadErrorIsNotRaw) {
  MemoryDevice file(8192);
  file.fail_reads_from = 0;
  EXPECT_EQ(ProbeFormat(file).error().code, ErrorCode::kIo);
}

TEST(OpenImage, RecognisedFormatsThatCannotBeReadAreRefused) {
  const MemoryDevice file(8192);
  for (const FormatName& entry : kFormatNames) {
    if (entry.id < FormatId::kLuks) continue;
    const auto reader = OpenImage(file, entry.id);
    ASSERT_FALSE(reader) << entry.name;
    EXPECT_EQ(reader.error().code, ErrorCode::kUnsupported);
    EXPECT_STREQ(reader.error().message, "reading {t} images is not supported by this version");
    const std::string quoted(reinterpret_cast<const char*>(&reader.error().numbers),
                             sizeof(Error::numbers));
    EXPECT_TRUE(quoted.starts_with(entry.name)) << entry.name;
  }
}

TEST(OpenImage, AQcow2HeaderOpenedAsRawStaysRaw) {
  MemoryDevice file(8192);
  file.PutText(0, "QFI\xFB\0\0\0\3"s);
  const auto reader = OpenImage(file, FormatId::kRaw);
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->format(), FormatId::kRaw);
  EXPECT_TRUE((*reader)->references().empty());
}

TEST(OpenImage, AFormatThatDoesNotExistIsAnInvalidArgument) {
  const MemoryDevice file(8192);
  EXPECT_EQ(OpenImage(file, FormatId::kUnknown).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace instar
