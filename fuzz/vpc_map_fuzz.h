// Any bytes as a VHD, with the checksums of footers and header made right: no fuzzer guesses them.
#ifndef FUZZ_VPC_MAP_FUZZ_H_
#define FUZZ_VPC_MAP_FUZZ_H_

#include <vector>

#include "formats/base/endian.h"
#include "formats/open.h"
#include "formats/vpc/dynamic_header.h"
#include "image_walk.h"

namespace instar::fuzz {

inline void FuzzVpcMap(std::span<const std::byte> input) {
  constexpr std::uint64_t kBudgetBytes = 8 << 20;
  std::vector<std::byte> bytes(input.begin(), input.end());
  const auto sum = [&](std::uint64_t at, std::size_t length, std::size_t checksum_at) {
    if (!RangeFits(at, length, bytes.size())) return;
    const auto structure = std::span(bytes).subspan(at, length);
    StoreBe32(structure, checksum_at, vpc::Checksum(structure, checksum_at));
  };
  for (const bool tail : {false, true}) {
    if (bytes.size() < 512) break;
    const std::uint64_t at = tail ? bytes.size() - 512 : 0;
    const std::uint64_t header = LoadBe64(bytes, at + 16);
    if (vpc::HasFooterCookie(std::span(bytes).subspan(at))) {
      sum(header, vpc::DynamicHeader::kBytes, vpc::DynamicHeader::kChecksumAt);
      sum(at, vpc::Footer::kBytes, vpc::Footer::kChecksumAt);
    }
  }
  const BudgetedDevice file(bytes, DeviceId{1}, kBudgetBytes);
  const auto reader = OpenImage(file, FormatId::kVpc);
  if (!reader) return;
  WalkAndCheck(file, **reader, bytes.size(), {});
}

}  // namespace instar::fuzz

#endif  // FUZZ_VPC_MAP_FUZZ_H_
