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
#include "formats/open.h"
#include "formats/signatures.h"
#include "formats/vpc/footer.h"

namespace instar {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kSectorBytes = 512;

bool HasText(Bytes bytes, std::size_t at, std::string_view text) {
  return RangeFits(at, text.size(), bytes.size()) &&
         std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

// The trailer of an Apple disk image: "koly", version 4, its own length.
bool IsDmgTrailer(Bytes trailer) {
  return HasText(trailer, 0, "koly") && LoadBe32(trailer, 4) == 4 &&
         LoadBe32(trailer, 8) == kSectorBytes;
}

}  // namespace

Result<Probed> ProbeImage(const BlockDevice& device) {
  std::array<std::byte, kSignatureHeadBytes> head{};
  INSTAR_TRY(device.Read(0, head));
  const std::uint64_t size = device.size_bytes();
  const HeadSignatures signatures =
      FindHeadSignatures(Bytes(head).first(std::min<std::uint64_t>(size, kSignatureHeadBytes)));
  const FormatId announced =
      signatures.count != 0 ? signatures.found.front().format : FormatId::kUnknown;
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
