// How often the tables of an image refer to each cluster of one window of its file, and whether the
// refcounts on disk say the same.
//
// A check of a large disk is mostly this: counting references one by one and comparing them with
// the refcounts. So the counts stand in words of four, which are claimed and compared as such.
// tests/unit/formats/qcow2/reference_counts_test.cc covers this file.
#ifndef FORMATS_QCOW2_REFERENCE_COUNTS_H_
#define FORMATS_QCOW2_REFERENCE_COUNTS_H_

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
  // them have a refcount of one. Where `begin` is a multiple of 64 clusters from the first and
  // `end` is so, too, or the end of the window, several workers may prepare different clusters at
  // once (the memory is first touched here, which costs more than all else). kIo, after which to
  // try again is allowed.
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
    const std::uint64_t few = Few(cluster - first_);
    return few == kMany ? CountOfMany(cluster) : few;
  }
  [[nodiscard]] OnDisk on_disk(std::uint64_t cluster) const {
    const std::uint64_t at = cluster - first_;
    if (IsSet(unknown_, at)) return OnDisk::kUnknown;
    return IsSet(ones_, at) ? OnDisk::kOne : OnDisk::kOther;
  }

  // Counts the first reference to each of `count` clusters of the window, from `cluster` on, all of
  // which have a refcount of one on disk. False, and nothing is counted, if they are not all that.
  // While workers share the counts, they may do this and the next, and nothing else.
  template <Access access>
  bool Claim(std::uint64_t cluster, std::uint64_t count);
  // Takes back what a Claim counted.
  template <Access access>
  void Unclaim(std::uint64_t cluster, std::uint64_t count);

  // Counts one more reference to a cluster of the window; false if it has `most` already.
  bool Add(std::uint64_t cluster, std::uint64_t most);

  // Whether the clusters [begin, end) of the window, all of which are in `run`, have the refcounts
  // that they should have. Then `highest` becomes the last of them that has any; else it is left.
  [[nodiscard]] bool Agree(const DiskRefcounts::Run& run, unsigned order, std::uint64_t begin,
                           std::uint64_t end, std::uint64_t& highest) const;

 private:
  // A cluster with so many references that they do not fit into counts_. There are few of them:
  // each took an entry of a table for every reference.
  struct Many {
    std::uint64_t cluster = 0;
    std::uint64_t count = 0;
  };
  static constexpr std::uint64_t kMany = UINT16_MAX;  // in counts_: look in many_
  static constexpr std::uint64_t kLanes = 4;          // counts in a word
  static constexpr std::uint64_t kEachOnce = 0x0001'0001'0001'0001;

  using Words = std::vector<std::uint64_t>;
  [[nodiscard]] static bool IsSet(const Words& bits, std::uint64_t at) {
    return (bits[at / 64] >> (at % 64) & 1) != 0;
  }
  // Whether the bits [at, at + count) are all set.
  [[nodiscard]] static bool AreSet(const Words& bits, std::uint64_t at, std::uint64_t count);
  static void Set(Words& bits, std::uint64_t at, bool on) {
    const std::uint64_t bit = std::uint64_t{1} << (at % 64);
    bits[at / 64] = on ? bits[at / 64] | bit : bits[at / 64] & ~bit;
  }
  // Sets the bits [begin, end).
  static void SetAll(Words& bits, std::uint64_t begin, std::uint64_t end, bool on);

  [[nodiscard]] std::uint64_t Few(std::uint64_t at) const {
    return counts_[at / kLanes] >> (at % kLanes * 16) & UINT16_MAX;
  }
  [[nodiscard]] std::uint64_t CountOfMany(std::uint64_t cluster) const;
  void LearnOnes(const DiskRefcounts::Run& run, unsigned order, std::uint64_t begin,
                 std::uint64_t end);

  std::uint64_t first_ = 0;
  std::uint64_t end_ = 0;
  std::unique_ptr<std::uint64_t[]> counts_;  // 16 bits a cluster, the first lowest
  std::uint64_t counts_words_ = 0;
  std::vector<Many> many_;  // in order
  Words ones_;              // a bit a cluster
  Words unknown_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_REFERENCE_COUNTS_H_
