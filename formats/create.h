// How a fresh image is described, whatever its format, and the table of writers.
#ifndef FORMATS_CREATE_H_
#define FORMATS_CREATE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "formats/base/disk_content.h"
#include "formats/base/image_reader.h"
#include "formats/base/image_writer.h"
#include "formats/base/option_settings.h"
#include "formats/base/raw_window.h"
#include "formats/base/workers.h"

namespace instar {

struct CreateOptions {
  FormatId format = FormatId::kRaw;
  std::uint64_t virtual_size_bytes = 0;
  OptionSettings options{};              // what -o sets
  std::string_view backing_name{};       // stored as given; empty for none
  std::string_view backing_format{};     // empty: not stored
  const ImageReader* backing = nullptr;  // the same, opened: some formats note which one it is
  TargetDevice* target = nullptr;
  TargetDevice* data_file = nullptr;  // for -o data_file
  // Formats whose image is several files (formats/base/target_files.h): those besides `target`, in
  // order, and the name of `target` without its directory.
  std::span<TargetDevice* const> extents{};
  std::string_view target_name{};
  RawWindow window{};  // of a raw target that is kept: where in its file the disk lies
  // Of an image that is kept: its disk as it is, if it can be asked, and what much work on tables
  // is shared out to before the first Place*.
  DiskContent* content = nullptr;
  Workers* table_workers = nullptr;
  bool compress = false;  // units will be placed compressed
  unsigned workers = 1;   // Compress is called with worker numbers below this
};

// A writer for `options`. kInvalidArgument says in words for a user which value is out of range or
// which options contradict each other, kUnsupported what this version cannot write. Nothing is
// written before Begin.
Result<std::unique_ptr<ImageWriter>> CreateImage(const CreateOptions& options);

// A writer into the image of format `options.format` that options.target already holds (convert
// -n): what is not placed keeps its content. Of the options, those that describe a new image are
// ignored; the image's virtual disk must be at least virtual_size_bytes long, and an image with an
// external data file needs `data_file`. A writer that is destroyed before Finish has returned
// leaves the image as sound as it was. kInvalidArgument, kUnsupported, kCorrupt, kLimit, kIo.
Result<std::unique_ptr<ImageWriter>> OpenForWriting(const CreateOptions& options);

// What every writer needs: a target, and no more workers than there can be. kInvalidArgument.
[[nodiscard]] inline Status CheckTarget(const CreateOptions& options) {
  constexpr unsigned kMaxWorkers = 64;
  if (options.target == nullptr) return InvalidArgument("there is no target to write");
  if (options.workers <= kMaxWorkers) return {};
  return InvalidArgument("{0} workers are too many; at most {1}", options.workers, kMaxWorkers);
}

}  // namespace instar

#endif  // FORMATS_CREATE_H_
