// Conversions that are refused, or fail on the way.
#include <gtest/gtest.h>

#include "libinstar/conversion.h"
#include "support/option_settings.h"

namespace instar::test {
namespace {

TEST(Convert, SourceErrorsLeaveTheTargetUntouched) {
  FakeHost host;
  MakeRaw(host, kSource, 4096, {});
  FakeHost::Device& target = host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kRaw);
  request.sources.front().format = FormatId::kQcow2;
  EXPECT_EQ(ErrorOf(host, request).device, kSource);
  EXPECT_FALSE(target.touched);
}

TEST(Convert, AnEncryptedSourceLeavesTheTargetUntouched) {
  FakeHost host;
  ImageBuilder(host, kSource, kMiB).Finish();
  const std::array<std::byte, 4> aes = {{{}, {}, {}, std::byte{1}}};
  host.At(kSource).file.Write(32, aes);
  FakeHost::Device& target = host.AddTarget(kTarget);
  EXPECT_EQ(ErrorOf(host, To(FormatId::kRaw)).code, ErrorCode::kUnsupported);
  EXPECT_FALSE(target.touched);
}

TEST(Convert, WrongTargetOptionsLeaveTheTargetUntouched) {
  FakeHost host;
  MakeRaw(host, kSource, 4096, {});
  FakeHost::Device& target = host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kQcow2);
  request.target_options = test::Settings(FormatId::kQcow2, "cluster_size=7");
  EXPECT_EQ(ErrorOf(host, request).code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(target.touched);
}

TEST(Convert, ADiskOverTheLimitIsRefusedBeforeTheTargetIsTouched) {
  FakeHost host;
  MakeRaw(host, kSource, 8192, {});
  FakeHost::Device& target = host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kRaw);
  request.max_virtual_bytes = 4096;
  const Error error = ErrorOf(host, request);
  EXPECT_EQ(error.code, ErrorCode::kLimit);
  EXPECT_EQ(error.numbers[0], 8192u);
  EXPECT_EQ(error.numbers[1], 4096u);
  EXPECT_FALSE(target.touched);
}

struct Refused {
  const char* name;
  void (*change)(ConvertRequest& request);
};

class ConvertRefuses : public ::testing::TestWithParam<Refused> {};

TEST_P(ConvertRefuses, BeforeAnythingIsTouched) {
  FakeHost host;
  ImageBuilder(host, kSource, kMiB).Finish();
  ImageBuilder(host, kBase, kMiB).Finish();
  FakeHost::Device& target = host.AddTarget(kTarget);
  ConvertRequest request = To(FormatId::kQcow2);
  GetParam().change(request);
  const Error error = ErrorOf(host, request);
  EXPECT_TRUE(error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kUnsupported);
  EXPECT_FALSE(target.touched);
}

INSTANTIATE_TEST_SUITE_P(
    All, ConvertRefuses,
    ::testing::Values(
        Refused{"NoSource", [](ConvertRequest& r) { r.sources.clear(); }},
        Refused{"OddSparseSize", [](ConvertRequest& r) { r.zero_run_bytes = 1000; }},
        Refused{"HugeSparseSize", [](ConvertRequest& r) { r.zero_run_bytes = 32 << 20; }},
        Refused{"SnapshotOfSeveral",
                [](ConvertRequest& r) {
                  r.sources = {kSource, kBase};
                  r.snapshot.id_or_name = "1";
                }},
        Refused{"BackingFileOfSeveral",
                [](ConvertRequest& r) {
                  r.sources = {kSource, kBase};
                  r.backing_name = "base";
                  r.backing_format = "qcow2";
                }},
        Refused{"BitmapsOfSeveral",
                [](ConvertRequest& r) {
                  r.sources = {kSource, kBase};
                  r.bitmaps = true;
                }},
        Refused{"BackingFileWithoutFormat", [](ConvertRequest& r) { r.backing_name = "base"; }},
        Refused{"RawWithBackingFile",
                [](ConvertRequest& r) {
                  r.target_format = FormatId::kRaw;
                  r.backing_name = "base";
                  r.backing_format = "qcow2";
                }},
        Refused{"CompressedRaw",
                [](ConvertRequest& r) {
                  r.target_format = FormatId::kRaw;
                  r.compress = true;
                }},
        Refused{"BitmapsToRaw",
                [](ConvertRequest& r) {
                  r.target_format = FormatId::kRaw;
                  r.bitmaps = true;
                }},
        Refused{"CompressedOutOfOrder",
                [](ConvertRequest& r) {
                  r.compress = true;
                  r.out_of_order = true;
                }},
        Refused{"OptionsForAKeptTarget",
                [](ConvertRequest& r) {
                  r.keep_target = true;
                  r.target_options = test::Settings(FormatId::kQcow2, "compat=1.1");
                }},
        Refused{"BitmapsToAKeptTarget",
                [](ConvertRequest& r) {
                  r.keep_target = true;
                  r.bitmaps = true;
                }},
        Refused{"ZeroTargetThatIsNotKept", [](ConvertRequest& r) { r.target_is_zero = true; }},
        Refused{"SkippingWithoutBitmaps", [](ConvertRequest& r) { r.skip_broken_bitmaps = true; }},
        Refused{"UnknownTargetFormat",
                [](ConvertRequest& r) { r.target_format = FormatId::kVdi; }}),
    [](const auto& refused) { return refused.param.name; });

// Every call of every kind fails once: the conversion ends with that error and does not hang.
class ConvertFaults : public ::testing::TestWithParam<FakeHost::Call> {};

TEST_P(ConvertFaults, EveryFailedCallIsTheErrorOfTheConversion) {
  FakeHost maker;
  MakeMixedQcow2(maker, kSource);
  for (const bool compress : {false, true}) {
    for (unsigned nth = 1; nth < 200; ++nth) {
      FakeHost host;
      host.Add(kSource).file = maker.At(kSource).file;
      host.AddTarget(kTarget);
      const unsigned before = host.calls(GetParam());
      host.Fail(GetParam(), before + nth, {.code = ErrorCode::kNoSpace, .message = "injected"});
      ConvertRequest request = To(FormatId::kQcow2);
      request.compress = compress;
      request.workers = 3;
      const Status status = RunConvert(host, request);
      if (host.calls(GetParam()) < before + nth) {
        EXPECT_TRUE(status.has_value());
        break;
      }
      ASSERT_FALSE(status.has_value()) << "call " << nth;
      EXPECT_STREQ(status.error().message, "injected");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ConvertFaults,
                         ::testing::Values(FakeHost::Call::kInfo, FakeHost::Call::kResize,
                                           FakeHost::Call::kFlush, FakeHost::Call::kRead,
                                           FakeHost::Call::kWrite, FakeHost::Call::kTransfer,
                                           FakeHost::Call::kScanZero, FakeHost::Call::kProgress,
                                           FakeHost::Call::kParallel));

TEST(Convert, AFailedRunLeavesNothingThatProbesAsAnImage) {
  FakeHost host;
  MakeMixedQcow2(host, kSource);
  host.AddTarget(kTarget);
  host.Fail(FakeHost::Call::kTransfer, 3, {.code = ErrorCode::kIo, .message = "injected"});
  ErrorOf(host, To(FormatId::kQcow2));
  Bytes start(4);
  host.At(kTarget).file.Read(0, start);
  EXPECT_EQ(start, Bytes(4));
}

}  // namespace
}  // namespace instar::test
