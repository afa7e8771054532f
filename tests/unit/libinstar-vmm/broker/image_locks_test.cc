// Against locks set by hand as QEMU sets them, and against a real qemu-io where there is one.
#include "broker/image_locks.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "broker/device_table.h"
#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

// Another program that holds bytes of the file, until it ends.
class Holder {
 public:
  Holder(const std::string& path, const std::vector<off_t>& bytes)
      : fd_(open(path.c_str(), O_RDWR | O_CLOEXEC)) {
    for (const off_t byte : bytes) {
      struct flock lock{};
      lock.l_type = F_RDLCK;
      lock.l_whence = SEEK_SET;
      lock.l_start = byte;
      lock.l_len = 1;
      EXPECT_EQ(fcntl(fd_, F_OFD_SETLK, &lock), 0);
    }
  }
  ~Holder() { close(fd_); }

 private:
  int fd_;
};

struct LockCase {
  const char* name;
  std::vector<off_t> held;
  bool source_opens;
  bool shared_source_opens;
  bool target_opens;
};
void PrintTo(const LockCase& c, std::ostream* out) { *out << c.name; }

class ImageLocks : public testing::TestWithParam<LockCase> {};

TEST_P(ImageLocks, ConflictAsInQemu) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("image", "content");
  const Holder holder(path, GetParam().held);
  EXPECT_EQ(Broker({}).OpenSource(path, {}).ok(), GetParam().source_opens);
  EXPECT_EQ(Broker({}).OpenSource(path, {.force_share = true}).ok(),
            GetParam().shared_source_opens);
  EXPECT_EQ(Broker({}).OpenTarget(path, {}).ok(), GetParam().target_opens);
  EXPECT_EQ(ReadWholeFile(path), "content");
}

INSTANTIATE_TEST_SUITE_P(
    Holders, ImageLocks,
    testing::Values(LockCase{"Nobody", {}, true, true, true},
                    LockCase{"ARunningMachine", {100, 101, 103, 201, 203}, false, true, false},
                    LockCase{"AReader", {100, 201, 203}, true, true, false},
                    LockCase{"ASharingReader", {100}, true, true, true},
                    LockCase{"ASharingWriter", {100, 101}, false, true, false},
                    LockCase{"SomebodyWhoForbidsReading", {200}, false, false, false}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ImageLocks, SayWhatQemuImgSays) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("image", "");
  const Holder holder(path, {100, 101, 103, 201, 203});
  Broker broker({});
  EXPECT_EQ(broker.OpenSource(path, {}).status().message(),
            "Could not open '" + path +
                "': Failed to get shared \"write\" lock\nIs another process using the image [" +
                path + "]?");
  EXPECT_EQ(broker.OpenTarget(path, {}).status().message(),
            "Failed to get \"write\" lock\nIs another process using the image [" + path + "]?");
  EXPECT_EQ(broker.OpenTarget(path, {.keep = true}).status().message(),
            "Could not open '" + path +
                "': Failed to get \"write\" lock\nIs another process using the image [" + path +
                "]?");
  EXPECT_EQ(broker.OpenSource(path, {}).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(ImageLocks, ManyMayReadAtOnce) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("image", "");
  Broker first({});
  Broker second({});
  EXPECT_TRUE(first.OpenSource(path, {}).ok());
  EXPECT_TRUE(second.OpenSource(path, {}).ok());
}

TEST(ImageLocks, EndWithTheBroker) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("image", "");
  {
    EXPECT_TRUE(Broker({}).OpenTarget(path, {}).ok());
  }
  EXPECT_TRUE(Broker({}).OpenSource(path, {}).ok());
}

TEST(ImageLocks, AFileThatCannotBeLockedIsSaidToBe) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("image", "");
  // Nothing can be locked through such a descriptor.
  const OwnedFd fd(open(path.c_str(), O_PATH | O_CLOEXEC));
  const Locking locking = TakeLocks(fd.get(), kReadLock, path);
  EXPECT_FALSE(locking.conflict);
  EXPECT_EQ(locking.os_errno, EBADF);
  const OwnedFd readable(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(TakeLocks(readable.get(), kReadLock, path).os_errno, 0);
}

TEST(ImageLocks, TheWarningIsOneLine) {
  EXPECT_EQ(NoLocksWarning("a\nb", ENOLCK),
            "'a\\x0ab' cannot be locked (No locks available): whether another program is using it "
            "cannot be seen");
}

// A qemu-io that has opened the image, as told by the prompt it prints after each command.
class QemuIo {
 public:
  explicit QemuIo(const std::vector<const char*>& arguments) {
    int to[2];
    int from[2];
    if (pipe(to) != 0 || pipe(from) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      dup2(to[0], 0);
      dup2(from[1], 1);
      dup2(from[1], 2);
      for (const int fd : {to[0], to[1], from[0], from[1]}) close(fd);
      std::vector<char*> argv = {const_cast<char*>("qemu-io")};
      for (const char* argument : arguments) argv.push_back(const_cast<char*>(argument));
      argv.push_back(nullptr);
      execvp("qemu-io", argv.data());
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    input_ = to[1];
    output_ = from[0];
    // "length" is answered when the image is open.
    const std::string command = "length\n";
    if (write(input_, command.data(), command.size()) < 0) return;
    std::string said;
    char c;
    while (said.find("MiB") == std::string::npos && read(output_, &c, 1) == 1) said += c;
    ready_ = said.find("MiB") != std::string::npos;
  }
  ~QemuIo() {
    close(input_);
    close(output_);
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] bool ready() const { return ready_; }

 private:
  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
  bool ready_ = false;
};

bool HaveQemuIo() { return system("qemu-io --version >/dev/null 2>&1") == 0; }

TEST(ImageLocks, AnImageThatARealQemuWritesIsRefused) {
  if (!HaveQemuIo()) GTEST_SKIP() << "no qemu-io here";
  const TemporaryDirectory directory;
  const std::string path = directory.Write("image", std::string(1 << 20, '\0'));
  const QemuIo qemu({"-f", "raw", path.c_str()});
  ASSERT_TRUE(qemu.ready());
  Broker broker({});
  EXPECT_EQ(broker.OpenSource(path, {}).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(broker.OpenTarget(path, {}).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(broker.OpenSource(path, {.force_share = true}).ok());
}

TEST(ImageLocks, ARealQemuDoesNotOpenWhatWeWrite) {
  if (!HaveQemuIo()) GTEST_SKIP() << "no qemu-io here";
  const TemporaryDirectory directory;
  const std::string path = directory.Write("image", std::string(1 << 20, '\0'));
  Broker broker({});
  ASSERT_TRUE(broker.OpenTarget(path, {}).ok());
  const QemuIo qemu({"-f", "raw", path.c_str()});
  EXPECT_FALSE(qemu.ready());
}

}  // namespace
}  // namespace instar::vmm
