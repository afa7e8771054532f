#include "compare/splitter.h"

#include <algorithm>
#include <utility>

#include "disk/backoff.h"
#include "formats/base/checked.h"
#include "formats/base/formats.h"

namespace instar::compare {
namespace {

using disk::SourceExtent;

// Many disks differ soon.
constexpr std::uint64_t kFirstAheadBytes = 64 << 10;

// What strict mode compares of an extent.
struct Allocation {
  bool allocated;
  bool zero;
  bool data;
  bool placed;  // it stands somewhere: not compressed
  friend bool operator==(const Allocation&, const Allocation&) = default;
};

Allocation Of(const Chain& chain, const ChainExtent& found) {
  const ExtentKind kind = found.extent.kind;
  const bool raw = IsBareDisk(chain.layers()[found.searched].reader->format());
  return {
      .allocated = found.allocated,
      .zero = kind == ExtentKind::kZero,
      .data = kind == ExtentKind::kData || kind == ExtentKind::kCompressed,
      .placed = kind == ExtentKind::kData || found.extent.has_offset || (raw && found.allocated)};
}

}  // namespace

Result<std::unique_ptr<Splitter>> Splitter::Create(Host& host, const DiskPair& pair, bool strict,
                                                   FirstEvent& first) {
  std::unique_ptr<Splitter> splitter(new Splitter(host, pair, strict, first));
  INSTAR_ASSIGN_OR_RETURN(splitter->cursor_, PairCursor::Open(pair, kFirstAheadBytes));
  if (strict) {
    for (const std::size_t side : {0, 1}) {
      INSTAR_ASSIGN_OR_RETURN(splitter->strict_cursors_[side],
                              pair.disk(side).chain(0).OpenCursor());
    }
  }
  return splitter;
}

bool Splitter::SkipZeros() {
  const std::uint64_t end = pair_.total_bytes();
  while (next_ < end) {
    std::uint64_t skip = end - next_;
    for (const std::size_t side : {0, 1}) {
      auto piece = cursor_.Next(side, next_, skip);
      // Who compares the chunk finds the fault again and tells of it.
      if (!piece) return true;
      // Of raw files the runs are told as they are.
      if (!pair_.disk(side).BareRaw(next_, 1) && !holes_[side].Look(*piece)) return true;
      if (piece->kind != disk::SourceExtent::Kind::kZero) return true;
      skip = piece->length_bytes;
    }
    if (strict_) {
      const std::uint64_t same = CompareAllocation(next_, skip);
      if (same < skip) return false;
    }
    next_ += skip;
  }
  return false;
}

std::uint64_t Splitter::CompareAllocation(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t end = offset + length;
  for (std::uint64_t at = offset; at < end;) {
    std::uint64_t step = end - at;
    std::array<Allocation, 2> allocations{};
    for (const std::size_t side : {0, 1}) {
      const Chain& chain = pair_.disk(side).chain(0);
      if (at >= chain.virtual_size_bytes()) return length;  // what rounding to sectors added
      const auto found = strict_cursors_[side]->Next(at, step);
      if (!found) return length;  // told by who compares the chunk
      step = std::min(step, found->extent.length_bytes);
      allocations[side] = Of(chain, *found);
    }
    if (allocations[0] != allocations[1]) {
      first_.Offer({.verdict = CompareVerdict::kAllocationDiffers, .offset = at});
      return at - offset;
    }
    at += step;
  }
  return length;
}

std::optional<Chunk> Splitter::Next() {
  const disk::SpinGuard guard(lock_, host_);
  if (first_.Before(next_) || !SkipZeros() || first_.Before(next_)) return std::nullopt;
  Chunk chunk{
      .offset = next_,
      .length_bytes = std::min(kChunkBytes - next_ % kChunkBytes, pair_.total_bytes() - next_)};
  if (strict_) {
    chunk.length_bytes = CompareAllocation(chunk.offset, chunk.length_bytes);
    if (chunk.length_bytes == 0) return std::nullopt;
  }
  next_ += chunk.length_bytes;
  return chunk;
}

}  // namespace instar::compare
