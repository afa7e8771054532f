// What every embedded guest image promises: small, and no memory that is both writable and
// executable.
#include "executor/guest_image.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "instar/abi/mailbox.h"
#include "instar/verb_table.h"

namespace instar::vmm {
namespace {

constexpr std::uint64_t kLargestImageBytes = 384 << 10;

// With all parts, as far as it is an image.
absl::StatusOr<LoadedImage> Load(const GuestImage& image) {
  auto loaded = ParseGuestImage(image);
  for (const GuestImage& part : FindParts((1 << INSTAR_PARTS) - 1)) {
    if (!loaded.ok()) break;
    if (absl::Status status = AddPart(part, *loaded); !status.ok()) loaded = status;
  }
  return loaded;
}

bool IsPart(const GuestImage& image) {
  return std::ranges::find(kPartNames, image.name) != kPartNames.end();
}

TEST(GuestImages, EachIsThereAndParses) {
  std::set<std::string> names;
  for (const GuestImage& image : AllGuestImages()) {
    names.emplace(image.name);
    if (IsPart(image)) continue;
    EXPECT_TRUE(Load(image).ok()) << image.name << ": " << Load(image).status();
  }
#define INSTAR_ROW(name, ...) #name,
  std::set<std::string> expected = {INSTAR_VERBS(INSTAR_ROW)};
#undef INSTAR_ROW
  expected.insert(kPartNames.begin(), kPartNames.end());
  EXPECT_EQ(names, expected);
}

TEST(GuestImages, NoneOccupiesMoreThan384KiBInMemoryOrAsAFile) {
  for (const GuestImage& image : AllGuestImages()) {
    EXPECT_LE(image.elf.size(), kLargestImageBytes) << image.name;
    if (IsPart(image)) continue;
    auto loaded = ParseGuestImage(image);
    ASSERT_TRUE(loaded.ok());
    EXPECT_LE(loaded->end - INSTAR_IMAGE_BASE, kLargestImageBytes) << image.name;
  }
  auto all = Load(FindGuestImage("info"));
  ASSERT_TRUE(all.ok());
  for (const GuestSegment& segment : all->segments) {
    EXPECT_LE(segment.memory_bytes, kLargestImageBytes) << segment.address;
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

class DamagedPartTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const GuestImage image = FindGuestImage("deflate");
    bytes_.assign(image.elf.begin(), image.elf.end());
    loaded_ = *ParseGuestImage(FindGuestImage("info"));
    LoadedImage sound = loaded_;
    ASSERT_TRUE(Add(sound).ok());
    for (const GuestSegment& segment : sound.segments) {
      const std::uint64_t at = sound.parts[INSTAR_PART_DEFLATE] - segment.address;
      if (at < segment.content.size()) {
        table_ = reinterpret_cast<instar_part*>(bytes_.data() +
                                                (segment.content.data() - bytes_.data()) + at);
      }
    }
    ASSERT_NE(table_, nullptr);
  }
  absl::Status Add(LoadedImage& loaded) {
    return AddPart({.name = "damaged", .elf = bytes_}, loaded);
  }
  absl::Status Add() {
    absl::Status status = Add(loaded_);
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
    return status;
  }

  std::vector<std::byte> bytes_;
  LoadedImage loaded_;
  instar_part* table_ = nullptr;  // in bytes_
};

TEST_F(DamagedPartTest, OneOfAnotherVersionIsRefused) {
  ++table_->version;
  EXPECT_THAT(std::string(Add().message()), ::testing::HasSubstr("another version"));
}
TEST_F(DamagedPartTest, OneThatIsNotKnownIsRefused) {
  table_->id = INSTAR_PARTS;
  EXPECT_FALSE(Add().ok());
}
TEST_F(DamagedPartTest, OneWithoutATableIsRefused) {
  table_->magic = 0;
  EXPECT_FALSE(Add().ok());
}
TEST_F(DamagedPartTest, FunctionsBeyondItsConstantsAreRefused) {
  table_->size = 1 << 20;
  EXPECT_THAT(std::string(Add().message()), ::testing::HasSubstr("elsewhere"));
}
TEST_F(DamagedPartTest, OneThatIsThereAlreadyIsRefused) {
  ASSERT_TRUE(Add(loaded_).ok());
  EXPECT_FALSE(Add().ok());
}
TEST_F(DamagedPartTest, OneThatCouldBeWrittenIsRefused) {
  auto* const header = reinterpret_cast<Elf64_Ehdr*>(bytes_.data());
  reinterpret_cast<Elf64_Phdr*>(bytes_.data() + header->e_phoff)[1].p_flags = PF_R | PF_W;
  EXPECT_THAT(std::string(Add().message()), ::testing::HasSubstr("written"));
}
TEST_F(DamagedPartTest, OneThatReachesIntoTheImageIsRefused) {
  loaded_.end = 0x1000100000;
  EXPECT_THAT(std::string(Add().message()), ::testing::HasSubstr("overlap"));
}

}  // namespace
}  // namespace instar::vmm
