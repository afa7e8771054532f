#include "formats/qcow2/write/writer_header.h"

#include <span>

#include "formats/qcow2/structures/header.h"

namespace instar::qcow2 {
namespace {

std::string_view TextOf(const std::vector<char>& text) { return {text.data(), text.size()}; }

Header MakeHeader(const WriterOptions& options, const TablePlaces& places) {
  Header header;
  header.version = options.version;
  header.cluster_bits = options.cluster_bits;
  header.virtual_size_bytes = options.virtual_size_bytes;
  header.l1_entries = static_cast<std::uint32_t>(options.l1_entries());
  header.l1_table_offset = places.l1_offset;
  header.refcount_table_offset = places.refcount_table_offset;
  header.refcount_table_clusters = static_cast<std::uint32_t>(places.refcount_table_clusters);
  if (options.version < 3) {
    header.header_bytes = Header::kVersion2Bytes;
    return header;
  }
  header.refcount_order = options.refcount_order;
  header.compression_type = options.compression_type;
  if (options.compression_type != kCompressionZlib) {
    header.incompatible_features |= kIncompatCompressionType;
  }
  if (options.extended_l2) header.incompatible_features |= kIncompatExtendedL2;
  if (options.has_data_file) header.incompatible_features |= kIncompatDataFile;
  if (options.lazy_refcounts) header.compatible_features |= kCompatLazyRefcounts;
  if (options.data_file_raw) header.autoclear_features |= kAutoclearDataFileRaw;
  if (places.bitmaps) header.autoclear_features |= kAutoclearBitmaps;
  return header;
}

void AppendFeatureNames(std::vector<std::byte>& out) {
  std::byte table[kFeatureNames.size() * FeatureName::kEncodedBytes] = {};
  std::span<std::byte> rest(table);
  for (const FeatureName& feature : kFeatureNames) {
    feature.EncodeTo(rest);
    rest = rest.subspan(FeatureName::kEncodedBytes);
  }
  AppendExtension(out, kExtensionFeatureNames, table);
}

std::vector<std::byte> Encode(const WriterOptions& options, const TablePlaces& places,
                              bool feature_names) {
  Header header = MakeHeader(options, places);
  std::vector<std::byte> out(header.encoded_bytes());
  if (!options.backing_format.empty()) {
    AppendExtension(out, kExtensionBackingFormat, TextOf(options.backing_format));
  }
  if (options.has_data_file) {
    AppendExtension(out, kExtensionDataFile, TextOf(options.data_file_name));
  }
  if (feature_names) AppendFeatureNames(out);
  if (places.bitmaps) {
    std::byte bitmaps[BitmapsExtension::kEncodedBytes];
    kBitmapsExtensionFields.Encode(*places.bitmaps, bitmaps);
    AppendExtension(out, kExtensionBitmaps, bitmaps);
  }
  AppendExtension(out, kExtensionEnd, std::string_view{});
  if (options.has_backing()) {
    header.backing_file_offset = out.size();
    header.backing_file_bytes = static_cast<std::uint32_t>(options.backing_name.size());
    const auto name = std::as_bytes(std::span(options.backing_name));
    out.insert(out.end(), name.begin(), name.end());
  }
  header.EncodeTo(out);
  return out;
}

}  // namespace

Result<std::vector<std::byte>> EncodeFirstCluster(const WriterOptions& options,
                                                  const TablePlaces& places) {
  std::vector<std::byte> out = Encode(options, places, options.version >= 3);
  if (out.size() > options.cluster_bytes() && options.version >= 3) {
    out = Encode(options, places, false);
  }
  if (out.size() > options.cluster_bytes()) {
    return InvalidArgument(
        "the header with its file names has {0} bytes and does not fit into a cluster of {1}; use "
        "shorter names or larger clusters",
        out.size(), options.cluster_bytes());
  }
  return out;
}

}  // namespace instar::qcow2
