#include "formats/qcow2/read/decompressor.h"

#include <libdeflate.h>

#include "formats/qcow2/structures/constants.h"

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

}  // namespace

Decompressor::Decompressor(std::uint8_t compression_type)
    : is_zstd_(compression_type == kCompressionZstd) {
  if (is_zstd_) zstd_ = FindZstdDecoder();
}

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
  if (is_zstd_) return zstd_->make();
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
  if (is_zstd_) {
    zstd_->free(context);
  } else {
    libdeflate_free_decompressor(static_cast<libdeflate_decompressor*>(context));
  }
}

Status Decompressor::Inflate(std::span<const std::byte> compressed, std::span<std::byte> out) {
  if (is_zstd_ && zstd_ == nullptr) return Unsupported("this run has no decompressor of zstd");
  void* const context = TakeContext();
  if (context == nullptr)
    return OverLimit("no memory to decompress a cluster of {0} bytes", out.size());
  Status status;
  if (!is_zstd_) {
    status = InflateDeflate(static_cast<libdeflate_decompressor*>(context), compressed, out);
  } else if (!zstd_->decode(context, compressed.data(), compressed.size(), out.data(),
                            out.size())) {
    status = Corrupt("a compressed cluster is damaged");
  }
  ReturnContext(context);
  return status;
}

Result<Decompressor::Inflated> Decompressor::InflatePart(std::span<const std::byte> compressed,
                                                         std::span<std::byte> out) {
  void* const context = TakeContext();
  if (context == nullptr) {
    return OverLimit("no memory to decompress {0} bytes", out.size());
  }
  Inflated inflated;
  const libdeflate_result result = libdeflate_deflate_decompress_ex(
      static_cast<libdeflate_decompressor*>(context), compressed.data(), compressed.size(),
      out.data(), out.size(), &inflated.used, &inflated.produced);
  ReturnContext(context);
  if (result != LIBDEFLATE_SUCCESS) return Corrupt("a compressed unit is damaged");
  return inflated;
}

}  // namespace instar::qcow2
