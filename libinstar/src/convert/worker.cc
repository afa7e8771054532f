#include "convert/worker.h"

#include <utility>

namespace instar::convert {

Worker::Worker(const Job& job, unsigned number, ChunkMap map)
    : job_(job),
      number_(number),
      map_(std::move(map)),
      zero_map_(job.host, job.target.unit_bytes(), job.compress ? 0 : job.zero_run_bytes,
                job.seen_bytes, map_.max_pieces()),
      loader_(job.host, job.disk, map_.max_pieces(), job.salvage),
      transfers_(job.zeros, map_.max_pieces()) {
  if (job.compress) {
    chunk_ = disk::ByteBuffer(job.chunk_bytes);
    const std::uint64_t units = job.chunk_bytes / job.target.unit_bytes();
    packed_ = disk::ByteBuffer(units * job.target.writer().max_compressed_bytes());
    packed_bytes_.resize(units);
  }
}

Result<std::unique_ptr<Worker>> Worker::Create(const Job& job, unsigned number) {
  INSTAR_ASSIGN_OR_RETURN(ChunkMap map, ChunkMap::Create(job.host, job.disk,
                                                         {.chunk_bytes = job.chunk_bytes,
                                                          .longest_bytes = job.seen_bytes,
                                                          .unit_bytes = job.target.unit_bytes(),
                                                          .inherit = job.inherit,
                                                          .short_holes = job.short_holes,
                                                          .salvage = job.salvage}));
  return std::unique_ptr<Worker>(new Worker(job, number, std::move(map)));
}

void Worker::Run() {
  while (const auto claim = job_.queue.Next()) {
    if (!Take(*claim)) return;
  }
  if (const Status status = Settle(); !status) job_.queue.Fail(status.error());
}

bool Worker::RunWhileShared() {
  while (const auto claim = job_.queue.Next()) {
    if (!Take(*claim)) return true;
    if (!job_.queue.Shares(claim->lead.device)) return false;
  }
  if (const Status status = Settle(); !status) job_.queue.Fail(status.error());
  return true;
}

bool Worker::Take(const Claim& claim) {
  unsettled_bytes_ += claim.length_bytes;
  const Status status = Convert(claim);
  if (!status) job_.queue.Fail(status.error());
  return status.has_value();
}

Status Worker::Settle() {
  const DeviceId source = transfers_.last_source();
  INSTAR_TRY(transfers_.Send(job_.host));
  INSTAR_TRY(NoteSharing(source));
  job_.queue.AddDone(unsettled_bytes_);
  unsettled_bytes_ = 0;
  return job_.progress.Update(job_.queue.done_bytes());
}

Status Worker::NoteSharing(DeviceId source) {
  if (!job_.collect_moves || source == asked_ || job_.queue.Shares(source)) return {};
  asked_ = source;
  INSTAR_ASSIGN_OR_RETURN(const DeviceInfo info, job_.host.Info(job_.target.id()));
  if (info.shares) job_.queue.NoteSharing(source);
  return {};
}

Status Worker::Convert(const Claim& claim) {
  if (claim.length_bytes > job_.seen_bytes) {
    return claim.lead.kind == disk::SourceExtent::Kind::kData ? ConvertData(claim)
                                                              : ConvertZeros(claim);
  }
  return job_.compress ? ConvertCompressed(claim) : ConvertPlain(claim);
}

// A long claim of data goes to its place as it is; the host leaves out what is zeros.
Status Worker::ConvertData(const Claim& claim) {
  INSTAR_TRY(map_.Fill(claim));
  for (disk::SourceExtent& piece : map_.pieces()) piece.has_zero_runs = job_.zero_run_bytes != 0;
  if (!job_.queue.BeginTurn(claim.ticket)) return {};
  std::size_t piece = 0;
  return EndTurn(claim, PlaceRun(claim.offset, claim.length_bytes, piece));
}

// One of zeros: they have to be said.
Status Worker::ConvertZeros(const Claim& claim) {
  if (!job_.queue.BeginTurn(claim.ticket)) return {};
  return EndTurn(claim, PlaceZeros(claim.offset, claim.length_bytes));
}

// What could not be placed is the target's fault, what could not be moved the host's to tell.
Status Worker::EndTurn(const Claim& claim, const Status& placed) {
  if (placed && job_.target.appends_only()) {
    // After a failure the turn does not end: nothing may follow in the pipe.
    INSTAR_TRY(transfers_.SendInOrder(job_.host));
  }
  job_.queue.EndTurn();
  if (!placed) return std::unexpected(placed.error().On(job_.target.id()));
  const std::uint64_t end = claim.offset + claim.length_bytes;
  if (job_.collect_moves && transfers_.steps() < kMaxHostList &&
      unsettled_bytes_ < job_.queue.FairBytes(end, claim.lead.device)) {
    return transfers_.SendWrites(job_.host);  // whose memory is needed
  }
  return Settle();
}

}  // namespace instar::convert
