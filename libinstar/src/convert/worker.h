// One worker of a conversion: claims chunks and carries each through map, scan, place and move.
//
// A claim costs two host calls: a scan for zeros and a transfer. Where the target is a flat file
// for which the host can leave zeros out while it copies, transfers of many chunks are one. Content
// that nothing has to look into is moved by the host and never enters the worker's memory; what is
// compressed, in the source or for the target, passes through buffers allocated once.
#ifndef INSTAR_CONVERT_WORKER_H_
#define INSTAR_CONVERT_WORKER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "convert/chunk_map.h"
#include "convert/chunk_queue.h"
#include "convert/target.h"
#include "convert/transfer_list.h"
#include "convert/zero_map.h"
#include "disk/content_loader.h"
#include "disk/progress.h"
#include "disk/salvage.h"
#include "disk/source_disk.h"

namespace instar::convert {

// What all workers share. Everything outlives them.
struct Job {
  Host& host;
  const disk::SourceDisk& disk;
  Target& target;
  ChunkQueue& queue;
  disk::ProgressMeter& progress;
  disk::SalvageCount* salvage = nullptr;  // set: --salvage
  std::span<const std::byte> zeros{};     // for -S 0
  std::uint64_t chunk_bytes = kChunkBytes;
  std::uint64_t seen_bytes = kChunkBytes;  // a longer claim is moved without a look into it
  std::uint64_t zero_run_bytes =
      0;                     // shortest run of zeros that counts: a power of two, or 0 for none
  bool short_holes = false;  // holes of raw sources that no scan finds again count
  bool compress = false;
  bool inherit = false;  // the target has a backing file
  // Moves may wait until there are more of them: nothing looks at what they move, and their order
  // does not matter.
  bool collect_moves = false;
};

class Worker {
 public:
  static Result<std::unique_ptr<Worker>> Create(const Job& job, unsigned number);

  // Until nothing is left or something failed; the queue knows which.
  void Run();

  // The same, but no longer than what is moved shares blocks with its source. False: there is more,
  // for Run.
  bool RunWhileShared();

 private:
  Worker(const Job& job, unsigned number, ChunkMap map);

  // False: it failed, and the queue knows.
  bool Take(const Claim& claim);
  Status Convert(const Claim& claim);
  Status ConvertZeros(const Claim& claim);
  Status ConvertData(const Claim& claim);
  // Ends the turn in which the claim's places were decided, and moves what was `placed`.
  Status EndTurn(const Claim& claim, const Status& placed);
  // Carries out what waits, and counts what was claimed as done.
  Status Settle();
  // Tells the queue if what was moved last, from `source`, shares blocks with it.
  Status NoteSharing(DeviceId source);

  // plain_chunk.cc
  Status ConvertPlain(const Claim& claim);
  Status PlacePlain(const Claim& claim);
  Status PlaceRun(std::uint64_t offset, std::uint64_t length, std::size_t& piece);
  void AddCopy(const disk::SourceExtent& part, DeviceId device, std::uint64_t file_offset,
               bool sparse);
  void MovePiece(const disk::SourceExtent& part, std::uint64_t chunk_offset, DeviceId device,
                 std::uint64_t file_offset);
  void MoveMemory(const disk::SourceExtent& part, std::uint64_t chunk_offset, DeviceId device,
                  std::uint64_t file_offset);
  Status PlaceZeroRun(std::uint64_t offset, std::uint64_t end);
  Status PlaceZeros(std::uint64_t offset, std::uint64_t length);

  // compressed_chunk.cc
  Status ConvertCompressed(const Claim& claim);
  Status CompressUnits(const Claim& claim);
  Status PlaceCompressed(const Claim& claim);

  const Job job_;
  const unsigned number_;
  ChunkMap map_;
  ZeroMap zero_map_;
  disk::ContentLoader loader_;
  TransferList transfers_;
  std::uint64_t unsettled_bytes_ = 0;  // claimed and not counted as done
  DeviceId asked_ = kNoDevice;         // of which source it was asked last
  // Content that passes through memory, at its place in the chunk; made when there is any.
  disk::ByteBuffer chunk_;
  disk::ByteBuffer packed_;                // compressed units, one after another
  std::vector<std::size_t> packed_bytes_;  // per unit; 0: it is stored plain
};

}  // namespace instar::convert

#endif  // INSTAR_CONVERT_WORKER_H_
