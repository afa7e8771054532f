#include "compare/chunk_comparer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "formats/base/checked.h"

namespace instar::compare {
namespace {

using disk::kSectorBytes;
using disk::SourceExtent;

// Each segment costs the host a call or an entry of one. Beyond so many, memory is cheaper.
constexpr std::size_t kMaxHostSegments = 16;

// How exactly the place of a fault is looked for.
constexpr std::uint64_t kFaultBytes = 4096;

}  // namespace

ChunkComparer::ChunkComparer(Host& host, const DiskPair& pair, FirstEvent& first, PairCursor cursor)
    : host_(host), first_(first), cursor_(std::move(cursor)) {
  constexpr std::size_t kMaxPieces = kChunkBytes / disk::kSectorBytes;
  for (const std::size_t side : {0, 1}) {
    loaders_[side] =
        std::make_unique<disk::ContentLoader>(host, pair.disk(side), kMaxPieces, nullptr);
    memory_[side] = disk::ByteBuffer(kChunkBytes);
  }
}

Result<std::unique_ptr<ChunkComparer>> ChunkComparer::Create(Host& host, const DiskPair& pair,
                                                             FirstEvent& first) {
  INSTAR_ASSIGN_OR_RETURN(PairCursor cursor, PairCursor::Open(pair, /*first_ahead_bytes=*/0));
  return std::unique_ptr<ChunkComparer>(new ChunkComparer(host, pair, first, std::move(cursor)));
}

void ChunkComparer::OfferDifference(std::uint64_t offset) {
  first_.Offer({.verdict = CompareVerdict::kContentDiffers,
                .offset = AlignDown(offset, disk::kSectorBytes)});
}

void ChunkComparer::OfferUnreadable(std::uint64_t offset, const Error& error) {
  first_.Offer({.verdict = CompareVerdict::kDataUnreadable, .offset = offset, .error = error});
}

std::uint64_t ChunkComparer::Map(const Chunk& chunk) {
  std::uint64_t mapped = chunk.length_bytes;
  for (const std::size_t side : {0, 1}) {
    pieces_[side].clear();
    for (std::uint64_t at = 0; at < mapped;) {
      const auto piece = cursor_.Next(side, chunk.offset + at, mapped - at);
      if (!piece) {
        first_.Offer({.verdict = CompareVerdict::kMapUnreadable,
                      .offset = chunk.offset + at,
                      .error = piece.error()});
        mapped = at;
        break;
      }
      pieces_[side].push_back(*piece);
      at += piece->length_bytes;
    }
  }
  return mapped;
}

void ChunkComparer::CutIntoSegments() {
  segments_.clear();
  std::size_t a = 0;
  std::size_t b = 0;
  while (a < pieces_[0].size() && b < pieces_[1].size()) {
    const disk::SourceExtent& left = pieces_[0][a];
    const disk::SourceExtent& right = pieces_[1][b];
    const std::uint64_t start = std::max(left.offset, right.offset);
    const std::uint64_t end = std::min(left.end(), right.end());
    if (left.kind != disk::SourceExtent::Kind::kZero ||
        right.kind != disk::SourceExtent::Kind::kZero) {
      segments_.push_back(
          {.a = left.Part(start, end - start), .b = right.Part(start, end - start)});
    }
    if (left.end() == end) ++a;
    if (right.end() == end) ++b;
  }
}

bool ChunkComparer::WantsMemory() const {
  return segments_.size() > kMaxHostSegments ||
         std::ranges::any_of(segments_, [](const Segment& segment) {
           return segment.a.kind == disk::SourceExtent::Kind::kCompressed ||
                  segment.b.kind == disk::SourceExtent::Kind::kCompressed;
         });
}

void ChunkComparer::Compare(const Chunk& chunk) {
  Chunk mapped{.offset = chunk.offset, .length_bytes = Map(chunk)};
  if (mapped.length_bytes == 0) return;
  CutIntoSegments();
  if (segments_.empty()) return;
  if (WantsMemory()) {
    CompareInMemory(mapped);
  } else {
    CompareByHost();
  }
}

// Brings the content of one disk into memory.
Status ChunkComparer::Load(std::size_t side, const Chunk& chunk) {
  const auto memory = memory_[side].span();
  for (const disk::SourceExtent& piece : pieces_[side]) {
    if (piece.kind != disk::SourceExtent::Kind::kZero) continue;
    std::memset(memory.data() + (piece.offset - chunk.offset), 0, piece.length_bytes);
  }
  disk::ContentLoader& loader = *loaders_[side];
  INSTAR_TRY(loader.Inflate(pieces_[side], chunk.offset, memory));
  return loader.Read(pieces_[side], chunk.offset, memory);
}

void ChunkComparer::CompareInMemory(const Chunk& chunk) {
  // A piece may reach beyond where the other side's map ends.
  for (auto& pieces : pieces_) {
    const std::uint64_t end = chunk.offset + chunk.length_bytes;
    while (!pieces.empty() && pieces.back().offset >= end) pieces.pop_back();
    if (!pieces.empty() && pieces.back().end() > end) {
      pieces.back().length_bytes = end - pieces.back().offset;
    }
  }
  Status loaded = Load(0, chunk);
  if (loaded) loaded = Load(1, chunk);
  if (!loaded) {
    if (chunk.length_bytes <= kFaultBytes) {
      OfferUnreadable(chunk.offset, loaded.error());
      return;
    }
    // What differs before the fault counts, so look where exactly that is.
    const std::uint64_t half = AlignDown(chunk.length_bytes / 2 + kFaultBytes - 1, kFaultBytes);
    Compare({.offset = chunk.offset, .length_bytes = half});
    const std::uint64_t middle = chunk.offset + half;
    if (first_.Before(middle)) return;
    Compare({.offset = middle, .length_bytes = chunk.length_bytes - half});
    return;
  }
  const std::byte* const left = memory_[0].span().data();
  const std::byte* const right = memory_[1].span().data();
  constexpr std::uint64_t kBlock = 4096;
  for (std::uint64_t at = 0; at < chunk.length_bytes; at += kBlock) {
    const std::uint64_t block = std::min(kBlock, chunk.length_bytes - at);
    if (std::memcmp(left + at, right + at, block) == 0) continue;
    const auto differs = std::mismatch(left + at, left + at + block, right + at).first;
    OfferDifference(chunk.offset + static_cast<std::uint64_t>(differs - left));
    return;
  }
}

void ChunkComparer::CompareByHost() {
  for (const Segment& segment : segments_) {
    if (first_.Before(segment.a.offset)) break;
    if (segment.a.kind == disk::SourceExtent::Kind::kData &&
        segment.b.kind == disk::SourceExtent::Kind::kData) {
      CompareData(segment);
    }
  }
  ScanForData();
}

void ChunkComparer::CompareData(const Segment& segment) {
  const disk::SourceExtent& a = segment.a;
  const disk::SourceExtent& b = segment.b;
  const auto difference =
      host_.Compare({.device = a.device, .offset = a.file_offset, .length_bytes = a.length_bytes},
                    {.device = b.device, .offset = b.file_offset, .length_bytes = b.length_bytes});
  if (!difference) {
    OfferUnreadable(a.offset, difference.error());
  } else if (*difference) {
    OfferDifference(a.offset + **difference);
  }
}

void ChunkComparer::ScanForData() {
  std::array<ScanRange, kMaxHostSegments> ranges;
  std::array<const Segment*, kMaxHostSegments> scanned{};
  std::size_t count = 0;
  std::uint64_t sectors = 0;
  for (const Segment& segment : segments_) {
    if ((segment.a.kind == disk::SourceExtent::Kind::kData) ==
        (segment.b.kind == disk::SourceExtent::Kind::kData))
      continue;
    const disk::SourceExtent& piece =
        segment.a.kind == disk::SourceExtent::Kind::kData ? segment.a : segment.b;
    ranges[count] = {
        .device = piece.device, .offset = piece.file_offset, .length_bytes = piece.length_bytes};
    scanned[count++] = &segment;
    sectors += DivideRoundUp(piece.length_bytes, disk::kSectorBytes);
  }
  if (count == 0) return;
  bitmap_.assign(DivideRoundUp(sectors, 64), 0);
  const Status status = host_.ScanZero(std::span(ranges).first(count), disk::kSectorBytes, bitmap_);
  if (!status) {
    OfferUnreadable(scanned[0]->a.offset, status.error());
    return;
  }
  std::uint64_t bit = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t length = ranges[i].length_bytes;
    for (std::uint64_t at = 0; at < length; at += disk::kSectorBytes, ++bit) {
      if (((bitmap_[bit / 64] >> (bit % 64)) & 1) != 0) continue;
      OfferDifference(scanned[i]->a.offset + at);
      return;
    }
  }
}

}  // namespace instar::compare
