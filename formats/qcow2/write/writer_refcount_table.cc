#include "formats/qcow2/write/writer_refcount_table.h"

#include <algorithm>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/qcow2/structures/constants.h"
#include "formats/qcow2/structures/refcount_entry.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kPieceEntries = 4096;

// The least n with n = clusters + ceil(n / per_block): a file that holds `clusters` and the
// refcount blocks for all of it.
std::uint64_t WithRefcountBlocks(std::uint64_t clusters, std::uint64_t per_block) {
  std::uint64_t total = clusters;
  while (true) {
    const std::uint64_t next = clusters + DivideRoundUp(total, per_block);
    if (next == total) return total;
    total = next;
  }
}

}  // namespace

CountedFile CountedFile::Around(std::uint64_t other_clusters, unsigned cluster_bits,
                                unsigned refcount_order) {
  const std::uint64_t per_block = RefcountsPerBlock(cluster_bits, refcount_order);
  const std::uint64_t entries_per_cluster = (std::uint64_t{1} << cluster_bits) / kTableEntryBytes;
  std::uint64_t table = 1;
  while (true) {
    const std::uint64_t total = WithRefcountBlocks(other_clusters + table, per_block);
    const std::uint64_t needed =
        DivideRoundUp(DivideRoundUp(total, per_block), entries_per_cluster);
    if (needed <= table) return {.clusters = total, .table_clusters = table};
    table = needed;
  }
}

Status WriteRefcountTable(WriteBatch& batch, std::uint64_t offset, std::uint64_t table_bytes,
                          std::span<const std::uint64_t> blocks) {
  const std::uint64_t entries = table_bytes / kTableEntryBytes;
  std::vector<std::byte> piece;
  for (std::uint64_t first = 0; first < entries; first += kPieceEntries) {
    const std::uint64_t count = std::min(kPieceEntries, entries - first);
    piece.assign(count * kTableEntryBytes, std::byte{0});
    for (std::uint64_t i = first; i < std::min<std::uint64_t>(first + count, blocks.size()); ++i) {
      StoreBe64(piece, (i - first) * kTableEntryBytes, blocks[i]);
    }
    INSTAR_TRY(batch.Add(offset + first * kTableEntryBytes, piece));
  }
  return {};
}

}  // namespace instar::qcow2
