#include "broker/file_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include <string>
#include <vector>

#include "broker/device_table.h"
#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Tag = AccessEntry::Tag;

constexpr uid_t kAlice = 1001;
constexpr uid_t kBob = 1002;
constexpr gid_t kStaff = 50;

struct stat FileOf(uid_t owner, gid_t group, mode_t mode) {
  struct stat file{};
  file.st_uid = owner;
  file.st_gid = group;
  file.st_mode = S_IFREG | mode;
  return file;
}

struct ModeCase {
  uid_t owner;
  mode_t mode;
  bool without_groups;  // alice, of whom no group is known
  bool in_staff;        // alice, known to be in the file's group
};

TEST(FileReader, AModeSaysWhoMayRead) {
  const FileReader stranger{.user = kAlice, .groups = {}};
  const FileReader member{.user = kAlice, .groups = {kStaff}};
  for (const ModeCase& c : {
           ModeCase{kAlice, 0600, true, true},
           ModeCase{kAlice, 0044, false, false},  // the owner's own bits come first
           ModeCase{kBob, 0644, true, true},
           ModeCase{kBob, 0640, false, true},
           ModeCase{kBob, 0600, false, false},
           ModeCase{kBob, 0604, false, false},  // alice may be in the group after all
           ModeCase{0, 0600, false, false},
           ModeCase{0, 0444, true, true},
           ModeCase{0, 0, false, false},
       }) {
    const struct stat file = FileOf(c.owner, kStaff, c.mode);
    EXPECT_EQ(HasRight(stranger, FileRight::kRead, file), c.without_groups) << std::oct << c.mode;
    EXPECT_EQ(HasRight(member, FileRight::kRead, file), c.in_staff) << std::oct << c.mode;
  }
}

TEST(FileReader, ToSearchADirectoryIsAnotherRight) {
  const FileReader alice{.user = kAlice, .groups = {}};
  EXPECT_TRUE(HasRight(alice, FileRight::kSearch, FileOf(0, 0, 0711)));
  EXPECT_FALSE(HasRight(alice, FileRight::kSearch, FileOf(0, 0, 0744)));
  EXPECT_FALSE(HasRight(alice, FileRight::kSearch, FileOf(0, 0, 0700)));
}

AccessList List(std::vector<AccessEntry> more, unsigned group = 0, unsigned others = 0) {
  AccessList list = {{.tag = Tag::kOwner, .rights = 6},
                     {.tag = Tag::kOwningGroup, .rights = group},
                     {.tag = Tag::kOthers, .rights = others}};
  list.insert(list.end(), more.begin(), more.end());
  return list;
}

TEST(FileReader, AnAccessListCanNameAUser) {
  const FileReader alice{.user = kAlice, .groups = {}};
  const struct stat file = FileOf(kBob, kStaff, 0640);
  const AccessEntry named{.tag = Tag::kUser, .rights = 4, .id = kAlice};
  EXPECT_TRUE(HasRight(alice, FileRight::kRead, file, List({named})));
  EXPECT_FALSE(
      HasRight(alice, FileRight::kRead, file, List({named, {.tag = Tag::kMask, .rights = 1}})));
  const AccessEntry denied{.tag = Tag::kUser, .rights = 0, .id = kAlice};
  EXPECT_FALSE(HasRight(alice, FileRight::kRead, file, List({denied}, 4, 4)));
}

TEST(FileReader, AnAccessListCanNameAGroup) {
  const FileReader member{.user = kAlice, .groups = {kStaff}};
  const struct stat file = FileOf(kBob, 1, 0640);
  const AccessEntry named{.tag = Tag::kGroup, .rights = 4, .id = kStaff};
  EXPECT_TRUE(HasRight(member, FileRight::kRead, file, List({named})));
  EXPECT_FALSE(HasRight({.user = kAlice, .groups = {}}, FileRight::kRead, file, List({named})));
  // The bits of the group in the mode are the mask where there is a list.
  EXPECT_FALSE(
      HasRight(member, FileRight::kRead, file, List({named, {.tag = Tag::kMask, .rights = 0}})));
}

TEST(FileReader, AGroupThatIsKeptOutKeepsOutWhoMayBeInIt) {
  const FileReader alice{.user = kAlice, .groups = {}};
  const struct stat file = FileOf(kBob, 1, 0644);
  EXPECT_TRUE(HasRight(alice, FileRight::kRead, file, List({}, 4, 4)));
  EXPECT_FALSE(HasRight(alice, FileRight::kRead, file,
                        List({{.tag = Tag::kGroup, .rights = 0, .id = kStaff}}, 4, 4)));
}

std::vector<std::byte> Attribute(std::vector<unsigned> bytes) {
  std::vector<std::byte> attribute;
  for (const unsigned byte : bytes) attribute.push_back(static_cast<std::byte>(byte));
  return attribute;
}

TEST(FileReader, AccessListsAreDecoded) {
  const auto list = DecodeAccessList(
      Attribute({2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0xE9, 3, 0, 0}));
  ASSERT_TRUE(list);
  EXPECT_THAT(*list, ElementsAre(AccessEntry{.tag = Tag::kOwner, .rights = 6, .id = 0xFFFFFFFF},
                                 AccessEntry{.tag = Tag::kUser, .rights = 4, .id = kAlice}));
}

TEST(FileReader, MalformedAccessListsAreNot) {
  EXPECT_FALSE(DecodeAccessList(Attribute({})));
  EXPECT_FALSE(DecodeAccessList(Attribute({1, 0, 0, 0})));
  EXPECT_FALSE(DecodeAccessList(Attribute({2, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0})));
  EXPECT_FALSE(DecodeAccessList(Attribute({2, 0, 0, 0, 3, 0, 6, 0, 0, 0, 0, 0})));
}

TEST(FileReader, TheListOfAFileIsRead) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("file", "");
  const OwnedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  auto list = ReadAccessList(fd.get());
  ASSERT_TRUE(list) << list.error();
  EXPECT_THAT(*list, IsEmpty());
  const auto attribute = Attribute({2,  0, 0, 0, 1,    0,   6,   0,   255, 255, 255, 255,  //
                                    2,  0, 4, 0, 0xE9, 3,   0,   0,                        //
                                    4,  0, 0, 0, 255,  255, 255, 255,                      //
                                    16, 0, 4, 0, 255,  255, 255, 255,                      //
                                    32, 0, 0, 0, 255,  255, 255, 255});
  if (setxattr(path.c_str(), "system.posix_acl_access", attribute.data(), attribute.size(), 0) !=
      0) {
    GTEST_SKIP() << "no access lists here";
  }
  list = ReadAccessList(fd.get());
  ASSERT_TRUE(list) << list.error();
  struct stat status{};
  ASSERT_EQ(FileStatus(fd.get(), &status), 0);
  EXPECT_TRUE(HasRight({.user = kAlice, .groups = {}}, FileRight::kRead, status, *list));
  EXPECT_FALSE(HasRight({.user = kBob, .groups = {}}, FileRight::kRead, status, *list));
}

TEST(FileReader, AListThatCannotBeReadIsAnError) { EXPECT_FALSE(ReadAccessList(-1)); }

TEST(FileReader, GroupsComeFromTheMachinesFiles) {
  constexpr std::string_view kPasswd =
      "root:x:0:0:root:/root:/bin/sh\nalice:x:1001:100::/home/alice:/bin/sh\nbob:x:1002:200::/:\n";
  constexpr std::string_view kGroup =
      "staff:x:50:bob,alice\nalices:x:51:alicex\nempty:x:52:\n"
      "late:x:53:alice";
  EXPECT_THAT(GroupsOf(kAlice, kPasswd, kGroup), ElementsAre(100, 50, 53));
  EXPECT_THAT(GroupsOf(kBob, kPasswd, kGroup), ElementsAre(200, 50));
  EXPECT_THAT(GroupsOf(1003, kPasswd, kGroup), IsEmpty());
}

TEST(FileReader, MalformedLinesSayNothing) {
  EXPECT_THAT(GroupsOf(0, "\n:::\nx\nroot:x::1\nroot:x:0x:1\n+::0:\n", "a:b\n:::x\n"), IsEmpty());
}

}  // namespace
}  // namespace instar::vmm
