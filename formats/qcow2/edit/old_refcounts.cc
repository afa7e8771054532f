#include "formats/qcow2/edit/old_refcounts.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/qcow2/structures/refcount_entry.h"

namespace instar::qcow2 {

OldRefcounts::OldRefcounts(const BlockDevice& device, const Header& header)
    : device_(device),
      cluster_bits_(header.cluster_bits),
      order_(header.refcount_order),
      per_block_(RefcountsPerBlock(header.cluster_bits, header.refcount_order)),
      table_{header.refcount_table_offset >> header.cluster_bits, header.refcount_table_clusters} {}

Status OldRefcounts::Load() {
  std::vector<std::byte> bytes(table_.count << cluster_bits_);
  INSTAR_TRY(device_.Read(table_.first << cluster_bits_, bytes));
  blocks_.resize(bytes.size() / kTableEntryBytes);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    blocks_[i] = LoadBe64(bytes, i * kTableEntryBytes);
    if (blocks_[i] % (std::uint64_t{1} << cluster_bits_) != 0) {
      return Corrupt("refcount block {0} at {1x} is misplaced", i, blocks_[i]);
    }
    if (blocks_[i] != 0) used_ = i + 1;
  }
  return {};
}

bool OldRefcounts::HasBlockFor(std::uint64_t first, std::uint64_t end) const {
  const std::uint64_t stop = std::min(DivideRoundUp(end, per_block_), used_);
  for (std::uint64_t i = first / per_block_; i < stop; ++i) {
    if (blocks_[i] != 0) return true;
  }
  return false;
}

Status OldRefcounts::Read(std::uint64_t first, std::span<std::uint64_t> out) {
  while (!out.empty()) {
    const std::uint64_t index = first / per_block_;
    const std::uint64_t in_block = first % per_block_;
    const auto count = std::min<std::uint64_t>(out.size(), per_block_ - in_block);
    if (index >= used_ || blocks_[index] == 0) {
      std::ranges::fill(out.first(count), 0);
    } else {
      if (kept_index_ != index) {
        kept_index_ = ~std::uint64_t{0};
        kept_.resize(std::size_t{1} << cluster_bits_);
        INSTAR_TRY(device_.Read(blocks_[index], kept_));
        kept_index_ = index;
      }
      LoadRefcounts(kept_, in_block, order_, out.first(count));
    }
    first += count;
    out = out.subspan(count);
  }
  return {};
}

std::vector<std::uint64_t> OldRefcounts::OwnClusters() const {
  std::vector<std::uint64_t> clusters;
  for (std::uint64_t i = 0; i < table_.count; ++i) clusters.push_back(table_.first + i);
  for (const std::uint64_t offset : blocks_) {
    if (offset != 0) clusters.push_back(offset >> cluster_bits_);
  }
  std::ranges::sort(clusters);
  return clusters;
}

}  // namespace instar::qcow2
