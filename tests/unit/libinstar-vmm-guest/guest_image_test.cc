// What every embedded guest image promises: small, and no memory that is both writable and
// executable.
#include "executor/guest_image.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>

#include "instar/abi/mailbox.h"

namespace instar::vmm {
namespace {

constexpr std::uint64_t kLargestImageBytes = 384 << 10;

TEST(GuestImages, EachIsThereAndParses) {
  std::set<std::string> names;
  for (const GuestImage& image : AllGuestImages()) {
    names.emplace(image.name);
    EXPECT_TRUE(ParseGuestImage(image).ok())
        << image.name << ": " << ParseGuestImage(image).status();
  }
  EXPECT_EQ(names, (std::set<std::string>{
                       "check",
                       "compare",
                       "map",
                       "convert",
                       "convert_vhd",
                       "convert_vmdk",
                       "convert_zstd",
                       "convert_zstd_foreign",
                       "create",
                       "info",
                       "inspect",
                       "measure",
                       "overwrite_zstd",
                       "overwrite_zstd_foreign",
                   }));
}

TEST(GuestImages, NoneOccupiesMoreThan384KiBInMemoryOrAsAFile) {
  for (const GuestImage& image : AllGuestImages()) {
    EXPECT_LE(image.elf.size(), kLargestImageBytes) << image.name;
    auto loaded = ParseGuestImage(image);
    ASSERT_TRUE(loaded.ok());
    EXPECT_LE(loaded->end - INSTAR_IMAGE_BASE, kLargestImageBytes) << image.name;
  }
}

// Read from the file itself, not through the loader, which would refuse such a segment.
TEST(GuestImages, NoSegmentIsWritableAndExecutable) {
  for (const GuestImage& image : AllGuestImages()) {
    Elf64_Ehdr header;
    ASSERT_GE(image.elf.size(), sizeof header);
    std::memcpy(&header, image.elf.data(), sizeof header);
    unsigned loads = 0;
    for (unsigned i = 0; i < header.e_phnum; ++i) {
      Elf64_Phdr program;
      ASSERT_LE(header.e_phoff + (i + 1) * sizeof program, image.elf.size());
      std::memcpy(&program, image.elf.data() + header.e_phoff + i * sizeof program, sizeof program);
      EXPECT_NE(program.p_flags & (PF_W | PF_X), static_cast<unsigned>(PF_W | PF_X)) << image.name;
      EXPECT_NE(program.p_type, static_cast<unsigned>(PT_INTERP)) << image.name;
      EXPECT_NE(program.p_type, static_cast<unsigned>(PT_DYNAMIC)) << image.name;
      if (program.p_type == PT_LOAD) ++loads;
    }
    EXPECT_GE(loads, 2u) << image.name;
  }
}

TEST(GuestImages, UnknownNameHasNoImage) {
  EXPECT_TRUE(FindGuestImage("no such verb").elf.empty());
}

class DamagedImageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const GuestImage image = FindGuestImage("info");
    bytes_.assign(image.elf.begin(), image.elf.end());
  }
  absl::Status Parse() { return ParseGuestImage({.name = "damaged", .elf = bytes_}).status(); }
  Elf64_Phdr* Program(unsigned index) {
    auto* header = reinterpret_cast<Elf64_Ehdr*>(bytes_.data());
    return reinterpret_cast<Elf64_Phdr*>(bytes_.data() + header->e_phoff) + index;
  }
  std::vector<std::byte> bytes_;
};

TEST_F(DamagedImageTest, WritableAndExecutableSegmentIsRefused) {
  Program(0)->p_flags = PF_R | PF_W | PF_X;
  EXPECT_FALSE(Parse().ok());
}
TEST_F(DamagedImageTest, OverlappingSegmentsAreRefused) {
  Program(1)->p_vaddr = Program(0)->p_vaddr;
  EXPECT_FALSE(Parse().ok());
}
TEST_F(DamagedImageTest, SegmentBeyondTheFileIsRefused) {
  Program(0)->p_filesz = Program(0)->p_memsz = bytes_.size() + 1;
  EXPECT_FALSE(Parse().ok());
}
TEST_F(DamagedImageTest, ForeignFileIsRefused) {
  bytes_.assign(64, std::byte{0});
  EXPECT_FALSE(Parse().ok());
}

}  // namespace
}  // namespace instar::vmm
