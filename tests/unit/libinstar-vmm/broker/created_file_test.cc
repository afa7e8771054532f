#include "broker/created_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

CreatedFile Seen(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(lstat(path.c_str(), &status), 0);
  return {.path = path, .device = status.st_dev, .inode = status.st_ino};
}

TEST(CreatedFile, IsRemoved) {
  TemporaryDirectory directory;
  const std::string path = directory.Write("new", "x");
  RemoveCreatedFile(Seen(path));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(CreatedFile, WhatWasPutInItsPlaceStays) {
  TemporaryDirectory directory;
  const std::string path = directory.Write("new", "x");
  const CreatedFile file = Seen(path);
  std::filesystem::rename(directory.Write("other", "y"), path);
  RemoveCreatedFile(file);
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(CreatedFile, ListsSurviveTheirEncoding) {
  const auto files = DecodeCreatedFiles(
      EncodeCreatedFiles({{.path = "/a/b", .device = 7, .inode = 9}, {.path = "/c"}}));
  ASSERT_TRUE(files.has_value());
  ASSERT_EQ(files->size(), 2u);
  EXPECT_EQ(files->front().path, "/a/b");
  EXPECT_EQ(files->front().device, 7u);
  EXPECT_EQ(files->front().inode, 9u);
}

TEST(CreatedFile, ListsThatBreakOffAreRefused) {
  auto bytes = EncodeCreatedFiles({{.path = "/a", .device = 7, .inode = 9}});
  bytes.resize(bytes.size() - 16);
  EXPECT_FALSE(DecodeCreatedFiles(bytes).has_value());
}

}  // namespace
}  // namespace instar::vmm
