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

}  // namespace
}  // namespace instar::vmm
