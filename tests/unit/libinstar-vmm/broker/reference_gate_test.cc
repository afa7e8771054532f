#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "libinstar-vmm/broker/fake_guest.h"
#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

namespace fs = std::filesystem;

// images/top.img names others.
class ReferenceGate : public testing::Test {
 protected:
  ReferenceGate() {
    top_ = directory_.Write("images/top.img", "top");
    directory_.Write("images/base.img", "base");
    directory_.Write("images/sub/deep.img", "deep");
    directory_.Write("outside/secret.img", "secret");
  }

  void Open(const ReferencePolicy& policy, bool force_share = false) {
    id_ = broker_.OpenSource(top_, {.force_share = force_share}).value();
    ASSERT_TRUE(broker_.AllowReferences(policy).ok());
  }
  // The content of what the reference opens, or "" after a refusal.
  std::string Follow(std::string_view name, DeviceId parent = kNoDevice,
                     ReferenceRole role = ReferenceRole::kBacking) {
    result_ = guest_.OpenReference(parent == kNoDevice ? id_ : parent, name, role);
    if (result_.result < 0) return "";
    opened_ = DeviceId{static_cast<std::uint32_t>(result_.result)};
    std::string text;
    guest_.Read(opened_, 0, broker_.device(opened_).size_bytes, &text);
    return text;
  }

  TemporaryDirectory directory_;
  Broker broker_{{.max_devices = 6}};
  FakeGuest guest_{broker_};
  std::string top_;
  DeviceId id_ = kNoDevice;
  DeviceId opened_ = kNoDevice;
  CallResult result_;
};

TEST_F(ReferenceGate, OpensAFileBesideTheImage) {
  Open({});
  EXPECT_EQ(Follow("base.img"), "base");
}

TEST_F(ReferenceGate, OpensAFileBelowTheImage) {
  Open({});
  EXPECT_EQ(Follow("sub/deep.img"), "deep");
  EXPECT_EQ(Follow("./sub/../base.img"), "base");
}

TEST_F(ReferenceGate, OpensAnAbsoluteNameInTheImagesDirectory) {
  Open({});
  EXPECT_EQ(Follow(directory_ / "images/base.img"), "base");
}

TEST_F(ReferenceGate, RelativeNamesStartWhereTheImageThatNamesThemLies) {
  directory_.Write("images/sub/base.img", "base of sub");
  Open({});
  ASSERT_EQ(Follow("sub/deep.img"), "deep");
  const DeviceId deep = opened_;
  EXPECT_EQ(Follow("base.img", deep), "base of sub");
  EXPECT_EQ(Follow("../base.img", deep), "base");
}

TEST_F(ReferenceGate, JoinsPathsAsQemuDoes) {
  Open({});
  Follow("sub/deep.img");
  EXPECT_EQ(broker_.device(opened_).path, directory_ / "images/sub/deep.img");
  Follow("./base.img");
  EXPECT_EQ(broker_.device(opened_).path, directory_ / "images/./base.img");
}

TEST_F(ReferenceGate, WithoutAllowReferencesNothingOpens) {
  id_ = broker_.OpenSource(top_, {}).value();
  EXPECT_EQ(Follow("base.img"), "");
  EXPECT_EQ(CodeOf(result_), ErrorCode::kDenied);
}

TEST_F(ReferenceGate, NoReferencesClosesTheGate) {
  Open({.allowed = AllowedReferences::kNone});
  EXPECT_EQ(Follow("base.img"), "");
  EXPECT_EQ(CodeOf(result_), ErrorCode::kDenied);
  EXPECT_TRUE(broker_.jail_needs().read_directories.empty());
}

TEST_F(ReferenceGate, AllowPathAddsADirectory) {
  Open({.allow_paths = {directory_ / "outside"}});
  EXPECT_EQ(Follow(directory_ / "outside/secret.img"), "secret");
  EXPECT_EQ(Follow("../outside/secret.img"), "secret");
}

TEST_F(ReferenceGate, AllowPathWorksUnderAnyNameOfTheDirectory) {
  fs::create_directory_symlink(directory_ / "outside", directory_ / "alias");
  Open({.allow_paths = {directory_ / "alias"}});
  EXPECT_EQ(Follow(directory_ / "alias/secret.img"), "secret");
  EXPECT_EQ(Follow(directory_ / "outside/secret.img"), "secret");
}

TEST_F(ReferenceGate, TheImageDirectoryCanBeExcluded) {
  Open({.image_directory = false, .allow_paths = {directory_ / "outside"}});
  EXPECT_EQ(Follow("base.img"), "");
  EXPECT_EQ(Follow("../outside/secret.img"), "secret");
}

TEST_F(ReferenceGate, AMissingAllowPathIsToldToTheUser) {
  broker_.OpenSource(top_, {}).value();
  const absl::Status status = broker_.AllowReferences({.allow_paths = {directory_ / "nowhere"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
}

TEST_F(ReferenceGate, AnotherImagesDirectoryIsNotAllowed) {
  const std::string other = directory_.Write("other/second.img", "second");
  const DeviceId second = broker_.OpenSource(other, {}).value();
  Open({});
  EXPECT_EQ(Follow("../images/base.img", second), "");
  EXPECT_EQ(CodeOf(result_), ErrorCode::kDenied);
}

class RefusedReference : public ReferenceGate, public testing::WithParamInterface<const char*> {};

// %s stands for the test's directory.
TEST_P(RefusedReference, IsDeniedWhetherOrNotItExists) {
  Open({});
  std::string name = GetParam();
  if (const auto at = name.find("%s"); at != std::string::npos) {
    name.replace(at, 2, directory_.path().string());
  }
  EXPECT_EQ(Follow(name), "");
  const std::int64_t existing = result_.result;
  const std::string line = broker_.host_failure();
  EXPECT_EQ(CodeOf(result_), ErrorCode::kDenied);

  fs::remove_all(directory_ / "outside");
  EXPECT_EQ(Follow(name), "");
  EXPECT_EQ(result_.result, existing);
  EXPECT_EQ(broker_.host_failure(), line);
}

INSTANTIATE_TEST_SUITE_P(
    Names, RefusedReference,
    testing::Values("/etc/passwd", "../outside/secret.img", "sub/../../outside/secret.img",
                    "%s/outside/secret.img", "%s/images/../outside/secret.img",
                    "%s/images/sub/../../outside/secret.img", "%s/images", "/", "..",
                    "%s/imagesx/base.img", "../imagesx/base.img", "file:base.img",
                    "nbd:unix:/tmp/x", "json:{\"driver\":\"file\",\"filename\":\"/etc/passwd\"}",
                    "a:b", "http://host/base.img", "fat:rw:sub", "host_device:/dev/null"));

TEST_F(ReferenceGate, RefusesEmptyLongAndNulNames) {
  Open({});
  for (const std::string& name :
       {std::string(), std::string("base.img\0", 9), std::string("\0", 1)}) {
    EXPECT_EQ(Follow(name), "");
    EXPECT_EQ(CodeOf(result_), ErrorCode::kDenied) << name;
  }
  EXPECT_EQ(Follow(std::string(4096, 'x')), "");
  EXPECT_LT(result_.result, 0);
  EXPECT_EQ(broker_.violation(), nullptr);
}

TEST_F(ReferenceGate, ASymbolicLinkOutOfTheDirectoryIsDeniedWhetherOrNotItLeadsAnywhere) {
  fs::create_symlink("../outside/secret.img", directory_ / "images/relative");
  fs::create_symlink(directory_ / "outside/secret.img", directory_ / "images/absolute");
  fs::create_symlink("../outside/nothing", directory_ / "images/dangling");
  fs::create_directory_symlink("..", directory_ / "images/up");
  fs::create_symlink("/proc/self/exe", directory_ / "images/magic");
  Open({});
  for (const char* name : {"relative", "absolute", "dangling", "up/outside/secret.img", "magic"}) {
    EXPECT_EQ(Follow(name), "") << name;
    EXPECT_EQ(CodeOf(result_), ErrorCode::kDenied) << name;
    EXPECT_NE(broker_.host_failure().find("'" + std::string(name) + "'"), std::string::npos);
    EXPECT_EQ(broker_.host_failure().find(directory_ / "outside"), std::string::npos);
  }
}

TEST_F(ReferenceGate, ASymbolicLinkWithinTheDirectoryIsFollowed) {
  fs::create_symlink("sub/deep.img", directory_ / "images/link");
  Open({});
  EXPECT_EQ(Follow("link"), "deep");
}

TEST_F(ReferenceGate, AnAbsoluteLinkBackIntoTheDirectoryIsFollowed) {
  fs::create_symlink(directory_ / "images/sub/deep.img", directory_ / "images/link");
  fs::create_directory_symlink(directory_ / "images/sub", directory_ / "images/linked");
  fs::create_symlink("../images/base.img", directory_ / "images/around");
  Open({});
  EXPECT_EQ(Follow("link"), "deep");
  EXPECT_EQ(Follow("linked/deep.img"), "deep");
  EXPECT_EQ(Follow("linked/../base.img"), "base");
  EXPECT_EQ(Follow("around"), "base");
}

TEST_F(ReferenceGate, ALinkIntoAnAllowedDirectoryIsFollowed) {
  fs::create_symlink("../outside/secret.img", directory_ / "images/relative");
  fs::create_symlink(directory_ / "outside/secret.img", directory_ / "images/absolute");
  fs::create_directory_symlink("../../outside", directory_ / "images/sub/directory");
  fs::create_symlink("../../outside/secret.img", directory_ / "images/sub/up");
  Open({.allow_paths = {directory_ / "outside"}});
  EXPECT_EQ(Follow("relative"), "secret");
  EXPECT_EQ(Follow("absolute"), "secret");
  EXPECT_EQ(Follow("sub/up"), "secret");
  EXPECT_EQ(Follow("sub/directory/secret.img"), "secret");
}

TEST_F(ReferenceGate, ALinkToTheOneAllowedFileIsFollowed) {
  directory_.Write("outside/other.img", "other");
  fs::create_symlink("../outside/secret.img", directory_ / "images/link");
  fs::create_symlink("../outside/other.img", directory_ / "images/other");
  Open({.allow_paths = {directory_ / "outside/secret.img"}});
  EXPECT_EQ(Follow("link"), "secret");
  EXPECT_EQ(Follow("other"), "");
}

TEST_F(ReferenceGate, LinksThatLeadBackAndForthEnd) {
  fs::create_symlink(directory_ / "outside/b", directory_ / "images/a");
  fs::create_symlink(directory_ / "images/a", directory_ / "outside/b");
  Open({.allow_paths = {directory_ / "outside"}});
  EXPECT_EQ(Follow("a"), "");
  EXPECT_EQ(CodeOf(result_), ErrorCode::kDenied);
}

TEST_F(ReferenceGate, OnlyRegularFilesAreOpened) {
  ASSERT_EQ(mkfifo((directory_ / "images/fifo").c_str(), 0600), 0);
  Open({});
  for (const char* name : {"fifo", "sub", "."}) {
    EXPECT_EQ(Follow(name), "") << name;
    EXPECT_EQ(CodeOf(result_), ErrorCode::kDenied) << name;
  }
}

TEST_F(ReferenceGate, AMissingFileInsideIsNotFoundAndNamedAsTheImageDoes) {
  Open({});
  EXPECT_EQ(Follow("sub/../missing.img"), "");
  EXPECT_EQ(result_.result, ErrorResult(ErrorCode::kNotFound, ENOENT));
  EXPECT_EQ(broker_.host_failure(), "Could not open '" + top_ +
                                        "': Could not open backing file: Could not open "
                                        "'sub/../missing.img': No such file or directory");
}

TEST_F(ReferenceGate, AnImageCannotNameItself) {
  Open({});
  EXPECT_EQ(Follow("top.img"), "");
  EXPECT_EQ(CodeOf(result_), ErrorCode::kDenied);
}

TEST_F(ReferenceGate, AnImageCannotNameAnAncestorUnderAnyName) {
  fs::create_hard_link(top_, directory_ / "images/hard");
  fs::create_symlink("top.img", directory_ / "images/soft");
  Open({});
  ASSERT_EQ(Follow("base.img"), "base");
  const DeviceId base = opened_;
  for (const char* name : {"top.img", "hard", "soft", "base.img"}) {
    EXPECT_EQ(Follow(name, base), "") << name;
    EXPECT_EQ(CodeOf(result_), ErrorCode::kDenied) << name;
  }
}

TEST_F(ReferenceGate, TheTargetCannotBeNamed) {
  Open({});
  ASSERT_TRUE(broker_.OpenTarget(directory_ / "images/target.img", {}).ok());
  EXPECT_EQ(Follow("target.img"), "");
  EXPECT_EQ(CodeOf(result_), ErrorCode::kDenied);
  broker_.Discard();
}

TEST_F(ReferenceGate, TheNumberOfFilesIsBounded) {
  Open({});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Follow("base.img"), "base");
  EXPECT_EQ(Follow("base.img"), "");
  EXPECT_EQ(CodeOf(result_), ErrorCode::kLimit);
}

TEST_F(ReferenceGate, NamesInMessagesAreEscaped) {
  Open({});
  Follow("evil\x1b[2J\nname");
  const std::string line = broker_.host_failure();
  EXPECT_NE(line.find("evil\\x1b[2J\\x0aname"), std::string::npos) << line;
}

TEST_F(ReferenceGate, ReferencesAreReadOnly) {
  Open({});
  Follow("base.img");
  EXPECT_EQ(CodeOf(guest_.Write(opened_, 0, "x")), ErrorCode::kDenied);
}

TEST_F(ReferenceGate, ImagesGivenByARelativePathWorkTheSame) {
  const fs::path before = fs::current_path();
  fs::current_path(directory_.path() / "images");
  top_ = "top.img";
  Open({});
  EXPECT_EQ(Follow("base.img"), "base");
  EXPECT_EQ(broker_.device(opened_).path, "base.img");
  EXPECT_EQ(Follow(directory_ / "images/sub/deep.img"), "deep");
  EXPECT_EQ(Follow("../outside/secret.img"), "");
  fs::current_path(before);
}

// -- hidden names ------------------------------------------------------------------------------

class HiddenReference : public ReferenceGate {
 protected:
  HiddenReference() {
    directory_.Write("images/.env", "env");
    directory_.Write("images/.config/key", "key");
    directory_.Write("images/.config/.more/key", "more");
    directory_.Write("outside/.key", "outside key");
    fs::create_symlink(".config/key", directory_ / "images/link");
  }
  void ExpectDenied(std::string_view name) {
    EXPECT_EQ(Follow(name), "") << name;
    EXPECT_EQ(CodeOf(result_), ErrorCode::kDenied) << name;
  }
};

TEST_F(HiddenReference, IsRefusedUnlessNamed) {
  Open({});
  for (const char* name : {".env", ".config/key", "sub/../.env", ".config/../base.img", "link"}) {
    ExpectDenied(name);
    EXPECT_NE(broker_.host_failure().find("begins with a dot"), std::string::npos) << name;
  }
}

TEST_F(HiddenReference, IsRefusedTheSameWhetherOrNotItIsThere) {
  Open({});
  ExpectDenied(".env");
  const std::string line = broker_.host_failure();
  fs::remove(directory_ / "images/.env");
  ExpectDenied(".env");
  EXPECT_EQ(broker_.host_failure(), line);
}

TEST_F(HiddenReference, IsRefusedBelowANamedDirectoryToo) {
  Open({.allow_paths = {directory_ / "outside"}});
  ExpectDenied("../outside/.key");
  EXPECT_EQ(Follow("../outside/secret.img"), "secret");
}

TEST_F(HiddenReference, OpensWhereItsDirectoryIsNamed) {
  Open({.allow_paths = {directory_ / "images/.config"}});
  EXPECT_EQ(Follow(".config/key"), "key");
  EXPECT_EQ(Follow(directory_ / "images/.config/key"), "key");
  EXPECT_EQ(Follow("link"), "key");
  ExpectDenied(".env");
  ExpectDenied(".config/.more/key");
}

TEST_F(HiddenReference, OpensWhereTheFileItselfIsNamed) {
  directory_.Write("images/.config/other", "other");
  Open({.allow_paths = {directory_ / "images/.env", directory_ / "outside/.key"}});
  EXPECT_EQ(Follow(".env"), "env");
  EXPECT_EQ(Follow("../outside/.key"), "outside key");
  ExpectDenied("../outside/secret.img");
  ExpectDenied(".config/key");
}

TEST_F(HiddenReference, ANamedFileIsReachedUnderItsRealName) {
  fs::create_symlink("../outside/.key", directory_ / "images/named");
  Open({.allow_paths = {directory_ / "images/named"}});
  EXPECT_EQ(Follow("../outside/.key"), "outside key");
  ExpectDenied("../outside/secret.img");
}

TEST_F(HiddenReference, AnImageInAHiddenDirectoryHasThatDirectory) {
  top_ = directory_.Write("images/.config/top.img", "top");
  Open({});
  EXPECT_EQ(Follow("key"), "key");
  ExpectDenied(".more/key");
  ExpectDenied("../base.img");
}

TEST_F(HiddenReference, IsRefusedWhereALinkLeadsToIt) {
  fs::create_symlink(directory_ / "images/.env", directory_ / "images/absolute");
  fs::create_symlink(directory_ / "outside/.key", directory_ / "images/elsewhere");
  Open({.allow_paths = {directory_ / "outside"}});
  ExpectDenied("absolute");
  ExpectDenied("elsewhere");
  EXPECT_NE(broker_.host_failure().find("begins with a dot"), std::string::npos);
}

TEST_F(HiddenReference, PartsOfAHiddenImageOpen) {
  top_ = directory_.Write("images/.disk.vmdk", "top");
  for (const char* name : {"-flat.vmdk", "-f001.vmdk", "-s1000.vmdk", ".raw"}) {
    directory_.Write(std::string("images/.disk") + name, "part");
  }
  Open({});
  for (const char* name : {".disk-flat.vmdk", ".disk-f001.vmdk", ".disk-s1000.vmdk"}) {
    EXPECT_EQ(Follow(name, kNoDevice, ReferenceRole::kExtent), "part") << name;
    ExpectDenied(name);
  }
  EXPECT_EQ(Follow(".disk.raw", kNoDevice, ReferenceRole::kDataFile), "part");
  EXPECT_EQ(Follow("./.disk.raw", kNoDevice, ReferenceRole::kDataFile), "");
  ExpectDenied(".disk.raw");
}

TEST_F(HiddenReference, NeighboursOfAHiddenImageAreNotItsParts) {
  top_ = directory_.Write("images/.disk.vmdk", "top");
  const char* const names[] = {
      ".disk-.vmdk",   ".disk-f.vmdk", ".disk-key.vmdk", ".diskette.raw",     ".disk-flat.raw",
      ".disk.raw.old", ".disk.",       ".env",           "sub/.disk-f1.vmdk", ".disk-f1x.vmdk"};
  for (const char* name : names) directory_.Write(std::string("images/") + name, "neighbour");
  Open({});
  for (const char* name : names) {
    for (const ReferenceRole role : {ReferenceRole::kExtent, ReferenceRole::kDataFile}) {
      EXPECT_EQ(Follow(name, kNoDevice, role), "") << name;
      EXPECT_EQ(CodeOf(result_), ErrorCode::kDenied) << name;
    }
  }
}

TEST_F(HiddenReference, AHiddenPartThatIsALinkLeadsToNoOtherHiddenFile) {
  top_ = directory_.Write("images/.disk.vmdk", "top");
  fs::create_symlink(".env", directory_ / "images/.disk-flat.vmdk");
  fs::create_symlink(directory_ / "images/.env", directory_ / "images/.disk-f001.vmdk");
  Open({});
  for (const char* name : {".disk-flat.vmdk", ".disk-f001.vmdk"}) {
    EXPECT_EQ(Follow(name, kNoDevice, ReferenceRole::kExtent), "") << name;
  }
}

// A shown image has no hidden parts.
TEST_F(HiddenReference, OnlyAHiddenImageHasHiddenParts) {
  top_ = directory_.Write("images/disk.vmdk", "top");
  directory_.Write("images/.disk-flat.vmdk", "hidden");
  Open({});
  EXPECT_EQ(Follow(".disk-flat.vmdk", kNoDevice, ReferenceRole::kExtent), "");
}

// -- special places ----------------------------------------------------------------------------

TEST_F(ReferenceGate, AnImageInTheRootDirectoryHasNoDirectory) {
  fs::create_directory_symlink("/", directory_ / "slash");
  const std::string in_slash = "/instar-test-" + std::to_string(getpid());
  std::ofstream(in_slash) << "top";
  if (access(in_slash.c_str(), R_OK) != 0) GTEST_SKIP() << "cannot write to /";
  for (const std::string& path : {in_slash, directory_ / ("slash" + in_slash)}) {
    Broker broker({});
    FakeGuest guest(broker);
    const DeviceId image = broker.OpenSource(path, {}).value();
    ASSERT_TRUE(broker.AllowReferences({}).ok());
    EXPECT_TRUE(broker.jail_needs().read_directories.empty());
    for (const char* name : {"etc/passwd", "/etc/passwd", "proc/self/environ"}) {
      EXPECT_EQ(CodeOf(guest.OpenReference(image, name)), ErrorCode::kDenied) << path << name;
      EXPECT_NE(broker.host_failure().find("outside the directories"), std::string::npos);
    }
  }
  fs::remove(in_slash);
}

TEST_F(ReferenceGate, FilesOfProcAreNeverOpened) {
  Open({.allow_paths = {"/", "/proc", "/proc/self/environ"}});
  for (const char* name :
       {"/proc/self/environ", "/proc/self/maps", "/proc/nothing", "/proc/1/../self/environ"}) {
    EXPECT_EQ(Follow(name), "") << name;
    EXPECT_EQ(CodeOf(result_), ErrorCode::kDenied) << name;
    EXPECT_NE(broker_.host_failure().find("special file system"), std::string::npos)
        << broker_.host_failure();
  }
}

// -- owners ------------------------------------------------------------------------------------

constexpr uid_t kAlice = 4001;
constexpr uid_t kBob = 4002;

// alice's top.img, whoever runs this.
class OwnedReference : public ReferenceGate {
 protected:
  OwnedReference() {
    if (geteuid() != 0) return;
    chmod(directory_.path().c_str(), 0755);
    Give("images/top.img", kAlice, 0644);
  }
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root can give files to others";
  }
  void Give(std::string_view name, uid_t owner, mode_t mode) const {
    ASSERT_EQ(chown((directory_ / name).c_str(), owner, owner), 0);
    ASSERT_EQ(chmod((directory_ / name).c_str(), mode), 0);
  }
  // Whether the file opens if it has this owner and mode.
  bool Opens(std::string_view name, uid_t owner, mode_t mode) {
    Give("images/base.img", owner, mode);
    const bool opens = Follow(name) == "base";
    EXPECT_TRUE(opens || CodeOf(result_) == ErrorCode::kDenied);
    return opens;
  }
  [[nodiscard]] bool Said(std::string_view words) const {
    return broker_.host_failure().find(words) != std::string::npos;
  }
};

TEST_F(OwnedReference, OpensForTheOwnersOwnAndForRoots) {
  Open({});
  EXPECT_TRUE(Opens("base.img", kAlice, 0600));
  EXPECT_TRUE(Opens("base.img", 0, 0644));
}

TEST_F(OwnedReference, OfSomebodyElseIsRefused) {
  Open({});
  EXPECT_FALSE(Opens("base.img", kBob, 0644));
  EXPECT_TRUE(Said("--references=any-owner")) << broker_.host_failure();
}

TEST_F(OwnedReference, AnyOwnerLiftsTheOwnersRuleOnly) {
  directory_.Write("images/.env", "env");
  Open({.allowed = AllowedReferences::kAnyOwner});
  EXPECT_TRUE(Opens("base.img", kBob, 0644));
  EXPECT_FALSE(Opens("base.img", kBob, 0600));
  EXPECT_EQ(Follow(".env"), "");
  EXPECT_EQ(Follow("../outside/secret.img"), "");
}

TEST_F(OwnedReference, RootReadsOnlyWhatTheImagesOwnerMayRead) {
  Open({});
  for (const mode_t mode : {0600, 0640, 0604, 0}) {
    EXPECT_FALSE(Opens("base.img", 0, mode)) << std::oct << mode;
    EXPECT_TRUE(Said("may not be read by the owner")) << broker_.host_failure();
  }
  EXPECT_FALSE(Opens("base.img", kAlice, 0));
}

TEST_F(OwnedReference, RootReadsAllThatItsOwnImageNames) {
  Give("images/top.img", 0, 0644);
  Open({});
  EXPECT_TRUE(Opens("base.img", 0, 0600));
  EXPECT_FALSE(Opens("base.img", kAlice, 0644));
}

TEST_F(OwnedReference, DirectoriesThatTheImagesOwnerCannotSearchAreClosed) {
  Open({});
  Give("images/sub", 0, 0700);
  EXPECT_EQ(Follow("sub/deep.img"), "");
  EXPECT_TRUE(Said("may not be read by the owner"));
  Give("images/sub", 0, 0755);
  EXPECT_EQ(Follow("sub/deep.img"), "deep");
}

TEST_F(OwnedReference, WhatTheImagesOwnerCannotReachIsClosedUnlessItIsHisOwn) {
  Give("images", 0, 0700);
  Open({});
  EXPECT_FALSE(Opens("base.img", 0, 0644));
  EXPECT_TRUE(Opens("base.img", kAlice, 0600));
}

TEST_F(OwnedReference, ALinkInBetweenDoesNotWidenWhatTheTopsOwnerMayRead) {
  Open({});
  ASSERT_TRUE(Opens("base.img", 0, 0644));
  const DeviceId roots_own = opened_;
  Give("images/sub/deep.img", 0, 0600);
  EXPECT_EQ(Follow("sub/deep.img", roots_own), "");
  EXPECT_TRUE(Said("may not be read by the owner"));
  Give("images/sub/deep.img", 0, 0644);
  EXPECT_EQ(Follow("sub/deep.img", roots_own), "deep");
}

TEST_F(OwnedReference, TheOwnerWhoCountsIsThatOfTheImageThatNamesIt) {
  Open({});
  ASSERT_TRUE(Opens("base.img", 0, 0644));
  const DeviceId roots_own = opened_;
  Give("images/sub/deep.img", kAlice, 0644);
  EXPECT_EQ(Follow("sub/deep.img", roots_own), "");
  EXPECT_EQ(Follow("sub/deep.img"), "deep");
}

TEST_F(OwnedReference, EveryOwnerOnTheWayMustBeAbleToRead) {
  Open({.allowed = AllowedReferences::kAnyOwner});
  ASSERT_TRUE(Opens("base.img", kBob, 0644));
  const DeviceId bobs = opened_;
  Give("images/sub/deep.img", kBob, 0600);
  EXPECT_EQ(Follow("sub/deep.img", bobs), "");
  Give("images/sub/deep.img", kAlice, 0600);
  EXPECT_EQ(Follow("sub/deep.img", bobs), "");
  Give("images/sub/deep.img", kAlice, 0644);
  EXPECT_EQ(Follow("sub/deep.img", bobs), "deep");
}

TEST_F(OwnedReference, ALinkToWhatMayNotBeReadIsNoWayAround) {
  Give("outside/secret.img", 0, 0600);
  fs::create_hard_link(directory_ / "outside/secret.img", directory_ / "images/hard");
  Open({});
  EXPECT_EQ(Follow("hard"), "");
  EXPECT_TRUE(Said("may not be read by the owner"));
}

// -- notices -----------------------------------------------------------------------------------

TEST_F(ReferenceGate, TellsWhatItOpened) {
  std::vector<OpenedReference> opened;
  broker_.set_notices(
      {.reference_opened = [&](const OpenedReference& reference) { opened.push_back(reference); },
       .warning = {}});
  Open({});
  Follow("base.img");
  Follow("missing.img");
  Follow("../outside/secret.img");
  ASSERT_EQ(opened.size(), 1u);
  EXPECT_EQ(opened[0].kind, ReferenceKind::kBackingFile);
  EXPECT_EQ(opened[0].image, top_);
  EXPECT_EQ(opened[0].path, directory_ / "images/base.img");
}

}  // namespace
}  // namespace instar::vmm
