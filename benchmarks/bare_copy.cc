// The least that copying the data of mixed.raw (inputs.py) can take on this machine: nothing is
// decided, laid out, locked or confined. As many threads as there are processors copy it to the
// same places of a new file. What no program that does the same work can beat, as far as the ways
// given here are the fastest there are:
//
//   read     pread and pwrite; blocks of zeros are left out, for which each is looked at
//   large    the same, but where there are no zeros the kernel is asked to collapse the place in
//   the
//            target into large pages, which are read into; in memory only
//   clone    blocks of the source become the target's, too, where the file system can do that; the
//            source may be an image that holds the data without gaps, from an offset on
//
// guest-clone is clone after a bare guest has run (bare_guest.h).
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>
#include <vector>

#include "bare_guest.h"

namespace {

constexpr std::uint64_t kPiece = std::uint64_t{256} << 10;  // stays in a processor's cache
constexpr std::uint64_t kLargePage = std::uint64_t{2} << 20;
constexpr std::uint64_t kBlock = 4096;

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

std::uint64_t Number(const char* text) {
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(text, &end, 10);
  if (end == text || *end != '\0' || value == 0) {
    std::fprintf(stderr, "%s: not a number of bytes\n", text);
    std::exit(2);
  }
  return value;
}

// Said of arguments that make no sense.
[[noreturn]] void Refuse() {
  std::fprintf(stderr,
               "bare_copy read|large SOURCE TARGET SIZE PERIOD LENGTH\n"
               "bare_copy clone|guest-clone SOURCE TARGET SIZE PERIOD LENGTH [FIRST]\n");
  std::exit(2);
}

bool IsZero(const char* block) {
  return block[0] == 0 && std::memcmp(block, block + 1, kBlock - 1) == 0;
}

struct Copier {
  enum class Way { kRead, kLarge, kClone };
  Way way;
  int source;
  int target;

  void Write(const char* bytes, std::uint64_t offset, std::uint64_t length) const {
    if (pwrite(target, bytes, length, static_cast<off_t>(offset)) != static_cast<ssize_t>(length)) {
      Fail("write");
    }
  }

  void Read(char* buffer, std::uint64_t offset, std::uint64_t length) const {
    if (pread(source, buffer, length, static_cast<off_t>(offset)) != static_cast<ssize_t>(length)) {
      Fail("read");
    }
  }

  // Whether the source, of which `bytes` are known to hold no zeros, was read into a large page.
  bool PutLarge(char* window, std::uint64_t offset) const {
    constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE
    constexpr int kCollapse = 25;       // MADV_COLLAPSE
    if (mmap(window, kLargePage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, target,
             static_cast<off_t>(offset)) == MAP_FAILED ||
        madvise(window, kBlock, kPopulateWrite) != 0 ||
        madvise(window, kLargePage, kCollapse) != 0) {
      return false;
    }
    Read(window, offset, kLargePage);
    return true;
  }

  void PutNonZero(const char* bytes, std::uint64_t offset, std::uint64_t length) const {
    for (std::uint64_t at = 0; at < length;) {
      if (IsZero(bytes + at)) {
        at += kBlock;
        continue;
      }
      std::uint64_t end = at + kBlock;
      while (end < length && !IsZero(bytes + end)) end += kBlock;
      Write(bytes + at, offset + at, end - at);
      at = end;
    }
  }

  void Copy(char* buffer, std::uint64_t offset, std::uint64_t length) const {
    Read(buffer, offset, length);
    if (way == Way::kLarge && length == kLargePage && offset % kLargePage == 0) {
      std::uint64_t at = 0;
      while (at < length && !IsZero(buffer + at)) at += kBlock;
      if (at == length && PutLarge(buffer + kLargePage, offset)) return;
    }
    PutNonZero(buffer, offset, length);
  }

  void Clone(std::uint64_t from, std::uint64_t to, std::uint64_t length) const {
    file_clone_range range{
        .src_fd = source, .src_offset = from, .src_length = length, .dest_offset = to};
    if (ioctl(target, FICLONERANGE, &range) != 0) Fail("clone");
  }
};

Copier::Way WayNamed(std::string_view name) {
  if (name == "read") return Copier::Way::kRead;
  if (name == "large") return Copier::Way::kLarge;
  if (name == "clone" || name == "guest-clone") return Copier::Way::kClone;
  Refuse();
}

}  // namespace

// WAY SOURCE TARGET SIZE PERIOD LENGTH [FIRST]: of each PERIOD bytes below SIZE, the first LENGTH;
// with FIRST they stand in the source one after another, from there on. All are multiples of 4096.
int main(int count, char** arguments) {
  if (count != 7 && count != 8) Refuse();
  Copier copier{.way = WayNamed(arguments[1]),
                .source = open(arguments[2], O_RDONLY | O_CLOEXEC),
                .target = open(arguments[3], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  if (copier.source < 0) Fail(arguments[2]);
  if (copier.target < 0) Fail(arguments[3]);
  const std::uint64_t size = Number(arguments[4]);
  const std::uint64_t period = Number(arguments[5]);
  const std::uint64_t length = Number(arguments[6]);
  const std::uint64_t first = count == 8 ? Number(arguments[7]) : 0;
  if (ftruncate(copier.target, static_cast<off_t>(size)) != 0) Fail(arguments[3]);
  if (copier.way == Copier::Way::kClone) {
    if (std::string_view(arguments[1]) == "guest-clone") instar::bench::RunBareGuest();
    std::uint64_t from = first;
    for (std::uint64_t at = 0; at < size; at += period) {
      copier.Clone(from, at, std::min(length, size - at));
      from += first != 0 ? length : period;
    }
    return 0;
  }

  constexpr std::uint64_t kTurn = std::uint64_t{8} << 20;
  std::atomic<std::uint64_t> next{0};
  const std::uint64_t largest = copier.way == Copier::Way::kLarge ? kLargePage : kPiece;
  const auto work = [&] {
    // What was read, and after it a place to map a large page at.
    char* const buffer = static_cast<char*>(std::aligned_alloc(kLargePage, 2 * kLargePage));
    if (buffer == nullptr) Fail("memory");
    for (std::uint64_t turn = next.fetch_add(kTurn); turn < size; turn = next.fetch_add(kTurn)) {
      const std::uint64_t turn_end = std::min(turn + kTurn, size);
      for (std::uint64_t at = turn; at < turn_end;) {
        const std::uint64_t start = at / period * period;
        const std::uint64_t end = std::min(turn_end, start + length);
        if (at >= end) {
          at = start + period;
          continue;
        }
        const std::uint64_t piece = std::min(largest, end - at);
        copier.Copy(buffer, at, piece);
        at += piece;
      }
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = std::max(1u, std::thread::hardware_concurrency()); i > 1; --i) {
    threads.emplace_back(work);
  }
  work();
  for (std::thread& thread : threads) thread.join();
  return 0;
}
