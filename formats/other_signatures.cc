#include "formats/other_signatures.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "formats/base/checked.h"

namespace instar {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint64_t kSectorBytes = 512;
constexpr std::string_view kVhdCookie = "conectix";
constexpr std::string_view kDmgCookie = "koly";

bool StartsWith(Bytes bytes, std::string_view text) {
  return bytes.size() >= text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

// The last 1023 bytes, up to the end of the last whole or started sector, where QEMU looks for the
// trailer of an Apple disk image. The footer of a VHD is in the last 512 of the file, in its last
// 511, or at the start of the last sector: a reader that counts in sectors reads zeros behind it.
struct Tail {
  static constexpr std::uint64_t kBytes = 2 * kSectorBytes - 1;

  std::array<std::byte, kBytes> bytes{};  // zeros beyond the end of the file
  std::uint64_t start = 0;
  std::uint64_t end = 0;

  static Result<Tail> ReadFrom(const BlockDevice& device) {
    const std::uint64_t end = DivideRoundUp(device.size_bytes(), kSectorBytes) * kSectorBytes;
    Tail tail{.start = end - std::min(end, kBytes), .end = end};
    INSTAR_TRY(device.Read(tail.start, std::span(tail.bytes).first(end - tail.start)));
    return tail;
  }
  [[nodiscard]] bool Has(std::uint64_t offset, std::string_view text) const {
    return offset >= start && offset < end &&
           StartsWith(Bytes(bytes).subspan(offset - start), text);
  }
};

}  // namespace

Result<std::vector<Signature>> FindSignatures(const BlockDevice& device) {
  const std::uint64_t size = device.size_bytes();
  std::array<std::byte, kSignatureHeadBytes> head{};
  INSTAR_TRY(device.Read(0, head));
  const HeadSignatures at_start =
      FindHeadSignatures(Bytes(head).first(std::min<std::uint64_t>(size, kSignatureHeadBytes)));
  std::vector<Signature> found(at_start.found.begin(), at_start.found.begin() + at_start.count);

  INSTAR_ASSIGN_OR_RETURN(const Tail tail, Tail::ReadFrom(device));
  for (const std::uint64_t at :
       {tail.end - kSectorBytes, size - kSectorBytes, size - kSectorBytes + 1}) {
    if (at == 0 || !tail.Has(at, kVhdCookie)) continue;
    found.push_back({.format = FormatId::kVpc, .offset = at});
    break;
  }
  for (std::uint64_t at = tail.start; at + kSectorBytes <= tail.end; ++at) {
    if (!tail.Has(at, kDmgCookie)) continue;
    found.push_back({.format = FormatId::kDmg, .offset = at});
    break;
  }
  return found;
}

Result<std::vector<DiskStructure>> FindDiskStructures(const BlockDevice& device) {
  struct Known {
    std::uint64_t offset;
    std::string_view bytes;
    const char* message;
  };
  static constexpr std::array kKnown = {
      Known{510, "\x55\xAA", "the file starts with a boot sector, as a raw disk does"},
      Known{512, "EFI PART", "the file has a GPT, as a raw disk has"},
      Known{4096, "EFI PART", "the file has a GPT, as a raw disk of 4 KiB sectors has"},
      Known{32769, "CD001", "the file is an ISO 9660 image as well"},
      Known{32769, "BEA01", "the file is a UDF image as well"},
      Known{32769, "NSR02", "the file is a UDF image as well"},
      Known{32769, "NSR03", "the file is a UDF image as well"},
  };
  constexpr std::size_t kMostBytes = 8;
  std::array<std::array<std::byte, kMostBytes>, kKnown.size()> bytes{};
  std::array<ReadPiece, kKnown.size()> pieces{};
  for (std::size_t i = 0; i < kKnown.size(); ++i) {
    pieces[i] = {.offset = kKnown[i].offset, .out = bytes[i]};
  }
  INSTAR_TRY(device.ReadAll(pieces));
  std::vector<DiskStructure> found;
  for (std::size_t i = 0; i < kKnown.size(); ++i) {
    if (!StartsWith(bytes[i], kKnown[i].bytes)) continue;
    found.push_back({.found = kKnown[i].message, .offset = kKnown[i].offset});
  }
  return found;
}

}  // namespace instar
