// Walks the L1 and L2 tables of one layer of a qcow2 image.
//
// A cursor holds a piece of the L1 table, at most 64 KiB, and pieces of L2 tables: up to 512 KiB at
// first, 1 MiB when it is seen to walk forward, and 16 KiB where it goes back; less in a long
// chain. That does not depend on what the image claims: a sparse 64 TiB image costs no more than a
// small one. Runs are followed across L2 entries, L2 tables and unallocated L1 entries, so that the
// cost is a few nanoseconds for each cluster (some 2 for standard entries, 15 for extended ones)
// and one request for each MiB of tables (benchmarks/qcow2_pure.cc).
#ifndef FORMATS_QCOW2_READ_MAP_CURSOR_H_
#define FORMATS_QCOW2_READ_MAP_CURSOR_H_

#include <cstdint>
#include <span>
#include <vector>

#include "formats/base/image_reader.h"
#include "formats/base/read_ahead.h"
#include "formats/base/read_window.h"
#include "formats/base/table_reuse_limit.h"
#include "formats/qcow2/structures/header.h"

namespace instar::qcow2 {

// What the tables of an image are read with; the same for all cursors.
struct MapSource {
  const BlockDevice* tables = nullptr;  // the image file
  const BlockDevice* data = nullptr;    // where clusters stand: the image file or its data file
  Header header;
  // The L1 table of the active layer or of a snapshot, already checked.
  std::uint64_t l1_table_offset = 0;
  std::uint32_t l1_entries = 0;
  std::uint64_t virtual_size_bytes = 0;
};

class Cursor final : public MapCursor {
 public:
  explicit Cursor(const MapSource& source);

  Result<Extent> Next(std::uint64_t offset, std::uint64_t max_length) override;
  void LimitAhead(std::uint64_t first_bytes, std::uint64_t most_bytes) override;

 private:
  // Entries of an L2 table from the cluster at some offset on, to the end of the piece read; empty
  // where no table is allocated for `unallocated_bytes` from that offset on.
  struct Entries {
    std::span<const std::byte> bytes = {};
    std::uint64_t unallocated_bytes = 0;
  };
  Result<Entries> Find(std::uint64_t offset);
  Result<std::span<const std::byte>> L1Piece(std::uint64_t l1_index);

  // A piece of an L2 table: its entries from number `first` of the table of L1 entry `l1_index`.
  struct Place {
    std::uint64_t l1_index = 0;
    std::uint64_t first = 0;
  };
  [[nodiscard]] std::uint64_t entries_per_piece() const;
  [[nodiscard]] ByteRange PieceAt(std::uint64_t table_offset, const Place& place) const;
  // Lists in wanted_ the piece at `place` and those that a walk will come to next.
  void ListPieces(std::span<const std::byte> l1, Place place);

  // Lengthen `extent`, which starts at `offset` - its length, by what `entries` say from `offset`
  // on. An empty extent takes the kind of the first entry. False: the extent ends there.
  Result<bool> ExtendStandard(Extent& extent, std::uint64_t offset,
                              std::span<const std::byte> entries) const;
  Result<bool> ExtendExtended(Extent& extent, std::uint64_t offset,
                              std::span<const std::byte> entries) const;
  Result<Extent> CompressedExtent(std::uint64_t offset, std::uint64_t entry) const;
  Status CheckHostOffset(std::uint64_t host_offset, std::uint64_t offset) const;

  MapSource source_;
  ReadWindow l1_;
  ReadAhead l2_;
  TableReuseLimit meter_;
  std::vector<ByteRange> wanted_;
  std::uint64_t most_ahead_bytes_ = kAheadBytes;
  std::uint64_t ahead_bytes_ = kFirstAheadBytes;  // of L2 tables, to be read at the next miss
  std::uint64_t ahead_offset_ = 0;  // where on the disk that goes on; 0 before all reading
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_READ_MAP_CURSOR_H_
