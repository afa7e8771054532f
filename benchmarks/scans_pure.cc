// What looking at bytes costs that no format gives a meaning to: zero detection and comparison, on
// the path of every byte that is converted or compared, and VHDX's checksum.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "formats/base/crc32c.h"
#include "io/zero_scan.h"
#include "physical.h"

namespace instar {
namespace {

// In the second-level cache, and in memory.
constexpr std::int64_t kNear = 256 << 10;
constexpr std::int64_t kFar = 64 << 20;

void BM_ZeroScan(benchmark::State& state) {
  const std::vector<std::byte> zeros(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::ClobberMemory();
    if (!vmm::IsZero(zeros)) state.SkipWithError("zeros are not zero");
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_ZeroScan)->ArgName("bytes")->Arg(kNear)->Arg(kFar);
BENCHMARK_CAPTURE(Memcmp, near_zeros, kNear, kNear);
BENCHMARK_CAPTURE(Memcmp, far_zeros, kFar, kFar);

void BM_FirstDifference(benchmark::State& state) {
  const std::vector<std::byte> a(static_cast<std::size_t>(state.range(0)), std::byte{1});
  const std::vector<std::byte> b = a;
  for (auto _ : state) {
    benchmark::ClobberMemory();
    if (vmm::FirstDifference(a, b)) state.SkipWithError("equal bytes differ");
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_FirstDifference)->ArgName("bytes")->Arg(kNear)->Arg(kFar);
BENCHMARK_CAPTURE(Memcmp, near_equal_bytes, kNear, kNear);
BENCHMARK_CAPTURE(Memcmp, far_equal_bytes, kFar, kFar);

void BM_Crc32c(benchmark::State& state) {
  const std::vector<std::byte> bytes(static_cast<std::size_t>(state.range(0)), std::byte{7});
  Crc32c crc;
  for (auto _ : state) {
    benchmark::ClobberMemory();
    crc.Restart();
    crc.Add(bytes);
    benchmark::DoNotOptimize(crc.value());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

// The ways that are taken where the processor has no instruction for it: hosted, and in a guest.
void BM_Crc32cBy(benchmark::State& state, internal::Crc32cFunction sum) {
  const std::vector<std::byte> bytes(static_cast<std::size_t>(state.range(0)), std::byte{7});
  for (auto _ : state) {
    benchmark::ClobberMemory();
    benchmark::DoNotOptimize(sum(0, bytes.data(), bytes.size()));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

// A log entry's sector, a region table.
BENCHMARK(BM_Crc32c)->ArgName("bytes")->Arg(4 << 10)->Arg(64 << 10);
BENCHMARK_CAPTURE(BM_Crc32cBy, eight_tables, internal::Crc32cByEightTables())->Arg(64 << 10);
BENCHMARK_CAPTURE(BM_Crc32cBy, one_table, internal::Crc32cByOneTable())->Arg(64 << 10);
BENCHMARK_CAPTURE(Memcpy, log_sector, 4 << 10, 4 << 10);
BENCHMARK_CAPTURE(Memcpy, region_table, 64 << 10, 64 << 10);

}  // namespace
}  // namespace instar
