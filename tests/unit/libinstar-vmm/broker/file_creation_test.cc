#include "broker/file_creation.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

namespace fs = std::filesystem;

constexpr int kFlags = O_RDWR | O_CLOEXEC;

int ErrorOf(const std::string& path) {
  const auto made = CreateNewFile(path, kFlags);
  return made ? 0 : made.error();
}

TEST(CreateNewFile, SaysWhereTheFileIs) {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "real");
  fs::create_directory_symlink("real", directory / "alias");
  const auto made = CreateNewFile(directory / "alias/new", kFlags);
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(made->name, "new");
  EXPECT_EQ(made->path, fs::canonical(directory / "real/new").string());
  struct stat here{};
  struct stat file{};
  ASSERT_EQ(fstatat(made->directory.get(), "new", &here, AT_SYMLINK_NOFOLLOW), 0);
  ASSERT_EQ(::fstat(made->fd.get(), &file), 0);
  EXPECT_EQ(here.st_ino, file.st_ino);
}

TEST(CreateNewFile, TakesNoFileThatExists) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("there", "content");
  fs::create_symlink("there", directory / "link");
  fs::create_directory(directory / "folder");
  for (const char* name : {"there", "link", "folder"}) {
    EXPECT_EQ(ErrorOf(directory / name), EEXIST) << name;
  }
  EXPECT_EQ(ReadWholeFile(path), "content");
}

TEST(CreateNewFile, FollowsLinksToNothing) {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "below");
  fs::create_symlink("below/second", directory / "first");
  fs::create_symlink((directory / "made"), directory / "below/second");
  const auto made = CreateNewFile(directory / "first", kFlags);
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(made->path, fs::canonical(directory / "made").string());
  EXPECT_TRUE(fs::is_symlink(directory / "first"));
}

TEST(CreateNewFile, PassesOnWhyNot) {
  const TemporaryDirectory directory;
  fs::create_symlink("around", directory / "around");
  fs::create_symlink("missing/file", directory / "far");
  EXPECT_EQ(ErrorOf(directory / "around"), ELOOP);
  EXPECT_EQ(ErrorOf(directory / "far"), ENOENT);
  EXPECT_EQ(ErrorOf(directory / "missing/file"), ENOENT);
  fs::create_directory(directory / "folder");
  EXPECT_EQ(ErrorOf(directory / "folder/"), EISDIR);
}

TEST(CreateNewFile, FollowsNoLinkThatAnotherUserPutIntoASharedDirectory) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make a link of another user";
  const TemporaryDirectory directory;
  const std::string shared = directory / "shared";
  ASSERT_EQ(mkdir(shared.c_str(), 0700), 0);
  ASSERT_EQ(chmod(shared.c_str(), 01777), 0);
  fs::create_symlink(directory / "victim", shared + "/link");
  ASSERT_EQ(lchown((shared + "/link").c_str(), 4321, 4321), 0);
  EXPECT_EQ(ErrorOf(shared + "/link"), EACCES);
  EXPECT_FALSE(fs::exists(directory / "victim"));
}

}  // namespace
}  // namespace instar::vmm
