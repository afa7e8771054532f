// Two of zstd's match finders serve all levels, because a guest image has no room for more.
//
// Levels 1 to 4 are "dfast", which is what zstd's level 3 (qemu-img's) chooses for clusters of
// every size. They differ by the size of its tables and the shortest match: 2 % in what comes out
// and nothing to speak of in time. From kFirstDenseZstdLevel on it is "btopt", which finds the
// cheapest sequence of matches in a cluster: 6 to 15 % less comes out, at 5 to 3 % of the speed.
// The match finders between them ("greedy", "lazy") take half as much room as a whole image may.
#include <zstd.h>

#include <algorithm>
#include <iterator>

#include "formats/base/create_options.h"
#include "formats/qcow2/write/compressor.h"

namespace instar::qcow2 {
namespace {

// How hard "btopt" looks.
struct Effort {
  int search_log;     // log2 of the candidates it compares
  int min_match;      // bytes
  int target_length;  // a match so long is taken at once
};
constexpr Effort kDense[] = {{1, 5, 8}, {1, 4, 16}, {2, 4, 16}, {3, 3, 32}, {6, 3, 64}};
static_assert(std::size(kDense) == kMaxCompressionLevel + 1 - kFirstDenseZstdLevel);

// Tables that reach over a cluster, or over so much of a large one that 16 workers' fit the heap.
constexpr int kLargestTableLog = 18;

class ZstdCompressor final : public Compressor {
 public:
  explicit ZstdCompressor(ZSTD_CCtx* state) : state_(state) {}
  ZstdCompressor(const ZstdCompressor&) = delete;
  ZstdCompressor& operator=(const ZstdCompressor&) = delete;
  ~ZstdCompressor() override { ZSTD_freeCCtx(state_); }

  std::size_t Compress(std::span<const std::byte> cluster, std::span<std::byte> out) override {
    const std::size_t bytes =
        ZSTD_compress2(state_, out.data(), out.size(), cluster.data(), cluster.size());
    return ZSTD_isError(bytes) != 0 ? 0 : bytes;
  }

 private:
  ZSTD_CCtx* state_;
};

}  // namespace

Result<std::unique_ptr<Compressor>> MakeZstdCompressor(unsigned cluster_bits, unsigned level) {
  ZSTD_CCtx* state = ZSTD_createCCtx();
  if (state == nullptr) return OverLimit("there is no memory for a zstd compressor");
  auto compressor = std::make_unique<ZstdCompressor>(state);
  const bool dense = level >= kFirstDenseZstdLevel;
  const int window_log = std::max(static_cast<int>(cluster_bits), 10);
  // 0 leaves a parameter to the library.
  const Effort effort = dense ? kDense[level - kFirstDenseZstdLevel] : Effort{};
  const int table_log = dense ? std::min(window_log, kLargestTableLog) : 0;
  const struct {
    ZSTD_cParameter parameter;
    int value;
  } settings[] = {
      {ZSTD_c_compressionLevel, static_cast<int>(level)},
      {ZSTD_c_strategy, dense ? ZSTD_btopt : ZSTD_dfast},
      {ZSTD_c_windowLog, window_log},
      {ZSTD_c_chainLog, table_log},
      {ZSTD_c_hashLog, table_log},
      {ZSTD_c_searchLog, effort.search_log},
      {ZSTD_c_minMatch, effort.min_match},
      {ZSTD_c_targetLength, effort.target_length},
      {ZSTD_c_checksumFlag, 0},
  };
  for (const auto& setting : settings) {
    if (ZSTD_isError(ZSTD_CCtx_setParameter(state, setting.parameter, setting.value)) != 0) {
      return Unsupported("the zstd library refuses compression parameter {0} = {1}",
                         static_cast<std::uint64_t>(setting.parameter),
                         static_cast<std::uint64_t>(setting.value));
    }
  }
  return compressor;
}

}  // namespace instar::qcow2
