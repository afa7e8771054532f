// Runs the fuzz target over its corpus: seeds of every request and whatever once was a finding.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "../../../../fuzz/broker_request_fuzz.h"
#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

TEST(BrokerFuzzReplay, EveryFileOfTheCorpusKeepsThePromises) {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(INSTAR_SOURCE_DIR "/fuzz/corpus/broker_request")) {
    SCOPED_TRACE(entry.path());
    const std::string bytes = ReadWholeFile(entry.path().string());
    EXPECT_FALSE(bytes.empty());
    fuzz::FuzzBrokerRequests(std::as_bytes(std::span(bytes)));  // aborts where one is broken
    ++files;
  }
  EXPECT_GE(files, 20) << "the corpus is missing";
}

}  // namespace
}  // namespace instar::vmm
