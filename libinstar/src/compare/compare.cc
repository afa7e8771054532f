// The verb `compare`: the disks are handed out in chunks, each worker compares those it gets, and
// of all that they find the event with the lowest offset is the result.
#include <algorithm>
#include <memory>
#include <vector>

#include "compare/chunk_comparer.h"
#include "compare/disk_pair.h"
#include "compare/event.h"
#include "compare/splitter.h"
#include "disk/progress.h"
#include "formats/base/checked.h"
#include "instar/records.h"
#include "instar/result_records.h"
#include "instar/verbs.h"

namespace instar {
namespace compare {
namespace {

struct Job {
  Splitter& splitter;
  disk::ProgressMeter& progress;
  std::vector<std::unique_ptr<ChunkComparer>> comparers;
};

void RunWorker(void* argument, unsigned number) {
  Job& job = *static_cast<Job*>(argument);
  while (const auto chunk = job.splitter.Next()) {
    job.comparers[number]->Compare(*chunk);
    // A host that does not want to hear of progress is no reason to end.
    static_cast<void>(job.progress.Update(chunk->offset + chunk->length_bytes));
  }
}

Status Report(Host& host, const DiskPair& pair, const Event& event) {
  const auto unfit = [&pair](std::size_t side) {
    return pair.disk(side).chain(0).layers().front().unfit_footer;
  };
  RecordWriter records(host);
  Tell(records, CompareRecord{.verdict = event.verdict,
                              .offset = event.offset,
                              .first_size = pair.disk(0).size_bytes(),
                              .second_size = pair.disk(1).size_bytes(),
                              .first_unfit_footer = unfit(0),
                              .second_unfit_footer = unfit(1)});
  return records.Finish();
}

unsigned Workers(Host& host, const CompareRequest& request, std::uint64_t bytes) {
  const std::uint64_t chunks = DivideRoundUp(bytes, kChunkBytes);
  const std::uint64_t most = std::min<std::uint64_t>(host.max_workers(), chunks);
  return static_cast<unsigned>(std::max<std::uint64_t>(1, std::min(request.workers, most)));
}

Status Run(Host& host, const CompareRequest& request) {
  INSTAR_ASSIGN_OR_RETURN(const auto pair, DiskPair::Open(host, request));
  if (request.strict && pair->disk(0).size_bytes() != pair->disk(1).size_bytes()) {
    return Report(host, *pair, {.verdict = CompareVerdict::kSizesDiffer, .offset = 0});
  }
  FirstEvent first(host);
  INSTAR_ASSIGN_OR_RETURN(const auto splitter,
                          Splitter::Create(host, *pair, request.strict, first));
  disk::ProgressMeter progress(host, pair->total_bytes());
  Job job{.splitter = *splitter, .progress = progress, .comparers = {}};
  const unsigned workers = Workers(host, request, pair->total_bytes());
  for (unsigned i = 0; i < workers; ++i) {
    INSTAR_ASSIGN_OR_RETURN(auto comparer, ChunkComparer::Create(host, *pair, first));
    job.comparers.push_back(std::move(comparer));
  }
  if (workers == 1) {
    RunWorker(&job, 0);
  } else {
    INSTAR_TRY(host.Parallel(workers, RunWorker, &job));
  }
  const Event& event = first.event();
  INSTAR_TRY(Report(host, *pair, event));
  if (event.verdict == CompareVerdict::kMapUnreadable ||
      event.verdict == CompareVerdict::kDataUnreadable) {
    return std::unexpected(event.error);
  }
  return {};
}

}  // namespace
}  // namespace compare

Status RunCompare(Host& host, const CompareRequest& request) { return compare::Run(host, request); }

}  // namespace instar
