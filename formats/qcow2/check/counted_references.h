// How often the tables of an image refer to each cluster of one window of its file, and whether the
// refcounts on disk say the same.
//
// A check of a large disk is mostly this: counting references one by one and comparing them with
// the refcounts. Nearly all clusters of nearly all images have one reference or none, so there is a
// bit for one, and bits tell whether the refcount on disk is one, too: 64 clusters are counted and
// compared at a time, and the refcounts are read once. Where there are more references, integers of
// 16 bits count them, four of which are added to at a time.
//
// Several workers may count at the same time. A count is the sum of the bit and the integer, and
// which of them a worker adds to, and takes from, the refcount on disk alone decides: so what two
// workers do to a cluster comes to the same in any order.
// tests/unit/formats/qcow2/counted_references_test.cc covers this file.
#ifndef FORMATS_QCOW2_CHECK_COUNTED_REFERENCES_H_
#define FORMATS_QCOW2_CHECK_COUNTED_REFERENCES_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "formats/base/error.h"
#include "formats/qcow2/read/refcount_reader.h"

namespace instar::qcow2 {

class CountedReferences {
 public:
  // What the refcount on disk says of a cluster.
  enum class OnDisk : std::uint8_t { kUnknown, kOne, kOther };
  // Whether other workers may count at the same time.
  enum class Access : std::uint8_t { kAlone, kShared };
  // The refcounts on disk that clusters must have to be counted together.
  enum class Wanted : std::uint8_t { kOnes, kMore, kEither };

  // Makes clusters [first, end) the window. Prepare them all before anything else.
  void Open(std::uint64_t first, std::uint64_t end);
  // Clears the counts of the clusters [begin, end) of the window, and learns from `disk` which of
  // them have a refcount of one, or of more. Where `begin` is a multiple of 64 clusters from the
  // first and `end` is so, too, or the end of the window, several workers may prepare different
  // clusters at once (the memory is first touched here, which costs more than all else). kIo, after
  // which to try again is allowed.
  Status Prepare(std::uint64_t begin, std::uint64_t end, RefcountReader& disk);

  // Forgets all references.
  void Clear();

  [[nodiscard]] std::uint64_t first() const { return first_; }
  [[nodiscard]] std::uint64_t end() const { return end_; }
  [[nodiscard]] bool Holds(std::uint64_t cluster) const {
    return cluster >= first_ && cluster < end_;
  }

  // Of a cluster of the window.
  [[nodiscard]] std::uint64_t count(std::uint64_t cluster) const {
    const std::uint64_t at = cluster - first_;
    return (once_.IsSet(at) ? 1 : 0) + More(at);
  }
  [[nodiscard]] OnDisk on_disk(std::uint64_t cluster) const {
    const std::uint64_t at = cluster - first_;
    if (unknown_.IsSet(at)) return OnDisk::kUnknown;
    return ones_.IsSet(at) ? OnDisk::kOne : OnDisk::kOther;
  }

  // Counts one more reference to each of `count` clusters of the window, from `cluster` on. False,
  // and nothing is counted, if one has not the refcount on disk that is `wanted`, or has a
  // reference already where the refcount is one, or `most` references, or nearly as many as fit.
  // While workers share the counts, they may do this and the next, and nothing else.
  template <Access access, Wanted wanted>
  bool CountAll(std::uint64_t cluster, std::uint64_t count, std::uint64_t most);
  // Takes back what a CountAll counted.
  template <Access access>
  void TakeBack(std::uint64_t cluster, std::uint64_t count);
  // The same for `times` references to one cluster, whose refcount may be one or greater.
  template <Access access>
  bool CountTimes(std::uint64_t cluster, std::uint64_t times, std::uint64_t most);
  template <Access access>
  void TakeBackTimes(std::uint64_t cluster, std::uint64_t times);

  // Counts one more reference to a cluster of the window; false if it has `most`, 1 or more,
  // already.
  bool Add(std::uint64_t cluster, std::uint64_t most) {
    const std::uint64_t at = cluster - first_;
    if (once_.IsSet(at) || More(at) != 0) return AddMore(at, most);
    once_.Set(at);
    return true;
  }

  // Calls visit(first, count) for each longest run of clusters of the window below `end` that have
  // neither a reference nor a refcount.
  template <typename Visit>
  void VisitFree(std::uint64_t end, const Visit& visit) const {
    std::uint64_t begin = 0;  // of the run
    std::uint64_t at = 0;
    const std::uint64_t last = end - first_;
    const auto close = [&](std::uint64_t stop) {
      if (stop > begin) visit(first_ + begin, stop - begin);
      begin = stop + 1;
    };
    while (at < last) {
      const std::uint64_t word = at / kWordBits;
      const std::uint64_t used = once_.word(word) | ones_.word(word) | others_.word(word);
      const std::uint64_t stop = std::min(last, (word + 1) * kWordBits);
      if (used == 0) {
        at = stop;
      } else if (used == ~std::uint64_t{0}) {
        close(at);
        begin = at = stop;
      } else {
        for (; at < stop; ++at) {
          if ((used >> (at % kWordBits) & 1) != 0) close(at);
        }
      }
    }
    close(last);
  }

  // Goes on from `begin` as long as what Prepare learned is what was counted, one reference or
  // none: to where that cannot be told of up to 64 clusters, or to `end`. `highest` becomes the
  // last cluster on the way that has a reference; else it is left.
  [[nodiscard]] std::uint64_t AgreeTo(std::uint64_t begin, std::uint64_t end,
                                      std::uint64_t& highest) const;
  // Whether the clusters [begin, end) of the window, all of which are in `run`, have the refcounts
  // that they should have. If so, `highest` is as above.
  [[nodiscard]] bool Agree(const RefcountReader::Run& run, unsigned order, std::uint64_t begin,
                           std::uint64_t end, std::uint64_t& highest) const;

 private:
  static constexpr std::uint64_t kWordBits = 64;
  // A bit for each cluster of the window. Its memory is first touched by Fill.
  class Bits {
   public:
    void Reserve(std::uint64_t words) {
      if (words <= words_) return;
      bits_.reset();
      bits_ = std::make_unique_for_overwrite<std::uint64_t[]>(words);
      words_ = words;
    }
    // Clears words [first, first + count).
    void Fill(std::uint64_t first, std::uint64_t count) {
      std::fill_n(bits_.get() + first, count, 0);
    }
    [[nodiscard]] std::uint64_t word(std::uint64_t index) const { return bits_[index]; }
    [[nodiscard]] std::uint64_t& word(std::uint64_t index) { return bits_[index]; }
    [[nodiscard]] bool IsSet(std::uint64_t at) const {
      return (bits_[at / kWordBits] >> (at % kWordBits) & 1) != 0;
    }
    void Set(std::uint64_t at) { bits_[at / kWordBits] |= std::uint64_t{1} << (at % kWordBits); }
    void SetAll(std::uint64_t begin, std::uint64_t end) {
      while (begin < end) {
        const Stretch stretch(begin, end);
        bits_[stretch.word] |= stretch.mask;
        begin += stretch.bits;
      }
    }

   private:
    std::unique_ptr<std::uint64_t[]> bits_;
    std::uint64_t words_ = 0;
  };
  // As many of the bits [at, end) as are in the first word.
  struct Stretch {
    Stretch(std::uint64_t at, std::uint64_t end)
        : word(at / kWordBits),
          bits(std::min(end - at, kWordBits - at % kWordBits)),
          mask(~std::uint64_t{0} >> (kWordBits - bits) << (at % kWordBits)) {}
    std::uint64_t word;
    std::uint64_t bits;
    std::uint64_t mask;
  };
  // A cluster with so many references that they do not fit into more_. There are few of them: each
  // took an entry of a table for every reference.
  struct Many {
    std::uint64_t at = 0;
    std::uint64_t more = 0;
  };
  static constexpr std::uint64_t kMany = UINT16_MAX;       // in more_: look in many_
  static constexpr std::uint64_t kMoreClusters = 1 << 15;  // in a part of more_
  static constexpr std::uint64_t kLanes = 4;               // counts in a word of a part
  static constexpr unsigned kLaneBits = 16;

  // Counts of clusters, four a word, made by whoever first needs one, who may be any worker.
  class Part {
   public:
    Part() = default;
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;
    ~Part() { delete[] words(); }
    // Null if nobody has made them.
    [[nodiscard]] std::uint64_t* words() const { return words_.load(std::memory_order_acquire); }
    std::uint64_t* Make();

   private:
    std::atomic<std::uint64_t*> words_ = nullptr;
  };

  // References to the cluster that its bit in once_ does not tell of.
  [[nodiscard]] std::uint64_t More(std::uint64_t at) const {
    const std::uint64_t* words = more_[at / kMoreClusters].words();
    if (words == nullptr) return 0;
    const std::uint64_t few = words[at % kMoreClusters / kLanes] >> Shift(at) & kMany;
    return few == kMany ? MoreOfMany(at) : few;
  }
  [[nodiscard]] static constexpr unsigned Shift(std::uint64_t at) {
    return static_cast<unsigned>(at % kLanes) * kLaneBits;
  }
  [[nodiscard]] std::uint64_t MoreOfMany(std::uint64_t at) const;
  // Of a cluster that has some.
  bool AddMore(std::uint64_t at, std::uint64_t most);
  // Forgets all but the bits.
  void Forget();
  // The same as CountAll and TakeBack, of those clusters of word `word` that have a bit in `mask`
  // and either a refcount of one or a greater one.
  template <Access access>
  bool CountOnes(std::uint64_t word, std::uint64_t mask);
  template <Access access>
  void TakeBackOnes(std::uint64_t word, std::uint64_t mask);
  template <Access access>
  bool CountMore(std::uint64_t word, std::uint64_t mask, std::uint64_t most);
  template <Access access>
  void TakeBackMore(std::uint64_t word, std::uint64_t mask);
  // Whether those of the four clusters from `at` on that have a bit in `four` may each have `times`
  // more references, where more_ tells `counts` of them.
  template <Access access>
  [[nodiscard]] bool HaveRoom(std::uint64_t at, std::uint64_t four, std::uint64_t counts,
                              std::uint64_t times, std::uint64_t most);
  // Adds these to `counts`, which is in more_, if there is room.
  template <Access access>
  bool AddToFour(std::uint64_t& counts, std::uint64_t at, std::uint64_t four, std::uint64_t times,
                 std::uint64_t most);
  template <Access access>
  static void TakeFromFour(std::uint64_t& counts, std::uint64_t four, std::uint64_t times);
  void Learn(const RefcountReader::Run& run, unsigned order, std::uint64_t begin,
             std::uint64_t end);

  std::uint64_t first_ = 0;
  std::uint64_t end_ = 0;
  Bits once_;               // there is a reference
  Bits ones_;               // the refcount is one
  Bits others_;             // it is neither that nor zero
  Bits unknown_;            // it cannot be told; in others_, too
  std::vector<Part> more_;  // further references
  std::vector<Many> many_;  // in order
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_CHECK_COUNTED_REFERENCES_H_
