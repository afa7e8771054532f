#include "formats/qcow2/edit/copied_flags.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <vector>

#include "formats/base/endian.h"
#include "formats/qcow2/edit/table_rewriter.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {
namespace {

// Clears COPIED in all entries; whether it was set in any. A table is a multiple of 512 bytes.
template <std::size_t words>
bool ClearAll(std::span<std::byte> table) {
  constexpr std::size_t kWords = 16;  // at a time, so many that the compiler makes the most of it
  constexpr std::uint64_t kBit =
      std::endian::native == std::endian::little ? std::byteswap(kCopied) : kCopied;
  using Words = std::array<std::uint64_t, kWords>;
  std::uint64_t any = 0;
  for (std::size_t at = 0; at < table.size(); at += sizeof(Words)) {
    Words piece;
    std::memcpy(&piece, table.data() + at, sizeof(piece));
    for (std::size_t i = 0; i < kWords; i += words) {
      any |= piece[i];
      piece[i] &= ~kBit;
    }
    std::memcpy(table.data() + at, &piece, sizeof(piece));
  }
  return (any & kBit) != 0;
}

std::vector<std::uint32_t> AllTables(std::span<const std::uint64_t> l1) {
  std::vector<std::uint32_t> indices;
  for (std::uint32_t i = 0; i < l1.size(); ++i) {
    if (L2TableOffset(l1[i]) != 0) indices.push_back(i);
  }
  return indices;
}

// Which clusters have one reference, of a window of clusters.
class SingleReferences {
 public:
  static constexpr std::uint64_t kWindowClusters = std::uint64_t{64} << 20;

  explicit SingleReferences(const ImageChange& change) : change_(change) {}

  // Moves the window, of which clusters below `end` are looked at; after ApplyCounts.
  Status Select(std::uint64_t first, std::uint64_t end) {
    if (selected_ == first) return {};
    selected_ = first;
    bits_.assign((std::min(kWindowClusters, end - first) + 63) / 64, 0);
    return change_.counts().FindOnes(first, bits_);
  }
  [[nodiscard]] bool any() const {
    return std::ranges::any_of(bits_, [](std::uint64_t word) { return word != 0; });
  }
  [[nodiscard]] bool Holds(std::uint64_t cluster) const {
    return cluster >= selected_ && cluster - selected_ < bits_.size() * 64;
  }
  [[nodiscard]] bool IsOne(std::uint64_t cluster) const {
    const std::uint64_t bit = cluster - selected_;
    return (bits_[bit / 64] >> bit % 64 & 1) != 0;
  }
  // Whether all 64 clusters from `cluster` on, all of which it holds, have one reference.
  [[nodiscard]] bool AreOnes(std::uint64_t cluster) const {
    const std::uint64_t bit = cluster - selected_;
    const unsigned shift = bit % 64;
    if (bits_[bit / 64] >> shift != ~std::uint64_t{0} >> shift) return false;
    return shift == 0 || ~(bits_[bit / 64 + 1] | ~std::uint64_t{0} << shift) == 0;
  }

 private:
  const ImageChange& change_;
  std::uint64_t selected_ = ~std::uint64_t{0};
  std::vector<std::uint64_t> bits_;
};

// Sets COPIED in the entries that lead to clusters of the window, or behind all that is counted;
// whether it has changed any.
class FlagSetter {
 public:
  FlagSetter(const SingleReferences& single, std::uint64_t end, const Header& header,
             std::atomic<std::uint64_t>& corrected)
      : single_(single),
        end_(end),
        bits_(header.cluster_bits),
        step_(header.l2_entry_bytes()),
        data_file_(header.has_data_file()),
        corrected_(corrected) {}

  bool operator()(std::span<std::byte> table) const {
    std::uint64_t changed = 0;
    for (std::size_t at = 0; at < table.size();) {
      // A table is a multiple of so many.
      const bool may_run = step_ == kTableEntryBytes && !data_file_ && at % kRunBytes == 0;
      const std::size_t run = may_run ? SetRun(table.subspan(at), changed) : 0;
      if (run == 0 && SetOne(table, at)) ++changed;
      at += run != 0 ? run : step_;
    }
    corrected_.fetch_add(changed, std::memory_order_relaxed);
    return changed != 0;
  }

 private:
  static constexpr std::size_t kRunEntries = 64;
  static constexpr std::size_t kRunBytes = kRunEntries * kTableEntryBytes;

  bool SetOne(std::span<std::byte> table, std::size_t at) const {
    const std::uint64_t entry = LoadBe64(table, at);
    const std::uint64_t offset = HostOffset(entry);
    const std::uint64_t cluster = offset >> bits_;
    if (IsCompressed(entry) || offset == 0) return false;
    if (!data_file_ && cluster < end_ && !single_.Holds(cluster)) return false;
    const bool copied = data_file_ || (cluster < end_ && single_.IsOne(cluster));
    if (copied == ((entry & kCopied) != 0)) return false;
    StoreBe64(table, at, entry ^ kCopied);
    return true;
  }

  // The same for the first 64 entries, without branches for each, if they lead to clusters that
  // follow one another and have one reference each; how many bytes they are, else 0.
  std::size_t SetRun(std::span<std::byte> table, std::uint64_t& changed) const {
    const std::uint64_t first = LoadBe64(table, 0);
    const std::uint64_t cluster = HostOffset(first) >> bits_;
    if (IsCompressed(first) || cluster == 0 || !single_.Holds(cluster) ||
        !single_.Holds(cluster + kRunEntries - 1) || !single_.AreOnes(cluster)) {
      return 0;
    }
    std::array<std::uint64_t, kRunEntries> entries;
    std::memcpy(&entries, table.data(), kRunBytes);
    std::uint64_t others = 0;
    std::uint64_t wanted = first | kCopied;
    std::uint64_t missing = 0;
    for (std::uint64_t& entry : entries) {
      const std::uint64_t value = BigEndian(entry);
      others |= (value | kCopied) ^ wanted;
      missing += (value & kCopied) == 0 ? 1 : 0;
      entry = BigEndian(value | kCopied);
      wanted += std::uint64_t{1} << bits_;
    }
    if (others != 0) return 0;
    if (missing != 0) std::memcpy(table.data(), &entries, kRunBytes);
    changed += missing;
    return kRunBytes;
  }
  static std::uint64_t BigEndian(std::uint64_t value) {
    return std::endian::native == std::endian::little ? std::byteswap(value) : value;
  }

  const SingleReferences& single_;
  const std::uint64_t end_;
  const unsigned bits_;
  const std::size_t step_;
  const bool data_file_;
  std::atomic<std::uint64_t>& corrected_;
};

}  // namespace

Status ClearCopiedFlags(ImageChange& change, std::span<std::uint64_t> l1) {
  for (std::uint64_t& entry : l1) entry &= ~kCopied;
  const bool extended = change.old_header().extended_l2();
  return TableRewriter(change).Rewrite(l1, AllTables(l1), [extended](std::span<std::byte> table) {
    return extended ? ClearAll<kExtendedL2EntryBytes / sizeof(std::uint64_t)>(table)
                    : ClearAll<1>(table);
  });
}

Status SetCopiedFlags(ImageChange& change, std::span<std::uint64_t> l1, std::uint64_t* corrected) {
  const Header& header = change.old_header();
  const unsigned bits = header.cluster_bits;
  const std::vector<std::uint32_t> tables = AllTables(l1);
  if (tables.empty()) return {};
  INSTAR_TRY(change.ApplyCounts());
  const std::uint64_t end = change.counts().counted_end();
  std::atomic<std::uint64_t> flags = 0;
  SingleReferences single(change);
  for (std::uint64_t first = 0; first < end; first += SingleReferences::kWindowClusters) {
    INSTAR_TRY(single.Select(first, end));
    for (const std::uint32_t i : tables) {
      const std::uint64_t table = L2TableOffset(l1[i]);
      const bool counted = table >> bits < end;
      if (counted && !single.Holds(table >> bits)) continue;
      const bool copied = counted && single.IsOne(table >> bits);
      if (copied != ((l1[i] & kCopied) != 0)) ++flags;
      l1[i] = EncodeL1Entry(table, copied);
    }
  }
  // Only a table with one reference can refer to clusters that have one.
  std::vector<std::uint32_t> own;
  for (const std::uint32_t i : tables) {
    const bool aligned = L2TableOffset(l1[i]) % header.cluster_bytes() == 0;
    if (aligned && ((l1[i] & kCopied) != 0 || change.has_wrong_flags())) own.push_back(i);
  }
  if (own.empty()) {
    if (corrected != nullptr) *corrected += flags;
    return {};
  }
  TableRewriter rewriter(change);
  for (std::uint64_t first = 0; first < end; first += SingleReferences::kWindowClusters) {
    INSTAR_TRY(single.Select(first, end));
    if (!single.any() && !change.has_wrong_flags()) continue;
    INSTAR_TRY(rewriter.Rewrite(l1, own, FlagSetter(single, end, header, flags)));
  }
  if (corrected != nullptr) *corrected += flags;
  return {};
}

}  // namespace instar::qcow2
