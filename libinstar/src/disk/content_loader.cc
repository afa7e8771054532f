#include "disk/content_loader.h"

#include <algorithm>
#include <cstring>

#include "formats/base/checked.h"

namespace instar::disk {
namespace {

constexpr std::uint64_t kBatchBytes = 2 << 20;

bool SameUnit(const SourceExtent& a, const SourceExtent& b) {
  return a.length_bytes != 0 && a.source == b.source && a.depth == b.depth &&
         a.device == b.device && a.file_offset == b.file_offset && a.unit_offset == b.unit_offset;
}

}  // namespace

ContentLoader::ContentLoader(Host& host, const SourceDisk& disk, std::size_t max_pieces,
                             SalvageCount* salvage)
    : host_(host), disk_(disk), max_pieces_(max_pieces), salvage_(salvage) {}

bool ContentLoader::HasCompressed(std::span<const SourceExtent> pieces) {
  return std::ranges::any_of(pieces, [](const SourceExtent& piece) {
    return piece.kind == SourceExtent::Kind::kCompressed;
  });
}

void ContentLoader::MakeBuffers() {
  const std::uint64_t cluster = disk_.largest_cluster_bytes();
  // A unit that does not compress may take more than its size, by less than as much again.
  compressed_ = ByteBuffer(std::max(kBatchBytes, 2 * cluster + kSectorBytes));
  unit_ = ByteBuffer(cluster);
  reads_.reserve(max_pieces_);
  pending_.reserve(max_pieces_);
}

void ContentLoader::StartBatch() {
  reads_.clear();
  pending_.clear();
  used_ = 0;
}

// Adds the unit of `piece` to the batch; false if it does not fit any more. Units follow one
// another in the file, often within a sector, so most reads only grow the one before.
bool ContentLoader::Gather(const SourceExtent& piece, std::size_t index) {
  if (!reads_.empty()) {
    ReadRequest& last = reads_.back();
    const std::uint64_t end = last.offset + last.out.size();
    if (last.device == piece.device && piece.file_offset >= last.offset &&
        piece.file_offset <= end) {
      const std::uint64_t more = std::max(end, piece.file_offset + piece.compressed_bytes) - end;
      if (more > compressed_.size() - used_) return false;
      const std::size_t start = used_ - last.out.size();
      used_ += more;
      last.out = compressed_.span().subspan(start, used_ - start);
      pending_.push_back({index, start + (piece.file_offset - last.offset)});
      return true;
    }
  }
  if (piece.compressed_bytes > compressed_.size() - used_) return false;
  reads_.push_back({.device = piece.device,
                    .offset = piece.file_offset,
                    .out = compressed_.span().subspan(used_, piece.compressed_bytes)});
  pending_.push_back({index, used_});
  used_ += piece.compressed_bytes;
  return true;
}

Status ContentLoader::InflateOne(SourceExtent& piece, std::span<const std::byte> compressed,
                                 std::uint64_t chunk_offset, std::span<std::byte> memory) {
  const ChainExtent extent{.extent = {.kind = ExtentKind::kCompressed,
                                      .length_bytes = piece.length_bytes,
                                      .device = piece.device,
                                      .file_offset = piece.file_offset,
                                      .unit_offset = piece.unit_offset,
                                      .unit_bytes = piece.unit_bytes,
                                      .compressed_bytes = piece.compressed_bytes},
                           .depth = piece.depth,
                           .allocated = true};
  const Chain& chain = disk_.chain(piece.source);
  const auto out = memory.subspan(piece.offset - chunk_offset, piece.length_bytes);
  Status status;
  if (piece.unit_skip == 0 && piece.length_bytes == piece.unit_bytes) {
    status = chain.Decompress(extent, compressed, out);
  } else {
    const auto unit = unit_.span().first(piece.unit_bytes);
    if (!SameUnit(unit_holds_, piece)) {
      unit_holds_ = {};
      status = chain.Decompress(extent, compressed, unit);
      if (status) unit_holds_ = piece;
    }
    if (status) std::memcpy(out.data(), unit.data() + piece.unit_skip, out.size());
  }
  if (status) {
    piece.kind = SourceExtent::Kind::kMemory;
    return {};
  }
  if (salvage_ == nullptr) return std::unexpected(status.error().On(piece.device));
  salvage_->Lost(piece.offset, piece.length_bytes);
  piece.kind = SourceExtent::Kind::kZero;
  return {};
}

Status ContentLoader::InflateBatch(std::span<SourceExtent> pieces, std::uint64_t chunk_offset,
                                   std::span<std::byte> memory) {
  if (pending_.empty()) return {};
  const Status read = host_.Read(reads_);
  if (!read && salvage_ == nullptr) return read;
  for (const Pending& pending : pending_) {
    SourceExtent& piece = pieces[pending.piece];
    const auto compressed =
        compressed_.span().subspan(pending.buffer_offset, piece.compressed_bytes);
    if (!read) {  // one of the reads failed: find which
      const ReadRequest one{.device = piece.device, .offset = piece.file_offset, .out = compressed};
      if (!host_.Read({&one, 1})) {
        salvage_->Lost(piece.offset, piece.length_bytes);
        piece.kind = SourceExtent::Kind::kZero;
        continue;
      }
    }
    INSTAR_TRY(InflateOne(piece, compressed, chunk_offset, memory));
  }
  return {};
}

Status ContentLoader::Inflate(std::span<SourceExtent> pieces, std::uint64_t chunk_offset,
                              std::span<std::byte> memory) {
  unit_holds_ = {};
  StartBatch();
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const SourceExtent& piece = pieces[i];
    if (piece.kind != SourceExtent::Kind::kCompressed) continue;
    if (compressed_.size() == 0) MakeBuffers();
    if (piece.unit_bytes > unit_.size() || piece.compressed_bytes > compressed_.size() ||
        !RangeFits(piece.unit_skip, piece.length_bytes, piece.unit_bytes)) {
      Error error = Corrupt("the compressed unit of {0} bytes at {1x} is larger than a cluster",
                            piece.unit_bytes, piece.file_offset)
                        .error();
      return std::unexpected(error.On(piece.device));
    }
    if (pending_.size() == kMaxHostList || !Gather(piece, i)) {
      INSTAR_TRY(InflateBatch(pieces, chunk_offset, memory));
      StartBatch();
      Gather(piece, i);
    }
  }
  return InflateBatch(pieces, chunk_offset, memory);
}

Status ContentLoader::Read(std::span<SourceExtent> pieces, std::uint64_t chunk_offset,
                           std::span<std::byte> memory) {
  reads_.clear();
  for (SourceExtent& piece : pieces) {
    if (piece.kind != SourceExtent::Kind::kData) continue;
    reads_.push_back({.device = piece.device,
                      .offset = piece.file_offset,
                      .out = memory.subspan(piece.offset - chunk_offset, piece.length_bytes)});
    piece.kind = SourceExtent::Kind::kMemory;
  }
  std::span<const ReadRequest> rest = reads_;
  while (!rest.empty()) {
    const std::size_t count = std::min(rest.size(), kMaxHostList);
    INSTAR_TRY(host_.Read(rest.first(count)));
    rest = rest.subspan(count);
  }
  return {};
}

}  // namespace instar::disk
