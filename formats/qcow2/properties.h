// The properties of qcow2, and the options that a new image takes.
#ifndef FORMATS_QCOW2_PROPERTIES_H_
#define FORMATS_QCOW2_PROPERTIES_H_

#include <array>

#include "formats/base/format_properties.h"

namespace instar::qcow2 {

inline constexpr std::array kOptions = {
    OptionSpec{"backing_file", OptionKind::kText, "Name of the backing file"},
    OptionSpec{"backing_fmt", OptionKind::kText, "Format of the backing file"},
    OptionSpec{"cluster_size", OptionKind::kSize, "Size of a cluster, 512 to 2M"},
    OptionSpec{"compat", OptionKind::kText, "Version of the format (v2 or 0.10, v3 or 1.1)",
               "0.10 1.1 v2 v3", "version"},
    OptionSpec{"compression_level", OptionKind::kDecimal,
               "Effort of compression, 1 (fastest) to 9 (smallest)"},
    OptionSpec{"compression_type", OptionKind::kText, "Method for compressed clusters (zlib, zstd)",
               "zlib zstd", "compression-type"},
    OptionSpec{"data_file", OptionKind::kText, "Name of the external data file"},
    OptionSpec{"data_file_raw", OptionKind::kBoolean,
               "Keep the external data file readable as a raw image"},
    OptionSpec{"encrypt.cipher-alg", OptionKind::kText, "Cipher (not supported)"},
    OptionSpec{"encrypt.cipher-mode", OptionKind::kText, "Mode of the cipher (not supported)"},
    OptionSpec{"encrypt.format", OptionKind::kText, "Encryption (not supported)", "aes luks",
               "format"},
    OptionSpec{"encrypt.hash-alg", OptionKind::kText, "Hash (not supported)"},
    OptionSpec{"encrypt.iter-time", OptionKind::kNumber, "Key derivation time (not supported)"},
    OptionSpec{"encrypt.ivgen-alg", OptionKind::kText, "Vector generator (not supported)"},
    OptionSpec{"encrypt.ivgen-hash-alg", OptionKind::kText,
               "Hash of the vector generator (not supported)"},
    OptionSpec{"encrypt.key-secret", OptionKind::kText, "Secret with the key (not supported)"},
    OptionSpec{"encryption", OptionKind::kBoolean, "Encryption (not supported)"},
    OptionSpec{"extended_l2", OptionKind::kBoolean, "Divide clusters into 32 subclusters"},
    kExtentSizeHint,
    OptionSpec{"lazy_refcounts", OptionKind::kBoolean, "Allow refcount updates to be postponed"},
    kNocow,
    OptionSpec{"preallocation", OptionKind::kText,
               "How storage is provided (off, metadata, falloc, full)", "off metadata falloc full"},
    OptionSpec{"refcount_bits", OptionKind::kNumber, "Width of a refcount, 1 to 64 bits"},
    kDiskSize,
};

inline constexpr std::array kAmendOptions = {
    OptionSpec{"backing_file", OptionKind::kText, "Name of the backing file (cannot be changed)"},
    OptionSpec{"backing_fmt", OptionKind::kText, "Format of the backing file (cannot be changed)"},
    OptionSpec{"compat", OptionKind::kText, "Version of the format (v2 or 0.10, v3 or 1.1)"},
    OptionSpec{"data_file", OptionKind::kText, "Name of the external data file"},
    OptionSpec{"data_file_raw", OptionKind::kBoolean,
               "The external data file is readable as a raw image (off only)"},
    OptionSpec{"encrypt.iter-time", OptionKind::kNumber, "Key derivation time (not supported)"},
    OptionSpec{"encrypt.keyslot", OptionKind::kNumber, "Key slot (not supported)"},
    OptionSpec{"encrypt.new-secret", OptionKind::kText, "New secret (not supported)"},
    OptionSpec{"encrypt.old-secret", OptionKind::kText, "Old secret (not supported)"},
    OptionSpec{"encrypt.state", OptionKind::kText, "State of key slots (not supported)",
               "active inactive", "state"},
    OptionSpec{"lazy_refcounts", OptionKind::kBoolean, "Allow refcount updates to be postponed"},
    OptionSpec{"refcount_bits", OptionKind::kNumber, "Width of a refcount, 1 to 64 bits"},
    kDiskSize,
};

inline constexpr FormatProperties kProperties{
    .id = FormatId::kQcow2,
    .options = kOptions,
    .amend_options = kAmendOptions,
    .shown_options =
        "encryption,encrypt.format,encrypt.key-secret,encrypt.cipher-alg,"
        "encrypt.cipher-mode,encrypt.ivgen-alg,encrypt.ivgen-hash-alg,encrypt.hash-alg,"
        "encrypt.iter-time,cluster_size=65536,extended_l2=off,preallocation,"
        "compression_type=zlib,size,compat,backing_file,backing_fmt,data_file,"
        "data_file_raw,lazy_refcounts=off,refcount_bits=16,nocow,extent_size_hint",
    .can_be_repaired = true,
    .compresses = true,
    .holds_bitmaps = true,
    .overwritten_by_changes = true,
    .takes_any_backing = true,
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_PROPERTIES_H_
