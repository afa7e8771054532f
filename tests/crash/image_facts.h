// All that a user can see of an image: size and content of the disk, snapshots, bitmaps, names, and
// what the check finds. A crash has to leave all of it as it was before a change or as it is after.
#ifndef TESTS_CRASH_IMAGE_FACTS_H_
#define TESTS_CRASH_IMAGE_FACTS_H_

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "crash/sparse_file.h"
#include "formats/base/ids.h"

namespace instar::crash {

// The files of an image. The backing file is raw, and does not change.
struct ImageFiles {
  FormatId format = FormatId::kQcow2;
  SparseFile image;
  std::optional<SparseFile> data_file;
  std::optional<SparseFile> backing;
  bool fixed_length = false;  // the image stands on a disk or partition
};

inline constexpr DeviceId kImageId{1};
inline constexpr DeviceId kDataFileId{2};
inline constexpr DeviceId kBackingId{3};

struct BitmapFacts {
  std::string name;
  std::uint32_t flags = 0;
  unsigned granularity_bits = 0;
  std::vector<std::uint64_t> set;  // indices of the bits that are set
  friend bool operator==(const BitmapFacts&, const BitmapFacts&) = default;
};

struct SnapshotFacts {
  std::string id;
  std::string name;
  std::uint32_t date_seconds = 0;
  std::uint32_t date_nanoseconds = 0;
  std::uint64_t vm_clock_nanoseconds = 0;
  std::uint64_t vm_state_bytes = 0;
  std::uint32_t extra_bytes = 0;  // of its entry in the table
  std::optional<std::uint64_t> icount;
  std::optional<std::uint64_t> disk_size_bytes;  // that its entry states
  SparseFile disk;                               // all that it holds
  friend bool operator==(const SnapshotFacts&, const SnapshotFacts&) = default;
};

// What the header of a qcow2 image says of how it is stored. The dirty bit is left out, and so are
// autoclear bits that this version does not know.
struct FormatFacts {
  unsigned version = 0;
  unsigned cluster_bits = 0;
  unsigned refcount_order = 0;
  unsigned crypt_method = 0;
  unsigned compression_type = 0;
  std::uint64_t incompatible_features = 0;
  std::uint64_t compatible_features = 0;
  std::uint64_t autoclear_features = 0;
  friend bool operator==(const FormatFacts&, const FormatFacts&) = default;
};

struct ImageFacts {
  SparseFile disk;  // as long as the virtual disk
  FormatFacts format;
  std::vector<SnapshotFacts> snapshots;
  std::vector<BitmapFacts> bitmaps;
  std::vector<std::string> details;   // names and extensions
  std::vector<std::string> findings;  // of the check: corruptions, leaks, errors
};

// What the image shows, or why it cannot be read.
std::expected<ImageFacts, std::string> Observe(const ImageFiles& files);

// What is to be seen after the disk has got the size `bytes`: the same content, and zeros; bitmaps
// with the bits that are left. The findings are as they were.
ImageFacts Resized(const ImageFacts& facts, std::uint64_t bytes);

// The first thing in which `facts` are not `expected`, findings aside; empty if there is none.
std::string Difference(const ImageFacts& facts, const ImageFacts& expected);

// Reads [offset, offset + out.size()) of the disk that `files` show, backing file and all; zeros
// beyond its end.
Status ReadDisk(const BlockDevice& image, const BlockDevice* data_file, const BlockDevice* backing,
                FormatId format, std::uint64_t offset, std::span<std::byte> out);

}  // namespace instar::crash

#endif  // TESTS_CRASH_IMAGE_FACTS_H_
