// What the steps of reading, writing and checking qcow2 cost by themselves, on an image in memory.
//
// Map walks and table layout are reported as bytes of virtual disk a second, clusters as bytes of
// uncompressed data a second. Built with INSTAR_BUILD_BENCHMARKS=ON; `./dev bench --pure` runs it.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "formats/base/create_options.h"
#include "formats/check.h"
#include "formats/create.h"
#include "formats/open.h"
#include "physical.h"
#include "support/memory_device.h"

namespace instar {
namespace {

constexpr std::uint64_t kDiskBytes = 64ull << 20;
constexpr std::uint64_t kClusterBytes = 64ull << 10;

// Text-like bytes: words of a small vocabulary in a fixed pseudo-random order.
std::vector<std::byte> TextLikeCluster() {
  std::vector<std::byte> cluster(kClusterBytes);
  std::uint32_t state = 12345;
  std::size_t at = 0;
  while (at < cluster.size()) {
    state = state * 1664525 + 1013904223;
    const std::uint32_t word = (state >> 16) % 500;
    for (std::uint32_t i = 0; i < 3 + word % 6 && at < cluster.size(); ++i) {
      cluster[at++] = static_cast<std::byte>('a' + (word * 7 + i * 11) % 26);
    }
    if (at < cluster.size()) cluster[at++] = std::byte{' '};
  }
  return cluster;
}

std::unique_ptr<ImageWriter> MakeWriter(test::MemoryDevice& device, std::string_view options,
                                        bool compress) {
  CreateOptions create;
  create.format = FormatId::kQcow2;
  create.virtual_size_bytes = kDiskBytes;
  const auto read = CreateOptionList::Read(create.format, options);
  if (!read) return nullptr;
  create.options = read->settings();
  create.target = &device;
  create.compress = compress;
  auto writer = CreateImage(create);
  if (!writer || !(*writer)->Begin()) return nullptr;
  return *std::move(writer);
}

// Every other run of clusters holds data.
bool LayOut(ImageWriter& writer, std::uint64_t run_bytes) {
  for (std::uint64_t at = 0; at < kDiskBytes; at += 2 * run_bytes) {
    std::uint64_t done = 0;
    while (done < run_bytes) {
      const auto placement = writer.PlaceData(at + done, run_bytes - done);
      if (!placement) return false;
      done += placement->length_bytes;
    }
  }
  return writer.Finish().has_value();
}

void BM_Qcow2LayOut(benchmark::State& state) {
  const auto run_bytes = static_cast<std::uint64_t>(state.range(0)) * 4096;
  for (auto _ : state) {
    test::MemoryDevice device;
    device.bytes.reserve(kDiskBytes);
    auto writer = MakeWriter(device, "cluster_size=4k", false);
    if (writer == nullptr || !LayOut(*writer, run_bytes)) {
      state.SkipWithError("writing failed");
      return;
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kDiskBytes));
}
BENCHMARK(BM_Qcow2LayOut)->ArgName("clusters_a_run")->Arg(1)->Arg(16)->Arg(256);

void BM_Qcow2WalkMap(benchmark::State& state) {
  test::MemoryDevice device;
  auto writer = MakeWriter(device, "cluster_size=4k", false);
  if (writer == nullptr || !LayOut(*writer, static_cast<std::uint64_t>(state.range(0)) * 4096)) {
    state.SkipWithError("writing failed");
    return;
  }
  const auto reader = OpenImage(device, FormatId::kQcow2);
  if (!reader) {
    state.SkipWithError("opening failed");
    return;
  }
  for (auto _ : state) {
    auto cursor = (*reader)->OpenCursor();
    for (std::uint64_t at = 0; cursor && at < kDiskBytes;) {
      const auto extent = (*cursor)->Next(at, kDiskBytes - at);
      if (!extent) {
        state.SkipWithError("the map cannot be read");
        return;
      }
      benchmark::DoNotOptimize(extent->file_offset);
      at += extent->length_bytes;
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kDiskBytes));
}
BENCHMARK(BM_Qcow2WalkMap)->ArgName("clusters_a_run")->Arg(1)->Arg(16)->Arg(256);

constexpr std::uint64_t kMapBytes = kDiskBytes / 4096 * 8;  // L2 entries
BENCHMARK_CAPTURE(Memcpy, map, kMapBytes, kDiskBytes);

// Counts the references of every cluster and compares them with the refcounts.
void BM_Qcow2ScanRefcounts(benchmark::State& state) {
  test::MemoryDevice device;
  auto writer = MakeWriter(device, "cluster_size=4k", false);
  if (writer == nullptr || !LayOut(*writer, static_cast<std::uint64_t>(state.range(0)) * 4096)) {
    state.SkipWithError("writing failed");
    return;
  }
  class NoFindings final : public FindingSink {
    void Add(const Finding&) override {}
  } findings;
  for (auto _ : state) {
    const auto reader = OpenImage(device, FormatId::kQcow2);
    const auto counts =
        reader ? CheckImage({.device = &device, .reader = reader->get(), .findings = &findings})
               : std::unexpected(reader.error());
    if (!counts || counts->corruptions != 0 || counts->leaks != 0) {
      state.SkipWithError("the image is not clean");
      return;
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kDiskBytes));
}
BENCHMARK(BM_Qcow2ScanRefcounts)->ArgName("clusters_a_run")->Arg(1)->Arg(16)->Arg(256);

constexpr std::uint64_t kRefcountBytes = kDiskBytes / 2 / 4096 * 2;  // half of the disk has data
BENCHMARK_CAPTURE(Memcpy, map_and_refcounts, kMapBytes + kRefcountBytes, kDiskBytes);

constexpr std::string_view CompressionOptions(std::int64_t which) {
  return which == 0 ? "compression_type=zlib" : "compression_type=zstd";
}

void BM_Qcow2CompressCluster(benchmark::State& state) {
  test::MemoryDevice device;
  auto writer = MakeWriter(device, CompressionOptions(state.range(0)), true);
  if (writer == nullptr) {
    state.SkipWithError("creating failed");
    return;
  }
  const std::vector<std::byte> cluster = TextLikeCluster();
  std::vector<std::byte> out(kClusterBytes);
  std::size_t compressed = 0;
  for (auto _ : state) compressed = writer->Compress(0, cluster, out).value_or(0);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kClusterBytes));
  state.counters["compressed_bytes"] = static_cast<double>(compressed);
}
BENCHMARK(BM_Qcow2CompressCluster)->ArgName("zstd")->Arg(0)->Arg(1);
BENCHMARK_CAPTURE(Memcpy, cluster_to_compress, kClusterBytes, kClusterBytes);

void BM_Qcow2InflateCluster(benchmark::State& state) {
  test::MemoryDevice device;
  auto writer = MakeWriter(device, CompressionOptions(state.range(0)), true);
  const std::vector<std::byte> cluster = TextLikeCluster();
  std::vector<std::byte> packed(kClusterBytes);
  const std::size_t length =
      writer == nullptr ? 0 : writer->Compress(0, cluster, packed).value_or(0);
  if (length == 0) {
    state.SkipWithError("compressing failed");
    return;
  }
  const auto placement = writer->PlaceCompressed(0, length);
  if (!placement || !device.Write(placement->file_offset, std::span(packed).first(length)) ||
      !writer->Finish()) {
    state.SkipWithError("writing failed");
    return;
  }
  const auto reader = OpenImage(device, FormatId::kQcow2);
  auto cursor = (*reader)->OpenCursor();
  const auto extent = (*cursor)->Next(0, kClusterBytes);
  std::vector<std::byte> compressed(extent->compressed_bytes);
  std::vector<std::byte> out(kClusterBytes);
  if (!device.Read(extent->file_offset, compressed)) return;
  for (auto _ : state) {
    if (!(*reader)->Decompress(*extent, compressed, out)) {
      state.SkipWithError("inflating failed");
      return;
    }
  }
  if (!std::ranges::equal(out, cluster)) state.SkipWithError("inflated to something else");
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kClusterBytes));
}
BENCHMARK(BM_Qcow2InflateCluster)->ArgName("zstd")->Arg(0)->Arg(1);
BENCHMARK_CAPTURE(Memcpy, inflated_cluster, kClusterBytes, kClusterBytes);

}  // namespace
}  // namespace instar
