// Runs the fuzz targets of the broker over their corpora: seeds of every request and whatever once
// was a finding.
#include <gtest/gtest.h>

#include <filesystem>
#include <span>
#include <string>

#include "../../../../fuzz/broker_request_fuzz.h"
#include "../../../../fuzz/broker_threads_fuzz.h"
#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

// Runs `target`, which aborts where a promise is broken, over each file; how many there are.
int ReplayCorpus(const char* corpus, void (*target)(std::span<const std::byte>)) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::string(INSTAR_SOURCE_DIR "/fuzz/corpus/") + corpus)) {
    SCOPED_TRACE(entry.path());
    const std::string bytes = ReadWholeFile(entry.path().string());
    EXPECT_FALSE(bytes.empty());
    target(std::as_bytes(std::span(bytes)));
    ++files;
  }
  return files;
}

TEST(BrokerFuzzReplay, EveryFileOfTheCorpusKeepsThePromises) {
  EXPECT_GE(ReplayCorpus("broker_request", fuzz::FuzzBrokerRequests), 20)
      << "the corpus is missing";
}

TEST(BrokerFuzzReplay, EveryFileOfTheCorpusKeepsThePromisesWithTwoVcpusAtOnce) {
  EXPECT_GE(ReplayCorpus("broker_threads", fuzz::FuzzThreads), 8) << "the corpus is missing";
}

}  // namespace
}  // namespace instar::vmm
