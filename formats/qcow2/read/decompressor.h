// Inflates the compressed clusters of qcow2: raw deflate, or zstd frames.
//
// What is handed in ends at a sector boundary, so bytes of other clusters may follow the compressed
// ones; nothing but the stream itself tells where it ends.
#ifndef FORMATS_QCOW2_READ_DECOMPRESSOR_H_
#define FORMATS_QCOW2_READ_DECOMPRESSOR_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/base/error.h"
#include "formats/codec/codecs.h"

namespace instar::qcow2 {

// Keeps the working memory of up to kKept concurrent calls (12 KiB each for deflate, some 100 KiB
// for zstd) so that a cluster costs no allocation.
class Decompressor {
 public:
  explicit Decompressor(std::uint8_t compression_type);
  ~Decompressor();
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  // Fills `out` exactly. kCorrupt if the stream is damaged or inflates to another length; kLimit
  // if there is no memory; kUnsupported where this run has no decoder of zstd (codecs.h). May be
  // called from several threads at once.
  Status Inflate(std::span<const std::byte> compressed, std::span<std::byte> out);

  // How far a stream reached.
  struct Inflated {
    std::size_t used = 0;      // of the compressed bytes
    std::size_t produced = 0;  // of the room for content
  };
  // Inflates one deflate stream that may end before `out` is full. Errors and use as above.
  Result<Inflated> InflatePart(std::span<const std::byte> compressed, std::span<std::byte> out);

 private:
  static constexpr std::size_t kKept = 16;

  [[nodiscard]] void* TakeContext();
  void ReturnContext(void* context);
  void FreeContext(void* context) const;

  bool is_zstd_;
  const ZstdDecoder* zstd_ = nullptr;  // if is_zstd_, unless this run has none
  std::array<std::atomic<void*>, kKept> kept_{};
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_READ_DECOMPRESSOR_H_
