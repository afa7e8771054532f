#include "crash/sparse_file.h"

#include <algorithm>
#include <cstring>

namespace instar::crash {
namespace {

// A step of two multiplications and rotations: each input bit reaches all of the output.
void Mix(Digest& digest, std::uint64_t word) {
  digest.low = (digest.low ^ word) * 0x9E3779B97F4A7C15ULL;
  digest.low ^= digest.low >> 29;
  digest.high = (digest.high + word) * 0xC2B2AE3D27D4EB4FULL;
  digest.high ^= (digest.high >> 31) + digest.low;
}

bool AllZero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

// Calls visit(page, first, length) for the parts of pages that [offset, offset + length) covers.
template <typename Visit>
void ForEachPart(std::uint64_t offset, std::uint64_t length, const Visit& visit) {
  while (length != 0) {
    const std::uint64_t first = offset % SparseFile::kPageBytes;
    const std::uint64_t part = std::min(length, SparseFile::kPageBytes - first);
    visit(offset / SparseFile::kPageBytes, first, part);
    offset += part;
    length -= part;
  }
}

}  // namespace

SparseFile::Page& SparseFile::Own(std::uint64_t index) {
  std::shared_ptr<Page>& page = pages_[index];
  if (page == nullptr) {
    page = std::make_shared<Page>();
  } else if (page.use_count() != 1) {
    page = std::make_shared<Page>(*page);
  }
  page->digest = {};
  return *page;
}

void SparseFile::DropIfZero(std::uint64_t index) {
  const auto at = pages_.find(index);
  if (at != pages_.end() && AllZero(at->second->bytes)) pages_.erase(at);
}

void SparseFile::Read(std::uint64_t offset, std::span<std::byte> out) const {
  std::ranges::fill(out, std::byte{0});
  ForEachPart(offset, out.size(), [&](std::uint64_t index, std::uint64_t first, std::uint64_t n) {
    const auto page = pages_.find(index);
    if (page == pages_.end()) return;
    const std::uint64_t at = index * kPageBytes + first - offset;
    std::memcpy(out.data() + at, page->second->bytes.data() + first, n);
  });
}

void SparseFile::Write(std::uint64_t offset, std::span<const std::byte> data) {
  if (data.empty()) return;
  ForEachPart(offset, data.size(), [&](std::uint64_t index, std::uint64_t first, std::uint64_t n) {
    const auto part = data.subspan(index * kPageBytes + first - offset, n);
    const bool zeros = AllZero(part);
    if (zeros && !pages_.contains(index)) return;
    std::memcpy(Own(index).bytes.data() + first, part.data(), n);
    if (zeros) DropIfZero(index);
  });
  size_bytes_ = std::max(size_bytes_, offset + data.size());
}

void SparseFile::Zero(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return;
  Spoil(offset, length, std::byte{0});
  size_bytes_ = std::max(size_bytes_, offset + length);
}

void SparseFile::Spoil(std::uint64_t offset, std::uint64_t length, std::byte value) {
  const std::uint64_t end = offset + length;
  auto page = pages_.lower_bound(offset / kPageBytes);
  while (page != pages_.end() && page->first * kPageBytes < end) {
    const std::uint64_t index = page->first;
    ++page;
    const std::uint64_t start = index * kPageBytes;
    const std::uint64_t first = std::max(start, offset) - start;
    const std::uint64_t last = std::min({start + kPageBytes, end, std::max(start, size_bytes_)});
    if (last <= start + first) continue;
    if (value == std::byte{0} && first == 0 && last == start + kPageBytes) {
      pages_.erase(index);
      continue;
    }
    std::memset(Own(index).bytes.data() + first, std::to_integer<int>(value), last - start - first);
    DropIfZero(index);
  }
}

void SparseFile::Resize(std::uint64_t size_bytes) {
  if (size_bytes < size_bytes_) Spoil(size_bytes, size_bytes_ - size_bytes, std::byte{0});
  size_bytes_ = size_bytes;
}

FileRun SparseFile::NextRun(std::uint64_t offset, std::uint64_t max_length) const {
  const std::uint64_t end = std::min(size_bytes_, offset + max_length);
  std::uint64_t index = offset / kPageBytes;
  auto page = pages_.lower_bound(index);
  const bool hole = page == pages_.end() || page->first != index;
  if (hole) {
    const std::uint64_t next = page == pages_.end() ? end : page->first * kPageBytes;
    return {.length_bytes = std::min(next, end) - offset, .hole = true};
  }
  while (page != pages_.end() && page->first == index && index * kPageBytes < end) {
    ++page;
    ++index;
  }
  return {.length_bytes = std::min(index * kPageBytes, end) - offset, .hole = false};
}

std::uint64_t SparseFile::StoredBlocks(std::uint64_t block_bytes) const {
  std::uint64_t blocks = 0;
  std::uint64_t next = 0;  // what lies before is counted
  for (const auto& [index, page] : pages_) {
    if (index * kPageBytes < next) continue;
    ++blocks;
    next = (index * kPageBytes / block_bytes + 1) * block_bytes;
  }
  return blocks;
}

std::vector<std::byte> SparseFile::Bytes() const {
  std::vector<std::byte> bytes(size_bytes_);
  Read(0, bytes);
  return bytes;
}

Digest SparseFile::DigestOf(const Page& page) {
  Digest digest{1, 2};
  std::array<std::uint64_t, kPageBytes / 8> words;
  std::memcpy(words.data(), page.bytes.data(), kPageBytes);
  for (const std::uint64_t word : words) Mix(digest, word);
  return digest;
}

Digest SparseFile::digest() const {
  Digest digest{3, 4};
  Mix(digest, size_bytes_);
  for (const auto& [index, page] : pages_) {
    if (page->digest == Digest{}) page->digest = DigestOf(*page);
    Mix(digest, index);
    Mix(digest, page->digest.low);
    Mix(digest, page->digest.high);
  }
  return digest;
}

std::uint64_t FirstDifference(const SparseFile& a, const SparseFile& b) {
  auto left = a.pages_.begin();
  auto right = b.pages_.begin();
  while (left != a.pages_.end() || right != b.pages_.end()) {
    if (right == b.pages_.end() || (left != a.pages_.end() && left->first < right->first)) {
      return left->first * SparseFile::kPageBytes;
    }
    if (left == a.pages_.end() || right->first < left->first) {
      return right->first * SparseFile::kPageBytes;
    }
    if (left->second->bytes != right->second->bytes) {
      return left->first * SparseFile::kPageBytes;
    }
    ++left;
    ++right;
  }
  return std::min(a.size_bytes_, b.size_bytes_);
}

}  // namespace instar::crash
