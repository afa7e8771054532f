// What becomes of entries of L1 and L2 tables that break a rule: an entry that breaks none and
// reads the same, where there is one.
//
//   L2 0x80000000000502aa  a reserved bit is set  ->  0x80000000000502a8, as readers take it
//   L2 0x8000000000060201  reads as zeros, and its cluster is not aligned  ->  0x1
//   L2 0xc000000000050000  compressed, with COPIED  ->  0x4000000000050000
//
// What nobody can read stays: nothing says what it should be.
// tests/unit/formats/qcow2/repair_test.cc covers this file.
#ifndef FORMATS_QCOW2_CHECK_REPAIRED_ENTRIES_H_
#define FORMATS_QCOW2_CHECK_REPAIRED_ENTRIES_H_

#include <cstdint>

#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {

inline constexpr std::uint64_t kL1Reserved = 0x7F000000000001FF;
inline constexpr std::uint64_t kL2Reserved = 0x3F000000000001FE;  // of standard entries

[[nodiscard]] constexpr std::uint64_t RepairedL1Entry(std::uint64_t entry) {
  return entry & ~kL1Reserved;
}

// An entry and its second word, which is 0 where entries are not extended.
struct L2Words {
  std::uint64_t entry = 0;
  std::uint64_t bitmap = 0;
  friend bool operator==(const L2Words&, const L2Words&) = default;
};

[[nodiscard]] inline L2Words Repaired(const L2Words& words, const Header& header) {
  L2Words repaired = words;
  if (IsCompressed(words.entry)) {
    if (!header.has_data_file()) repaired = {words.entry & ~kCopied, 0};
    return repaired;
  }
  repaired.entry &= ~kL2Reserved;
  if (HostOffset(words.entry) % header.cluster_bytes() == 0) return repaired;
  // Where no data is, it does not matter where it would be.
  if (!header.extended_l2()) {
    if ((words.entry & kReadsZero) != 0) repaired.entry = kReadsZero;
  } else if (SubclusterBitmap::DecodeFrom(words.bitmap).allocated == 0) {
    repaired.entry = 0;
  }
  return repaired;
}

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_CHECK_REPAIRED_ENTRIES_H_
