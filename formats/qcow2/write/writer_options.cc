#include "formats/qcow2/write/writer_options.h"

#include <bit>

#include "formats/base/checked.h"
#include "formats/qcow2/write/compressor.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kMaxVirtualBytes = (std::uint64_t{1} << 63) - 512;

WriterPreallocation PreallocationFrom(std::string_view text) {
  if (text == "metadata") return WriterPreallocation::kMetadata;
  if (text == "falloc") return WriterPreallocation::kFalloc;
  if (text == "full") return WriterPreallocation::kFull;
  return WriterPreallocation::kOff;
}

std::vector<char> Chars(std::string_view text) { return {text.begin(), text.end()}; }

// Those that concern who creates the file ("size", "nocow", "extent_size_hint") are not for us.
Status Apply(OptionSettings settings, WriterOptions& out) {
  for (const OptionSetting& setting : settings) {
    const bool off = setting.name == "encryption" && setting.number == 0;
    if (setting.name.starts_with("encrypt") && !off) {
      return Unsupported("encrypted qcow2 images cannot be written");
    }
  }
  const std::uint64_t bytes = SettingNumber(settings, "cluster_size", out.cluster_bytes());
  if (!IsPowerOfTwo(bytes) || bytes < (1U << kMinClusterBits) || bytes > (1U << kMaxClusterBits)) {
    return InvalidArgument("cluster size must be a power of two between 512 and 2048k, not {0}",
                           bytes);
  }
  out.cluster_bits = static_cast<unsigned>(std::countr_zero(bytes));
  const std::uint64_t bits = SettingNumber(settings, "refcount_bits", 16);
  if (!IsPowerOfTwo(bits) || bits > 64) {
    return InvalidArgument(
        "refcount width must be a power of two and may not exceed 64 bits, so not {0}", bits);
  }
  out.refcount_order = static_cast<unsigned>(std::countr_zero(bits));
  const std::string_view compat = SettingText(settings, "compat");
  out.version = compat == "0.10" || compat == "v2" ? 2 : 3;
  if (SettingText(settings, "compression_type") == "zstd") out.compression_type = kCompressionZstd;
  if (const OptionSetting* const level = FindSetting(settings, "compression_level")) {
    INSTAR_ASSIGN_OR_RETURN(out.compression_level, CompressionLevel(level->number));
  }
  out.lazy_refcounts = IsOn(settings, "lazy_refcounts");
  out.extended_l2 = IsOn(settings, "extended_l2");
  out.preallocation = PreallocationFrom(SettingText(settings, "preallocation"));
  out.has_data_file = FindSetting(settings, "data_file") != nullptr;
  out.data_file_name = Chars(SettingText(settings, "data_file"));
  out.data_file_raw = IsOn(settings, "data_file_raw");
  out.backing_name = Chars(SettingText(settings, "backing_file"));
  if (FindSetting(settings, "backing_file") != nullptr && out.backing_name.empty()) {
    return InvalidArgument("the backing file name is empty");
  }
  out.backing_format = Chars(SettingText(settings, "backing_fmt"));
  return {};
}

Status CheckVersion2(const WriterOptions& out) {
  if (out.refcount_order != 4) {
    return InvalidArgument(
        "refcount widths other than 16 bits, as {0}, require compatibility level 1.1 or above "
        "(compat=v3)",
        1U << out.refcount_order);
  }
  if (out.lazy_refcounts) {
    return InvalidArgument("lazy refcounts require compatibility level 1.1 or above (compat=v3)");
  }
  if (out.extended_l2) {
    return InvalidArgument(
        "extended L2 entries require compatibility level 1.1 or above (compat=v3)");
  }
  if (out.compression_type != kCompressionZlib) {
    return InvalidArgument(
        "compression types other than zlib require compatibility level 1.1 or above (compat=v3)");
  }
  if (out.has_data_file) {
    return InvalidArgument(
        "external data files require compatibility level 1.1 or above (compat=v3)");
  }
  return {};
}

Status CheckFiles(const WriterOptions& out, const CreateOptions& options) {
  if (out.data_file_raw && !out.has_data_file) {
    return InvalidArgument("data_file_raw requires data_file");
  }
  if (out.has_backing() && out.data_file_raw) {
    return InvalidArgument("a backing file and data_file_raw cannot be used at the same time");
  }
  if (!out.has_backing() && !out.backing_format.empty()) {
    return InvalidArgument("a backing format cannot be used without a backing file");
  }
  if (out.backing_name.size() > kMaxBackingNameBytes) {
    return InvalidArgument("the backing file name has {0} bytes; the format holds {1}",
                           out.backing_name.size(), kMaxBackingNameBytes);
  }
  if (out.backing_format.size() > kMaxBackingFormatBytes) {
    return InvalidArgument("the backing format name has {0} bytes; the format holds {1}",
                           out.backing_format.size(), kMaxBackingFormatBytes);
  }
  if (out.has_data_file && out.data_file_name.empty()) {
    return InvalidArgument("the data file name is empty");
  }
  if (out.data_file_name.size() > kMaxDataFileNameBytes) {
    return InvalidArgument("the data file name has {0} bytes; the format holds {1}",
                           out.data_file_name.size(), kMaxDataFileNameBytes);
  }
  if (out.has_data_file != (options.data_file != nullptr)) {
    return InvalidArgument(out.has_data_file ? "the external data file is not open"
                                             : "there is a data file but no data_file option");
  }
  return {};
}

// What holds whatever files there are.
Status CheckLayout(const WriterOptions& out) {
  if (out.version < 3) INSTAR_TRY(CheckVersion2(out));
  if (out.extended_l2 && out.cluster_bits < kMinClusterBitsExtendedL2) {
    return InvalidArgument(
        "extended L2 entries require clusters of at least {0} bytes, and these have {1}",
        1U << kMinClusterBitsExtendedL2, out.cluster_bytes());
  }
  const std::uint64_t max_l1_entries = kMaxL1Bytes / kTableEntryBytes;
  if (out.l1_entries() > max_l1_entries) {
    return OverLimit(
        "a virtual disk of {0} bytes is too large for clusters of {1} bytes, with which it can "
        "have "
        "{2}; use a larger cluster size",
        out.virtual_size_bytes, out.cluster_bytes(),
        max_l1_entries * out.l2_entries() << out.cluster_bits);
  }
  return {};
}

Status CheckAgreement(const WriterOptions& out, const CreateOptions& options) {
  INSTAR_TRY(CheckLayout(out));
  INSTAR_TRY(CheckFiles(out, options));
  const bool preallocated = out.preallocation != WriterPreallocation::kOff;
  if (preallocated && out.has_backing() && !out.extended_l2) {
    return InvalidArgument(
        "a backing file and preallocation can only be used at the same time with extended L2 "
        "entries");
  }
  if (options.compress && preallocated) {
    return InvalidArgument("compression and preallocation cannot be used at the same time");
  }
  if (options.compress && out.has_data_file) {
    return InvalidArgument("an external data file cannot hold compressed clusters");
  }
  return {};
}

Result<WriterOptions> Parse(const CreateOptions& options) {
  WriterOptions out;
  INSTAR_TRY(Apply(options.options, out));
  if (!options.backing_name.empty()) {
    out.backing_name = Chars(options.backing_name);
  }
  if (!options.backing_format.empty()) {
    out.backing_format = Chars(options.backing_format);
  }
  if (options.virtual_size_bytes > kMaxVirtualBytes) {
    return OverLimit("a virtual disk of {0} bytes is too large; the most is {1}",
                     options.virtual_size_bytes, kMaxVirtualBytes);
  }
  out.virtual_size_bytes = DivideRoundUp(options.virtual_size_bytes, 512) * 512;
  return out;
}

}  // namespace

Result<WriterOptions> WriterOptions::From(const CreateOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(WriterOptions out, Parse(options));
  INSTAR_TRY(CheckAgreement(out, options));
  if (out.data_file_raw && out.preallocation == WriterPreallocation::kOff) {
    // The data file must be valid without the metadata: every cluster has its place in it.
    out.preallocation = WriterPreallocation::kMetadata;
  }
  return out;
}

Result<WriterOptions> WriterOptions::ForMeasuring(const CreateOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(WriterOptions out, Parse(options));
  INSTAR_TRY(CheckLayout(out));
  return out;
}

std::uint64_t WriterOptions::clusters() const {
  return DivideRoundUp(virtual_size_bytes, cluster_bytes());
}

std::uint64_t WriterOptions::l1_entries() const { return DivideRoundUp(clusters(), l2_entries()); }

}  // namespace instar::qcow2
