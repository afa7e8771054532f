#include "formats/vpc/footer.h"

#include <cstring>
#include <string_view>

#include "formats/base/checked.h"
#include "formats/base/endian.h"

namespace instar::vpc {
namespace {

constexpr std::string_view kCookie = "conectix";
constexpr std::uint32_t kFeatureReserved = 2;  // always set
constexpr std::uint32_t kVersion = 0x00010000;
constexpr std::uint32_t kCreatorVersion = 0x00010000;
constexpr std::string_view kCreatorHost = "Wi2k";

}  // namespace

std::uint32_t Checksum(std::span<const std::byte> bytes, std::size_t checksum_at) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i < checksum_at || i >= checksum_at + 4) sum += static_cast<std::uint32_t>(bytes[i]);
  }
  return ~sum;
}

bool HasFooterCookie(std::span<const std::byte> bytes) {
  return std::memcmp(bytes.data(), kCookie.data(), kCookie.size()) == 0;
}

TailFooter JudgeTail(std::span<const std::byte> tail, std::uint64_t file_bytes) {
  TailFooter verdict = TailFooter::kNone;
  for (const std::size_t bytes : {Footer::kBytes, Footer::kShortBytes}) {
    std::array<std::byte, Footer::kBytes> sector{};
    std::memcpy(sector.data(), tail.data() + (Footer::kBytes - bytes), bytes);
    if (!HasFooterCookie(sector) || LoadBe32(sector, 12) != kVersion) continue;
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
  if (LoadBe32(bytes, 12) >> 16 != kVersion >> 16) {
    return Unsupported("VHD version {0x} is not supported", LoadBe32(bytes, 12));
  }
  Footer footer;
  footer.data_offset = LoadBe64(bytes, 16);
  footer.timestamp = LoadBe32(bytes, 24);
  std::memcpy(footer.creator.data(), bytes.data() + 28, footer.creator.size());
  footer.original_bytes = LoadBe64(bytes, 40);
  footer.current_bytes = LoadBe64(bytes, 48);
  footer.geometry = {.cylinders = LoadBe16(bytes, 56),
                     .heads = static_cast<std::uint8_t>(bytes[58]),
                     .sectors_per_track = static_cast<std::uint8_t>(bytes[59])};
  const std::uint32_t type = LoadBe32(bytes, 60);
  if (type < static_cast<std::uint32_t>(DiskType::kFixed) ||
      type > static_cast<std::uint32_t>(DiskType::kDifferencing)) {
    return Unsupported("VHD disk type {0} is not supported", type);
  }
  footer.type = DiskType{type};
  std::memcpy(footer.unique_id.data(), bytes.data() + 68, footer.unique_id.size());
  return footer;
}

void Footer::EncodeTo(std::span<std::byte> out) const {
  std::memset(out.data(), 0, kBytes);
  std::memcpy(out.data(), kCookie.data(), kCookie.size());
  StoreBe32(out, 8, kFeatureReserved);
  StoreBe32(out, 12, kVersion);
  StoreBe64(out, 16, data_offset);
  StoreBe32(out, 24, timestamp);
  std::memcpy(out.data() + 28, creator.data(), creator.size());
  StoreBe32(out, 32, kCreatorVersion);
  std::memcpy(out.data() + 36, kCreatorHost.data(), kCreatorHost.size());
  StoreBe64(out, 40, original_bytes);
  StoreBe64(out, 48, current_bytes);
  StoreBe16(out, 56, geometry.cylinders);
  out[58] = std::byte{geometry.heads};
  out[59] = std::byte{geometry.sectors_per_track};
  StoreBe32(out, 60, static_cast<std::uint32_t>(type));
  std::memcpy(out.data() + 68, unique_id.data(), unique_id.size());
  StoreBe32(out, kChecksumAt, Checksum(out.first(kBytes), kChecksumAt));
}

std::uint64_t Footer::virtual_sectors() const {
  const std::string_view by(creator.data(), creator.size());
  const bool by_geometry = by == "vpc " || by == "qemu";
  if (by_geometry && geometry != kMaxGeometry) return geometry.sectors();
  return current_bytes / kSectorBytes;
}

}  // namespace instar::vpc
