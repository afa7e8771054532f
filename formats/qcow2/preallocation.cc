#include "formats/qcow2/preallocation.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/header.h"
#include "formats/qcow2/l2_entry.h"
#include "formats/qcow2/refcount.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kPieceBytes = 64 << 10;

// Clusters with a refcount among the first `clusters` of the file; stops at `enough`.
Result<std::uint64_t> CountUsed(const BlockDevice& device, const Header& header,
                                std::uint64_t clusters, std::uint64_t enough) {
  ReadWindow table(device, 4096);
  ReadWindow block(device, kPieceBytes);
  const unsigned order = header.refcount_order;
  const std::uint64_t per_block = RefcountsPerBlock(header.cluster_bits, order);
  const std::uint64_t piece_bytes = std::min(header.cluster_bytes(), kPieceBytes);
  const std::uint64_t per_piece = piece_bytes * 8 >> order;
  const std::uint64_t table_entries =
      (std::uint64_t{header.refcount_table_clusters} << header.cluster_bits) / kTableEntryBytes;
  std::uint64_t used = 0;
  for (std::uint64_t index = 0; index < table_entries && index * per_block < clusters; ++index) {
    INSTAR_ASSIGN_OR_RETURN(const auto entry,
                            table.View(header.refcount_table_offset + index * kTableEntryBytes,
                                       kTableEntryBytes, 4096));
    const std::uint64_t offset = LoadBe64(entry, 0) & kOffsetMask;
    if (offset == 0) continue;
    const std::uint64_t end = std::min(per_block, clusters - index * per_block);
    for (std::uint64_t at = 0; at < end; at += per_piece) {
      INSTAR_ASSIGN_OR_RETURN(const auto counts,
                              block.View(offset + (at << order) / 8, piece_bytes));
      for (std::uint64_t i = 0; i < std::min(per_piece, end - at); ++i) {
        if (LoadRefcount(counts, i, order) != 0 && ++used >= enough) return used;
      }
    }
  }
  return used;
}

}  // namespace

Result<bool> LooksPreallocated(const BlockDevice& device, std::uint64_t allocated_bytes) {
  ReadWindow file(device, 4096);
  INSTAR_ASSIGN_OR_RETURN(const auto bytes, file.View(0, Header::kFullBytes));
  INSTAR_ASSIGN_OR_RETURN(const Header header, Header::DecodeFrom(bytes));
  INSTAR_TRY(header.Validate());
  const std::uint64_t held = allocated_bytes / header.cluster_bytes();
  const std::uint64_t enough = std::max(held + held / 9, held + 2);
  const std::uint64_t clusters = DivideRoundUp(device.size_bytes(), header.cluster_bytes());
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t used, CountUsed(device, header, clusters, enough));
  return used >= enough;
}

}  // namespace instar::qcow2
