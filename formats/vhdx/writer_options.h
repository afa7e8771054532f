// What a fresh VHDX is to be: -o and the size, checked against one another.
#ifndef FORMATS_VHDX_WRITER_OPTIONS_H_
#define FORMATS_VHDX_WRITER_OPTIONS_H_

#include <cstdint>

#include "formats/create.h"
#include "formats/vhdx/bat.h"
#include "formats/vhdx/constants.h"

namespace instar::vhdx {

struct WriterOptions {
  Preallocation preallocation = Preallocation::kOff;  // of a fixed disk
  std::uint64_t virtual_bytes = 0;
  std::uint64_t block_bytes = kMinBlockBytes;
  std::uint64_t log_bytes = kMebibyte;
  std::uint32_t sector_bytes = 512;
  bool fixed = false;
  bool block_state_zero = true;  // blocks without a place say "zero" rather than "not present"

  // kInvalidArgument in words for a user, kLimit, kUnsupported.
  static Result<WriterOptions> From(const CreateOptions& options);

  [[nodiscard]] BatLayout bat() const {
    return {.virtual_bytes = virtual_bytes,
            .block_bytes = block_bytes,
            .logical_sector_bytes = sector_bytes};
  }

  // Where things stand, one after another: header section, log, block allocation table, metadata,
  // blocks.
  [[nodiscard]] std::uint64_t log_offset() const { return kHeaderSectionBytes; }
  [[nodiscard]] std::uint64_t bat_offset() const { return log_offset() + log_bytes; }
  [[nodiscard]] std::uint64_t bat_bytes() const {
    // Of an empty disk qemu-img wants as many entries as its 32-bit count of them wraps around to.
    const std::uint64_t entries =
        bat().blocks() == 0 ? 0xFFFFFFFF / bat().chunk_ratio() : bat().entries();
    return DivideRoundUp(entries * kBatEntryBytes, kMebibyte) * kMebibyte;
  }
  [[nodiscard]] std::uint64_t metadata_offset() const { return bat_offset() + bat_bytes(); }
  [[nodiscard]] std::uint64_t BlockOffset(std::uint64_t index) const {
    return metadata_offset() + kMebibyte + index * block_bytes;
  }
};

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_WRITER_OPTIONS_H_
