// The guest's heap: blocks of a few dozen size classes, four to each doubling, cut from the arena
// in order and kept on a free list of their class afterwards. A class is of so many bytes and a
// header besides: most large buffers are of a power of two. Nothing is merged: a guest lives for
// one operation, allocates its large buffers once, and the arena is address space that costs memory
// only where it is touched.
//
// The arena begins with small pages, as far as the next boundary of a large one; behind that it is
// large pages. Where KVM has no support of the hardware, the first touch of a small page costs some
// 25 us, and to fill the 400 of them 10 ms; a large one costs less than one millisecond. So blocks
// from kLargeBlock on come out of large pages, and the small ones are for what is all that a verb
// with little to do ever touches. (map of 12 GiB with its tables: 17 ms without this, 6 ms with.)
//
// Exhaustion ends the guest with a clear error, so callers need no null checks.
#include <cstring>

#include "formats/base/error.h"
#include "runtime.h"

namespace instar::guest {
namespace {

constexpr std::size_t kHeaderBytes = 16;  // keeps blocks 16-byte aligned
constexpr unsigned kSmallestShift = 4;    // 16 bytes
constexpr unsigned kClasses = 4 * 32;

struct Block {
  std::uint32_t size_class;
  std::uint32_t in_use;  // kInUse or not: a double free is a bug worth dying for
  Block* next;           // overlaps nothing the caller sees: the header is 16 bytes
};
static_assert(sizeof(Block) == kHeaderBytes);
constexpr std::uint32_t kInUse = 0x55534544;

constinit SpinLock lock;
struct Arena {
  std::uint64_t next;
  std::uint64_t end;
};
constexpr std::uint64_t kLargePage = 2 << 20;
constexpr std::size_t kLargeBlock = 64 << 10;
constinit Arena small_pages = {};
constinit Arena large_pages = {};
constinit Block* free_blocks[kClasses] = {};

// Without the header; a multiple of 16.
constexpr std::size_t ClassBytes(unsigned size_class) {
  const std::size_t base = std::size_t{1} << (kSmallestShift + size_class / 4);
  return (base + base / 4 * (size_class % 4) + 15) & ~std::size_t{15};
}

unsigned ClassFor(std::size_t bytes) {
  unsigned size_class = 0;
  if (bytes > (std::size_t{1} << kSmallestShift)) {
    const unsigned shift = 63 - static_cast<unsigned>(__builtin_clzll(bytes));
    size_class = 4 * (shift - kSmallestShift);
  }
  while (ClassBytes(size_class) < bytes) ++size_class;
  return size_class;
}

// Null if there is no room.
Block* Cut(Arena& arena, std::size_t bytes) {
  if (bytes > arena.end - arena.next) return nullptr;
  auto* const block = reinterpret_cast<Block*>(arena.next);
  arena.next += bytes;
  return block;
}

Block* HeaderOf(void* pointer) {
  Block* block = reinterpret_cast<Block*>(static_cast<std::byte*>(pointer) - kHeaderBytes);
  if (block->in_use != kInUse || block->size_class >= kClasses) __builtin_trap();
  return block;
}

}  // namespace

void InitHeap(std::uint64_t start, std::uint64_t bytes) {
  const std::uint64_t end = start + bytes;
  const std::uint64_t boundary = (start + kLargePage - 1) & ~(kLargePage - 1);
  small_pages = {.next = (start + 15) & ~std::uint64_t{15}, .end = boundary < end ? boundary : end};
  large_pages = {.next = small_pages.end, .end = end};
}

void* Allocate(std::size_t bytes) {
  constexpr std::size_t kLargest = std::size_t{1} << 34;
  if (bytes > kLargest) {
    Die(static_cast<std::uint32_t>(ErrorCode::kLimit),
        "the image needs more memory than the sandbox has");
  }
  const unsigned size_class = ClassFor(bytes);
  const std::size_t block_bytes = kHeaderBytes + ClassBytes(size_class);
  lock.Lock();
  Block* block = free_blocks[size_class];
  if (block != nullptr) {
    free_blocks[size_class] = block->next;
  } else {
    const bool large = bytes >= kLargeBlock;
    block = Cut(large ? large_pages : small_pages, block_bytes);
    if (block == nullptr) block = Cut(large ? small_pages : large_pages, block_bytes);
  }
  lock.Unlock();
  if (block == nullptr) {
    Die(static_cast<std::uint32_t>(ErrorCode::kLimit),
        "the image needs more memory than the sandbox has");
  }
  block->size_class = size_class;
  block->in_use = kInUse;
  return reinterpret_cast<std::byte*>(block) + kHeaderBytes;
}

void Release(void* pointer) {
  if (pointer == nullptr) return;
  Block* block = HeaderOf(pointer);
  block->in_use = 0;
  lock.Lock();
  block->next = free_blocks[block->size_class];
  free_blocks[block->size_class] = block;
  lock.Unlock();
}

}  // namespace instar::guest

extern "C" {

void* malloc(std::size_t bytes) { return instar::guest::Allocate(bytes); }
void free(void* pointer) { instar::guest::Release(pointer); }
void* calloc(std::size_t count, std::size_t bytes) {
  std::size_t total = 0;
  if (__builtin_mul_overflow(count, bytes, &total)) total = ~std::size_t{0};
  void* pointer = instar::guest::Allocate(total);
  std::memset(pointer, 0, total);
  return pointer;
}

}  // extern "C"

// Alignment beyond 16 is not to be had; nothing over-aligned is allocated in pure code.
void* operator new(std::size_t bytes) { return instar::guest::Allocate(bytes); }
void* operator new[](std::size_t bytes) { return instar::guest::Allocate(bytes); }
void operator delete(void* pointer) noexcept { instar::guest::Release(pointer); }
void operator delete[](void* pointer) noexcept { instar::guest::Release(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { instar::guest::Release(pointer); }
void operator delete[](void* pointer, std::size_t) noexcept { instar::guest::Release(pointer); }
