// What a fresh qcow2 image shall be: the options of CreateOptions, read and checked against one
// another.
#ifndef FORMATS_QCOW2_WRITE_WRITER_OPTIONS_H_
#define FORMATS_QCOW2_WRITE_WRITER_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "formats/base/error.h"
#include "formats/create.h"
#include "formats/qcow2/structures/constants.h"

namespace instar::qcow2 {

enum class WriterPreallocation : std::uint32_t {
  kOff = 0,
  kMetadata = 1,  // every cluster has its place, which is a hole
  kFalloc = 2,    // and storage is reserved
  kFull = 3,      // and zeros are written
};

struct WriterOptions {
  std::uint32_t version = 3;
  unsigned cluster_bits = 16;
  unsigned refcount_order = 4;
  bool lazy_refcounts = false;
  bool extended_l2 = false;
  std::uint8_t compression_type = kCompressionZlib;
  std::optional<unsigned> compression_level;
  bool has_data_file = false;
  bool data_file_raw = false;
  WriterPreallocation preallocation = WriterPreallocation::kOff;
  std::uint64_t virtual_size_bytes = 0;  // a multiple of 512
  std::vector<char> backing_name;        // empty: none
  std::vector<char> backing_format;
  std::vector<char> data_file_name;

  // kInvalidArgument, kUnsupported, kLimit in words for the user.
  static Result<WriterOptions> From(const CreateOptions& options);

  // The same for an image that is only measured: what files there are does not matter.
  static Result<WriterOptions> ForMeasuring(const CreateOptions& options);

  [[nodiscard]] std::uint64_t cluster_bytes() const { return std::uint64_t{1} << cluster_bits; }
  [[nodiscard]] std::uint64_t l2_entries() const {
    return cluster_bytes() / (extended_l2 ? kExtendedL2EntryBytes : kTableEntryBytes);
  }
  [[nodiscard]] std::uint64_t clusters() const;    // of the virtual disk
  [[nodiscard]] std::uint64_t l1_entries() const;  // that the virtual disk needs
  [[nodiscard]] bool has_backing() const { return !backing_name.empty(); }
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_WRITE_WRITER_OPTIONS_H_
