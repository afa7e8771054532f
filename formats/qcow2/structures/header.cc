#include "formats/qcow2/structures/header.h"

#include <bit>

#include "formats/base/checked.h"
#include "formats/base/endian.h"

namespace instar::qcow2 {
Result<Header> Header::DecodeFrom(std::span<const std::byte> bytes) {
  if (bytes.size() < kFullBytes) __builtin_trap();
  if (LoadBe32(bytes, 0) != kMagic) {
    return Corrupt("not a qcow2 image: the magic number is missing");
  }
  const std::uint32_t version = LoadBe32(bytes, kHeaderFields.OffsetOf<&Header::version>());
  if (version != 2 && version != 3) {
    return Unsupported("qcow2 version {0} is not supported, only 2 and 3 are", version);
  }
  Header header;
  kHeaderFields.DecodeSome(bytes.first(version == 2 ? kVersion2Bytes : kFullBytes), header);
  // The cluster size bounds the header, so it has to be sane before the header's length is.
  INSTAR_TRY(CheckRanges<kHeaderFields>(header));
  if (version == 2) {
    header.header_bytes = kVersion2Bytes;
    return header;
  }
  if (header.header_bytes < kMinVersion3Bytes) {
    return Corrupt("header length {0} is less than the {1} bytes of version 3", header.header_bytes,
                   kMinVersion3Bytes);
  }
  if (header.header_bytes > header.cluster_bytes()) {
    return Corrupt("header length {0} exceeds the cluster size {1}", header.header_bytes,
                   header.cluster_bytes());
  }
  if (header.header_bytes <= kHeaderFields.OffsetOf<&Header::compression_type>()) {
    header.compression_type = kCompressionZlib;
  }
  return header;
}

void Header::EncodeTo(std::span<std::byte> out) const {
  if (out.size() < encoded_bytes()) __builtin_trap();
  kHeaderFields.EncodeSome(*this, out.first(encoded_bytes()));
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
