// A fault in every call, one a run: the verb always ends by telling of it, and never claims
// success.
#include <gtest/gtest.h>

#include "bridge/host_bridge.h"
#include "formats/create.h"
#include "instar/verbs.h"
#include "recording_call_table.h"
#include "support/option_settings.h"

namespace instar {
namespace {

constexpr std::uint64_t kDiskBytes = 3 << 20;

// Data, zeros, data; not a whole number of clusters.
std::vector<std::byte> Disk() {
  std::vector<std::byte> disk(kDiskBytes - 512);
  for (std::size_t i = 0; i < disk.size(); ++i) {
    if (i < (1 << 20) || i > (2 << 20)) disk[i] = static_cast<std::byte>(i * 2654435761u >> 13 | 1);
  }
  return disk;
}

template <typename Request>
void RunThrough(RecordingCallTable& calls, Status (*verb)(Host&, const Request&),
                const Request& request) {
  WireWriter writer;
  EncodeRequest(request, writer);
  RunVerb(calls.table(), verb, writer.bytes());
}

struct ConvertCase {
  const char* name;
  FormatId target_format;
  bool compress;
  const char* options;
};
class ConvertFaultTest : public ::testing::TestWithParam<ConvertCase> {
 protected:
  static void Convert(RecordingCallTable& calls, FormatId from, FormatId to, bool compress,
                      const char* options) {
    ConvertRequest request;
    request.sources = {{DeviceId{0}, from}};
    request.target = DeviceId{1};
    request.target_format = to;
    request.compress = compress;
    request.target_options = test::Settings(request.target_format, options);
    RunThrough(calls, RunConvert, request);
  }
  static void MakeFiles(RecordingCallTable& calls, const std::vector<std::byte>& source) {
    calls.files.clear();
    calls.files.push_back({.bytes = source});
    calls.files.push_back({.bytes = {}, .writable = true});
  }
};

TEST_P(ConvertFaultTest, EveryFailingCallFailsTheVerb) {
  RecordingCallTable clean;
  MakeFiles(clean, Disk());
  Convert(clean, FormatId::kRaw, GetParam().target_format, GetParam().compress, GetParam().options);
  ASSERT_TRUE(clean.finished) << clean.failure->message;
  ASSERT_GT(clean.calls.size(), 4u);
  for (std::size_t i = 0; i < clean.calls.size(); ++i) {
    RecordingCallTable faulty;
    MakeFiles(faulty, Disk());
    faulty.FailCall(i, ErrorCode::kIo, EIO);
    Convert(faulty, FormatId::kRaw, GetParam().target_format, GetParam().compress,
            GetParam().options);
    EXPECT_FALSE(faulty.finished) << "call " << i << " (" << clean.calls[i] << ") failed unnoticed";
    ASSERT_TRUE(faulty.failure.has_value());
    EXPECT_FALSE(faulty.failure->message.empty());
  }
}

TEST_P(ConvertFaultTest, ReadingBackGivesTheDisk) {
  RecordingCallTable forth;
  MakeFiles(forth, Disk());
  Convert(forth, FormatId::kRaw, GetParam().target_format, GetParam().compress, GetParam().options);
  ASSERT_TRUE(forth.finished) << forth.failure->message;
  RecordingCallTable back;
  MakeFiles(back, forth.files[1].bytes);
  Convert(back, GetParam().target_format, FormatId::kRaw, false, "");
  ASSERT_TRUE(back.finished) << back.failure->message;
  EXPECT_EQ(back.files[1].bytes, Disk());
  // And every fault while reading is noticed, too.
  for (std::size_t i = 0; i < back.calls.size(); ++i) {
    RecordingCallTable faulty;
    MakeFiles(faulty, forth.files[1].bytes);
    faulty.FailCall(i, ErrorCode::kIo, EIO);
    Convert(faulty, GetParam().target_format, FormatId::kRaw, false, "");
    EXPECT_FALSE(faulty.finished) << "call " << i << " (" << back.calls[i] << ") failed unnoticed";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Targets, ConvertFaultTest,
    ::testing::Values(ConvertCase{"Raw", FormatId::kRaw, false, ""},
                      ConvertCase{"Qcow2", FormatId::kQcow2, false, ""},
                      ConvertCase{"Qcow2SmallClusters", FormatId::kQcow2, false,
                                  "cluster_size=512,refcount_bits=1"},
                      ConvertCase{"Qcow2Extended", FormatId::kQcow2, false, "extended_l2=on"},
                      ConvertCase{"Qcow2Compressed", FormatId::kQcow2, true, ""},
                      ConvertCase{"Qcow2CompressedZstd", FormatId::kQcow2, true,
                                  "compression_type=zstd"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(InfoFaultTest, EveryFailingCallFailsTheVerb) {
  RecordingCallTable forth;
  forth.files = {{.bytes = Disk()}, {.bytes = {}, .writable = true}};
  ConvertRequest convert;
  convert.sources = {DeviceId{0}};
  convert.target = DeviceId{1};
  convert.target_format = FormatId::kQcow2;
  RunThrough(forth, RunConvert, convert);
  ASSERT_TRUE(forth.finished);
  const InfoRequest request{.image = DeviceId{0}};
  RecordingCallTable clean;
  clean.files = {{.bytes = forth.files[1].bytes}};
  RunThrough(clean, RunInfo, request);
  ASSERT_TRUE(clean.finished) << clean.failure->message;
  EXPECT_FALSE(clean.emitted.empty());
  for (std::size_t i = 0; i < clean.calls.size(); ++i) {
    RecordingCallTable faulty;
    faulty.files = clean.files;
    faulty.FailCall(i, ErrorCode::kIo, EIO);
    RunThrough(faulty, RunInfo, request);
    EXPECT_FALSE(faulty.finished) << "call " << i << " (" << clean.calls[i] << ") failed unnoticed";
  }
}

}  // namespace
}  // namespace instar
