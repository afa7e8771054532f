#include "formats/qcow2/reference_counts.h"

#include <algorithm>
#include <atomic>

#include "formats/base/checked.h"
#include "formats/base/endian.h"

namespace instar::qcow2 {
namespace {

constexpr unsigned kOrder16 = 4;  // refcounts of 16 bits, which nearly all images have

// The 16-bit integers of a word, each with its bytes swapped.
constexpr std::uint64_t SwapLanes(std::uint64_t word) {
  constexpr std::uint64_t kLow = 0x00FF'00FF'00FF'00FF;
  return (word & kLow) << 8 | (word >> 8 & kLow);
}

// Four refcounts of 16 bits from `index` on, the first in the lowest bits.
std::uint64_t FourRefcounts(std::span<const std::byte> block, std::uint64_t index) {
  return SwapLanes(LoadLe64(block, index * 2));
}

}  // namespace

void ReferenceCounts::Open(std::uint64_t first, std::uint64_t end) {
  first_ = first;
  end_ = end;
  const std::uint64_t clusters = end - first;
  if (const std::uint64_t words = clusters / kLanes + 1; words > counts_words_) {
    counts_.reset();
    counts_ = std::make_unique_for_overwrite<std::uint64_t[]>(words);
    counts_words_ = words;
  }
  many_.clear();
  ones_.assign(clusters / 64 + 1, 0);
  unknown_.assign(ones_.size(), 0);
}

void ReferenceCounts::Clear() {
  std::fill_n(counts_.get(), (end_ - first_) / kLanes + 1, 0);
  many_.clear();
}

Status ReferenceCounts::Prepare(std::uint64_t begin, std::uint64_t end, DiskRefcounts& disk) {
  const std::uint64_t word = (begin - first_) / kLanes;
  std::fill_n(counts_.get() + word, DivideRoundUp(end - first_, kLanes) - word, 0);
  for (std::uint64_t cluster = begin; cluster < end;) {
    INSTAR_ASSIGN_OR_RETURN(const auto run, disk.RunAt(cluster));
    const std::uint64_t stop = std::min(run.end, end);
    if (run.misplaced) {
      SetAll(unknown_, cluster - first_, stop - first_, true);
    } else if (!run.counts.empty()) {
      LearnOnes(run, disk.order(), cluster, stop);
    }
    cluster = stop;
  }
  return {};
}

void ReferenceCounts::LearnOnes(const DiskRefcounts::Run& run, unsigned order, std::uint64_t begin,
                                std::uint64_t end) {
  std::uint64_t cluster = begin;
  const auto one_by_one = [&](std::uint64_t stop) {
    ForEachRefcount(run.counts, order, cluster - run.first, stop - run.first,
                    [&](std::uint64_t number, std::uint64_t count) {
                      Set(ones_, run.first + number - first_, count == 1);
                    });
    cluster = stop;
  };
  if (order == kOrder16) {
    one_by_one(std::min(end, first_ + (begin - first_ + 63) / 64 * 64));
    for (; end - cluster >= 64; cluster += 64) {
      std::uint64_t ones = 0;
      for (std::uint64_t i = 0; i < 64; i += kLanes) {
        const std::uint64_t four = FourRefcounts(run.counts, cluster - run.first + i);
        if (four == kEachOnce) [[likely]] {
          ones |= std::uint64_t{0xF} << i;
          continue;
        }
        for (unsigned lane = 0; lane < kLanes; ++lane) {
          ones |= std::uint64_t{(four >> (16 * lane) & UINT16_MAX) == 1} << (i + lane);
        }
      }
      ones_[(cluster - first_) / 64] = ones;
    }
  }
  one_by_one(end);
}

bool ReferenceCounts::AreSet(const Words& bits, std::uint64_t at, std::uint64_t count) {
  while (count != 0) {
    const std::uint64_t bit = at % 64;
    const std::uint64_t part = std::min(count, 64 - bit);
    const std::uint64_t mask = ~std::uint64_t{0} >> (64 - part) << bit;
    if ((bits[at / 64] & mask) != mask) return false;
    at += part;
    count -= part;
  }
  return true;
}

void ReferenceCounts::SetAll(Words& bits, std::uint64_t begin, std::uint64_t end, bool on) {
  for (; begin < end && begin % 64 != 0; ++begin) Set(bits, begin, on);
  for (; end - begin >= 64; begin += 64) bits[begin / 64] = on ? ~std::uint64_t{0} : 0;
  for (; begin < end; ++begin) Set(bits, begin, on);
}

template <ReferenceCounts::Access access>
bool ReferenceCounts::Claim(std::uint64_t cluster, std::uint64_t count) {
  const std::uint64_t from = cluster - first_;
  const std::uint64_t to = from + count;
  if (!AreSet(ones_, from, count)) return false;
  for (std::uint64_t at = from; at < to;) {
    const std::uint64_t part = std::min(kLanes - at % kLanes, to - at);
    const std::uint64_t once = kEachOnce >> (64 - 16 * part) << (at % kLanes * 16);
    const std::uint64_t lanes = once * UINT16_MAX;
    std::uint64_t& word = counts_[at / kLanes];
    bool claimed = false;
    if constexpr (access == Access::kShared) {
      const std::atomic_ref shared(word);
      std::uint64_t old = shared.load(std::memory_order_relaxed);
      while ((old & lanes) == 0 && !claimed) {
        claimed = shared.compare_exchange_weak(old, old + once, std::memory_order_relaxed);
      }
    } else if ((word & lanes) == 0) {
      word += once;
      claimed = true;
    }
    if (!claimed) {
      Unclaim<access>(cluster, at - from);
      return false;
    }
    at += part;
  }
  return true;
}

template <ReferenceCounts::Access access>
void ReferenceCounts::Unclaim(std::uint64_t cluster, std::uint64_t count) {
  const std::uint64_t to = cluster - first_ + count;
  for (std::uint64_t at = cluster - first_; at < to;) {
    const std::uint64_t part = std::min(kLanes - at % kLanes, to - at);
    const std::uint64_t once = kEachOnce >> (64 - 16 * part) << (at % kLanes * 16);
    std::uint64_t& word = counts_[at / kLanes];
    if constexpr (access == Access::kShared) {
      std::atomic_ref(word).fetch_sub(once, std::memory_order_relaxed);
    } else {
      word -= once;
    }
    at += part;
  }
}

template bool ReferenceCounts::Claim<ReferenceCounts::Access::kAlone>(std::uint64_t, std::uint64_t);
template bool ReferenceCounts::Claim<ReferenceCounts::Access::kShared>(std::uint64_t,
                                                                       std::uint64_t);
template void ReferenceCounts::Unclaim<ReferenceCounts::Access::kAlone>(std::uint64_t,
                                                                        std::uint64_t);
template void ReferenceCounts::Unclaim<ReferenceCounts::Access::kShared>(std::uint64_t,
                                                                         std::uint64_t);

std::uint64_t ReferenceCounts::CountOfMany(std::uint64_t cluster) const {
  return std::ranges::lower_bound(many_, cluster, {}, &Many::cluster)->count;
}

bool ReferenceCounts::Add(std::uint64_t cluster, std::uint64_t most) {
  if (count(cluster) >= std::min<std::uint64_t>(most, UINT32_MAX)) return false;
  const std::uint64_t at = cluster - first_;
  const auto place = [&] { return std::ranges::lower_bound(many_, cluster, {}, &Many::cluster); };
  if (Few(at) == kMany) {
    ++place()->count;
    return true;
  }
  counts_[at / kLanes] += std::uint64_t{1} << (at % kLanes * 16);
  if (Few(at) == kMany) many_.insert(place(), {.cluster = cluster, .count = kMany});
  return true;
}

bool ReferenceCounts::Agree(const DiskRefcounts::Run& run, unsigned order, std::uint64_t begin,
                            std::uint64_t end, std::uint64_t& highest) const {
  if (run.misplaced) return false;
  std::uint64_t last = highest;
  std::uint64_t cluster = begin;
  const auto on_disk = [&](std::uint64_t at) {
    return run.counts.empty() ? 0 : LoadRefcount(run.counts, at - run.first, order);
  };
  const auto one_by_one = [&](std::uint64_t stop) {
    for (; cluster < stop; ++cluster) {
      const std::uint64_t counted = count(cluster);
      if (counted != on_disk(cluster)) return false;
      if (counted != 0) last = cluster;
    }
    return true;
  };
  // A word with a count that does not fit in it must not be taken for what it looks like.
  if (many_.empty() && (run.counts.empty() || order == kOrder16)) {
    if (!one_by_one(std::min(end, first_ + (begin - first_ + kLanes - 1) / kLanes * kLanes))) {
      return false;
    }
    std::uint64_t used = 0;  // the last word that is not zero, and its first cluster
    std::uint64_t used_at = 0;
    for (; end - cluster >= kLanes; cluster += kLanes) {
      const std::uint64_t four = counts_[(cluster - first_) / kLanes];
      if (four != (run.counts.empty() ? 0 : FourRefcounts(run.counts, cluster - run.first))) {
        return false;
      }
      if (four != 0) {
        used = four;
        used_at = cluster;
      }
    }
    if (used != 0) last = used_at + (63 - static_cast<unsigned>(__builtin_clzll(used))) / 16;
  }
  if (!one_by_one(end)) return false;
  highest = last;
  return true;
}

}  // namespace instar::qcow2
