#include "formats/luks/header.h"

#include <algorithm>
#include <cstring>

#include "formats/base/endian.h"

namespace instar::luks {
namespace {

constexpr std::string_view kMagic = "LUKS\xBA\xBE";
constexpr std::uint64_t kSectorBytes = 512;
constexpr std::uint32_t kSlotActive = 0x00AC71F3;
constexpr std::size_t kSlotsAt = 208;
constexpr std::size_t kSlotBytes = 48;

// "aes-256": the cipher with the width of its key. XTS uses two keys of that width.
struct CipherText {
  std::array<char, 48> bytes{};
  std::size_t length = 0;

  void Append(std::string_view text) {
    const std::size_t n = std::min(text.size(), bytes.size() - length);
    std::memcpy(bytes.data() + length, text.data(), n);
    length += n;
  }
  void AppendNumber(std::uint64_t value) {
    std::array<char, 20> digits{};
    std::size_t at = digits.size();
    do {
      digits[--at] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    Append({digits.data() + at, digits.size() - at});
  }
};

}  // namespace

Result<Header> Header::DecodeFrom(std::span<const std::byte> bytes) {
  if (bytes.size() < kEncodedBytes) __builtin_trap();
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    return Corrupt("the LUKS header lacks its magic number");
  }
  if (LoadBe16(bytes, 6) != 1) {
    return Unsupported("LUKS version {0} is not supported, only 1 is", LoadBe16(bytes, 6));
  }
  Header header;
  const auto text = [&](auto& field, std::size_t at) {
    std::memcpy(field.data(), bytes.data() + at, field.size());
  };
  text(header.cipher_name_, 8);
  text(header.cipher_mode_, 40);
  text(header.hash_, 72);
  header.payload_sector_ = LoadBe32(bytes, 104);
  header.key_bytes_ = LoadBe32(bytes, 108);
  header.master_key_iterations_ = LoadBe32(bytes, 164);
  text(header.uuid_, 168);
  for (std::size_t i = 0; i < kKeySlots; ++i) {
    const std::span<const std::byte> slot = bytes.subspan(kSlotsAt + i * kSlotBytes, kSlotBytes);
    header.key_slots_[i] = {.active = LoadBe32(slot, 0) == kSlotActive,
                            .iterations = LoadBe32(slot, 4),
                            .key_material_sector = LoadBe32(slot, 40),
                            .stripes = LoadBe32(slot, 44)};
  }
  return header;
}

Result<Header> Header::ReadFrom(const BlockDevice& device, std::uint64_t offset) {
  std::array<std::byte, kEncodedBytes> bytes{};
  INSTAR_TRY(device.Read(offset, bytes));
  return DecodeFrom(bytes);
}

void Header::Describe(ReportSink& sink) const {
  // The mode is "xts-plain64" or "cbc-essiv:sha256".
  const std::string_view mode = cipher_mode().substr(0, cipher_mode().find('-'));
  const std::string_view vector = mode.size() == cipher_mode().size()
                                      ? std::string_view{}
                                      : cipher_mode().substr(mode.size() + 1);
  const std::string_view vector_generator = vector.substr(0, vector.find(':'));
  CipherText cipher;
  cipher.Append(cipher_name());
  cipher.Append("-");
  cipher.AppendNumber(std::uint64_t{key_bytes_} * 8 / (mode == "xts" ? 2 : 1));

  sink.String("ivgen-alg", vector_generator);
  sink.String("hash-alg", hash());
  sink.String("cipher-alg", {cipher.bytes.data(), cipher.length});
  sink.String("uuid", uuid());
  if (vector_generator.size() != vector.size()) {
    sink.String("ivgen-hash-alg", vector.substr(vector_generator.size() + 1));
  }
  sink.String("format", "luks");
  sink.String("cipher-mode", mode);
  sink.BeginArray("slots");
  for (const KeySlot& slot : key_slots_) {
    sink.BeginObject("");
    sink.Boolean("active", slot.active);
    if (slot.active) sink.Unsigned("iters", slot.iterations);
    sink.Unsigned("key-offset", slot.key_material_sector * kSectorBytes);
    if (slot.active) sink.Unsigned("stripes", slot.stripes);
    sink.EndObject();
  }
  sink.EndArray();
  sink.Unsigned("payload-offset", payload_sector_ * kSectorBytes);
  sink.Unsigned("master-key-iters", master_key_iterations_);
}

}  // namespace instar::luks
