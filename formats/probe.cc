// Recognising formats by signature.
//
// A signature never makes anything more permissive: what is recognised but cannot be read is
// refused, because taking it for raw would silently hand out the wrong bytes. Where qemu-img is
// content with raw (fixed VHD, which has only a trailing footer), we are not.
#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/registry.h"

namespace instar {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kHeadBytes = 2048;  // as far as any signature at the start reaches
constexpr std::size_t kSectorBytes = 512;

bool HasText(Bytes bytes, std::size_t at, std::string_view text) {
  return RangeFits(at, text.size(), bytes.size()) &&
         std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

// A text descriptor of VMDK: "# Disk DescriptorFile", or whatever comments and blank lines come
// before a line "version=N", as qemu-img takes it.
bool IsVmdkDescriptor(Bytes head) {
  std::string_view text{reinterpret_cast<const char*>(head.data()), head.size()};
  if (text.starts_with("# Disk DescriptorFile")) return true;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with('#')) continue;
    if (line.find_first_not_of(' ') == std::string_view::npos) continue;
    return line == "version=1" || line == "version=2" || line == "version=3";
  }
  return false;
}

// Formats that announce themselves at the start of the file. kUnknown if none does.
FormatId ProbeHead(Bytes head) {
  using namespace std::string_view_literals;
  struct Signature {
    std::size_t offset;
    std::string_view bytes;
    FormatId format;
  };
  static constexpr std::array kSignatures = {
      Signature{0, "KDMV"sv, FormatId::kVmdk},
      Signature{0, "COWD"sv, FormatId::kVmdk},
      Signature{0, "\xBE\xBA\xFE\xCA\0\0\0\0"sv, FormatId::kVmdk},  // seSparse
      Signature{0, "vhdxfile"sv, FormatId::kVhdx},
      Signature{0, "conectix"sv, FormatId::kVpc},
      Signature{0, "QED\0"sv, FormatId::kQed},
      Signature{0, "LUKS\xBA\xBE"sv, FormatId::kLuks},
      Signature{64, "\x7F\x10\xDA\xBE"sv, FormatId::kVdi},
      Signature{0, "WithoutFreeSpace"sv, FormatId::kParallels},
      Signature{0, "WithouFreSpacExt"sv, FormatId::kParallels},
      Signature{0, "Bochs Virtual HD Image\0"sv, FormatId::kBochs},
      Signature{0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop "sv, FormatId::kCloop},
  };
  if (HasText(head, 0, "QFI\xFB")) {
    return head.size() < 8 || LoadBe32(head, 4) != 1 ? FormatId::kQcow2 : FormatId::kQcow1;
  }
  for (const Signature& signature : kSignatures) {
    if (HasText(head, signature.offset, signature.bytes)) return signature.format;
  }
  return IsVmdkDescriptor(head) ? FormatId::kVmdk : FormatId::kUnknown;
}

// The footer of a fixed VHD: the cookie and format version 1.0. Virtual PC before 2004 wrote 511
// bytes of it.
bool IsVhdFooter(Bytes footer) {
  return HasText(footer, 0, "conectix") && LoadBe32(footer, 12) == 0x00010000;
}

// The trailer of an Apple disk image: "koly", version 4, its own length.
bool IsDmgTrailer(Bytes trailer) {
  return HasText(trailer, 0, "koly") && LoadBe32(trailer, 4) == 4 &&
         LoadBe32(trailer, 8) == kSectorBytes;
}

}  // namespace

Result<FormatId> ProbeFormat(const BlockDevice& device) {
  std::array<std::byte, kHeadBytes> head{};
  INSTAR_TRY(device.Read(0, head));
  const std::uint64_t size = device.size_bytes();
  if (const FormatId format =
          ProbeHead(Bytes(head).first(std::min<std::uint64_t>(size, kHeadBytes)));
      format != FormatId::kUnknown) {
    return format;
  }
  if (size >= kSectorBytes) {
    std::array<std::byte, kSectorBytes> tail{};
    INSTAR_TRY(device.Read(size - kSectorBytes, tail));
    if (IsVhdFooter(tail) || IsVhdFooter(Bytes(tail).subspan(1))) return FormatId::kVpc;
    if (IsDmgTrailer(tail)) return FormatId::kDmg;
  }
  return FormatId::kRaw;
}

}  // namespace instar
