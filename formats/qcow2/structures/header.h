// The qcow2 header: the first 72 bytes of a version 2 image, 104 and more of version 3.
#ifndef FORMATS_QCOW2_STRUCTURES_HEADER_H_
#define FORMATS_QCOW2_STRUCTURES_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/base/disk_struct.h"
#include "formats/base/error.h"
#include "formats/qcow2/structures/constants.h"

namespace instar::qcow2 {

struct Header {
  static constexpr std::size_t kVersion2Bytes = 72;
  static constexpr std::size_t kMinVersion3Bytes = 104;
  // What version 3 writers store today: through the compression type, padded to 8 bytes.
  static constexpr std::size_t kFullBytes = 112;

  std::uint32_t version = 3;
  std::uint64_t backing_file_offset = 0;  // 0: no backing file
  std::uint32_t backing_file_bytes = 0;   // length of its name
  std::uint32_t cluster_bits = 16;
  std::uint64_t virtual_size_bytes = 0;
  std::uint32_t crypt_method = kCryptNone;
  std::uint32_t l1_entries = 0;
  std::uint64_t l1_table_offset = 0;
  std::uint64_t refcount_table_offset = 0;
  std::uint32_t refcount_table_clusters = 0;
  std::uint32_t snapshot_count = 0;
  std::uint64_t snapshots_offset = 0;

  // Version 3; version 2 images read as these defaults.
  std::uint64_t incompatible_features = 0;
  std::uint64_t compatible_features = 0;
  std::uint64_t autoclear_features = 0;
  std::uint32_t refcount_order = 4;
  std::uint32_t header_bytes = kFullBytes;  // kVersion2Bytes for version 2
  std::uint8_t compression_type = kCompressionZlib;

  // Decodes the header from the start of an image. `bytes` holds at least kFullBytes (zero-padded
  // where the file is shorter). kUnsupported for versions other than 2 and 3, kCorrupt where the
  // header contradicts its own length. Values are not judged yet: see Validate.
  static Result<Header> DecodeFrom(std::span<const std::byte> bytes);

  // Stores the fields in the first encoded_bytes() bytes of `out`, which must hold that many. What
  // `out` has between and behind them stays: zeros in a new image, unknown fields in an old one.
  void EncodeTo(std::span<std::byte> out) const;

  // Bytes EncodeTo stores: header_bytes, or kFullBytes where the header is longer than what is
  // known of it.
  [[nodiscard]] std::size_t encoded_bytes() const {
    return header_bytes < kFullBytes ? header_bytes : kFullBytes;
  }

  // Whether the image can be read: every limit and alignment of the specification and the feature
  // bits. kCorrupt, kLimit, kUnsupported.
  [[nodiscard]] Status Validate() const;

  [[nodiscard]] std::uint64_t cluster_bytes() const { return std::uint64_t{1} << cluster_bits; }
  [[nodiscard]] bool extended_l2() const {
    return (incompatible_features & kIncompatExtendedL2) != 0;
  }
  [[nodiscard]] bool has_data_file() const {
    return (incompatible_features & kIncompatDataFile) != 0;
  }
  [[nodiscard]] bool data_file_is_raw() const {
    return has_data_file() && (autoclear_features & kAutoclearDataFileRaw) != 0;
  }
  [[nodiscard]] std::uint64_t l2_entry_bytes() const {
    return extended_l2() ? kExtendedL2EntryBytes : kTableEntryBytes;
  }
  // Entries of one L2 table, which fills one cluster.
  [[nodiscard]] std::uint64_t l2_entries() const { return cluster_bytes() / l2_entry_bytes(); }
  // Bytes of the virtual disk one L1 entry covers; at most 2^39 (2 MiB clusters).
  [[nodiscard]] std::uint64_t l1_entry_covers_bytes() const { return l2_entries() << cluster_bits; }
  // The unit of allocation inside a cluster: the cluster itself without extended L2 entries.
  [[nodiscard]] std::uint64_t subcluster_bytes() const {
    return extended_l2() ? cluster_bytes() / kSubclustersPerCluster : cluster_bytes();
  }

  friend bool operator==(const Header&, const Header&) = default;
};

// QEMU, docs/interop/qcow2, "Header".
inline constexpr DiskStruct kHeaderFields{
    Constant<Be32, 0, kMagic>{"magic"},
    Field<Be32, 4, &Header::version>{"version"},
    Field<Be64, 8, &Header::backing_file_offset>{"backing_file_offset"},
    Field<Be32, 16, &Header::backing_file_bytes>{"backing_file_size"},
    Field<Be32, 20, &Header::cluster_bits>{
        "cluster_bits",
        {kMinClusterBits, kMaxClusterBits, "cluster size 2^{0} is outside 2^9 to 2^21"}},
    Field<Be64, 24, &Header::virtual_size_bytes>{"size"},
    Field<Be32, 32, &Header::crypt_method>{"crypt_method"},
    Field<Be32, 36, &Header::l1_entries>{"l1_size"},
    Field<Be64, 40, &Header::l1_table_offset>{"l1_table_offset"},
    Field<Be64, 48, &Header::refcount_table_offset>{"refcount_table_offset"},
    Field<Be32, 56, &Header::refcount_table_clusters>{"refcount_table_clusters"},
    Field<Be32, 60, &Header::snapshot_count>{"nb_snapshots"},
    Field<Be64, 64, &Header::snapshots_offset>{"snapshots_offset"},
    Field<Be64, 72, &Header::incompatible_features>{"incompatible_features"},
    Field<Be64, 80, &Header::compatible_features>{"compatible_features"},
    Field<Be64, 88, &Header::autoclear_features>{"autoclear_features"},
    Field<Be32, 96, &Header::refcount_order>{"refcount_order"},
    Field<Be32, 100, &Header::header_bytes>{"header_length"},
    Field<Le8, 104, &Header::compression_type>{"compression_type"},
};

// A table of `entries` times `entry_bytes` bytes at `offset`: its length within `max_bytes`, its
// start on a cluster boundary, its end below 2^63. `misplaced` and `too_large` are the messages for
// kCorrupt and kLimit; {0x} in the first is the offset, {0} and {1} in the second bytes and limit.
[[nodiscard]] Status CheckTable(const Header& header, std::uint64_t offset, std::uint64_t entries,
                                std::uint64_t entry_bytes, std::uint64_t max_bytes,
                                const char* misplaced, const char* too_large);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_STRUCTURES_HEADER_H_
