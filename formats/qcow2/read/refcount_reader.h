// The refcounts of an image as they stand on disk, looked up cluster by cluster or run by run.
#ifndef FORMATS_QCOW2_READ_REFCOUNT_READER_H_
#define FORMATS_QCOW2_READ_REFCOUNT_READER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/read_ahead.h"
#include "formats/base/read_window.h"
#include "formats/base/table_reuse_limit.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/refcount_entry.h"

namespace instar::qcow2 {

// Entries of the refcount table: bits 0 to 8 are reserved.
inline constexpr std::uint64_t kRefcountBlockReserved = 0x1FF;

// Holds a piece of the table and some of the blocks: cheap for clusters in ascending order.
class RefcountReader {
 public:
  // `device` must outlive this. At least `ahead_bytes` of blocks are read at a time: more than one
  // piece, 256 KiB or a block, for who walks through them.
  RefcountReader(const BlockDevice& device, const Header& header, std::uint64_t ahead_bytes);

  // Clusters that follow one another about which the same is known.
  struct Run {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
    std::span<const std::byte> counts;  // as in a refcount block, from `first` on; empty: all 0
    bool misplaced = false;             // the refcounts cannot be told
  };
  // The run that `cluster` is in. Valid until the next call.
  Result<Run> RunAt(std::uint64_t cluster);

  // The refcount of the cluster with index `cluster`: 0 where nothing counts it. Nothing where its
  // refcount block is misplaced.
  Result<std::optional<std::uint64_t>> At(std::uint64_t cluster) {
    if (cluster >= run_.first && cluster < run_.end && !run_.counts.empty()) [[likely]] {
      return std::optional(LoadRefcount(run_.counts, cluster - run_.first, header_.refcount_order));
    }
    return Seek(cluster);
  }

  // log2 of the bits of a refcount.
  [[nodiscard]] unsigned order() const { return header_.refcount_order; }
  [[nodiscard]] std::uint64_t table_entries() const { return table_entries_; }
  // Entry `index`, which is below table_entries(), of the refcount table.
  Result<std::uint64_t> TableEntry(std::uint64_t index);

 private:
  Result<std::optional<std::uint64_t>> Seek(std::uint64_t cluster);
  // Makes run_ hold `cluster`.
  Status Fill(std::uint64_t cluster);
  // The bytes of `piece`, which is of block `index`; those of the next blocks are read with it.
  Result<std::span<const std::byte>> ReadPiece(const ByteRange& piece, std::uint64_t index);

  const Header header_;
  const std::uint64_t table_entries_;
  ReadWindow table_;
  ReadAhead blocks_;
  TableReuseLimit meter_;
  std::vector<ByteRange> wanted_;
  const std::uint64_t ahead_bytes_;
  Run run_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_READ_REFCOUNT_READER_H_
