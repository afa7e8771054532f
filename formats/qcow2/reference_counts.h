// How often the tables of an image refer to each cluster of one window of its file, and whether the
// refcounts on disk say the same.
//
// A check of a large disk is mostly this: counting references one by one and comparing them with
// the refcounts. Nearly all clusters of nearly all images have one reference or none, so the first
// one is a bit, and bits tell whether the refcount on disk is one, too: 64 clusters are claimed and
// compared at a time, and the refcounts are read once. More references are counted where there are.
// tests/unit/formats/qcow2/reference_counts_test.cc covers this file.
#ifndef FORMATS_QCOW2_REFERENCE_COUNTS_H_
#define FORMATS_QCOW2_REFERENCE_COUNTS_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "formats/base/error.h"
#include "formats/qcow2/disk_refcounts.h"

namespace instar::qcow2 {

class ReferenceCounts {
 public:
  // What the refcount on disk says of a cluster.
  enum class OnDisk : std::uint8_t { kUnknown, kOne, kOther };
  // Whether other workers may claim at the same time.
  enum class Access : std::uint8_t { kAlone, kShared };

  // Makes clusters [first, end) the window. Prepare them all before anything else.
  void Open(std::uint64_t first, std::uint64_t end);
  // Clears the counts of the clusters [begin, end) of the window, and learns from `disk` which of
  // them have a refcount of one, or of more. Where `begin` is a multiple of 64 clusters from the
  // first and `end` is so, too, or the end of the window, several workers may prepare different
  // clusters at once (the memory is first touched here, which costs more than all else). kIo, after
  // which to try again is allowed.
  Status Prepare(std::uint64_t begin, std::uint64_t end, DiskRefcounts& disk);

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
    return once_.IsSet(at) ? 1 + More(at) : 0;
  }
  [[nodiscard]] OnDisk on_disk(std::uint64_t cluster) const {
    const std::uint64_t at = cluster - first_;
    if (unknown_.IsSet(at)) return OnDisk::kUnknown;
    return ones_.IsSet(at) ? OnDisk::kOne : OnDisk::kOther;
  }

  // Counts the first reference to each of `count` clusters of the window, from `cluster` on, all of
  // which have a refcount of one on disk. False, and nothing is counted, if they are not all that.
  // While workers share the counts, they may do this and the next, and nothing else.
  template <Access access>
  bool Claim(std::uint64_t cluster, std::uint64_t count);
  // Takes back what a Claim counted.
  template <Access access>
  void Unclaim(std::uint64_t cluster, std::uint64_t count);

  // Counts one more reference to a cluster of the window; false if it has `most`, 1 or more,
  // already.
  bool Add(std::uint64_t cluster, std::uint64_t most) {
    const std::uint64_t at = cluster - first_;
    if (once_.IsSet(at)) return AddMore(at, most);
    once_.Set(at);
    return true;
  }

  // Goes on from `begin` as long as what Prepare learned is what was counted, one reference or
  // none: to where that cannot be told of up to 64 clusters, or to `end`. `highest` becomes the
  // last cluster on the way that has a reference; else it is left.
  [[nodiscard]] std::uint64_t AgreeTo(std::uint64_t begin, std::uint64_t end,
                                      std::uint64_t& highest) const;
  // Whether the clusters [begin, end) of the window, all of which are in `run`, have the refcounts
  // that they should have. If so, `highest` is as above.
  [[nodiscard]] bool Agree(const DiskRefcounts::Run& run, unsigned order, std::uint64_t begin,
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

  // References to the cluster beyond the first, if it has that.
  [[nodiscard]] std::uint64_t More(std::uint64_t at) const {
    const auto& part = more_[at / kMoreClusters];
    if (part == nullptr) return 0;
    const std::uint64_t few = part[at % kMoreClusters];
    return few == kMany ? MoreOfMany(at) : few;
  }
  [[nodiscard]] std::uint64_t MoreOfMany(std::uint64_t at) const;
  // Of a cluster that has one.
  bool AddMore(std::uint64_t at, std::uint64_t most);
  // Forgets all but the first.
  void Forget();
  void Learn(const DiskRefcounts::Run& run, unsigned order, std::uint64_t begin, std::uint64_t end);

  std::uint64_t first_ = 0;
  std::uint64_t end_ = 0;
  Bits once_;                                           // there is a reference
  Bits ones_;                                           // the refcount is one
  Bits others_;                                         // it is neither that nor zero
  Bits unknown_;                                        // it cannot be told; in others_, too
  std::vector<std::unique_ptr<std::uint16_t[]>> more_;  // null: no cluster has more than one
  std::vector<Many> many_;                              // in order
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_REFERENCE_COUNTS_H_
