// The header of LUKS version 1 disk encryption (LUKS On-Disk Format Specification 1.2.3), as far as
// it can be told about without a key.
#ifndef FORMATS_LUKS_HEADER_H_
#define FORMATS_LUKS_HEADER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/report_sink.h"

namespace instar::luks {

struct KeySlot {
  bool active = false;
  std::uint32_t iterations = 0;
  std::uint32_t key_material_sector = 0;  // from the start of the header, 512 bytes each
  std::uint32_t stripes = 0;
};

class Header {
 public:
  static constexpr std::size_t kEncodedBytes = 592;
  static constexpr std::size_t kKeySlots = 8;

  // Decodes kEncodedBytes. kCorrupt without the magic number, kUnsupported for other versions.
  static Result<Header> DecodeFrom(std::span<const std::byte> bytes);
  static Result<Header> ReadFrom(const BlockDevice& device, std::uint64_t offset);

  // Emits what qemu-img tells of it, in its order, into the object that is open.
  void Describe(ReportSink& sink) const;

  [[nodiscard]] std::string_view cipher_name() const { return View(cipher_name_); }
  [[nodiscard]] std::string_view cipher_mode() const { return View(cipher_mode_); }  // xts-plain64
  [[nodiscard]] std::string_view hash() const { return View(hash_); }
  [[nodiscard]] std::string_view uuid() const { return View(uuid_); }
  [[nodiscard]] std::uint32_t payload_sector() const { return payload_sector_; }
  [[nodiscard]] std::uint32_t key_bytes() const { return key_bytes_; }
  [[nodiscard]] std::span<const KeySlot, kKeySlots> key_slots() const { return key_slots_; }

 private:
  template <std::size_t kSize>
  static std::string_view View(const std::array<char, kSize>& text) {
    const std::string_view all(text.data(), kSize);
    return all.substr(0, all.find('\0'));
  }

  std::array<char, 32> cipher_name_{};
  std::array<char, 32> cipher_mode_{};
  std::array<char, 32> hash_{};
  std::array<char, 40> uuid_{};
  std::uint32_t payload_sector_ = 0;
  std::uint32_t key_bytes_ = 0;
  std::uint32_t master_key_iterations_ = 0;
  std::array<KeySlot, kKeySlots> key_slots_{};
};

}  // namespace instar::luks

#endif  // FORMATS_LUKS_HEADER_H_
