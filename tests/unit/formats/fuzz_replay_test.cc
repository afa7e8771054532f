// Runs the fuzz targets over their corpora: seeds of real images and whatever once was a finding.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "../../../fuzz/measure_fuzz.h"
#include "../../../fuzz/qcow2_amend_fuzz.h"
#include "../../../fuzz/qcow2_bitmap_fuzz.h"
#include "../../../fuzz/qcow2_check_fuzz.h"
#include "../../../fuzz/qcow2_header_fuzz.h"
#include "../../../fuzz/qcow2_map_fuzz.h"
#include "../../../fuzz/qcow2_overwrite_fuzz.h"
#include "../../../fuzz/qcow2_repair_fuzz.h"
#include "../../../fuzz/qcow2_resize_fuzz.h"
#include "../../../fuzz/qcow2_snapshot_fuzz.h"
#include "../../../fuzz/vhdx_map_fuzz.h"
#include "../../../fuzz/vmdk_map_fuzz.h"
#include "../../../fuzz/vpc_map_fuzz.h"

namespace instar {
namespace {

struct Replay {
  const char* corpus;
  void (*run)(std::span<const std::byte>);
};

class FuzzReplay : public testing::TestWithParam<Replay> {};

TEST_P(FuzzReplay, EveryFileOfTheCorpusMeetsTheRequirements) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::string(INSTAR_SOURCE_DIR "/fuzz/corpus/") + GetParam().corpus)) {
    SCOPED_TRACE(entry.path());
    std::ifstream stream(entry.path(), std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
    EXPECT_FALSE(bytes.empty());
    GetParam().run(std::as_bytes(std::span(bytes)));  // aborts where a requirement is violated
    ++files;
  }
  EXPECT_GE(files, 5) << "the corpus is missing";
}

INSTANTIATE_TEST_SUITE_P(All, FuzzReplay,
                         testing::Values(Replay{"measure", fuzz::FuzzMeasure},
                                         Replay{"qcow2_header", fuzz::FuzzQcow2Header},
                                         Replay{"qcow2_map", fuzz::FuzzQcow2Map},
                                         Replay{"qcow2_amend", fuzz::FuzzQcow2Amend},
                                         Replay{"qcow2_check", fuzz::FuzzQcow2Check},
                                         Replay{"qcow2_bitmap", fuzz::FuzzQcow2Bitmap},
                                         Replay{"qcow2_overwrite", fuzz::FuzzQcow2Overwrite},
                                         Replay{"qcow2_repair", fuzz::FuzzQcow2Repair},
                                         Replay{"qcow2_resize", fuzz::FuzzQcow2Resize},
                                         Replay{"qcow2_snapshot", fuzz::FuzzQcow2Snapshot},
                                         Replay{"vhdx_map", fuzz::FuzzVhdxMap},
                                         Replay{"vmdk_map", fuzz::FuzzVmdkMap},
                                         Replay{"vpc_map", fuzz::FuzzVpcMap}),
                         [](const auto& tested) { return tested.param.corpus; });

}  // namespace
}  // namespace instar
