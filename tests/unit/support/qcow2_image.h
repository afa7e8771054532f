// Builds qcow2 images by hand, entry by entry, for tests of the reader.
#ifndef TESTS_UNIT_SUPPORT_QCOW2_IMAGE_H_
#define TESTS_UNIT_SUPPORT_QCOW2_IMAGE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "support/memory_device.h"

namespace instar::test {

// Clusters of the file: 0 header, 1 refcount table, 2 L1 table, 3 first L2 table, 4 second L2
// table; those from 8 on are the test's own. Change `header` and `extensions` before Store.
struct Qcow2Image {
  explicit Qcow2Image(unsigned cluster_bits = 16, std::uint64_t virtual_size = 1 << 20)
      : file(std::uint64_t{16} << cluster_bits) {
    header.cluster_bits = cluster_bits;
    header.virtual_size_bytes = virtual_size;
    header.refcount_table_offset = At(1);
    header.refcount_table_clusters = 1;
    header.l1_table_offset = At(2);
    header.l1_entries = 2;
  }

  [[nodiscard]] std::uint64_t At(std::uint64_t cluster) const {
    return cluster << header.cluster_bits;
  }
  void SetVersion2() {
    header.version = 2;
    header.header_bytes = qcow2::Header::kVersion2Bytes;
  }
  // Points the first two L1 entries at their tables and stores header and extensions.
  void Store() {
    file.PutBe64(header.l1_table_offset, qcow2::EncodeL1Entry(At(3), true));
    if (header.l1_entries > 1) {
      file.PutBe64(header.l1_table_offset + 8, qcow2::EncodeL1Entry(At(4), true));
    }
    StoreHeader();
  }
  void StoreHeader() {
    header.EncodeTo(file.bytes);
    std::ranges::copy(extensions, file.bytes.begin() + header.header_bytes);
  }
  // Guest cluster `index` of the first L2 table.
  void SetEntry(std::uint64_t index, std::uint64_t entry) {
    file.PutBe64(At(3) + index * 8, entry);
  }
  void SetExtended(std::uint64_t index, std::uint64_t entry, qcow2::SubclusterBitmap bitmap) {
    file.PutBe64(At(3) + index * 16, entry);
    file.PutBe64(At(3) + index * 16 + 8, bitmap.Encode());
  }
  void UseExtendedL2() { header.incompatible_features |= qcow2::kIncompatExtendedL2; }
  void UseDataFile(std::string_view name) {
    header.incompatible_features |= qcow2::kIncompatDataFile;
    qcow2::AppendExtension(extensions, qcow2::kExtensionDataFile, name);
  }

  qcow2::Header header;
  std::vector<std::byte> extensions;  // records, without the end marker (zeros follow)
  MemoryDevice file;
};

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_QCOW2_IMAGE_H_
