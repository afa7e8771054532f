#include "broker/reference_walk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

namespace fs = std::filesystem;

class ReferenceWalk : public testing::Test {
 protected:
  ReferenceWalk() : root_(open(directory_.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    directory_.Write("plain", "plain");
    directory_.Write("sub/deep", "deep");
    directory_.Write(".hidden/file", "hidden");
    directory_.Write("sub/.secret", "secret");
  }

  auto Walk(std::string_view path) const {
    return WalkBeneath(
        root_.get(), path,
        {.is_named = [this](const FileIdentity& identity) { return named_ && identity == *named_; },
         .readers = readers_});
  }
  // How the walk ended, or what the file holds.
  std::string Content(std::string_view path) const {
    const auto found = Walk(path);
    if (!found) {
      switch (found.error().end) {
        case WalkEnd::kOutside:
          return "outside";
        case WalkEnd::kHidden:
          return "hidden name";
        case WalkEnd::kUnreadable:
          return "unreadable";
        case WalkEnd::kSpecial:
          return "special";
        case WalkEnd::kError:
          return "error " + std::to_string(found.error().os_errno);
      }
    }
    char text[16];
    const ssize_t count = read(found->Reopen(O_RDONLY).get(), text, sizeof text);
    return count < 0 ? "cannot be read" : std::string(text, static_cast<std::size_t>(count));
  }
  static std::string Error(int error) { return "error " + std::to_string(error); }
  void Link(std::string_view target, std::string_view name) const {
    fs::create_symlink(target, directory_ / name);
  }

  TemporaryDirectory directory_;
  OwnedFd root_;
  std::optional<FileIdentity> named_;
  std::vector<FileReader> readers_;
};

TEST_F(ReferenceWalk, ComesToFiles) {
  EXPECT_EQ(Content("plain"), "plain");
  EXPECT_EQ(Content("sub/deep"), "deep");
  EXPECT_EQ(Content("./sub//./deep"), "deep");
  EXPECT_EQ(Content("sub/../plain"), "plain");
}

TEST_F(ReferenceWalk, SaysWhatTheSystemSays) {
  EXPECT_EQ(Content("nothing"), Error(ENOENT));
  EXPECT_EQ(Content("nothing/../plain"), Error(ENOENT));
  EXPECT_EQ(Content("plain/deep"), Error(ENOTDIR));
  EXPECT_EQ(Content("plain/"), Error(ENOTDIR));
  EXPECT_EQ(Content("plain/."), Error(ENOTDIR));
  EXPECT_EQ(Content("plain/../sub/deep"), Error(ENOTDIR));
  EXPECT_EQ(Content("sub"), Error(EISDIR));
  EXPECT_EQ(Content("."), Error(EISDIR));
  EXPECT_EQ(Content(""), Error(EISDIR));
  EXPECT_EQ(Content(std::string(300, 'x')), Error(ENAMETOOLONG));
}

TEST_F(ReferenceWalk, DoesNotLeaveTheRoot) {
  for (const char* path : {"..", "../plain", "sub/../../plain", "sub/../.."}) {
    EXPECT_EQ(Content(path), "outside") << path;
  }
}

TEST_F(ReferenceWalk, FollowsLinksThatStayInside) {
  Link("sub/deep", "link");
  Link("sub", "directory");
  Link("../plain", "sub/up");
  Link("link", "twice");
  EXPECT_EQ(Content("link"), "deep");
  EXPECT_EQ(Content("twice"), "deep");
  EXPECT_EQ(Content("directory/deep"), "deep");
  EXPECT_EQ(Content("sub/up"), "plain");
  EXPECT_EQ(Content("directory/../plain"), "plain");
}

TEST_F(ReferenceWalk, ParentOfALinkIsThatOfWhereItLeads) {
  fs::create_directories(directory_ / "a/b");
  directory_.Write("a/beside", "beside");
  Link("a/b", "b");
  EXPECT_EQ(Content("b/../beside"), "beside");
}

TEST_F(ReferenceWalk, FollowsNoLinkOut) {
  Link("..", "up");
  Link("/etc/passwd", "absolute");
  Link("../nothing", "dangling");
  Link("sub/../../outside", "winding");
  for (const char* path : {"up", "up/x", "absolute", "dangling", "winding"}) {
    EXPECT_EQ(Content(path), "outside") << path;
  }
}

TEST_F(ReferenceWalk, EndsInACircleOfLinks) {
  Link("b", "a");
  Link("a", "b");
  Link("sub/self", "sub/self");
  EXPECT_EQ(Content("a"), Error(ELOOP));
  EXPECT_EQ(Content("sub/self"), Error(ENOENT));
  Link("again/../again", "again");
  EXPECT_EQ(Content("again"), Error(ELOOP));
}

TEST_F(ReferenceWalk, StopsAtHiddenNames) {
  Link(".hidden/file", "link");
  Link("sub/deep", ".link");
  Link(".hidden", "directory");
  for (const char* path :
       {".hidden/file", "sub/.secret", "link", ".link", "directory/file", ".hidden/../plain"}) {
    EXPECT_EQ(Content(path), "hidden name") << path;
  }
}

TEST_F(ReferenceWalk, GoesThroughAHiddenNameThatTheUserNamed) {
  Link(".hidden/file", "link");
  struct stat status{};
  ASSERT_EQ(stat((directory_ / ".hidden").c_str(), &status), 0);
  named_ = IdentityOf(status);
  EXPECT_EQ(Content(".hidden/file"), "hidden");
  EXPECT_EQ(Content("link"), "hidden");
  EXPECT_EQ(Content("sub/.secret"), "hidden name");
  directory_.Write(".hidden/.further/file", "further");
  EXPECT_EQ(Content(".hidden/.further/file"), "hidden name");
}

TEST_F(ReferenceWalk, EveryReaderMustBeAbleToSearchTheDirectories) {
  readers_ = {{.user = 4001, .groups = {}}};
  fs::permissions(directory_ / "sub", fs::perms{0755});
  EXPECT_EQ(Content("sub/deep"), "deep");
  fs::permissions(directory_ / "sub", fs::perms{0700});
  EXPECT_EQ(Content("sub/deep"), "unreadable");
  EXPECT_EQ(Content("sub/nothing"), "unreadable");
}

TEST(ReferenceWalkIntoProc, StopsAtItsDoor) {
  const OwnedFd top(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (const char* path : {"proc/self/environ", "proc/no-such-file"}) {
    const auto found = WalkBeneath(top.get(), path, {.is_named = {}, .readers = {}});
    ASSERT_FALSE(found) << path;
    EXPECT_EQ(found.error().end, WalkEnd::kSpecial) << path;
  }
}

TEST(HiddenName, BeginsWithADot) {
  for (const char* name : {".a", "...", "..a", ".a."}) EXPECT_TRUE(IsHiddenName(name)) << name;
  for (const char* name : {"", ".", "..", "a", "a.b"}) EXPECT_FALSE(IsHiddenName(name)) << name;
  EXPECT_TRUE(HasHiddenName("a/.b/c"));
  EXPECT_TRUE(HasHiddenName(".b"));
  EXPECT_FALSE(HasHiddenName("./a/../b.c/"));
}

}  // namespace
}  // namespace instar::vmm
