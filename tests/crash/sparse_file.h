// The content of a file, however long: pages of zeros are not kept.
//
// Copies share their pages, so that thousands of crash states of one file are cheap. Two files of
// the same length and bytes have the same digest, whatever was done to them.
//
// Not thread-safe.
#ifndef TESTS_CRASH_SPARSE_FILE_H_
#define TESTS_CRASH_SPARSE_FILE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "formats/base/block_device.h"

namespace instar::crash {

// Tells contents apart. It is made for speed, and not against an adversary.
struct Digest {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend auto operator<=>(const Digest&, const Digest&) = default;
};

class SparseFile {
 public:
  static constexpr std::uint64_t kPageBytes = 4096;

  SparseFile() = default;
  explicit SparseFile(std::uint64_t size_bytes) : size_bytes_(size_bytes) {}
  explicit SparseFile(std::span<const std::byte> bytes) { Write(0, bytes); }

  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
  // Zeros beyond the end.
  void Read(std::uint64_t offset, std::span<std::byte> out) const;
  // Lengthens the file where needed.
  void Write(std::uint64_t offset, std::span<const std::byte> data);
  // Zeros [offset, offset + length), and lengthens the file where needed.
  void Zero(std::uint64_t offset, std::uint64_t length);
  // Overwrites the pages, or parts of pages, in [offset, offset + length) that are kept with
  // `value`. Holes stay holes, and the length stays.
  void Spoil(std::uint64_t offset, std::uint64_t length, std::byte value);
  // Cuts the file, or lengthens it by zeros.
  void Resize(std::uint64_t size_bytes);
  // As BlockDevice::NextRuns, for one run.
  [[nodiscard]] FileRun NextRun(std::uint64_t offset, std::uint64_t max_length) const;
  // Blocks of `block_bytes`, at least a page, that hold other than zeros.
  [[nodiscard]] std::uint64_t StoredBlocks(std::uint64_t block_bytes) const;
  // All bytes; for short files.
  [[nodiscard]] std::vector<std::byte> Bytes() const;

  [[nodiscard]] Digest digest() const;
  friend bool operator==(const SparseFile& a, const SparseFile& b) {
    return a.size_bytes_ == b.size_bytes_ && a.digest() == b.digest();
  }
  // The first byte, in whole pages, in which `a` and `b` differ; the shorter length if none does.
  friend std::uint64_t FirstDifference(const SparseFile& a, const SparseFile& b);

 private:
  struct Page {
    std::array<std::byte, kPageBytes> bytes{};
    Digest digest;  // of `bytes`; all zeros: not known yet
  };
  using Pages = std::map<std::uint64_t, std::shared_ptr<Page>>;

  Page& Own(std::uint64_t index);
  void DropIfZero(std::uint64_t index);
  static Digest DigestOf(const Page& page);

  std::uint64_t size_bytes_ = 0;
  Pages pages_;
};

}  // namespace instar::crash

#endif  // TESTS_CRASH_SPARSE_FILE_H_
