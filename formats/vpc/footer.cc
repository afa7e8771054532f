#include "formats/vpc/footer.h"

#include <cstring>
#include <string_view>

#include "formats/base/checked.h"
#include "formats/base/endian.h"

namespace instar::vpc {
std::uint32_t Checksum(std::span<const std::byte> bytes, std::size_t checksum_at) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i < checksum_at || i >= checksum_at + 4) sum += static_cast<std::uint32_t>(bytes[i]);
  }
  return ~sum;
}

bool HasFooterCookie(std::span<const std::byte> bytes) {
  return LoadBe64(bytes, 0) == kFooterCookie;
}

TailFooter JudgeTail(std::span<const std::byte> tail, std::uint64_t file_bytes) {
  TailFooter verdict = TailFooter::kNone;
  for (const std::size_t bytes : {Footer::kBytes, Footer::kShortBytes}) {
    std::array<std::byte, Footer::kBytes> sector{};
    std::memcpy(sector.data(), tail.data() + (Footer::kBytes - bytes), bytes);
    if (!HasFooterCookie(sector) || LoadBe32(sector, 12) != kFooterVersion) continue;
    verdict = TailFooter::kUnfit;
    const auto footer = Footer::DecodeFrom(sector);
    if (footer && footer->type == DiskType::kFixed &&
        AlignUp(footer->current_bytes, kSectorBytes) == file_bytes - bytes) {
      return TailFooter::kFixedDisk;
    }
  }
  return verdict;
}

Result<Footer> Footer::DecodeFrom(std::span<const std::byte> bytes) {
  if (!HasFooterCookie(bytes)) return Corrupt("there is no VHD footer");
  const std::uint32_t checksum = Checksum(bytes.first(kBytes), kChecksumAt);
  if (LoadBe32(bytes, kChecksumAt) != checksum) {
    return Corrupt("the checksum of the VHD footer is {0x}, but its bytes give {1x}",
                   LoadBe32(bytes, kChecksumAt), checksum);
  }
  if (LoadBe32(bytes, 12) >> 16 != kFooterVersion >> 16) {
    return Unsupported("VHD version {0x} is not supported", LoadBe32(bytes, 12));
  }
  const auto footer = kFooterFields.Decode<Footer>(bytes);
  if (footer.type < DiskType::kFixed || footer.type > DiskType::kDifferencing) {
    return Unsupported("VHD disk type {0} is not supported",
                       static_cast<std::uint32_t>(footer.type));
  }
  return footer;
}

void Footer::EncodeTo(std::span<std::byte> out) const {
  kFooterFields.Encode(*this, out);
  StoreBe32(out, kChecksumAt, Checksum(out.first(kBytes), kChecksumAt));
}

std::uint64_t Footer::virtual_sectors() const {
  const std::string_view by(creator.data(), creator.size());
  const bool by_geometry = by == "vpc " || by == "qemu";
  if (by_geometry && geometry != kMaxGeometry) return geometry.sectors();
  return current_bytes / kSectorBytes;
}

}  // namespace instar::vpc
