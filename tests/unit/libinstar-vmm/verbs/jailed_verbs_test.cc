// The verbs as a program calls them that must not be jailed itself: each in a child process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "executor/executor.h"
#include "instar/abi/mailbox.h"
#include "instar/vmm/check.h"
#include "instar/vmm/compare.h"
#include "instar/vmm/convert.h"
#include "instar/vmm/create.h"
#include "instar/vmm/info.h"
#include "instar/vmm/map.h"
#include "instar/vmm/resize.h"
#include "instar/vmm/strict.h"
#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The line of /proc/self/status that starts with `key`.
std::string OwnStatus(std::string_view key) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with(key)) return line;
  }
  return {};
}

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class JailedVerbs : public testing::TestWithParam<Isolation> {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "the sanitizer's own system calls are not among those the jail allows";
#endif
    if (GetParam() == Isolation::kKvm && !CheckKvm().ok()) {
      GTEST_SKIP() << "no KVM here: " << CheckKvm().message();
    }
    data_.assign(300'000, '\0');
    for (std::size_t i = 100'000; i < 200'000; ++i) data_[i] = static_cast<char>(i * 7 + i / 256);
    data_.resize(300'032, 'x');
    source_ = directory_.Write("source.raw", data_);
  }

  [[nodiscard]] SandboxOptions Sandbox() const {
    SandboxOptions sandbox;
    sandbox.isolation = GetParam();
    sandbox.jail = Jail::kChildProcess;
    return sandbox;
  }
  [[nodiscard]] ConvertOptions ToQcow2(const std::string& target) const {
    ConvertOptions options;
    options.sources = {{.path = source_}};
    options.target = target;
    options.target_format = "qcow2";
    options.sandbox = Sandbox();
    return options;
  }

  TemporaryDirectory directory_;
  std::string data_;
  std::string source_;
};

TEST_P(JailedVerbs, InspectPassesWhatIsWhatItIsSaidToBe) {
  const auto verdict = Inspect({.path = source_, .format = "raw", .sandbox = Sandbox()});
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_TRUE(verdict->passed);
  EXPECT_EQ(verdict->format, "raw");
  EXPECT_TRUE(verdict->reasons.empty());
  EXPECT_EQ(verdict->isolation, GetParam());
  EXPECT_EQ(OwnStatus("Seccomp:"), "Seccomp:\t0");
}

TEST_P(JailedVerbs, InspectSaysWhyItRefuses) {
  const std::string path = directory_.Write("guest.raw", "QFI\xFB" + data_);
  const auto verdict = Inspect({.path = path, .format = "raw", .sandbox = Sandbox()});
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_FALSE(verdict->passed);
  ASSERT_EQ(verdict->reasons.size(), 1u);
  EXPECT_EQ(verdict->reasons.front().code, "format-mismatch");
  EXPECT_THAT(verdict->reasons.front().message, HasSubstr("qcow2"));
  EXPECT_EQ(verdict->reasons.front().offset, 0u);
}

TEST_P(JailedVerbs, InspectNeedsAFormatAndAFile) {
  EXPECT_TRUE(absl::IsInvalidArgument(Inspect({.path = source_, .sandbox = Sandbox()}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      Inspect({.path = source_, .format = "nonsense", .sandbox = Sandbox()}).status()));
  EXPECT_TRUE(absl::IsNotFound(
      Inspect({.path = source_ + ".absent", .format = "raw", .sandbox = Sandbox()}).status()));
}

TEST_P(JailedVerbs, MapTellsStretchesThatCoverTheDisk) {
  std::uint64_t end = 0;
  MapOptions options;
  options.image.path = source_;
  options.image.format = "raw";
  options.sandbox = Sandbox();
  options.entry = [&](const MapEntry& entry) {
    EXPECT_EQ(entry.start, end);
    EXPECT_EQ(entry.filename, source_);
    end += entry.length;
    return true;
  };
  const auto report = Map(options);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(end, report->virtual_size);
  EXPECT_EQ(report->isolation, GetParam());
}

// Ends every process that this one started.
void KillChildren() {
  std::ifstream children("/proc/thread-self/children");
  for (pid_t child = 0; children >> child;) kill(child, SIGKILL);
}

TEST_P(JailedVerbs, FilesOfAKilledChildAreRemoved) {
  ConvertOptions options = ToQcow2(directory_ / "divided.vmdk");
  options.target_format = "vmdk";
  options.target_options = "subformat=twoGbMaxExtentFlat";
  // So slow, and of so many chunks, that the first progress is not the last.
  options.sources = {{.path = directory_.Write("source.raw", std::string(16 << 20, 'x'))}};
  options.rate_limit_bytes_per_second = 40 << 20;
  options.sandbox.workers = 1;
  options.progress = [](std::uint64_t, std::uint64_t) { KillChildren(); };
  const auto report = Convert(options);
  EXPECT_TRUE(absl::IsAborted(report.status())) << report.status();
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    EXPECT_EQ(entry.path().filename(), "source.raw");
  }
}

TEST_P(JailedVerbs, TimingComesFromTheChild) {
  Timing timing;
  const auto begin = Timing::Clock::now();
  InfoOptions options;
  options.image.path = source_;
  options.sandbox = Sandbox();
  options.sandbox.timing = &timing;
  ASSERT_TRUE(Info(options).ok());
  const auto lasted = Timing::Clock::now() - begin;
  std::chrono::nanoseconds sum{0};
  for (const auto phase : timing.phases) sum += phase;
  EXPECT_GT(timing.Of(TimingPhase::kGuest).count(), 0);
  EXPECT_GT(timing.Of(TimingPhase::kSeccomp).count(), 0);
  EXPECT_LE(timing.Of(TimingPhase::kGuest), sum);
  EXPECT_LE(sum, lasted);
  EXPECT_GE(timing.requests[INSTAR_OP_READ].count, 1u);
  EXPECT_GE(timing.requests[INSTAR_OP_READ].bytes, 512u);
  EXPECT_GE(timing.vcpu_time, timing.requests[INSTAR_OP_READ].time);
}

TEST_P(JailedVerbs, TimingIsKeptWhenTheVerbFails) {
  Timing timing;
  InfoOptions options;
  options.image.path = source_;
  options.image.format = "qcow2";
  options.sandbox = Sandbox();
  options.sandbox.timing = &timing;
  EXPECT_FALSE(Info(options).ok());
  EXPECT_GT(timing.Of(TimingPhase::kGuest).count(), 0);
}

TEST_P(JailedVerbs, MapEndsWhenNobodyWantsMore) {
  MapOptions options;
  options.image.path = source_;
  options.image.format = "raw";
  options.sandbox = Sandbox();
  options.entry = [](const MapEntry&) { return false; };
  EXPECT_TRUE(absl::IsCancelled(Map(options).status()));
}

TEST_P(JailedVerbs, CompareTellsTheFirstDifference) {
  std::string changed = data_;
  changed[150'000] ^= 1;
  CompareOptions options;
  options.first.path = source_;
  options.second.path = directory_.Write("changed.raw", changed);
  options.first.format = options.second.format = "raw";
  options.sandbox = Sandbox();
  const auto report = Compare(options);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->verdict, CompareReport::Verdict::kContentDiffers);
  EXPECT_EQ(report->offset, 150'000u / 512 * 512);
  EXPECT_EQ(report->isolation, GetParam());
}

TEST_P(JailedVerbs, CheckCountsAndTellsWhatItFinds) {
  const std::string target = (directory_.path() / "target.qcow2").string();
  ASSERT_TRUE(Convert(ToQcow2(target)).ok());
  CheckOptions options;
  options.image.path = target;
  options.sandbox = Sandbox();
  const auto sound = Check(options);
  ASSERT_TRUE(sound.ok()) << sound.status();
  EXPECT_EQ(sound->format, FormatId::kQcow2);
  EXPECT_EQ(sound->corruptions + sound->leaks + sound->check_errors, 0u);

  std::ofstream(target, std::ios::binary | std::ios::app) << std::string(70'000, 'x');
  std::fstream damage(target, std::ios::binary | std::ios::in | std::ios::out);
  damage.seekp(40);  // the L1 table stands elsewhere
  damage.write("\0\0\0\0\0\0\0\0", 8);
  damage.close();
  const auto damaged = Check(options);
  ASSERT_TRUE(damaged.ok()) << damaged.status();
  EXPECT_GT(damaged->corruptions, 0u);
  EXPECT_FALSE(damaged->findings.empty());
  EXPECT_EQ(damaged->isolation, GetParam());
}

TEST_P(JailedVerbs, InfoDescribesTheImageAndItsFile) {
  InfoOptions options;
  options.image.path = source_;
  options.sandbox = Sandbox();
  const auto report = Info(options);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->isolation, GetParam());
  ASSERT_EQ(report->images.size(), 1u);
  const ImageInfo& image = report->images.front();
  EXPECT_EQ(image.filename, source_);
  EXPECT_EQ(image.file_size, data_.size());
  EXPECT_EQ(image.report.StringAt("format"), "raw");
  EXPECT_EQ(image.report.UnsignedAt("virtual-size"), data_.size());
}

ResizeOptions To(const std::string& image, const std::string& format, std::uint64_t bytes,
                 const SandboxOptions& sandbox) {
  ResizeOptions options;
  options.image = {.path = image, .format = format};
  options.bytes = bytes;
  options.sandbox = sandbox;
  return options;
}

TEST_P(JailedVerbs, ResizeGivesADiskAnotherSize) {
  const std::string image = directory_ / "image.qcow2";
  ASSERT_TRUE(Convert(ToQcow2(image)).ok());
  bool opened = false;
  ResizeOptions options = To(image, "qcow2", std::uint64_t{3} << 40, Sandbox());
  options.opened = [&opened](const ResizeReport&) { opened = true; };
  const auto larger = Resize(options);
  ASSERT_TRUE(larger.ok()) << larger.status();
  EXPECT_EQ(larger->isolation, GetParam());
  EXPECT_EQ(larger->old_size, data_.size());
  EXPECT_EQ(larger->new_size, std::uint64_t{3} << 40);
  EXPECT_TRUE(opened);
  EXPECT_EQ(OwnStatus("Seccomp:"), "Seccomp:\t0");
  options.bytes = 150'016;
  options.shrink = true;
  ASSERT_TRUE(Resize(options).ok());

  ConvertOptions back;
  back.sources = {{.path = image, .format = "qcow2"}};
  back.target = directory_ / "back.raw";
  back.sandbox = Sandbox();
  ASSERT_TRUE(Convert(back).ok());
  EXPECT_EQ(Content(back.target), data_.substr(0, 150'016));
  ASSERT_TRUE(Resize(To(back.target, "raw", 200'000, Sandbox())).ok());
  EXPECT_EQ(std::filesystem::file_size(back.target), 200'000u);
}

TEST_P(JailedVerbs, AResizeThatIsRefusedLeavesTheImageAsItWas) {
  const std::string image = directory_ / "image.qcow2";
  ASSERT_TRUE(Convert(ToQcow2(image)).ok());
  const std::string before = Content(image);
  const auto smaller = Resize(To(image, "qcow2", 65'536, Sandbox()));  // without --shrink
  EXPECT_TRUE(absl::IsInvalidArgument(smaller.status())) << smaller.status();
  EXPECT_EQ(Content(image), before);
}

TEST_P(JailedVerbs, AResizeForWhichThereIsNoRoomLeavesTheImageAsItWas) {
  const std::string image = directory_ / "image.qcow2";
  ASSERT_TRUE(Convert(ToQcow2(image)).ok());
  const std::string before = Content(image);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit short_files = {.rlim_cur = before.size() + 65'536, .rlim_max = old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &short_files);
  ResizeOptions options = To(image, "qcow2", 1 << 20, Sandbox());
  options.growth = Growth::kFull;
  const auto larger = Resize(options);
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_TRUE(absl::IsResourceExhausted(larger.status())) << larger.status();
  EXPECT_EQ(Content(image), before);
}

TEST_P(JailedVerbs, TheCallingProcessStaysUnjailed) {
  const std::string before = OwnStatus("NoNewPrivs") + OwnStatus("Seccomp:");
  InfoOptions options;
  options.image.path = source_;
  options.sandbox = Sandbox();
  ASSERT_TRUE(Info(options).ok());
  EXPECT_EQ(OwnStatus("NoNewPrivs") + OwnStatus("Seccomp:"), before);
  EXPECT_EQ(Content(source_), data_);
}

TEST_P(JailedVerbs, ConvertThereAndBackKeepsEveryByte) {
  std::uint64_t last_done = 0;
  std::uint64_t last_total = 0;
  ConvertOptions there = ToQcow2(directory_ / "middle.qcow2");
  there.compress = true;
  there.progress = [&](std::uint64_t done, std::uint64_t total) {
    last_done = done;
    last_total = total;
  };
  const auto made = Convert(there);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->isolation, GetParam());
  EXPECT_EQ(last_done, data_.size());
  EXPECT_EQ(last_total, data_.size());

  ConvertOptions back;
  back.sources = {{.path = there.target}};
  back.target = directory_ / "back.raw";
  back.sandbox = Sandbox();
  const auto returned = Convert(back);
  ASSERT_TRUE(returned.ok()) << returned.status();
  EXPECT_EQ(Content(back.target), data_);
}

TEST_P(JailedVerbs, AWindowOfAFileIsConverted) {
  ConvertOptions options;
  options.sources = {{.path = source_,
                      .format = "raw",
                      .window = RawWindow{.offset_bytes = 1024, .size_bytes = 4096}}};
  options.target = directory_ / "part.raw";
  options.sandbox = Sandbox();
  const auto made = Convert(options);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(Content(options.target), data_.substr(1024, 4096));
}

TEST_P(JailedVerbs, AnImageIsReadUponTheBackingFileThatTheCallerChose) {
  const std::string overlay = directory_ / "overlay.qcow2";
  CreateOptions create;
  create.path = overlay;
  create.format = "qcow2";
  create.size_bytes = data_.size();
  create.backing_file = "nowhere";
  create.backing_format = "raw";
  create.check_backing = false;
  create.sandbox = Sandbox();
  ASSERT_TRUE(Create(create).ok());
  ImageSpec image{.path = overlay, .format = "qcow2"};
  image.backing = {{.path = source_, .format = "raw"}};
  InfoOptions info;
  info.image = image;
  info.backing_chain = true;
  info.sandbox = Sandbox();
  const auto report = Info(info);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->images.size(), 2u);
  EXPECT_EQ(report->images[1].filename, source_);

  ConvertOptions options;
  options.sources = {image};
  options.target = directory_ / "merged.raw";
  options.sandbox = Sandbox();
  const auto made = Convert(options);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(Content(options.target), data_);
}

TEST_P(JailedVerbs, AFailedConvertLeavesNoTarget) {
  ConvertOptions options = ToQcow2(directory_ / "never.qcow2");
  options.sources.front().format = "qcow2";
  EXPECT_FALSE(Convert(options).ok());
  EXPECT_FALSE(std::filesystem::exists(options.target));
}

TEST_P(JailedVerbs, AFailedConvertLeavesAnExistingTargetAsItWas) {
  ConvertOptions options = ToQcow2(directory_.Write("kept.qcow2", "precious"));
  options.sources.front().format = "qcow2";
  EXPECT_FALSE(Convert(options).ok());
  EXPECT_EQ(Content(options.target), "precious");
}

TEST_P(JailedVerbs, AnImageCannotBeConvertedOntoItself) {
  ConvertOptions options = ToQcow2(source_);
  const auto report = Convert(options);
  EXPECT_EQ(report.status().code(), absl::StatusCode::kInvalidArgument) << report.status();
  EXPECT_EQ(Content(source_), data_);
}

TEST_P(JailedVerbs, ErrorsNameTheImage) {
  InfoOptions options;
  options.image.path = directory_ / "missing";
  options.sandbox = Sandbox();
  const auto report = Info(options);
  EXPECT_EQ(report.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(report.status().message()), HasSubstr(options.image.path));
}

// At that rate it would take days.
TEST_P(JailedVerbs, ARunThatIsNotDoneInTimeIsEndedAndLeavesTheCallerAsItWas) {
  ConvertOptions options = ToQcow2(directory_ / "late.qcow2");
  options.rate_limit_bytes_per_second = 1;
  options.sandbox.time_limit = std::chrono::seconds(1);
  struct sigaction before{};
  ASSERT_EQ(sigaction(SIGALRM, nullptr, &before), 0);
  const auto start = std::chrono::steady_clock::now();
  const auto report = Convert(options);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(4));
  EXPECT_EQ(report.status().code(), absl::StatusCode::kDeadlineExceeded) << report.status();
  EXPECT_THAT(std::string(report.status().message()),
              AllOf(HasSubstr(source_), HasSubstr("not done after 1 seconds")));
  EXPECT_FALSE(std::filesystem::exists(options.target));
  struct sigaction after{};
  ASSERT_EQ(sigaction(SIGALRM, nullptr, &after), 0);
  EXPECT_EQ(after.sa_handler, before.sa_handler);
  itimerval timer{};
  ASSERT_EQ(getitimer(ITIMER_REAL, &timer), 0);
  EXPECT_EQ(timer.it_value.tv_sec, 0);
  EXPECT_EQ(timer.it_value.tv_usec, 0);
}

TEST_P(JailedVerbs, ATargetThatIsEditedIsNotRemovedWhenTimeIsOver) {
  ConvertOptions options = ToQcow2(directory_.Write("edited.raw", std::string(300'544, 'e')));
  options.target_format = "raw";
  options.keep_target = true;
  options.rate_limit_bytes_per_second = 1;
  options.sandbox.time_limit = std::chrono::seconds(1);
  EXPECT_EQ(Convert(options).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(std::filesystem::exists(options.target));
}

TEST_P(JailedVerbs, AFifoThatNobodyOpensDoesNotHoldTheCaller) {
  const std::string fifo = directory_ / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  ConvertOptions options = ToQcow2(directory_ / "late.raw");
  options.sources = {{.path = fifo, .format = "raw"}};
  options.target_format = "raw";
  options.sandbox.time_limit = std::chrono::seconds(1);
  const auto report = Convert(options);
  EXPECT_EQ(report.status().code(), absl::StatusCode::kDeadlineExceeded) << report.status();
}

TEST_P(JailedVerbs, ATargetNeedsNoMoreThanADiskWithinTheLimit) {
  ConvertOptions options = ToQcow2(directory_ / "small.raw");
  options.target_format = "raw";
  options.sandbox.max_virtual_bytes = 300'032;
  EXPECT_TRUE(Convert(options).ok());
  options.sandbox.max_virtual_bytes = 300'031;
  EXPECT_FALSE(Convert(options).ok());
}

TEST_P(JailedVerbs, AnOutputLimitEndsTheConvert) {
  ConvertOptions options = ToQcow2(directory_ / "limited.raw");
  options.target_format = "raw";
  options.sandbox.max_output_bytes = 150'000;
  EXPECT_FALSE(Convert(options).ok());
  EXPECT_FALSE(std::filesystem::exists(options.target));
}

INSTANTIATE_TEST_SUITE_P(, JailedVerbs, testing::Values(Isolation::kKvm, Isolation::kProcess),
                         [](const testing::TestParamInfo<Isolation>& isolation) {
                           return isolation.param == Isolation::kKvm ? "Kvm" : "Process";
                         });

}  // namespace
}  // namespace instar::vmm
