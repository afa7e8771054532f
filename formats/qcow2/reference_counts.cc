#include "formats/qcow2/reference_counts.h"

#include <algorithm>
#include <atomic>

#include "formats/base/checked.h"
#include "formats/base/endian.h"

namespace instar::qcow2 {
namespace {

constexpr unsigned kOrder16 = 4;     // refcounts of 16 bits, which nearly all images have
constexpr std::uint64_t kLanes = 4;  // of these in a word
constexpr std::uint64_t kEachOne = 0x0001'0001'0001'0001;

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
  const std::uint64_t words = (end - first) / kWordBits + 1;
  for (Bits* bits : {&once_, &ones_, &others_, &unknown_}) bits->Reserve(words);
  Forget();
}

void ReferenceCounts::Clear() {
  once_.Fill(0, (end_ - first_) / kWordBits + 1);
  Forget();
}

void ReferenceCounts::Forget() {
  more_.clear();
  more_.resize((end_ - first_) / kMoreClusters + 1);
  many_.clear();
}

Status ReferenceCounts::Prepare(std::uint64_t begin, std::uint64_t end, DiskRefcounts& disk) {
  const std::uint64_t word = (begin - first_) / kWordBits;
  const std::uint64_t words = DivideRoundUp(end - first_, kWordBits) - word;
  for (Bits* bits : {&once_, &ones_, &others_, &unknown_}) bits->Fill(word, words);
  for (std::uint64_t cluster = begin; cluster < end;) {
    INSTAR_ASSIGN_OR_RETURN(const auto run, disk.RunAt(cluster));
    const std::uint64_t stop = std::min(run.end, end);
    if (run.misplaced) {
      others_.SetAll(cluster - first_, stop - first_);
      unknown_.SetAll(cluster - first_, stop - first_);
    } else if (!run.counts.empty()) {
      Learn(run, disk.order(), cluster, stop);
    }
    cluster = stop;
  }
  return {};
}

void ReferenceCounts::Learn(const DiskRefcounts::Run& run, unsigned order, std::uint64_t begin,
                            std::uint64_t end) {
  std::uint64_t cluster = begin;
  const auto one_by_one = [&](std::uint64_t stop) {
    ForEachRefcount(run.counts, order, cluster - run.first, stop - run.first,
                    [&](std::uint64_t number, std::uint64_t count) {
                      if (count != 0) {
                        (count == 1 ? ones_ : others_).Set(run.first + number - first_);
                      }
                    });
    cluster = stop;
  };
  if (order == kOrder16) {
    one_by_one(std::min(end, first_ + DivideRoundUp(begin - first_, kWordBits) * kWordBits));
    for (; end - cluster >= kWordBits; cluster += kWordBits) {
      std::uint64_t ones = 0;
      std::uint64_t others = 0;
      for (std::uint64_t i = 0; i < kWordBits; i += kLanes) {
        const std::uint64_t four = FourRefcounts(run.counts, cluster - run.first + i);
        if (four == kEachOne) [[likely]] {
          ones |= std::uint64_t{0xF} << i;
          continue;
        }
        for (unsigned lane = 0; lane < kLanes; ++lane) {
          const std::uint64_t count = four >> (16 * lane) & UINT16_MAX;
          ones |= std::uint64_t{count == 1} << (i + lane);
          others |= std::uint64_t{count > 1} << (i + lane);
        }
      }
      ones_.word((cluster - first_) / kWordBits) = ones;
      others_.word((cluster - first_) / kWordBits) = others;
    }
  }
  one_by_one(end);
}

template <ReferenceCounts::Access access>
bool ReferenceCounts::Claim(std::uint64_t cluster, std::uint64_t count) {
  const std::uint64_t from = cluster - first_;
  const std::uint64_t to = from + count;
  for (std::uint64_t at = from; at < to;) {
    const Stretch stretch(at, to);
    bool claimed = false;
    if ((ones_.word(stretch.word) & stretch.mask) == stretch.mask) {
      std::uint64_t& word = once_.word(stretch.word);
      if constexpr (access == Access::kShared) {
        const std::atomic_ref shared(word);
        std::uint64_t old = shared.load(std::memory_order_relaxed);
        while ((old & stretch.mask) == 0 && !claimed) {
          claimed =
              shared.compare_exchange_weak(old, old | stretch.mask, std::memory_order_relaxed);
        }
      } else if ((word & stretch.mask) == 0) {
        word |= stretch.mask;
        claimed = true;
      }
    }
    if (!claimed) {
      Unclaim<access>(cluster, at - from);
      return false;
    }
    at += stretch.bits;
  }
  return true;
}

template <ReferenceCounts::Access access>
void ReferenceCounts::Unclaim(std::uint64_t cluster, std::uint64_t count) {
  const std::uint64_t to = cluster - first_ + count;
  for (std::uint64_t at = cluster - first_; at < to;) {
    const Stretch stretch(at, to);
    std::uint64_t& word = once_.word(stretch.word);
    if constexpr (access == Access::kShared) {
      std::atomic_ref(word).fetch_and(~stretch.mask, std::memory_order_relaxed);
    } else {
      word &= ~stretch.mask;
    }
    at += stretch.bits;
  }
}

template bool ReferenceCounts::Claim<ReferenceCounts::Access::kAlone>(std::uint64_t, std::uint64_t);
template bool ReferenceCounts::Claim<ReferenceCounts::Access::kShared>(std::uint64_t,
                                                                       std::uint64_t);
template void ReferenceCounts::Unclaim<ReferenceCounts::Access::kAlone>(std::uint64_t,
                                                                        std::uint64_t);
template void ReferenceCounts::Unclaim<ReferenceCounts::Access::kShared>(std::uint64_t,
                                                                         std::uint64_t);

std::uint64_t ReferenceCounts::MoreOfMany(std::uint64_t at) const {
  return std::ranges::lower_bound(many_, at, {}, &Many::at)->more;
}

bool ReferenceCounts::AddMore(std::uint64_t at, std::uint64_t most) {
  if (1 + More(at) >= std::min<std::uint64_t>(most, UINT32_MAX)) return false;
  auto& part = more_[at / kMoreClusters];
  if (part == nullptr) part = std::make_unique<std::uint16_t[]>(kMoreClusters);
  std::uint16_t& few = part[at % kMoreClusters];
  const auto place = [&] { return std::ranges::lower_bound(many_, at, {}, &Many::at); };
  if (few == kMany) {
    ++place()->more;
  } else if (++few == kMany) {
    many_.insert(place(), {.at = at, .more = kMany});
  }
  return true;
}

std::uint64_t ReferenceCounts::AgreeTo(std::uint64_t begin, std::uint64_t end,
                                       std::uint64_t& highest) const {
  for (std::uint64_t at = begin - first_; at < end - first_;) {
    const Stretch stretch(at, end - first_);
    const std::uint64_t once = once_.word(stretch.word) & stretch.mask;
    const bool plain =
        (others_.word(stretch.word) & stretch.mask) == 0 && more_[at / kMoreClusters] == nullptr;
    if (!plain || once != (ones_.word(stretch.word) & stretch.mask)) return first_ + at;
    if (once != 0) {
      highest =
          first_ + stretch.word * kWordBits + 63 - static_cast<unsigned>(__builtin_clzll(once));
    }
    at += stretch.bits;
  }
  return end;
}

bool ReferenceCounts::Agree(const DiskRefcounts::Run& run, unsigned order, std::uint64_t begin,
                            std::uint64_t end, std::uint64_t& highest) const {
  if (run.misplaced) return false;
  bool agree = true;
  const auto compare = [&](std::uint64_t cluster, std::uint64_t on_disk) {
    const std::uint64_t counted = count(cluster);
    agree = agree && counted == on_disk;
    if (counted != 0) highest = cluster;
  };
  if (run.counts.empty()) {
    for (std::uint64_t cluster = begin; cluster < end && agree; ++cluster) compare(cluster, 0);
  } else {
    ForEachRefcount(
        run.counts, order, begin - run.first, end - run.first,
        [&](std::uint64_t number, std::uint64_t on_disk) { compare(run.first + number, on_disk); });
  }
  return agree;
}

}  // namespace instar::qcow2
