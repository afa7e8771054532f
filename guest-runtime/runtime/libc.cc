// The little of libc that compilers, the compression libraries and header-only C++ call. The string
// moves are the processor's own: with fast short and long REP forms they come near a tuned
// library's, in a few bytes.
#include <cstddef>
#include <cstdint>

#include "formats/base/error.h"
#include "runtime.h"

extern "C" {

[[gnu::optimize("no-tree-loop-distribute-patterns")]] void* memcpy(void* target, const void* source,
                                                                   std::size_t bytes) {
  void* result = target;
  asm volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(bytes) : : "memory");
  return result;
}

[[gnu::optimize("no-tree-loop-distribute-patterns")]] void* memset(void* target, int value,
                                                                   std::size_t bytes) {
  void* result = target;
  asm volatile("rep stosb" : "+D"(target), "+c"(bytes) : "a"(value) : "memory");
  return result;
}

[[gnu::optimize("no-tree-loop-distribute-patterns")]] void* memmove(void* target,
                                                                    const void* source,
                                                                    std::size_t bytes) {
  auto* to = static_cast<unsigned char*>(target);
  const auto* from = static_cast<const unsigned char*>(source);
  if (to <= from || to >= from + bytes) return memcpy(target, source, bytes);
  while (bytes >= 8) {
    bytes -= 8;
    std::uint64_t word;
    __builtin_memcpy(&word, from + bytes, 8);
    __builtin_memcpy(to + bytes, &word, 8);
  }
  while (bytes-- > 0) to[bytes] = from[bytes];
  return target;
}

[[gnu::optimize("no-tree-loop-distribute-patterns")]] int memcmp(const void* a, const void* b,
                                                                 std::size_t bytes) {
  const auto* left = static_cast<const unsigned char*>(a);
  const auto* right = static_cast<const unsigned char*>(b);
  std::size_t i = 0;
  for (; i + 8 <= bytes; i += 8) {
    std::uint64_t x, y;
    __builtin_memcpy(&x, left + i, 8);
    __builtin_memcpy(&y, right + i, 8);
    if (x != y) break;
  }
  for (; i < bytes; ++i) {
    if (left[i] != right[i]) return left[i] < right[i] ? -1 : 1;
  }
  return 0;
}

[[gnu::optimize("no-tree-loop-distribute-patterns")]] std::size_t strlen(const char* text) {
  std::size_t length = 0;
  while (text[length] != '\0') ++length;
  return length;
}

[[gnu::optimize("no-tree-loop-distribute-patterns")]] void* memchr(const void* bytes, int value,
                                                                   std::size_t count) {
  const auto* at = static_cast<const unsigned char*>(bytes);
  for (std::size_t i = 0; i < count; ++i) {
    if (at[i] == static_cast<unsigned char>(value)) return const_cast<unsigned char*>(at + i);
  }
  return nullptr;
}

// The names are those that compiler and libraries call.
// NOLINTBEGIN(bugprone-reserved-identifier)
[[noreturn]] void abort() { __builtin_trap(); }
[[noreturn]] void __stack_chk_fail() { __builtin_trap(); }
[[noreturn]] void __assert_fail(const char*, const char*, unsigned, const char*) {
  __builtin_trap();
}
[[noreturn]] void __cxa_pure_virtual() { __builtin_trap(); }

}  // extern "C"

// Where libstdc++'s headers would throw. Most are declared there, as not returning.
namespace std {
void __throw_length_error(const char*) { __builtin_trap(); }
void __throw_logic_error(const char*) { __builtin_trap(); }
void __throw_out_of_range(const char*) { __builtin_trap(); }
void __throw_out_of_range_fmt(const char*, ...) { __builtin_trap(); }
void __throw_bad_alloc() { __builtin_trap(); }
void __throw_bad_array_new_length() { __builtin_trap(); }
[[noreturn]] void __throw_bad_optional_access() { __builtin_trap(); }
void __throw_bad_function_call() { __builtin_trap(); }
[[noreturn]] void __glibcxx_assert_fail(const char*, int, const char*, const char*) noexcept {
  __builtin_trap();
}
}  // namespace std
// NOLINTEND(bugprone-reserved-identifier)
