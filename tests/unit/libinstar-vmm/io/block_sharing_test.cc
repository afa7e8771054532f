#include "io/block_sharing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

class BlockSharingTest : public testing::Test {
 protected:
  ~BlockSharingTest() override {
    close(range_.source_fd);
    close(range_.target_fd);
  }

  // Whether the file system shares blocks is not known.
  TemporaryDirectory directory_;
  BlockSharing sharing_;
  SharedRange range_ = {
      .source_fd = open(directory_.Write("source", std::string(65536, 'x')).c_str(), O_RDONLY),
      .target_fd = open((directory_ / "target").c_str(), O_RDWR | O_CREAT, 0600),
      .pair = 1,
      .length = 65536};
};

TEST_F(BlockSharingTest, WhatIsNoWholeBlockIsNotShared) {
  range_.length = 4095;
  EXPECT_EQ(sharing_.Share(range_), 0u);
  range_ = {.source_fd = range_.source_fd,
            .target_fd = range_.target_fd,
            .pair = 1,
            .source_offset = 512,
            .length = 8192};
  EXPECT_EQ(sharing_.Share(range_), 0u);
}

TEST_F(BlockSharingTest, SharedOrNotTheTargetIsTheSourceOrUntouched) {
  const std::uint64_t shared = sharing_.Share(range_);
  EXPECT_EQ(ReadWholeFile(directory_ / "target"), std::string(shared, 'x'));
  EXPECT_EQ(sharing_.Share(range_), shared);
}

TEST_F(BlockSharingTest, ARangeBeyondTheSourceIsNotShared) {
  range_.source_offset = 1 << 20;
  EXPECT_EQ(sharing_.Share(range_), 0u);
}

}  // namespace
}  // namespace instar::vmm
