// What stands beside each measured step: the least that going over as many bytes takes on this
// machine, in the same run. Rates are in the unit of the step, so that they can be divided.
#ifndef BENCHMARKS_PHYSICAL_H_
#define BENCHMARKS_PHYSICAL_H_

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace instar {

// Copies `bytes` and reports `reported` bytes for it.
inline void Memcpy(benchmark::State& state, std::size_t bytes, std::uint64_t reported) {
  const std::vector<std::byte> from(bytes, std::byte{1});
  std::vector<std::byte> to(bytes);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), bytes);
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(reported));
}

// Compares `bytes` with as many that are equal.
inline void Memcmp(benchmark::State& state, std::size_t bytes, std::uint64_t reported) {
  const std::vector<std::byte> a(bytes);
  const std::vector<std::byte> b(bytes);
  for (auto _ : state) {
    benchmark::ClobberMemory();
    benchmark::DoNotOptimize(std::memcmp(a.data(), b.data(), bytes));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(reported));
}

}  // namespace instar

#endif  // BENCHMARKS_PHYSICAL_H_
