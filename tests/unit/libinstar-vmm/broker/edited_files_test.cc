// Files that are changed in place: what is undone before the change takes effect, and what is not
// from then on.
#include "broker/edited_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <thread>

#include "broker/broker.h"
#include "io/root_writing.h"
#include "libinstar-vmm/broker/fake_guest.h"
#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

using Phase = EditedFiles::Phase;

constexpr std::size_t kBytes = 8192;

class EditedImage : public testing::Test {
 protected:
  EditedImage() {
    path_ = directory_.Write("image", std::string(kBytes, 'o'));
    image_ = broker_.OpenTarget(path_, {.keep = true, .edit = true, .cache = CacheMode::kWriteback})
                 .value();
  }
  ~EditedImage() override { broker_.EndChange(); }

  CallResult WriteRoot(std::uint64_t offset, std::string_view data) {
    return guest_.Call(INSTAR_OP_WRITE_ROOT,
                       {static_cast<std::uint64_t>(image_), offset, guest_.Put(data), data.size()});
  }
  CallResult ResizeRoot(std::uint64_t bytes, Preallocation how = Preallocation::kOff) {
    return guest_.Call(INSTAR_OP_RESIZE_ROOT, {static_cast<std::uint64_t>(image_), bytes,
                                               static_cast<std::uint64_t>(how)});
  }
  [[nodiscard]] std::string Content() const { return ReadWholeFile(path_); }
  [[nodiscard]] std::size_t Length() const { return Content().size(); }
  [[nodiscard]] blkcnt_t Blocks() const {
    struct stat status{};
    return stat(path_.c_str(), &status) == 0 ? status.st_blocks : -1;
  }

  TemporaryDirectory directory_;
  Broker broker_{{.max_output_bytes = 1 << 24}};
  FakeGuest guest_{broker_};
  std::string path_;
  DeviceId image_{};
};

// While it lives no file of this process becomes longer than `bytes`.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit = {.rlim_cur = bytes, .rlim_max = old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_{};
  void (*handler_)(int);
};

TEST_F(EditedImage, IsCutBackWhenTheChangeFailsBeforeItTakesEffect) {
  ASSERT_EQ(guest_.Write(image_, kBytes, "new tables").result, 0);
  broker_.Discard();
  EXPECT_EQ(broker_.change(), Phase::kUndone);
  EXPECT_EQ(Content(), std::string(kBytes, 'o'));
}

TEST_F(EditedImage, IsNotMadeLongerByThat) {
  ASSERT_EQ(guest_.Resize(image_, 4096).result, 0);
  broker_.Discard();
  EXPECT_EQ(Length(), 4096);
}

TEST_F(EditedImage, GivesBackWhatWasReservedBehindItsEnd) {
  const blkcnt_t before = Blocks();
  {
    const FileSizeLimit limit(kBytes);
    ASSERT_LT(ResizeRoot(1 << 20, Preallocation::kFalloc).result, 0);
  }
  EXPECT_EQ(broker_.change(), Phase::kOpen);  // nothing was done that could be in doubt
  broker_.Discard();
  EXPECT_EQ(Length(), kBytes);
  EXPECT_EQ(Blocks(), before);
}

TEST_F(EditedImage, IsCutBackByASignalHandlerAndNotWrittenAfterThat) {
  ASSERT_EQ(guest_.Write(image_, kBytes, "new tables").result, 0);
  EXPECT_EQ(Broker::DiscardFromSignalHandler(), Interruption::kUndone);
  EXPECT_EQ(Length(), kBytes);
  EXPECT_LT(guest_.Write(image_, kBytes, "more").result, 0);
  EXPECT_LT(WriteRoot(0, "n").result, 0);
  EXPECT_EQ(Content(), std::string(kBytes, 'o'));
}

TEST_F(EditedImage, OfSeveralChangesTheLastIsUndoneByItself) {
  Broker broker({.max_output_bytes = 1 << 24});
  FakeGuest guest(broker);
  const std::string path = directory_.Write("several", std::string(kBytes, 'o'));
  const DeviceId image =
      broker
          .OpenTarget(
              path,
              {.keep = true, .edit = true, .several_changes = true, .cache = CacheMode::kWriteback})
          .value();
  ASSERT_EQ(guest.Write(image, kBytes, "new tables").result, 0);
  ASSERT_EQ(guest
                .Call(INSTAR_OP_WRITE_ROOT,
                      {static_cast<std::uint64_t>(image), 0, guest.Put(std::string_view("n")), 1})
                .result,
            0);
  EXPECT_EQ(broker.change(), Phase::kOpen);
  ASSERT_EQ(guest.Write(image, kBytes + 10, "and more").result, 0);
  broker.Discard();
  EXPECT_EQ(ReadWholeFile(path), "n" + std::string(kBytes - 1, 'o') + "new tables");
  EXPECT_LT(guest.Write(image, kBytes, "more").result, 0);
  broker.EndChange();
}

TEST_F(EditedImage, StaysAsItIsOnceTheRootIsWritten) {
  ASSERT_EQ(guest_.Write(image_, kBytes, "new tables").result, 0);
  ASSERT_EQ(WriteRoot(512, "new root").result, 0);
  EXPECT_EQ(broker_.change(), Phase::kFlipped);
  broker_.Discard();
  EXPECT_EQ(Length(), kBytes + 10);
  EXPECT_EQ(Content().substr(510, 12), "oonew rootoo");
}

TEST_F(EditedImage, LetsASignalWaitWhenTheRootIsWrittenAndStopsWhatFollows) {
  ASSERT_EQ(WriteRoot(0, "new root").result, 0);
  EXPECT_EQ(Broker::DiscardFromSignalHandler(), Interruption::kReclaiming);
  const instar_transfer step = {.kind = INSTAR_TRANSFER_DISCARD,
                                .source = 0,
                                .target = static_cast<std::uint32_t>(image_),
                                .zero_run_bytes = 0,
                                .source_offset = 0,
                                .target_offset = 4096,
                                .length = 4096};
  EXPECT_LT(guest_.Transfer({step}).result, 0);
  EXPECT_LT(WriteRoot(0, "another").result, 0);
  EXPECT_EQ(Content().substr(0, 9), "new rooto");
  broker_.EndChange();
  EXPECT_EQ(Broker::DiscardFromSignalHandler(), Interruption::kEnd);
}

TEST_F(EditedImage, IsLeftAloneAfterAFlipThatFailed) {
  ASSERT_EQ(guest_.Write(image_, kBytes, "new tables").result, 0);
  {
    const FileSizeLimit limit(4096);
    ASSERT_LT(WriteRoot(4096, "new root").result, 0);
  }
  EXPECT_EQ(broker_.change(), Phase::kDoubtful);
  EXPECT_LT(guest_.Write(image_, 0, "more").result, 0);
  EXPECT_LT(guest_.Resize(image_, kBytes).result, 0);
  EXPECT_LT(WriteRoot(0, "again").result, 0);
  // What may be in the file is still to be said.
  EXPECT_EQ(Broker::DiscardFromSignalHandler(), Interruption::kReclaiming);
  broker_.Discard();
  EXPECT_EQ(Content(), std::string(kBytes, 'o') + "new tables");
}

TEST_F(EditedImage, TellsOfTheFlipBeforeItIsBegun) {
  Phase seen = Phase::kNone;
  broker_.set_flip_notice([&] { seen = broker_.change(); });
  ASSERT_EQ(WriteRoot(0, "new root").result, 0);
  EXPECT_EQ(seen, Phase::kOpen);
}

TEST_F(EditedImage, GetsTheLengthThatIsItsRoot) {
  ASSERT_EQ(ResizeRoot(1 << 20, Preallocation::kFull).result, 0);
  EXPECT_EQ(broker_.change(), Phase::kFlipped);
  EXPECT_EQ(Content(), std::string(kBytes, 'o') + std::string((1 << 20) - kBytes, '\0'));
  EXPECT_GE(Blocks(), (1 << 20) / 512);
  ASSERT_EQ(ResizeRoot(1000).result, 0);
  EXPECT_EQ(Content(), std::string(1000, 'o'));
}

TEST_F(EditedImage, IsCutBackByAnotherProcessToo) {
  const EditedFile file = broker_.edited_files().at(0);
  ASSERT_EQ(guest_.Write(image_, kBytes, "new tables").result, 0);
  EditedFile other = file;
  ++other.inode;
  CutBackEditedFile(other);
  EXPECT_EQ(Length(), kBytes + 10);
  CutBackEditedFile(file);
  EXPECT_EQ(Length(), kBytes);
}

TEST_F(EditedImage, HasItsDataFileCutBackWithIt) {
  const std::string data = directory_.Write("data", "data");
  ASSERT_TRUE(broker_.AllowReferences({}).ok());
  const auto file = broker_.OpenDataFile(
      image_, "data", {.keep = true, .edit = true, .cache = CacheMode::kWriteback});
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(guest_.Write(*file, 4, "more").result, 0);
  EXPECT_EQ(ReadWholeFile(data), "datamore");
  broker_.Discard();
  EXPECT_EQ(ReadWholeFile(data), "data");
}

TEST_F(EditedImage, NamesItsDataFileThroughTheGate) {
  const TargetOptions how{.keep = true, .edit = true, .cache = CacheMode::kWriteback};
  directory_.Write("data", "data");
  EXPECT_FALSE(broker_.OpenDataFile(image_, "data", how).ok());  // no references are allowed yet
  ASSERT_TRUE(broker_.AllowReferences({}).ok());
  EXPECT_FALSE(broker_.OpenDataFile(image_, "/etc/passwd", how).ok());
  EXPECT_FALSE(broker_.OpenDataFile(image_, "../data", how).ok());
  EXPECT_FALSE(broker_.OpenDataFile(image_, "image", how).ok());  // it is that itself
}

TEST_F(EditedImage, ChangesNobodyElsesDataFile) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give files to others";
  constexpr uid_t kSomebody = 12345;
  const TargetOptions how{.keep = true, .edit = true, .cache = CacheMode::kWriteback};
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
  const std::string other = directory_.Write("other", "image");
  ASSERT_EQ(chown(other.c_str(), kSomebody, kSomebody), 0);
  const std::string data = directory_.Write("data", "data");  // root's, and anybody may read it
  ASSERT_EQ(chmod(data.c_str(), 0644), 0);
  Broker broker({});
  const DeviceId image = broker.OpenTarget(other, how).value();
  ASSERT_TRUE(broker.AllowReferences({}).ok());
  EXPECT_FALSE(broker.OpenDataFile(image, "data", how).ok());
  ASSERT_EQ(chown(data.c_str(), kSomebody, kSomebody), 0);
  EXPECT_TRUE(broker.OpenDataFile(image, "data", how).ok());
}

TEST(RootWriting, OverwritesWithOneCallAndKeepsTheRestOfTheSector) {
  TemporaryDirectory directory;
  const std::string path = directory.Write("file", std::string(kBytes, 'o'));
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  const int direct = open(path.c_str(), O_RDWR | O_CLOEXEC | O_DIRECT);
  const std::string text = "root";
  for (const int direct_fd : {-1, direct}) {
    for (const bool durable : {false, true}) {
      const IoFile file{.fd = fd, .direct_fd = direct_fd};
      ASSERT_TRUE(WriteRootBytes(file, 4096 + 510, std::as_bytes(std::span(text)), durable).ok());
      EXPECT_EQ(ReadWholeFile(path).substr(4096 + 508, 8), "oorootoo");
      ASSERT_EQ(pwrite(fd, "oooo", 4, 4096 + 510), 4);
    }
  }
  if (direct >= 0) close(direct);
  close(fd);
}

}  // namespace
}  // namespace instar::vmm
