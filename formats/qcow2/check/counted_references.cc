#include "formats/qcow2/check/counted_references.h"

#include <algorithm>
#include <atomic>

#include "formats/base/checked.h"
#include "formats/base/endian.h"

namespace instar::qcow2 {
namespace {

constexpr unsigned kOrder16 = 4;  // refcounts of 16 bits, which nearly all images have
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

// A one in each lane whose bit is set in the lowest four of `bits`.
constexpr std::uint64_t OnePerBit(std::uint64_t bits) {
  constexpr std::uint64_t kSpread = 1 | 1ULL << 15 | 1ULL << 30 | 1ULL << 45;
  return (bits & 0xF) * kSpread & kEachOne;
}
static_assert(OnePerBit(0b1010) == 0x0001'0000'0001'0000);

}  // namespace

void CountedReferences::Open(std::uint64_t first, std::uint64_t end) {
  first_ = first;
  end_ = end;
  const std::uint64_t words = (end - first) / kWordBits + 1;
  for (Bits* bits : {&once_, &ones_, &others_, &unknown_}) bits->Reserve(words);
  Forget();
}

void CountedReferences::Clear() {
  once_.Fill(0, (end_ - first_) / kWordBits + 1);
  Forget();
}

void CountedReferences::Forget() {
  std::vector<Part>((end_ - first_) / kMoreClusters + 1).swap(more_);
  many_.clear();
}

Status CountedReferences::Prepare(std::uint64_t begin, std::uint64_t end, RefcountReader& disk) {
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

void CountedReferences::Learn(const RefcountReader::Run& run, unsigned order, std::uint64_t begin,
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

std::uint64_t* CountedReferences::Part::Make() {
  std::uint64_t* had = words();
  if (had != nullptr) return had;
  auto made = std::make_unique<std::uint64_t[]>(kMoreClusters / kLanes);
  if (!words_.compare_exchange_strong(had, made.get(), std::memory_order_acq_rel)) return had;
  return made.release();
}

template <CountedReferences::Access access>
bool CountedReferences::CountOnes(std::uint64_t word, std::uint64_t mask) {
  std::uint64_t& once = once_.word(word);
  if constexpr (access == Access::kAlone) {
    if ((once & mask) != 0) return false;
    once |= mask;
    return true;
  } else {
    const std::atomic_ref shared(once);
    std::uint64_t old = shared.load(std::memory_order_relaxed);
    while ((old & mask) == 0) {
      if (shared.compare_exchange_weak(old, old | mask, std::memory_order_relaxed)) return true;
    }
    return false;
  }
}

template <CountedReferences::Access access>
void CountedReferences::TakeBackOnes(std::uint64_t word, std::uint64_t mask) {
  std::uint64_t& once = once_.word(word);
  if constexpr (access == Access::kAlone) {
    once &= ~mask;
  } else {
    std::atomic_ref(once).fetch_and(~mask, std::memory_order_relaxed);
  }
}

template <CountedReferences::Access access>
bool CountedReferences::HaveRoom(std::uint64_t at, std::uint64_t four, std::uint64_t counts,
                                 std::uint64_t times, std::uint64_t most) {
  constexpr std::uint64_t kFew = 1 << 14;
  if ((counts & ~(kEachOne * (kFew - 1))) == 0 && times < kFew && most > 2 * kFew) [[likely]]
    return true;
  std::uint64_t& word = once_.word(at / kWordBits);
  std::uint64_t once = 0;
  if constexpr (access == Access::kAlone) {
    once = word;
  } else {
    once = std::atomic_ref(word).load(std::memory_order_relaxed);
  }
  once >>= at % kWordBits;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const std::uint64_t few = counts >> (lane * kLaneBits) & kMany;
    const std::uint64_t count = few + (once >> lane & 1) + times;
    if ((four >> lane & 1) != 0 && (count > most || few + times >= kMany)) return false;
  }
  return true;
}

template <CountedReferences::Access access>
bool CountedReferences::AddToFour(std::uint64_t& counts, std::uint64_t at, std::uint64_t four,
                                  std::uint64_t times, std::uint64_t most) {
  const std::uint64_t more = OnePerBit(four) * times;
  if constexpr (access == Access::kAlone) {
    if (!HaveRoom<access>(at, four, counts, times, most)) return false;
    counts += more;
    return true;
  } else {
    const std::atomic_ref shared(counts);
    std::uint64_t old = shared.load(std::memory_order_relaxed);
    while (HaveRoom<access>(at, four, old, times, most)) {
      if (shared.compare_exchange_weak(old, old + more, std::memory_order_relaxed)) return true;
    }
    return false;
  }
}

template <CountedReferences::Access access>
void CountedReferences::TakeFromFour(std::uint64_t& counts, std::uint64_t four,
                                     std::uint64_t times) {
  if constexpr (access == Access::kAlone) {
    counts -= OnePerBit(four) * times;
  } else {
    std::atomic_ref(counts).fetch_sub(OnePerBit(four) * times, std::memory_order_relaxed);
  }
}

template <CountedReferences::Access access>
bool CountedReferences::CountMore(std::uint64_t word, std::uint64_t mask, std::uint64_t most) {
  const std::uint64_t at = word * kWordBits;
  std::uint64_t* const counts = more_[at / kMoreClusters].Make() + at % kMoreClusters / kLanes;
  for (unsigned i = 0; i < kWordBits; i += kLanes) {
    const std::uint64_t four = mask >> i & 0xF;
    if (four != 0 && !AddToFour<access>(counts[i / kLanes], at + i, four, 1, most)) {
      TakeBackMore<access>(word, mask & ((std::uint64_t{1} << i) - 1));
      return false;
    }
  }
  return true;
}

template <CountedReferences::Access access>
void CountedReferences::TakeBackMore(std::uint64_t word, std::uint64_t mask) {
  if (mask == 0) return;
  const std::uint64_t at = word * kWordBits;
  std::uint64_t* const counts = more_[at / kMoreClusters].words() + at % kMoreClusters / kLanes;
  for (unsigned i = 0; i < kWordBits; i += kLanes) {
    const std::uint64_t four = mask >> i & 0xF;
    if (four != 0) TakeFromFour<access>(counts[i / kLanes], four, 1);
  }
}

template <CountedReferences::Access access, CountedReferences::Wanted wanted>
bool CountedReferences::CountAll(std::uint64_t cluster, std::uint64_t count, std::uint64_t most) {
  const std::uint64_t from = cluster - first_;
  const std::uint64_t to = from + count;
  for (std::uint64_t at = from; at < to;) {
    const Stretch stretch(at, to);
    const std::uint64_t word = stretch.word;
    bool counted = false;
    std::uint64_t ones = 0;
    std::uint64_t more = 0;
    if constexpr (wanted != Wanted::kMore) ones = ones_.word(word) & stretch.mask;
    if constexpr (wanted != Wanted::kOnes) {
      more = others_.word(word) & ~unknown_.word(word) & stretch.mask;
    }
    if ((ones | more) == stretch.mask && (ones == 0 || CountOnes<access>(word, ones))) {
      counted = more == 0 || CountMore<access>(word, more, most);
      if (!counted && ones != 0) TakeBackOnes<access>(word, ones);
    }
    if (!counted) {
      TakeBack<access>(cluster, at - from);
      return false;
    }
    at += stretch.bits;
  }
  return true;
}

template <CountedReferences::Access access>
void CountedReferences::TakeBack(std::uint64_t cluster, std::uint64_t count) {
  const std::uint64_t to = cluster - first_ + count;
  for (std::uint64_t at = cluster - first_; at < to;) {
    const Stretch stretch(at, to);
    TakeBackOnes<access>(stretch.word, ones_.word(stretch.word) & stretch.mask);
    TakeBackMore<access>(stretch.word, others_.word(stretch.word) & stretch.mask);
    at += stretch.bits;
  }
}

template <CountedReferences::Access access>
bool CountedReferences::CountTimes(std::uint64_t cluster, std::uint64_t times, std::uint64_t most) {
  const std::uint64_t at = cluster - first_;
  const Stretch stretch(at, at + 1);
  if (ones_.IsSet(at)) return times == 1 && CountOnes<access>(stretch.word, stretch.mask);
  if (!others_.IsSet(at) || unknown_.IsSet(at)) return false;
  std::uint64_t& counts = more_[at / kMoreClusters].Make()[at % kMoreClusters / kLanes];
  return AddToFour<access>(counts, AlignDown(at, kLanes), 1 << at % kLanes, times, most);
}

template <CountedReferences::Access access>
void CountedReferences::TakeBackTimes(std::uint64_t cluster, std::uint64_t times) {
  const std::uint64_t at = cluster - first_;
  const Stretch stretch(at, at + 1);
  if (ones_.IsSet(at)) return TakeBackOnes<access>(stretch.word, stretch.mask);
  std::uint64_t& counts = more_[at / kMoreClusters].words()[at % kMoreClusters / kLanes];
  TakeFromFour<access>(counts, 1 << at % kLanes, times);
}

#define INSTAR_COUNT_ALL(access, wanted)                                        \
  template bool CountedReferences::CountAll<CountedReferences::Access::access,  \
                                            CountedReferences::Wanted::wanted>( \
      std::uint64_t, std::uint64_t, std::uint64_t)
#define INSTAR_COUNT(access)                                                                       \
  INSTAR_COUNT_ALL(access, kOnes);                                                                 \
  INSTAR_COUNT_ALL(access, kMore);                                                                 \
  INSTAR_COUNT_ALL(access, kEither);                                                               \
  template void CountedReferences::TakeBack<CountedReferences::Access::access>(std::uint64_t,      \
                                                                               std::uint64_t);     \
  template bool CountedReferences::CountTimes<CountedReferences::Access::access>(                  \
      std::uint64_t, std::uint64_t, std::uint64_t);                                                \
  template void CountedReferences::TakeBackTimes<CountedReferences::Access::access>(std::uint64_t, \
                                                                                    std::uint64_t)
INSTAR_COUNT(kAlone);
INSTAR_COUNT(kShared);
#undef INSTAR_COUNT
#undef INSTAR_COUNT_ALL

std::uint64_t CountedReferences::MoreOfMany(std::uint64_t at) const {
  return std::ranges::lower_bound(many_, at, {}, &Many::at)->more;
}

bool CountedReferences::AddMore(std::uint64_t at, std::uint64_t most) {
  if (count(first_ + at) >= std::min<std::uint64_t>(most, UINT32_MAX)) return false;
  std::uint64_t& word = more_[at / kMoreClusters].Make()[at % kMoreClusters / kLanes];
  const std::uint64_t few = word >> Shift(at) & kMany;
  const auto place = [&] { return std::ranges::lower_bound(many_, at, {}, &Many::at); };
  if (few == kMany) {
    ++place()->more;
    return true;
  }
  word += std::uint64_t{1} << Shift(at);
  if (few + 1 == kMany) many_.insert(place(), {.at = at, .more = kMany});
  return true;
}

std::uint64_t CountedReferences::AgreeTo(std::uint64_t begin, std::uint64_t end,
                                         std::uint64_t& highest) const {
  for (std::uint64_t at = begin - first_; at < end - first_;) {
    const Stretch stretch(at, end - first_);
    const std::uint64_t once = once_.word(stretch.word) & stretch.mask;
    const bool plain = (others_.word(stretch.word) & stretch.mask) == 0 &&
                       more_[at / kMoreClusters].words() == nullptr;
    if (!plain || once != (ones_.word(stretch.word) & stretch.mask)) return first_ + at;
    if (once != 0) {
      highest =
          first_ + stretch.word * kWordBits + 63 - static_cast<unsigned>(__builtin_clzll(once));
    }
    at += stretch.bits;
  }
  return end;
}

bool CountedReferences::Agree(const RefcountReader::Run& run, unsigned order, std::uint64_t begin,
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
    return agree;
  }
  const auto one_by_one = [&](std::uint64_t from, std::uint64_t to) {
    ForEachRefcount(
        run.counts, order, from - run.first, to - run.first,
        [&](std::uint64_t number, std::uint64_t on_disk) { compare(run.first + number, on_disk); });
  };
  std::uint64_t cluster = begin;
  if (order == kOrder16) {
    constexpr std::uint64_t kFew = kEachOne * 0x7FFF;  // one more is no carry
    cluster = std::min(end, first_ + DivideRoundUp(begin - first_, kLanes) * kLanes);
    one_by_one(begin, cluster);
    for (; end - cluster >= kLanes && agree; cluster += kLanes) {
      const std::uint64_t at = cluster - first_;
      const std::uint64_t* const words = more_[at / kMoreClusters].words();
      const std::uint64_t more = words == nullptr ? 0 : words[at % kMoreClusters / kLanes];
      const std::uint64_t once = OnePerBit(once_.word(at / kWordBits) >> at % kWordBits);
      const std::uint64_t on_disk = FourRefcounts(run.counts, cluster - run.first);
      if ((more & ~kFew) != 0 || more + once != on_disk) {
        one_by_one(cluster, cluster + kLanes);
      } else if (on_disk != 0) {
        highest = cluster + (63 - static_cast<unsigned>(__builtin_clzll(on_disk))) / kLaneBits;
      }
    }
  }
  if (agree) one_by_one(cluster, end);
  return agree;
}

}  // namespace instar::qcow2
