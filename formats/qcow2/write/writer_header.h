// The first cluster of a fresh image: header, header extensions and backing file name.
#ifndef FORMATS_QCOW2_WRITE_WRITER_HEADER_H_
#define FORMATS_QCOW2_WRITE_WRITER_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "formats/base/error.h"
#include "formats/qcow2/structures/header_extensions.h"
#include "formats/qcow2/write/writer_options.h"

namespace instar::qcow2 {

// Where the tables of the image stand.
struct TablePlaces {
  std::uint64_t l1_offset = 0;
  std::uint64_t refcount_table_offset = 0;
  std::uint64_t refcount_table_clusters = 0;
  std::optional<BitmapsExtension> bitmaps;
};

// The bytes that the first cluster starts with. kInvalidArgument where names do not fit into it.
// The feature name table is left out where there is no room for it.
Result<std::vector<std::byte>> EncodeFirstCluster(const WriterOptions& options,
                                                  const TablePlaces& places);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_WRITE_WRITER_HEADER_H_
