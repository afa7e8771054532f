// What each verb is asked to do, and what it does: plain structs the host fills in and the guest
// reads. Header-only. What a verb tells of its result is in result_records.h.
//
// Strings are views: into the caller's memory on the host, into the received message in the guest.
// Every struct lists its fields once, in Visit, from which both the encoder and the decoder are
// made.
#ifndef INSTAR_REQUESTS_H_
#define INSTAR_REQUESTS_H_

#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "formats/base/bitmap_operation.h"
#include "formats/base/check_counts.h"
#include "formats/base/growth.h"
#include "formats/base/ids.h"
#include "formats/base/option_settings.h"
#include "instar/image_source.h"
#include "instar/wire.h"

namespace instar {

// instar info. Tells of each image of the chain (records.h). Keys per image: "device" (unsigned),
// "format", "virtual-size", "cluster-size", "backing-filename", "backing-filename-format",
// "snapshots", "encrypted", "dirty-flag", "format-specific"; optional keys are absent as in
// qemu-img's JSON. What only the host knows (file name, actual size) the host adds.
struct InfoRequest {
  ImageSource image{};
  bool backing_chain = false;
  bool partitions = false;  // report the partition table of raw images
  std::uint64_t max_chain_depth = 64;

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, image);
    visit(3, backing_chain);
    visit(4, max_chain_depth);
    visit(5, partitions);
  }
};

// instar info --strict. Judges one image by the strict profile (formats/inspect.h); no file that it
// names is opened. Tells a StrictRecord.
struct InspectRequest {
  DeviceId image = kNoDevice;
  FormatId format = FormatId::kRaw;  // as the caller states it
  std::uint64_t max_virtual_bytes = ~std::uint64_t{0};

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, image);
    visit(2, format);
    visit(3, max_virtual_bytes);
  }
};

// instar create. Makes an empty image. The target is touched only after the backing file has opened
// and every option is checked. Of the backing file nothing but its own bytes is read. Tells a
// CreateRecord.
struct CreateRequest {
  DeviceId target = kNoDevice;
  FormatId format = FormatId::kRaw;
  std::vector<OptionSetting> options;  // -o
  std::uint64_t size_bytes = 0;        // ignored where size_of_backing
  bool size_of_backing = false;        // as large as the backing file's disk
  std::string_view backing_name;       // stored as given; empty for none
  std::string_view backing_format;     // stored as given
  DeviceId backing = kNoDevice;    // its file, to be checked, unless the user wants it unchecked
  DeviceId data_file = kNoDevice;  // opened by the host when -o data_file names one
  std::vector<DeviceId> extents;   // formats/base/target_files.h
  std::string_view target_name;    // of the target, without its directory
  std::string_view identity_seed;  // 16 random bytes; empty: identities follow from this request

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, target);
    visit(2, format);
    visit(3, options);
    visit(4, size_bytes);
    visit(5, size_of_backing);
    visit(6, backing_name);
    visit(7, backing_format);
    visit(8, backing);
    visit(9, data_file);
    visit(10, extents);
    visit(11, target_name);
    visit(12, identity_seed);
  }
};

// instar resize. Changes the length of the virtual disk of an image in place: the file holds the
// old image or the new one at every moment. Tells a ResizeRecord before anything is changed.
enum class SizeChange : std::uint32_t {
  kAbsolute = 0,  // to `bytes`
  kPlus = 1,      // by as much more
  kMinus = 2,     // by as much less
};

struct ResizeRequest {
  ImageSource image{};             // open for writing; the images below it only for reading
  DeviceId data_file = kNoDevice;  // opened for writing by the host, where the image has one
  SizeChange change = SizeChange::kAbsolute;
  std::uint64_t bytes = 0;
  bool shrink = false;  // what lies beyond the new end may be lost
  Growth growth = Growth::kOff;
  std::uint64_t max_chain_depth = 64;

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, image);
    visit(2, data_file);
    visit(3, change);
    visit(4, bytes);
    visit(5, shrink);
    visit(6, growth);
    visit(7, max_chain_depth);
  }
};

// instar snapshot -c, -a, -d. Takes, applies or deletes an internal snapshot, in place: the file
// holds the old image or the new one. Tells a SnapshotRecord before anything is changed.
enum class SnapshotAction : std::uint32_t {
  kCreate = 0,
  kApply = 1,
  kDelete = 2,
};

struct SnapshotRequest {
  ImageSource image{};  // open for writing; no other file is opened
  SnapshotAction action = SnapshotAction::kCreate;
  std::string_view name;
  // kCreate: the time of the snapshot, since 1970-01-01 00:00 UTC.
  std::uint64_t date_seconds = 0;
  std::uint64_t date_nanoseconds = 0;

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, image);
    visit(2, action);
    visit(3, name);
    visit(4, date_seconds);
    visit(5, date_nanoseconds);
  }
};

// instar amend. Gives an image other options in place, all of them or none. Tells an AmendRecord
// before anything is changed.
struct AmendRequest {
  ImageSource image{};                 // open for writing; the images below it only for reading
  DeviceId data_file = kNoDevice;      // opened for writing by the host, where the image has one
  std::vector<OptionSetting> options;  // -o
  bool shrink = false;                 // what lies beyond the new end of the disk may be lost
  bool only_look = false;              // tell of the image, and change nothing
  std::uint64_t max_chain_depth = 64;

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, image);
    visit(2, data_file);
    visit(3, options);
    visit(4, shrink);
    visit(5, only_look);
    visit(6, max_chain_depth);
  }
};

// instar bitmap. Does actions on the dirty bitmap `name` of an image, in place and as one change:
// all or none. Tells a BitmapRecord before anything is changed.
struct BitmapStep {
  BitmapOperation operation = BitmapOperation::kAdd;
  std::string_view source;  // of kMerge

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, operation);
    visit(2, source);
  }
};

struct BitmapRequest {
  ImageSource image{};  // open for writing
  std::string_view name;
  std::vector<BitmapStep> steps;
  std::uint64_t granularity_bytes = 0;  // of what is added; 0: as the format has it
  bool has_source = false;
  ImageSource source{};  // has the bitmaps that are merged, if has_source; else `image` has them

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, image);
    visit(2, name);
    visit(3, steps);
    visit(4, granularity_bytes);
    visit(5, has_source);
    visit(6, source);
  }
};

// instar measure. Calculates how long the file would be that convert or create writes. Tells a
// MeasureRecord.
struct MeasureRequest {
  ImageSource image{};        // without a device: an empty disk of `size_bytes`
  SnapshotChoice snapshot{};  // empty for the active layer
  std::uint64_t size_bytes = 0;
  FormatId target_format = FormatId::kRaw;
  std::vector<OptionSetting> target_options;
  std::uint64_t max_chain_depth = 64;

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, image);
    visit(2, snapshot.id_or_name);
    visit(3, snapshot.id);
    visit(4, snapshot.name);
    visit(5, size_bytes);
    visit(6, target_format);
    visit(7, target_options);
    visit(8, max_chain_depth);
  }
};

// instar map. Tells of every stretch of the virtual disk in [start, start + max_length), cut at its
// end, what holds it: map_records.h. Neighbours that qemu-img would show as one come as one.
struct MapRequest {
  ImageSource image{};
  std::uint64_t start = 0;  // of what is told, in bytes of the virtual disk
  std::uint64_t max_length = ~std::uint64_t{0};
  std::uint64_t max_chain_depth = 64;

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, image);
    visit(3, start);
    visit(4, max_length);
    visit(5, max_chain_depth);
  }
};

// instar compare. Compares two virtual disks to the end of the longer one; what one lacks counts as
// zeros. The lowest difference counts, whatever the number of workers. Tells a CompareRecord, if
// both images open. With kMapUnreadable and kDataUnreadable it then fails.
struct CompareRequest {
  ImageSource first{};
  ImageSource second{};
  bool strict = false;  // -s
  std::uint64_t workers = 1;
  std::uint64_t max_chain_depth = 64;

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, first);
    visit(2, second);
    visit(5, strict);
    visit(6, workers);
    visit(7, max_chain_depth);
  }
};

// instar check. Checks one image's own metadata; no file that it names is opened. With `repair` the
// image, which is open for writing unless it is a dry run, is repaired as one change. Tells any
// number of FindingRecords and ReadingRecords, and at the end a CheckRecord.
struct CheckRequest {
  ImageSource image{};
  std::uint64_t max_findings = 10'000;  // that are told; all are counted
  RepairMode repair = RepairMode::kNone;
  bool dry_run = false;  // tells what a repair would do

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, image);
    visit(3, max_findings);
    visit(4, repair);
    visit(5, dry_run);
  }
};

// instar convert, and dd. Writes the virtual disk of the sources to the target. The target is
// touched only after every source has opened and every option is checked. Its content does not
// depend on the number of workers. Without a seed the identities of the target follow from the
// content of the virtual disk, which is read once more for that. Tells a ConvertRecord if there is
// anything in it.
struct ConvertRequest {
  std::vector<ImageSource> sources;  // concatenated, in this order
  SnapshotChoice snapshot{};         // -l; empty for the active layer
  DeviceId target = kNoDevice;
  FormatId target_format = FormatId::kRaw;
  std::vector<OptionSetting> target_options;  // -o
  DeviceId target_data_file = kNoDevice;      // opened by the host when -o data_file names one
  std::string_view backing_name;              // -B; empty for none
  std::string_view backing_format;            // -F
  DeviceId backing = kNoDevice;  // -B's file, opened read-only by the host to learn its size
  bool compress = false;         // -c
  bool keep_target = false;      // -n
  bool target_is_zero = false;   // --target-is-zero
  bool salvage = false;          // --salvage
  bool bitmaps = false;          // --bitmaps
  bool skip_broken_bitmaps = false;
  bool out_of_order = false;            // -W
  std::uint64_t zero_run_bytes = 4096;  // -S; 0: no zero detection, everything written
  std::uint64_t workers = 1;            // -m, within what the host offers
  std::uint64_t max_chain_depth = 64;
  std::uint64_t max_virtual_bytes = ~std::uint64_t{0};
  std::vector<DeviceId> target_extents;  // formats/base/target_files.h
  std::string_view target_name;          // of the target's file, without its directory
  std::string_view identity_seed;  // 16 random bytes; empty: identities follow from the content
  // Only this stretch of the source's disk, as far as there is so much of it. A start beyond its
  // end gives an empty disk and is told (ConvertRecord::beyond_end).
  std::uint64_t window_start = 0;
  std::uint64_t window_end = ~std::uint64_t{0};
  // Of a raw target that is kept (-n): where in its file the disk lies.
  RawWindow target_window{};

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, sources);
    visit(2, snapshot.id_or_name);
    visit(3, snapshot.id);
    visit(22, snapshot.name);
    visit(4, target);
    visit(5, target_format);
    visit(6, target_options);
    visit(7, target_data_file);
    visit(8, backing_name);
    visit(9, backing_format);
    visit(10, backing);
    visit(11, compress);
    visit(12, keep_target);
    visit(13, target_is_zero);
    visit(14, salvage);
    visit(15, bitmaps);
    visit(16, skip_broken_bitmaps);
    visit(17, out_of_order);
    visit(18, zero_run_bytes);
    visit(19, workers);
    visit(20, max_chain_depth);
    visit(21, max_virtual_bytes);
    visit(30, target_extents);
    visit(31, target_name);
    visit(32, identity_seed);
    visit(23, window_start);
    visit(24, window_end);
    visit(25, target_window);
  }
};

namespace internal {

template <typename T>
inline constexpr bool kIsNumber = std::is_integral_v<T> || std::is_enum_v<T>;

// A list is a field for each of its items. An optional that is empty is none. The payload of a
// struct is its own fields.
class RequestEncoder {
 public:
  explicit RequestEncoder(WireWriter& writer) : writer_(writer) {}

  template <typename T>
  void operator()(std::uint32_t tag, T& value) {
    if constexpr (kIsNumber<T>) {
      writer_.Unsigned(tag, static_cast<std::uint64_t>(value));
    } else if constexpr (std::is_same_v<T, std::string_view>) {
      writer_.Text(tag, value);
    } else if constexpr (requires { value.has_value(); }) {
      if (value) (*this)(tag, *value);
    } else if constexpr (requires { value.begin(); }) {
      for (auto& item : value) (*this)(tag, item);
    } else {
      WireWriter inside;
      value.Visit(RequestEncoder(inside));
      writer_.Bytes(tag, inside.bytes());
    }
  }

 private:
  WireWriter& writer_;
};

template <typename Request>
Request DecodeFields(std::span<const std::byte> bytes);

// Applies one received field to the member that carries its tag.
class RequestDecoder {
 public:
  explicit RequestDecoder(const WireField& field) : field_(field) {}

  template <typename T>
  void operator()(std::uint32_t tag, T& value) {
    if (tag == field_.tag) Take(value);
  }

 private:
  template <typename T>
  void Take(T& value) {
    if constexpr (kIsNumber<T>) {
      value = static_cast<T>(field_.AsUnsigned().value_or(0));
    } else if constexpr (std::is_same_v<T, std::string_view>) {
      value = field_.AsText();
    } else if constexpr (requires { value.has_value(); }) {
      Take(value.emplace());
    } else if constexpr (requires { value.begin(); }) {
      Take(value.emplace_back());
    } else {
      value = DecodeFields<T>(field_.payload);
    }
  }

  const WireField& field_;
};

template <typename Request>
Request DecodeFields(std::span<const std::byte> bytes) {
  Request request;
  WireReader reader(bytes);
  while (auto field = reader.Next()) request.Visit(RequestDecoder(*field));
  return request;
}

}  // namespace internal

// Appends `request` to `writer`.
template <typename Request>
void EncodeRequest(Request request, WireWriter& writer) {
  request.Visit(internal::RequestEncoder(writer));
}

// The request in `bytes`, which must outlive it. Unknown fields are ignored, missing ones keep
// their defaults: host and guest image are built together, so neither happens outside tests.
template <typename Request>
Request DecodeRequest(std::span<const std::byte> bytes) {
  return internal::DecodeFields<Request>(bytes);
}

}  // namespace instar

#endif  // INSTAR_REQUESTS_H_
