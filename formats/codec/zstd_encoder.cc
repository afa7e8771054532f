// Two of zstd's match finders serve all levels, because a part has no room for more.
//
// Levels 1 to 4 are "dfast", which is what zstd's level 3 (qemu-img's) chooses for clusters of
// every size. They differ by the size of its tables and the shortest match: 2 % in what comes out
// and nothing to speak of in time. From kFirstDenseZstdLevel on it is "btopt", which finds the
// cheapest sequence of matches in a cluster: 6 to 15 % less comes out, at 5 to 3 % of the speed.
// The match finders between them ("greedy", "lazy") take half as much room as a whole part may.
#include <zstd.h>

#include <algorithm>
#include <iterator>

#include "formats/codec/codecs.h"

namespace instar {
namespace {

// How hard "btopt" looks.
struct Effort {
  int search_log;     // log2 of the candidates it compares
  int min_match;      // bytes
  int target_length;  // a match so long is taken at once
};
constexpr Effort kDense[] = {{1, 5, 8}, {1, 4, 16}, {2, 4, 16}, {3, 3, 32}, {6, 3, 64}};

// Tables that reach over a cluster, or over so much of a large one that 16 workers' fit the heap.
constexpr int kLargestTableLog = 18;

void* Make(unsigned unit_bits, unsigned level, ZstdEncoder::Refusal* refusal) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  if (context == nullptr) return nullptr;
  const bool dense = level >= kFirstDenseZstdLevel;
  const int window_log = std::max(static_cast<int>(unit_bits), 10);
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
    if (ZSTD_isError(ZSTD_CCtx_setParameter(context, setting.parameter, setting.value)) != 0) {
      *refusal = {.parameter = setting.parameter, .value = setting.value};
      ZSTD_freeCCtx(context);
      return nullptr;
    }
  }
  return context;
}

std::size_t Encode(void* context, const std::byte* in, std::size_t in_bytes, std::byte* out,
                   std::size_t out_bytes) {
  const std::size_t bytes =
      ZSTD_compress2(static_cast<ZSTD_CCtx*>(context), out, out_bytes, in, in_bytes);
  return ZSTD_isError(bytes) != 0 ? 0 : bytes;
}

}  // namespace

constinit const ZstdEncoder kZstdEncoder = {
    .make = Make,
    .free = [](void* context) { ZSTD_freeCCtx(static_cast<ZSTD_CCtx*>(context)); },
    .encode = Encode,
};

}  // namespace instar
