// The byte form of requests (host to guest) and records (guest to host). Header-only: both sides
// use it.
//
// A message is a sequence of fields: u32 tag, u32 length of the payload, payload, padding to 8
// bytes. All integers little-endian. Readers trust nothing: every length is checked, and what is
// malformed ends the message.
#ifndef INSTAR_WIRE_H_
#define INSTAR_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "formats/base/endian.h"

namespace instar {

class WireWriter {
 public:
  void Unsigned(std::uint32_t tag, std::uint64_t value) {
    std::byte bytes[8];
    StoreLe64(bytes, 0, value);
    Bytes(tag, bytes);
  }
  void Text(std::uint32_t tag, std::string_view value) {
    Bytes(tag, std::as_bytes(std::span(value)));
  }
  void Bytes(std::uint32_t tag, std::span<const std::byte> value) {
    const std::size_t start = bytes_.size();
    bytes_.resize(start + 8 + (value.size() + 7) / 8 * 8);
    StoreLe32(bytes_, start, tag);
    StoreLe32(bytes_, start + 4, static_cast<std::uint32_t>(value.size()));
    if (!value.empty()) std::memcpy(bytes_.data() + start + 8, value.data(), value.size());
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  void Clear() { bytes_.clear(); }

 private:
  std::vector<std::byte> bytes_;
};

struct WireField {
  std::uint32_t tag = 0;
  std::span<const std::byte> payload;

  // The payload as an integer; nothing unless it has 8 bytes.
  [[nodiscard]] std::optional<std::uint64_t> AsUnsigned() const {
    if (payload.size() != 8) return std::nullopt;
    return LoadLe64(payload, 0);
  }
  [[nodiscard]] std::string_view AsText() const {
    return {reinterpret_cast<const char*>(payload.data()), payload.size()};
  }
};

class WireReader {
 public:
  explicit WireReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  // The next field, or nothing at the end and after malformed input (then ok() is false).
  std::optional<WireField> Next() {
    if (!ok_ || rest_.empty()) return std::nullopt;
    if (rest_.size() < 8) return Malformed();
    const std::uint32_t tag = LoadLe32(rest_, 0);
    const std::size_t length = LoadLe32(rest_, 4);
    const std::size_t padded = (length + 7) / 8 * 8;
    if (padded > rest_.size() - 8) return Malformed();
    WireField field{.tag = tag, .payload = rest_.subspan(8, length)};
    rest_ = rest_.subspan(8 + padded);
    return field;
  }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  std::optional<WireField> Malformed() {
    ok_ = false;
    return std::nullopt;
  }
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

}  // namespace instar

#endif  // INSTAR_WIRE_H_
