#include "io/zero_scan.h"

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
// The C library asked the processor when the program started. To ask again, as the compiler's
// builtin does before main, takes a trip to the hypervisor for each leaf where there is one: a
// tenth of a millisecond in all.
#if __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#endif
#if defined(CPU_FEATURE_ACTIVE)
#define INSTAR_CPU_HAS(feature, name) CPU_FEATURE_ACTIVE(feature)
#else
#define INSTAR_CPU_HAS(feature, name) (__builtin_cpu_supports(name) != 0)
#endif
#endif

namespace instar::vmm {
namespace {

bool Words(const std::byte* bytes, std::size_t length) {
  std::size_t at = 0;
  for (; at + 32 <= length; at += 32) {
    std::uint64_t words[4];
    std::memcpy(words, bytes + at, sizeof(words));
    if ((words[0] | words[1] | words[2] | words[3]) != 0) return false;
  }
  for (; at < length; ++at) {
    if (bytes[at] != std::byte{0}) return false;
  }
  return true;
}

#if defined(__x86_64__)

// Each looks at four vectors a step; what is left at the end is covered by vectors that overlap
// what was looked at already, so nothing is done byte by byte. Lengths below four vectors go to
// Words.

bool Sse2(const std::byte* bytes, std::size_t length) {
  constexpr std::size_t kStep = 4 * sizeof(__m128i);
  if (length < kStep) return Words(bytes, length);
  const auto step = [](const std::byte* at) {
    const auto* v = reinterpret_cast<const __m128i*>(at);
    const __m128i any = _mm_or_si128(_mm_or_si128(_mm_loadu_si128(v), _mm_loadu_si128(v + 1)),
                                     _mm_or_si128(_mm_loadu_si128(v + 2), _mm_loadu_si128(v + 3)));
    return _mm_movemask_epi8(_mm_cmpeq_epi8(any, _mm_setzero_si128())) == 0xFFFF;
  };
  for (std::size_t at = 0; at + kStep <= length; at += kStep) {
    if (!step(bytes + at)) return false;
  }
  return step(bytes + length - kStep);
}

__attribute__((target("avx2"))) bool Avx2Step(const std::byte* at) {
  const auto* v = reinterpret_cast<const __m256i*>(at);
  const __m256i any =
      _mm256_or_si256(_mm256_or_si256(_mm256_loadu_si256(v), _mm256_loadu_si256(v + 1)),
                      _mm256_or_si256(_mm256_loadu_si256(v + 2), _mm256_loadu_si256(v + 3)));
  return _mm256_testz_si256(any, any) != 0;
}

__attribute__((target("avx2"))) bool Avx2(const std::byte* bytes, std::size_t length) {
  constexpr std::size_t kStep = 4 * sizeof(__m256i);
  if (length < kStep) return Words(bytes, length);
  for (std::size_t at = 0; at + kStep <= length; at += kStep) {
    if (!Avx2Step(bytes + at)) return false;
  }
  return Avx2Step(bytes + length - kStep);
}

__attribute__((target("avx512f"))) bool Avx512Step(const std::byte* at) {
  const __m512i any =
      _mm512_or_si512(_mm512_or_si512(_mm512_loadu_si512(at), _mm512_loadu_si512(at + 64)),
                      _mm512_or_si512(_mm512_loadu_si512(at + 128), _mm512_loadu_si512(at + 192)));
  return _mm512_test_epi64_mask(any, any) == 0;
}

__attribute__((target("avx512f"))) bool Avx512(const std::byte* bytes, std::size_t length) {
  constexpr std::size_t kStep = 4 * sizeof(__m512i);
  if (length < kStep) return Words(bytes, length);
  for (std::size_t at = 0; at + kStep <= length; at += kStep) {
    if (!Avx512Step(bytes + at)) return false;
  }
  return Avx512Step(bytes + length - kStep);
}

#endif

internal::IsZeroFunction Widest() {
  if (const auto f = internal::IsZeroAvx512()) return f;
  if (const auto f = internal::IsZeroAvx2()) return f;
  if (const auto f = internal::IsZeroSse2()) return f;
  return internal::IsZeroWords();
}

}  // namespace

namespace internal {

IsZeroFunction IsZeroWords() { return Words; }

#if defined(__x86_64__)
IsZeroFunction IsZeroSse2() { return Sse2; }
IsZeroFunction IsZeroAvx2() { return INSTAR_CPU_HAS(AVX2, "avx2") ? Avx2 : nullptr; }
IsZeroFunction IsZeroAvx512() { return INSTAR_CPU_HAS(AVX512F, "avx512f") ? Avx512 : nullptr; }
#else
IsZeroFunction IsZeroSse2() { return nullptr; }
IsZeroFunction IsZeroAvx2() { return nullptr; }
IsZeroFunction IsZeroAvx512() { return nullptr; }
#endif

}  // namespace internal

bool IsZero(std::span<const std::byte> bytes) {
  static const internal::IsZeroFunction widest = Widest();
  return widest(bytes.data(), bytes.size());
}

std::optional<std::size_t> FirstDifference(std::span<const std::byte> a,
                                           std::span<const std::byte> b) {
  // memcmp tells quickly that blocks are equal, but not where they differ.
  constexpr std::size_t kBlock = 4096;
  for (std::size_t at = 0; at < a.size(); at += kBlock) {
    const std::size_t length = a.size() - at < kBlock ? a.size() - at : kBlock;
    if (std::memcmp(a.data() + at, b.data() + at, length) == 0) continue;
    std::size_t i = at;
    while (a[i] == b[i]) ++i;
    return i;
  }
  return std::nullopt;
}

}  // namespace instar::vmm
