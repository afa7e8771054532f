// The refcount table of a fresh image: how long it and the blocks it names must be, and its
// writing.
#ifndef FORMATS_QCOW2_WRITE_WRITER_REFCOUNT_TABLE_H_
#define FORMATS_QCOW2_WRITE_WRITER_REFCOUNT_TABLE_H_

#include <cstdint>
#include <span>

#include "formats/base/error.h"
#include "formats/qcow2/write/write_batch.h"

namespace instar::qcow2 {

// A file with its refcounts, which are counted themselves.
struct CountedFile {
  std::uint64_t clusters = 0;        // of all of it
  std::uint64_t table_clusters = 0;  // of them, the refcount table's

  // The file that holds `other_clusters` that are neither table nor block; `refcount_order` as in
  // the header.
  static CountedFile Around(std::uint64_t other_clusters, unsigned cluster_bits,
                            unsigned refcount_order);
};

// Writes `table_bytes` of table at `offset`: the offsets of the blocks, then zeros.
Status WriteRefcountTable(WriteBatch& batch, std::uint64_t offset, std::uint64_t table_bytes,
                          std::span<const std::uint64_t> blocks);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_WRITE_WRITER_REFCOUNT_TABLE_H_
