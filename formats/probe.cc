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
#include "formats/vpc/footer.h"

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

// The trailer of an Apple disk image: "koly", version 4, its own length.
bool IsDmgTrailer(Bytes trailer) {
  return HasText(trailer, 0, "koly") && LoadBe32(trailer, 4) == 4 &&
         LoadBe32(trailer, 8) == kSectorBytes;
}

}  // namespace

Result<Probed> ProbeImage(const BlockDevice& device) {
  std::array<std::byte, kHeadBytes> head{};
  INSTAR_TRY(device.Read(0, head));
  const std::uint64_t size = device.size_bytes();
  const FormatId announced =
      ProbeHead(Bytes(head).first(std::min<std::uint64_t>(size, kHeadBytes)));
  if (size < kSectorBytes) {
    return Probed{.format = announced == FormatId::kUnknown ? FormatId::kRaw : announced};
  }
  std::array<std::byte, kSectorBytes> tail{};
  const Status read = device.Read(size - kSectorBytes, tail);
  if (!read && announced == FormatId::kUnknown) return std::unexpected(read.error());
  // In a fixed VHD the first sector is the guest's, who can write any header there.
  const vpc::TailFooter footer = read ? vpc::JudgeTail(tail, size) : vpc::TailFooter::kNone;
  if (footer == vpc::TailFooter::kFixedDisk) return Probed{.format = FormatId::kVpc};
  if (announced != FormatId::kUnknown) return Probed{.format = announced};
  if (IsDmgTrailer(tail)) return Probed{.format = FormatId::kDmg};
  return Probed{.format = FormatId::kRaw, .unfit_footer = footer == vpc::TailFooter::kUnfit};
}

Result<FormatId> ProbeFormat(const BlockDevice& device) {
  INSTAR_ASSIGN_OR_RETURN(const Probed probed, ProbeImage(device));
  return probed.format;
}

}  // namespace instar
