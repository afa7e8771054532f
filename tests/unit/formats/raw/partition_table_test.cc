#include "formats/raw/partition_table.h"

#include <gtest/gtest.h>

#include <string>

#include "support/memory_device.h"
#include "support/text_sink.h"

namespace instar::raw {
namespace {

using test::MemoryDevice;

std::string Told(const MemoryDevice& device) {
  test::TextSink sink;
  EXPECT_TRUE(DescribePartitions(device, 0, sink));
  return sink.text;
}

void PutMbrEntry(MemoryDevice& device, std::size_t index, std::uint8_t type, std::uint32_t first,
                 std::uint32_t sectors) {
  const std::size_t at = 446 + 16 * index;
  device.bytes[at + 4] = std::byte{type};
  StoreLe32(device.bytes, at + 8, first);
  StoreLe32(device.bytes, at + 12, sectors);
  StoreLe16(device.bytes, 510, 0xAA55);
}

// A GPT of one partition (a Linux file system from sector 34 to 40), its sums computed by Python's
// zlib.crc32.
MemoryDevice GptDisk() {
  MemoryDevice device(64 * 512);
  PutMbrEntry(device, 0, 0xEE, 1, 63);
  constexpr std::uint8_t kLinux[] = {0xAF, 0x3D, 0xC6, 0x0F, 0x83, 0x84, 0x72, 0x47,
                                     0x8E, 0x79, 0x3D, 0x69, 0xD8, 0x47, 0x7D, 0xE4};
  std::memcpy(device.bytes.data() + 1024, kLinux, sizeof kLinux);
  StoreLe64(device.bytes, 1024 + 32, 34);
  StoreLe64(device.bytes, 1024 + 40, 40);
  std::memcpy(device.bytes.data() + 512, "EFI PART", 8);
  StoreLe32(device.bytes, 512 + 8, 0x10000);
  StoreLe32(device.bytes, 512 + 12, 92);
  StoreLe64(device.bytes, 512 + 24, 1);
  StoreLe64(device.bytes, 512 + 72, 2);
  StoreLe32(device.bytes, 512 + 80, 4);
  StoreLe32(device.bytes, 512 + 84, 128);
  StoreLe32(device.bytes, 512 + 88, 0x8f1d843bu);
  StoreLe32(device.bytes, 512 + 16, 0x8af13822u);
  return device;
}

TEST(PartitionTable, ADiskWithoutSignatureHasNone) { EXPECT_EQ(Told(MemoryDevice(4096)), ""); }

TEST(PartitionTable, AnEmptyFileHasNone) { EXPECT_EQ(Told(MemoryDevice(0)), ""); }

TEST(PartitionTable, ABootSectorThatIsNoTableHasNone) {
  MemoryDevice device(4096);
  PutMbrEntry(device, 0, 0x83, 1, 2);
  device.bytes[446 + 16] = std::byte{0x12};  // no status of a partition
  EXPECT_EQ(Told(device), "");
}

TEST(PartitionTable, MbrEntriesKeepTheirNumbers) {
  MemoryDevice device(1 << 20);
  PutMbrEntry(device, 1, 0x83, 2048, 0xFFFFFFFF);
  const std::string told = Told(device);
  EXPECT_NE(told.find("mbr"), std::string::npos) << told;
  EXPECT_NE(told.find("83"), std::string::npos) << told;
  EXPECT_NE(told.find(std::to_string(2048 * 512)), std::string::npos) << told;
  EXPECT_NE(told.find(std::to_string(0xFFFFFFFFull * 512)), std::string::npos) << told;
}

TEST(PartitionTable, GptIsToldWithItsTypes) {
  const std::string told = Told(GptDisk());
  EXPECT_NE(told.find("gpt"), std::string::npos) << told;
  EXPECT_NE(told.find("0fc63daf-8483-4772-8e79-3d69d8477de4"), std::string::npos) << told;
  EXPECT_NE(told.find(std::to_string(34 * 512)), std::string::npos) << told;
  EXPECT_NE(told.find(std::to_string(7 * 512)), std::string::npos) << told;
}

TEST(PartitionTable, AGptThatFailsItsChecksumIsNotBelieved) {
  for (const std::size_t at : {std::size_t{512 + 80}, std::size_t{1024 + 32}}) {
    MemoryDevice device = GptDisk();
    device.bytes[at] ^= std::byte{1};
    EXPECT_EQ(Told(device).find("gpt"), std::string::npos);
  }
}

TEST(PartitionTable, AReadErrorIsReported) {
  MemoryDevice device(4096);
  device.fail_reads_from = 0;
  test::TextSink sink;
  EXPECT_EQ(DescribePartitions(device, 0, sink).error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace instar::raw
