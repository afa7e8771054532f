#include "formats/qcow2/structures/header.h"

#include <bit>

#include "formats/base/checked.h"
#include "formats/base/endian.h"

namespace instar::qcow2 {
namespace {

// Byte offsets of the fields.
enum Field : std::size_t {
  kFieldMagic = 0,
  kFieldVersion = 4,
  kFieldBackingFileOffset = 8,
  kFieldBackingFileBytes = 16,
  kFieldClusterBits = 20,
  kFieldVirtualSize = 24,
  kFieldCryptMethod = 32,
  kFieldL1Entries = 36,
  kFieldL1TableOffset = 40,
  kFieldRefcountTableOffset = 48,
  kFieldRefcountTableClusters = 56,
  kFieldSnapshotCount = 60,
  kFieldSnapshotsOffset = 64,
  kFieldIncompatible = 72,
  kFieldCompatible = 80,
  kFieldAutoclear = 88,
  kFieldRefcountOrder = 96,
  kFieldHeaderBytes = 100,
  kFieldCompressionType = 104,
};

}  // namespace

Result<Header> Header::DecodeFrom(std::span<const std::byte> bytes) {
  if (bytes.size() < kFullBytes) __builtin_trap();
  if (LoadBe32(bytes, kFieldMagic) != kMagic) {
    return Corrupt("not a qcow2 image: the magic number is missing");
  }
  Header header;
  header.version = LoadBe32(bytes, kFieldVersion);
  if (header.version != 2 && header.version != 3) {
    return Unsupported("qcow2 version {0} is not supported, only 2 and 3 are", header.version);
  }
  header.backing_file_offset = LoadBe64(bytes, kFieldBackingFileOffset);
  header.backing_file_bytes = LoadBe32(bytes, kFieldBackingFileBytes);
  header.cluster_bits = LoadBe32(bytes, kFieldClusterBits);
  header.virtual_size_bytes = LoadBe64(bytes, kFieldVirtualSize);
  header.crypt_method = LoadBe32(bytes, kFieldCryptMethod);
  header.l1_entries = LoadBe32(bytes, kFieldL1Entries);
  header.l1_table_offset = LoadBe64(bytes, kFieldL1TableOffset);
  header.refcount_table_offset = LoadBe64(bytes, kFieldRefcountTableOffset);
  header.refcount_table_clusters = LoadBe32(bytes, kFieldRefcountTableClusters);
  header.snapshot_count = LoadBe32(bytes, kFieldSnapshotCount);
  header.snapshots_offset = LoadBe64(bytes, kFieldSnapshotsOffset);

  // The cluster size bounds the header, so it has to be sane before the header's length is.
  if (header.cluster_bits < kMinClusterBits || header.cluster_bits > kMaxClusterBits) {
    return Corrupt("cluster size 2^{0} is outside 2^9 to 2^21", header.cluster_bits);
  }
  if (header.version == 2) {
    header.header_bytes = kVersion2Bytes;
    return header;
  }
  header.incompatible_features = LoadBe64(bytes, kFieldIncompatible);
  header.compatible_features = LoadBe64(bytes, kFieldCompatible);
  header.autoclear_features = LoadBe64(bytes, kFieldAutoclear);
  header.refcount_order = LoadBe32(bytes, kFieldRefcountOrder);
  header.header_bytes = LoadBe32(bytes, kFieldHeaderBytes);
  if (header.header_bytes < kMinVersion3Bytes) {
    return Corrupt("header length {0} is less than the {1} bytes of version 3", header.header_bytes,
                   kMinVersion3Bytes);
  }
  if (header.header_bytes > header.cluster_bytes()) {
    return Corrupt("header length {0} exceeds the cluster size {1}", header.header_bytes,
                   header.cluster_bytes());
  }
  if (header.header_bytes > kFieldCompressionType) {
    header.compression_type = static_cast<std::uint8_t>(bytes[kFieldCompressionType]);
  }
  return header;
}

void Header::EncodeTo(std::span<std::byte> out) const {
  if (out.size() < encoded_bytes()) __builtin_trap();
  for (std::byte& b : out.first(encoded_bytes())) b = std::byte{0};
  StoreBe32(out, kFieldMagic, kMagic);
  StoreBe32(out, kFieldVersion, version);
  StoreBe64(out, kFieldBackingFileOffset, backing_file_offset);
  StoreBe32(out, kFieldBackingFileBytes, backing_file_bytes);
  StoreBe32(out, kFieldClusterBits, cluster_bits);
  StoreBe64(out, kFieldVirtualSize, virtual_size_bytes);
  StoreBe32(out, kFieldCryptMethod, crypt_method);
  StoreBe32(out, kFieldL1Entries, l1_entries);
  StoreBe64(out, kFieldL1TableOffset, l1_table_offset);
  StoreBe64(out, kFieldRefcountTableOffset, refcount_table_offset);
  StoreBe32(out, kFieldRefcountTableClusters, refcount_table_clusters);
  StoreBe32(out, kFieldSnapshotCount, snapshot_count);
  StoreBe64(out, kFieldSnapshotsOffset, snapshots_offset);
  if (version == 2) return;
  StoreBe64(out, kFieldIncompatible, incompatible_features);
  StoreBe64(out, kFieldCompatible, compatible_features);
  StoreBe64(out, kFieldAutoclear, autoclear_features);
  StoreBe32(out, kFieldRefcountOrder, refcount_order);
  StoreBe32(out, kFieldHeaderBytes, header_bytes);
  if (header_bytes > kFieldCompressionType) {
    out[kFieldCompressionType] = std::byte{compression_type};
  }
}

Status CheckTable(const Header& header, std::uint64_t offset, std::uint64_t entries,
                  std::uint64_t entry_bytes, std::uint64_t max_bytes, const char* misplaced,
                  const char* too_large) {
  const auto bytes = CheckedMul(entries, entry_bytes);
  if (!bytes || *bytes > max_bytes) return OverLimit(too_large, entries, max_bytes / entry_bytes);
  constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 63;
  if (offset % header.cluster_bytes() != 0 || !RangeFits(offset, *bytes, kMaxFileBytes)) {
    return Corrupt(misplaced, offset);
  }
  return {};
}

Status Header::Validate() const {
  if (const std::uint64_t unknown = incompatible_features & ~kIncompatKnown; unknown != 0) {
    return Unsupported("the image uses incompatible feature {0}, which this version does not know",
                       std::countr_zero(unknown));
  }
  if (compression_type > kCompressionZstd) {
    return Unsupported("compression type {0} is not supported, only zlib (0) and zstd (1) are",
                       compression_type);
  }
  const bool compression_bit = (incompatible_features & kIncompatCompressionType) != 0;
  if (compression_bit != (compression_type != kCompressionZlib)) {
    return Corrupt("compression type {0} contradicts the compression feature bit",
                   compression_type);
  }
  if (extended_l2() && cluster_bits < kMinClusterBitsExtendedL2) {
    return Corrupt("extended L2 entries need clusters of 16 KiB or more, not of {0} bytes",
                   cluster_bytes());
  }
  if (!has_data_file() && (autoclear_features & kAutoclearDataFileRaw) != 0) {
    return Corrupt("the image says that its data file is raw, but has no data file");
  }
  if (refcount_order > kMaxRefcountOrder) {
    return Corrupt("refcount width 2^{0} bits exceeds 64 bits", refcount_order);
  }
  if (crypt_method > kCryptLuks) {
    return Unsupported("encryption method {0} is not supported", crypt_method);
  }
  if (virtual_size_bytes > INT64_MAX) {
    return OverLimit("virtual size {0} exceeds 2^63-1 bytes", virtual_size_bytes);
  }
  if (backing_file_offset > cluster_bytes()) {
    return Corrupt("the backing file name at {0x} lies outside the first cluster",
                   backing_file_offset);
  }
  if (backing_file_offset != 0 && (backing_file_bytes > kMaxBackingNameBytes ||
                                   backing_file_bytes > cluster_bytes() - backing_file_offset)) {
    return Corrupt("the backing file name of {0} bytes is too long", backing_file_bytes);
  }
  if (refcount_table_clusters == 0) return Corrupt("the image has no refcount table");
  INSTAR_TRY(CheckTable(*this, refcount_table_offset,
                        std::uint64_t{refcount_table_clusters} << cluster_bits, 1,
                        kMaxRefcountTableBytes, "the refcount table is misplaced at {0x}",
                        "the refcount table of {0} bytes exceeds the limit of {1}"));
  INSTAR_TRY(CheckTable(*this, snapshots_offset, snapshot_count, 40, 40ULL * kMaxSnapshots,
                        "the snapshot table is misplaced at {0x}",
                        "{0} snapshots exceed the limit of {1}"));
  INSTAR_TRY(CheckTable(*this, l1_table_offset, l1_entries, kTableEntryBytes, kMaxL1Bytes,
                        "the L1 table is misplaced at {0x}",
                        "the L1 table of {0} entries exceeds the limit of {1}"));
  if (const std::uint64_t needed = DivideRoundUp(virtual_size_bytes, l1_entry_covers_bytes());
      l1_entries < needed) {
    return Corrupt("the L1 table has {0} entries where the virtual size needs {1}", l1_entries,
                   needed);
  }
  return {};
}

}  // namespace instar::qcow2
