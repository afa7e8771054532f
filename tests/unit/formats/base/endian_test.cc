#include "formats/base/endian.h"

#include <gtest/gtest.h>

#include <array>

namespace instar {
namespace {

TEST(Endian, BigEndianNumbersHaveTheirHighByteFirst) {
  std::array<std::byte, 8> bytes{};
  StoreBe64(bytes, 0, 0x0102030405060708);
  EXPECT_EQ(bytes[0], std::byte{1});
  EXPECT_EQ(LoadBe64(bytes, 0), 0x0102030405060708U);
  EXPECT_EQ(LoadBe32(bytes, 4), 0x05060708U);
  EXPECT_EQ(LoadBe16(bytes, 6), 0x0708U);
}

TEST(Endian, LittleEndianNumbersHaveTheirLowByteFirst) {
  std::array<std::byte, 8> bytes{};
  StoreLe64(bytes, 0, 0x0102030405060708);
  EXPECT_EQ(bytes[0], std::byte{8});
  EXPECT_EQ(LoadLe64(bytes, 0), 0x0102030405060708U);
  EXPECT_EQ(LoadLe32(bytes, 4), 0x01020304U);
  EXPECT_EQ(LoadLe16(bytes, 6), 0x0102U);
}

TEST(Endian, TableEntriesKeepTheirByteOrderInMemory) {
  const Be32 entry(0x0A0B0C0D);
  std::array<std::byte, 4> bytes{};
  std::memcpy(bytes.data(), &entry, sizeof entry);
  EXPECT_EQ(bytes[0], std::byte{0x0A});
  EXPECT_EQ(entry.value(), 0x0A0B0C0DU);
}

TEST(EndianDeathTest, LoadingBeyondTheSpanTraps) {
  std::array<std::byte, 8> bytes{};
  EXPECT_DEATH((void)LoadBe64(bytes, 1), "");
  EXPECT_DEATH((void)LoadBe16(bytes, SIZE_MAX), "");
}

}  // namespace
}  // namespace instar
