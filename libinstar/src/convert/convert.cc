// The verb `convert`: options are checked and everything is opened and validated first; only then
// is the target touched, and its header is written last.
#include <algorithm>
#include <bit>
#include <memory>
#include <vector>

#include "convert/chunk_queue.h"
#include "convert/stream_copy.h"
#include "convert/target.h"
#include "convert/target_identity.h"
#include "convert/worker.h"
#include "disk/progress.h"
#include "disk/salvage.h"
#include "disk/source_disk.h"
#include "formats/base/checked.h"
#include "formats/base/formats.h"
#include "instar/records.h"
#include "instar/result_records.h"
#include "instar/verbs.h"

namespace instar {
namespace convert {
namespace {

constexpr std::uint64_t kMaxZeroRunBytes = 16 << 20;  // of -S, as in qemu-img
constexpr std::uint64_t kMaxRunBytes = 2 << 20;       // runs are not looked for across chunks
constexpr std::size_t kZeroBytes = 64 << 10;

Status CheckRequest(const ConvertRequest& request) {
  if (request.sources.empty()) return InvalidArgument("there is no source to convert");
  if (request.zero_run_bytes % disk::kSectorBytes != 0 ||
      request.zero_run_bytes > kMaxZeroRunBytes) {
    return InvalidArgument("-S {0} is not a multiple of {1} up to {2}", request.zero_run_bytes,
                           disk::kSectorBytes, kMaxZeroRunBytes);
  }
  if (request.sources.size() > 1 && !request.snapshot.empty()) {
    return InvalidArgument("a snapshot can be taken of a single source only");
  }
  if (request.sources.size() > 1 && !request.backing_name.empty()) {
    return InvalidArgument("the target can have a backing file with a single source only");
  }
  if (request.sources.size() > 1 && request.bitmaps) {
    return InvalidArgument("bitmaps can be copied from a single source only");
  }
  if (request.bitmaps && request.keep_target) {
    return Unsupported("--bitmaps into an existing image is not supported");
  }
  if (request.skip_broken_bitmaps && !request.bitmaps) {
    return InvalidArgument("--skip-broken-bitmaps needs --bitmaps");
  }
  if (request.target_is_zero && !request.keep_target) {
    return InvalidArgument("--target-is-zero needs -n");
  }
  if (request.keep_target && !request.target_options.empty()) {
    return InvalidArgument("-n keeps the target as it is, so -o has nothing to apply to");
  }
  if (!request.backing_name.empty() && request.backing_format.empty() && !request.keep_target) {
    return InvalidArgument("a backing file needs its format stated: -F FORMAT");
  }
  const bool raw = IsBareDisk(request.target_format);
  if (raw && !request.backing_name.empty() && !request.keep_target) {
    return InvalidArgument("raw images have no backing file");
  }
  if (raw && request.compress) return InvalidArgument("raw images cannot be compressed");
  if (request.compress && request.out_of_order) {
    return InvalidArgument("-W and -c do not go together");
  }
  return {};
}

// Runs of zeros are looked for in blocks of a power of two: the first that is not below -S.
std::uint64_t RunBytes(const ConvertRequest& request) {
  if (request.zero_run_bytes == 0) return 0;
  return std::min(std::bit_ceil(request.zero_run_bytes), kMaxRunBytes);
}

// As many as asked for and the host has, but none without a chunk to work on.
unsigned Workers(Host& host, const ConvertRequest& request, std::uint64_t size_bytes) {
  const std::uint64_t chunks = DivideRoundUp(size_bytes, kChunkBytes);
  const std::uint64_t most = std::min<std::uint64_t>(host.max_workers(), chunks);
  return static_cast<unsigned>(std::max<std::uint64_t>(1, std::min(request.workers, most)));
}

// How much to look into at once for zeros in `block_bytes` where data stands close. What the host
// reads for that and does not keep it reads again to copy it, and where it has to read all, or
// cannot read it from memory the second time, that costs more than the calls it saves.
std::uint64_t DenseStretchBytes(const disk::SourceDisk& disk, std::uint64_t block_bytes) {
  const bool read_whole = block_bytes < kProbedUnitBytes || disk.direct();
  return read_whole ? kScanKeptBytes : 2 * kScanKeptBytes;
}

void RunWorker(void* argument, unsigned number) {
  (*static_cast<std::vector<std::unique_ptr<Worker>>*>(argument))[number]->Run();
}

Status RunWorkers(const Job& job, unsigned count) {
  std::vector<std::unique_ptr<Worker>> workers;
  workers.reserve(count);
  for (unsigned i = 0; i < count; ++i) {
    INSTAR_ASSIGN_OR_RETURN(auto worker, Worker::Create(job, i));
    workers.push_back(std::move(worker));
    // Where blocks are shared the file system lets in one at a time.
    if (i == 0 && job.collect_moves && workers.front()->RunWhileShared()) return job.queue.status();
  }
  job.queue.EndProbe();
  if (count == 1) {
    workers.front()->Run();
  } else {
    INSTAR_TRY(job.host.Parallel(count, RunWorker, &workers));
  }
  return job.queue.status();
}

// What can be told of --bitmaps before the target is touched.
Status CheckBitmaps(const disk::SourceDisk& disk, const Target& target,
                    const ConvertRequest& request) {
  if (!PropertyOf<&FormatProperties::holds_bitmaps>(disk.chain(0).top().format())) {
    Error error = Unsupported("--bitmaps: images of the source's format have no bitmaps").error();
    return std::unexpected(error.On(request.sources.front().device));
  }
  if (!PropertyOf<&FormatProperties::holds_bitmaps>(request.target_format)) {
    Error error = Unsupported("--bitmaps: images of the target's format have no bitmaps").error();
    return std::unexpected(error.On(request.target));
  }
  return target.writer().CheckBitmaps(*disk.chain(0).layers().front().device,
                                      request.skip_broken_bitmaps);
}

Status CopyBitmaps(const disk::SourceDisk& disk, const Target& target,
                   const ConvertRequest& request) {
  const HostDevice& source = *disk.chain(0).layers().front().device;
  const Status copied = target.writer().CopyBitmaps(source, request.skip_broken_bitmaps);
  if (!copied) return std::unexpected(copied.error().On(source.id()));
  return {};
}

// What is to be said besides success.
Status Report(Host& host, const disk::SourceDisk& disk, std::size_t sources,
              const disk::SalvageCount& lost) {
  ConvertRecord record{
      .beyond_end = disk.window_beyond_end(), .unfit_footers = {}, .salvage = lost.record()};
  for (std::size_t i = 0; i < sources; ++i) {
    if (disk.chain(i).layers().front().unfit_footer) record.unfit_footers.push_back(i);
  }
  if (record.empty()) return {};
  RecordWriter records(host);
  Tell(records, std::move(record));
  return records.Finish();
}

Status Run(Host& host, const ConvertRequest& request) {
  INSTAR_TRY(CheckRequest(request));
  INSTAR_ASSIGN_OR_RETURN(const bool streams, IsStreamCopy(host, request));
  if (streams) return CopyStream(host, request);
  const bool inherit = !request.backing_name.empty();
  INSTAR_ASSIGN_OR_RETURN(const auto disk, disk::SourceDisk::Open(host, request, inherit));
  const std::uint64_t size = disk->size_bytes();
  if (size > request.max_virtual_bytes) {
    Error error = OverLimit("the virtual disk has {0} bytes, more than the limit of {1}", size,
                            request.max_virtual_bytes)
                      .error();
    return std::unexpected(error.On(request.sources.front().device));
  }
  const unsigned count = Workers(host, request, size);
  INSTAR_ASSIGN_OR_RETURN(const auto target, Target::Open(host, request, size, count));
  if (request.bitmaps) INSTAR_TRY(CheckBitmaps(*disk, *target, request));
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t told,
                          SetTargetIdentity(host, request, *disk, *target, count));

  const bool compress = target->writer().compresses(request.compress);
  // Where the host can leave zeros out as it copies, nothing looks into what is moved.
  const bool unseen = target->is_flat() && target->placed_reads_zero() && !target->appends_only() &&
                      !request.salvage;
  const std::uint64_t chunk_bytes =
      std::max(compress ? kCompressedChunkBytes : kChunkBytes, target->unit_bytes());
  const std::uint64_t stretch_bytes = compress || request.salvage ? 0 : kStretchBytes;
  const std::uint64_t seen_bytes = unseen ? chunk_bytes : std::max(chunk_bytes, stretch_bytes);
  // Holes in the file of a raw source are found again as zeros where runs of this length count.
  constexpr std::uint64_t kFoundBytes = 4096;
  const std::uint64_t zero_run_bytes = RunBytes(request);
  const bool short_holes = zero_run_bytes > kFoundBytes;
  const std::uint64_t block_bytes = std::max(target->unit_bytes(), zero_run_bytes);
  const std::uint64_t dense_bytes =
      unseen ? stretch_bytes : std::min(stretch_bytes, DenseStretchBytes(*disk, block_bytes));
  // In a flat file every byte has its place whoever comes first; elsewhere the order of the tickets
  // decides, with -W too: without it the layout, and with it the result, would vary from run to
  // run.
  INSTAR_ASSIGN_OR_RETURN(
      const auto queue, ChunkQueue::Create(host, *disk, *target,
                                           {.chunk_bytes = chunk_bytes,
                                            .ordered = !target->is_flat() || target->appends_only(),
                                            .salvage = request.salvage,
                                            .stretch_bytes = stretch_bytes,
                                            .dense_stretch_bytes = dense_bytes,
                                            // Where short holes count, each is a piece.
                                            .over_holes = !short_holes,
                                            .probe = unseen,
                                            .workers = count}));
  // The queue has opened a cursor on every layer: from here on sources fail only where they are
  // read.
  INSTAR_TRY(target->Begin());
  if (told != 0) queue->AddDone(told);
  disk::ProgressMeter progress(host, told + size);
  disk::SalvageCount lost;
  std::vector<std::byte> zeros(request.zero_run_bytes == 0 ? kZeroBytes : 0);
  const Job job{.host = host,
                .disk = *disk,
                .target = *target,
                .queue = *queue,
                .progress = progress,
                .salvage = request.salvage ? &lost : nullptr,
                .zeros = zeros,
                .chunk_bytes = chunk_bytes,
                .seen_bytes = seen_bytes,
                .zero_run_bytes = zero_run_bytes,
                .short_holes = short_holes,
                .compress = compress,
                .inherit = inherit,
                .collect_moves = unseen};
  INSTAR_TRY(RunWorkers(job, count));
  if (request.bitmaps) INSTAR_TRY(CopyBitmaps(*disk, *target, request));
  INSTAR_TRY(target->Finish());
  INSTAR_TRY(Report(host, *disk, request.sources.size(), lost));
  return progress.Finish();
}

}  // namespace
}  // namespace convert

Status RunConvert(Host& host, const ConvertRequest& request) { return convert::Run(host, request); }

}  // namespace instar
