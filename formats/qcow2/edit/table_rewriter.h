// L2 tables of a disk that change as a whole within a change in place: each in which an entry
// changes gets a place of its own. Tables are read, changed and written on all workers, in
// portions, so that memory is bounded.
// tests/unit/formats/qcow2/snapshots_test.cc covers this file.
#ifndef FORMATS_QCOW2_EDIT_TABLE_REWRITER_H_
#define FORMATS_QCOW2_EDIT_TABLE_REWRITER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "formats/base/error.h"
#include "formats/qcow2/edit/image_change.h"

namespace instar::qcow2 {

class TableRewriter {
 public:
  // `change` must outlive this.
  explicit TableRewriter(ImageChange& change);

  // Calls edit(table) for the tables that entries `indices` of `l1` lead to, none of them null, in
  // any order, by any worker; it returns whether it has changed the table. Where it has, the entry
  // leads to a new place, with COPIED set. The caller drops the old places. kIo, kNoSpace.
  template <typename Edit>
  Status Rewrite(std::span<std::uint64_t> l1, std::span<const std::uint32_t> indices,
                 const Edit& edit) {
    const auto call = [](const void* argument, std::span<std::byte> table) {
      return (*static_cast<const Edit*>(argument))(table);
    };
    return RewriteAll(l1, indices, call, &edit);
  }

 private:
  using EditTable = bool (*)(const void* argument, std::span<std::byte> table);
  static constexpr std::size_t kPortionBytes = std::size_t{1} << 20;  // of tables, a worker

  Status RewriteAll(std::span<std::uint64_t> l1, std::span<const std::uint32_t> indices,
                    EditTable edit, const void* argument);
  Status RewritePortion(std::span<std::uint64_t> l1, std::span<const std::uint32_t> indices,
                        EditTable edit, const void* argument);
  // Calls work(first, end), which returns a Status, for parts of the tables [0, count) of a
  // portion.
  template <typename Work>
  Status ShareOut(std::size_t count, const Work& work);
  [[nodiscard]] std::span<std::byte> Table(std::size_t i) {
    return std::span(buffer_).subspan(i << cluster_bits_, std::size_t{1} << cluster_bits_);
  }

  ImageChange& change_;
  const unsigned cluster_bits_;
  std::vector<std::byte> buffer_;
  std::vector<std::uint8_t> changed_;
  std::vector<WritePiece> pieces_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_TABLE_REWRITER_H_
