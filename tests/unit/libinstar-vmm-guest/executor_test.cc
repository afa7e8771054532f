// What a guest can do wrong, in every executor that isolates: each ends the run with its own
// outcome.
#include "executor/executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <span>
#include <vector>

#include "broker/broker.h"
#include "executor/guest_image.h"
#include "formats/base/error.h"
#include "instar/abi/call_table.h"
#include "instar/abi/mailbox.h"
#include "instar/wire.h"
#include "libinstar-vmm/temporary_directory.h"
#include "testing/misbehave.h"

extern "C" const instar::vmm::EmbeddedImage instar_test_images_table[];
extern "C" const std::uint64_t instar_test_images_count;

namespace instar::vmm {
namespace {

using guest::Misdeed;
using ::testing::HasSubstr;

// Answers every request with success, counts them, and remembers the last.
class RecordingHandler : public CallHandler {
 public:
  CallResult Handle(unsigned, const CallFrame& frame, const GuestMemory& memory) override {
    ++calls;
    last = frame;
    if (frame.op == INSTAR_OP_FLUSH && flush_lasts) stopped.wait(false);
    if (frame.op == INSTAR_OP_READ)
      view_writable = !memory.Writable(frame.args[0], frame.args[1]).empty();
    return answer;
  }
  [[nodiscard]] WorkDone work_done(unsigned) const override { return {}; }
  void Stop() override {
    stopped = true;
    stopped.notify_all();
  }
  [[nodiscard]] const char* violation() const override { return violate; }

  std::atomic<std::uint64_t> calls{0};
  std::atomic<bool> stopped{false};
  bool flush_lasts = false;  // until the run is stopped
  CallFrame last;
  CallResult answer;
  bool view_writable = false;
  const char* violate = nullptr;
};

GuestImage MisbehavingImage() {
  const EmbeddedImage& image = instar_test_images_table[0];
  return {.name = image.name, .elf = {image.elf, image.elf_bytes}};
}

// Why guests cannot run in this isolation here, or empty.
std::string Obstacle(Isolation isolation) {
  if (isolation == Isolation::kKvm && !CheckKvm().ok()) {
    return "no KVM here: " + std::string(CheckKvm().message());
  }
#ifdef __SANITIZE_ADDRESS__
  if (isolation == Isolation::kProcess) {
    return "the address sanitizer's shadow lies where the guest's memory would";
  }
#endif
  return {};
}

constexpr PartSet kAllParts = (1 << INSTAR_PARTS) - 1;

std::vector<GuestSegment> SegmentsOfParts() {
  auto image = ParseGuestImage(MisbehavingImage());
  EXPECT_TRUE(image.ok());
  const std::size_t before = image->segments.size();
  for (const GuestImage& part : FindParts(kAllParts)) EXPECT_TRUE(AddPart(part, *image).ok());
  return {image->segments.begin() + static_cast<std::ptrdiff_t>(before), image->segments.end()};
}

// And whether the thread of a single vCPU watches over itself.
using Way = std::tuple<Isolation, bool>;

class ExecutorTest : public ::testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    const Isolation isolation = std::get<0>(GetParam());
    if (const std::string obstacle = Obstacle(isolation); !obstacle.empty()) {
      GTEST_SKIP() << obstacle;
    }
    executor_ = isolation == Isolation::kKvm ? MakeKvmExecutor(MisbehavingImage())
                                             : MakeProcessExecutor(MisbehavingImage());
  }

  Outcome RunGuest(Misdeed deed, unsigned workers = 1) { return RunGuest(deed, workers, handler_); }
  Outcome RunGuest(Misdeed deed, unsigned workers, CallHandler& handler) {
    request_.Unsigned(guest::kMisdeedTag, static_cast<std::uint64_t>(deed));
    const absl::Status prepared =
        executor_->Prepare({.heap_bytes = 32 << 20,
                            .workers = workers,
                            .stall_timeout = std::chrono::milliseconds(300),
                            .time_limit = time_limit_,
                            .request = request_.bytes(),
                            .devices = devices_,
                            .parts = parts_,
                            .watch_itself = std::get<1>(GetParam())});
    if (!prepared.ok()) return {.kind = Outcome::Kind::kHostError, .detail = prepared.ToString()};
    EXPECT_TRUE(executor_->StartThreads().ok());
    return executor_->Run(handler);
  }

  WireWriter request_;
  std::vector<instar_device_info> devices_;
  std::vector<GuestImage> parts_;
  std::chrono::milliseconds time_limit_{0};
  RecordingHandler handler_;
  std::unique_ptr<Executor> executor_;
};

TEST_P(ExecutorTest, GuestThatReturnsHasFinished) {
  EXPECT_EQ(RunGuest(Misdeed::kNone).kind, Outcome::Kind::kFinished);
}

TEST_P(ExecutorTest, FailureArrivesWithCodeAndMessage) {
  const Outcome outcome = RunGuest(Misdeed::kFailPlainly);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kFailed);
  EXPECT_EQ(outcome.error_code, 1u);
  EXPECT_EQ(outcome.error_message, "failed as asked at {0x}");
}

TEST_P(ExecutorTest, EndlessLoopIsEndedByTheWatchdog) {
  const Outcome outcome = RunGuest(Misdeed::kSpin);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kStalled);
  EXPECT_THAT(outcome.detail, HasSubstr("no progress"));
}

TEST_P(ExecutorTest, EndlessRequestsAreEndedByTheWatchdog) {
  EXPECT_EQ(RunGuest(Misdeed::kEndlessRequests).kind, Outcome::Kind::kStalled);
  EXPECT_GT(handler_.calls, 10u);
}

TEST_P(ExecutorTest, ViolationToldByTheHandlerEndsTheGuest) {
  handler_.violate = "a lie";
  const Outcome outcome = RunGuest(Misdeed::kEndlessRequests);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kViolation);
  EXPECT_EQ(outcome.detail, "a lie");
}

TEST_P(ExecutorTest, ExhaustedMemoryIsACleanLimitError) {
  const Outcome outcome = RunGuest(Misdeed::kExhaustMemory);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kFailed);
  EXPECT_EQ(outcome.error_code, static_cast<std::uint32_t>(ErrorCode::kLimit));
  EXPECT_THAT(outcome.error_message, HasSubstr("memory"));
}

TEST_P(ExecutorTest, WorkersRunAtOnceAndCanBeStartedAgain) {
  const Outcome outcome = RunGuest(Misdeed::kParallelCount, 4);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kFinished) << outcome.error_message << outcome.detail;
}

TEST_P(ExecutorTest, FaultInOneWorkerEndsAll) {
  EXPECT_EQ(RunGuest(Misdeed::kFaultInWorker, 2).kind, Outcome::Kind::kFault);
}

TEST_P(ExecutorTest, MoreWorkersThanVcpusAreRefused) {
  const Outcome outcome = RunGuest(Misdeed::kTooManyWorkers, 2);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kFailed);
  EXPECT_EQ(outcome.error_code, static_cast<std::uint32_t>(ErrorCode::kInvalidArgument));
}

TEST_P(ExecutorTest, RequestReachesTheHandlerAsRung) {
  request_.Unsigned(guest::kRawOpTag, INSTAR_OP_READ);
  request_.Unsigned(guest::kRawArgTag, 0xDEADBEEF);
  request_.Unsigned(guest::kRawArgTag + 1, 64);
  EXPECT_EQ(RunGuest(Misdeed::kRawRequest).kind, Outcome::Kind::kFinished);
  EXPECT_EQ(handler_.last.op, static_cast<std::uint32_t>(INSTAR_OP_READ));
  EXPECT_EQ(handler_.last.args[0], 0xDEADBEEFu);
  EXPECT_FALSE(handler_.view_writable) << "an address outside guest memory must give no view";
}

TEST_P(ExecutorTest, WhatIsKnownOfDevicesTakesNoRequestUntilSomethingChanges) {
  devices_ = {{.size_bytes = 10}, {.size_bytes = 11}};
  const Outcome outcome = RunGuest(Misdeed::kAskForDevices);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kFinished) << outcome.error_message << outcome.detail;
  EXPECT_EQ(handler_.calls, 3u);  // the third device, the change, and the first device after it
}

TEST_P(ExecutorTest, PageTablesAndCodeAndPartsAreNoTargetForTheHost) {
  std::vector<std::uint64_t> addresses = {INSTAR_GUEST_BASE, INSTAR_IMAGE_BASE};
  for (const GuestSegment& segment : SegmentsOfParts()) addresses.push_back(segment.address);
  for (const std::uint64_t address : addresses) {
    WireWriter request;
    request_ = request;
    request_.Unsigned(guest::kRawOpTag, INSTAR_OP_READ);
    request_.Unsigned(guest::kRawArgTag, address);
    request_.Unsigned(guest::kRawArgTag + 1, 64);
    SetUp();
    parts_ = FindParts(kAllParts);
    EXPECT_EQ(RunGuest(Misdeed::kRawRequest).kind, Outcome::Kind::kFinished);
    EXPECT_FALSE(handler_.view_writable) << std::hex << address;
  }
}

TEST_P(ExecutorTest, APartThatWasMappedWorks) {
  parts_ = FindParts(1 << INSTAR_PART_DEFLATE);
  const Outcome outcome = RunGuest(Misdeed::kCompress);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kFinished) << outcome.error_message << outcome.detail;
}

TEST_P(ExecutorTest, APartThatWasNotMappedIsACleanError) {
  parts_ = FindParts(1 << INSTAR_PART_ZSTD_IN | 1 << INSTAR_PART_ZSTD_OUT);
  const Outcome outcome = RunGuest(Misdeed::kCompress);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kFailed);
  EXPECT_EQ(outcome.error_code, static_cast<std::uint32_t>(ErrorCode::kUnsupported));
  EXPECT_EQ(outcome.error_message, "this run has no deflate compressor");
}

TEST_P(ExecutorTest, PartsCannotBeChangedNorTheirConstantsRun) {
  for (const GuestSegment& segment : SegmentsOfParts()) {
    for (const Misdeed deed : {Misdeed::kWriteAt, Misdeed::kCallAt}) {
      if (deed == Misdeed::kCallAt && segment.executable) continue;
      request_ = WireWriter();
      request_.Unsigned(guest::kRawArgTag, segment.address);
      SetUp();
      parts_ = FindParts(kAllParts);
      EXPECT_EQ(RunGuest(deed).kind, Outcome::Kind::kFault) << std::hex << segment.address;
    }
  }
}

TEST_P(ExecutorTest, APartOfAnotherVersionIsRefused) {
  parts_ = FindParts(1 << INSTAR_PART_DEFLATE);
  std::vector<std::byte> elf(parts_.front().elf.begin(), parts_.front().elf.end());
  const std::array<std::uint32_t, 2> header = {INSTAR_PART_MAGIC, INSTAR_PART_VERSION};
  const auto table = std::ranges::search(elf, std::as_bytes(std::span(header)));
  ASSERT_FALSE(table.empty());
  table[sizeof INSTAR_PART_MAGIC] ^= std::byte{1};
  parts_.front().elf = elf;
  const Outcome outcome = RunGuest(Misdeed::kNone);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kHostError);
  EXPECT_THAT(outcome.detail, HasSubstr("another version"));
}

TEST_P(ExecutorTest, WorkerOpsFromTheFirstVcpuAreViolations) {
  request_.Unsigned(guest::kRawOpTag, INSTAR_OP_WORKER_DONE);
  EXPECT_EQ(RunGuest(Misdeed::kRawRequest).kind, Outcome::Kind::kViolation);
}

TEST_P(ExecutorTest, FailureReportOutsideGuestMemoryIsAViolation) {
  request_.Unsigned(guest::kRawOpTag, INSTAR_OP_FAIL);
  request_.Unsigned(guest::kRawArgTag, 0x1000);
  EXPECT_EQ(RunGuest(Misdeed::kRawRequest).kind, Outcome::Kind::kViolation);
}

TEST_P(ExecutorTest, TheTimeLimitHoldsWhateverTheGuestDoes) {
  for (const Misdeed deed : {Misdeed::kSpin, Misdeed::kEndlessRequests}) {
    request_ = WireWriter();
    time_limit_ = std::chrono::milliseconds(100);
    SetUp();
    const Outcome outcome = RunGuest(deed);
    EXPECT_EQ(outcome.kind, Outcome::Kind::kTimedOut);
    EXPECT_THAT(outcome.detail, HasSubstr("not done after 0.1 seconds"));
  }
}

TEST_P(ExecutorTest, AGuestThatWakesTheHostForNothingIsEndedByTheWatchdog) {
  const Outcome outcome = RunGuest(Misdeed::kEndlessWaking);
  const bool kvm = std::get<0>(GetParam()) == Isolation::kKvm;
  EXPECT_EQ(outcome.kind, kvm ? Outcome::Kind::kFault : Outcome::Kind::kStalled) << outcome.detail;
}

TEST_P(ExecutorTest, AWorkerThatSpinsIsEndedThoughTheFirstVcpuWaitsForIt) {
  EXPECT_EQ(RunGuest(Misdeed::kWorkerSpins, 2).kind, Outcome::Kind::kStalled);
}

TEST_P(ExecutorTest, ALongRequestOfOneWorkerShieldsNoOther) {
  handler_.flush_lasts = true;
  EXPECT_EQ(RunGuest(Misdeed::kFlushBesideSpin, 2).kind, Outcome::Kind::kStalled);
}

TEST_P(ExecutorTest, WorkersThatAllWaitForEachOtherAreEnded) {
  for (const unsigned workers : {1u, 3u}) {
    request_ = WireWriter();
    SetUp();
    EXPECT_EQ(RunGuest(Misdeed::kAllYield, workers).kind, Outcome::Kind::kStalled) << workers;
  }
}

// What the guest asks for is done, on a file of a MiB and a target.
class WorkingGuestTest : public ExecutorTest {
 protected:
  void SetUp() override {
    ExecutorTest::SetUp();
    if (IsSkipped()) return;
    const std::string content(1 << 20, 's');
    ASSERT_TRUE(broker_.OpenSource(directory_.Write("source", content), {}).ok());
    ASSERT_TRUE(broker_.OpenTarget(directory_ / "target", {.cache = CacheMode::kUnsafe}).ok());
  }

  TemporaryDirectory directory_;
  Broker broker_{{.max_disk_file_bytes = std::uint64_t{1} << 50}};
};

TEST_P(WorkingGuestTest, WritingTheSameBytesForEverIsNoProgress) {
  EXPECT_EQ(RunGuest(Misdeed::kRewrite, 1, broker_).kind, Outcome::Kind::kStalled);
}

TEST_P(WorkingGuestTest, WhatLiesFarOutDoesNotMakeItProgress) {
  EXPECT_EQ(RunGuest(Misdeed::kDiscardFarThenRewrite, 1, broker_).kind, Outcome::Kind::kStalled);
}

TEST_P(WorkingGuestTest, RecordsAreNoProgress) {
  EXPECT_EQ(RunGuest(Misdeed::kDripRecords, 1, broker_).kind, Outcome::Kind::kStalled);
}

TEST_P(WorkingGuestTest, ALongRequestThatMovesNothingNewIsEndedWhileItLasts) {
  // With two vCPUs somebody looks on meanwhile.
  EXPECT_EQ(RunGuest(Misdeed::kRewriteInOneRequest, 2, broker_).kind, Outcome::Kind::kStalled);
}

const auto kWays =
    ::testing::Combine(::testing::Values(Isolation::kKvm, Isolation::kProcess), ::testing::Bool());
std::string NameOfWay(const testing::TestParamInfo<Way>& test) {
  return std::string(std::get<0>(test.param) == Isolation::kKvm ? "Kvm" : "Process") +
         (std::get<1>(test.param) ? "Alone" : "Watched");
}

INSTANTIATE_TEST_SUITE_P(Sandbox, WorkingGuestTest, kWays, NameOfWay);
INSTANTIATE_TEST_SUITE_P(Sandbox, ExecutorTest, kWays, NameOfWay);

// Everything that must end in a fault at once.
struct FaultCase {
  const char* name;
  Misdeed deed;
};
constexpr FaultCase kFaults[] = {
    {"NullRead", Misdeed::kNullRead},
    {"WriteCode", Misdeed::kWriteCode},
    {"WriteReadOnlyData", Misdeed::kWriteReadOnlyData},
    {"ExecuteData", Misdeed::kExecuteData},
    {"ReadPageTables", Misdeed::kReadPageTables},
    {"StackOverflow", Misdeed::kStackOverflow},
    {"DivideByZero", Misdeed::kDivideByZero},
    {"PrivilegedInstruction", Misdeed::kPrivilegedInstruction},
    {"SystemCall", Misdeed::kSystemCall},
    {"OtherPort", Misdeed::kOtherPort},
};

class GuestFaultTest : public ::testing::TestWithParam<std::tuple<Isolation, FaultCase>> {};

TEST_P(GuestFaultTest, EndsTheGuestAtOnce) {
  const auto& [isolation, fault] = GetParam();
  if (const std::string obstacle = Obstacle(isolation); !obstacle.empty()) {
    GTEST_SKIP() << obstacle;
  }
  auto executor = isolation == Isolation::kKvm ? MakeKvmExecutor(MisbehavingImage())
                                               : MakeProcessExecutor(MisbehavingImage());
  WireWriter request;
  request.Unsigned(guest::kMisdeedTag, static_cast<std::uint64_t>(fault.deed));
  RecordingHandler handler;
  ASSERT_TRUE(
      executor->Prepare({.heap_bytes = 4 << 20, .workers = 1, .request = request.bytes()}).ok());
  ASSERT_TRUE(executor->StartThreads().ok());
  const Outcome outcome = executor->Run(handler);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kFault) << outcome.detail;
  EXPECT_FALSE(outcome.detail.empty());
}

INSTANTIATE_TEST_SUITE_P(Sandbox, GuestFaultTest,
                         ::testing::Combine(::testing::Values(Isolation::kKvm, Isolation::kProcess),
                                            ::testing::ValuesIn(kFaults)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param) == Isolation::kKvm
                                                  ? "Kvm"
                                                  : "Process") +
                                  std::get<1>(test.param).name;
                         });

}  // namespace
}  // namespace instar::vmm
