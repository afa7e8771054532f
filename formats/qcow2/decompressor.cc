#include "formats/qcow2/decompressor.h"

#include <libdeflate.h>
#include <zstd.h>

#include "formats/base/endian.h"
#include "formats/qcow2/layout.h"

namespace instar::qcow2 {
namespace {

Status InflateDeflate(libdeflate_decompressor* context, std::span<const std::byte> compressed,
                      std::span<std::byte> out) {
  std::size_t used = 0;
  std::size_t produced = 0;
  const libdeflate_result result = libdeflate_deflate_decompress_ex(
      context, compressed.data(), compressed.size(), out.data(), out.size(), &used, &produced);
  if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
    return Corrupt("a compressed cluster inflates to more than {0} bytes", out.size());
  }
  if (result != LIBDEFLATE_SUCCESS) return Corrupt("a compressed cluster is damaged");
  if (produced != out.size()) {
    return Corrupt("a compressed cluster inflates to {0} bytes instead of {1}", produced,
                   out.size());
  }
  return {};
}

// One cluster may be several frames. Frames written as a stream do not state their content size, so
// the length of each is found from its block headers.
Status InflateZstd(ZSTD_DCtx* context, std::span<const std::byte> compressed,
                   std::span<std::byte> out) {
  while (!out.empty()) {
    // Zstandard's magic number (RFC 8878, 3.1.1). Frames of its drafts, which the library would
    // decode too, have others; nothing ever wrote those into qcow2.
    if (compressed.size() < 4 || LoadLe32(compressed, 0) != 0xFD2FB528) {
      return Corrupt("a compressed cluster is damaged");
    }
    const std::size_t frame = ZSTD_findFrameCompressedSize(compressed.data(), compressed.size());
    if (ZSTD_isError(frame) != 0) return Corrupt("a compressed cluster is damaged");
    const std::size_t produced =
        ZSTD_decompressDCtx(context, out.data(), out.size(), compressed.data(), frame);
    if (ZSTD_isError(produced) != 0) return Corrupt("a compressed cluster is damaged");
    compressed = compressed.subspan(frame);
    out = out.subspan(produced);
  }
  return {};
}

}  // namespace

Decompressor::~Decompressor() {
  for (const std::atomic<void*>& slot : kept_) {
    if (void* const context = slot.load()) FreeContext(context);
  }
}

void* Decompressor::TakeContext() {
  for (std::atomic<void*>& slot : kept_) {
    if (slot.load(std::memory_order_relaxed) == nullptr) continue;
    if (void* const context = slot.exchange(nullptr, std::memory_order_acquire)) return context;
  }
  if (compression_type_ == kCompressionZstd) return ZSTD_createDCtx();
  return libdeflate_alloc_decompressor();
}

void Decompressor::ReturnContext(void* context) {
  for (std::atomic<void*>& slot : kept_) {
    void* expected = nullptr;
    if (slot.compare_exchange_strong(expected, context, std::memory_order_release,
                                     std::memory_order_relaxed)) {
      return;
    }
  }
  FreeContext(context);
}

void Decompressor::FreeContext(void* context) const {
  if (compression_type_ == kCompressionZstd) {
    ZSTD_freeDCtx(static_cast<ZSTD_DCtx*>(context));
  } else {
    libdeflate_free_decompressor(static_cast<libdeflate_decompressor*>(context));
  }
}

Status Decompressor::Inflate(std::span<const std::byte> compressed, std::span<std::byte> out) {
  void* const context = TakeContext();
  if (context == nullptr)
    return OverLimit("no memory to decompress a cluster of {0} bytes", out.size());
  const Status status =
      compression_type_ == kCompressionZstd
          ? InflateZstd(static_cast<ZSTD_DCtx*>(context), compressed, out)
          : InflateDeflate(static_cast<libdeflate_decompressor*>(context), compressed, out);
  ReturnContext(context);
  return status;
}

}  // namespace instar::qcow2
